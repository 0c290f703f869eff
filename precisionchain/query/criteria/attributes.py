"""What a row of an event table says beside its concept and day: attributes, by one name each.

Attributes are published columns of the event tables (`docs/reference/cohorts.md` lists them), and
what follows from them: the length of an event, the calendar of its start, the kind of its visit.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from functools import cache
from typing import Final

from precisionchain.errors import UsageError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria.names import ANY_EVENT, EVENT_TABLES
from precisionchain.query.criteria.values import Bound

CONCEPT_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "condition_occurrence": {
        "type": "condition_type_concept_id",
        "status": "condition_status_concept_id",
        "source": "condition_source_concept_id",
    },
    "drug_exposure": {
        "type": "drug_type_concept_id",
        "route": "route_concept_id",
        "source": "drug_source_concept_id",
    },
    "procedure_occurrence": {
        "type": "procedure_type_concept_id",
        "modifier": "modifier_concept_id",
        "source": "procedure_source_concept_id",
    },
    "device_exposure": {
        "type": "device_type_concept_id",
        "unit": "unit_concept_id",
        "unit_source": "unit_source_concept_id",
        "source": "device_source_concept_id",
    },
    "measurement": {
        "type": "measurement_type_concept_id",
        "operator": "operator_concept_id",
        "value_concept": "value_as_concept_id",
        "unit": "unit_concept_id",
        "unit_source": "unit_source_concept_id",
        "source": "measurement_source_concept_id",
        "event_field": "meas_event_field_concept_id",
    },
    "observation": {
        "type": "observation_type_concept_id",
        "value_concept": "value_as_concept_id",
        "qualifier": "qualifier_concept_id",
        "unit": "unit_concept_id",
        "source": "observation_source_concept_id",
        "event_field": "obs_event_field_concept_id",
    },
    "visit_occurrence": {
        "type": "visit_type_concept_id",
        "source": "visit_source_concept_id",
        "admitted_from": "admitted_from_concept_id",
        "discharged_to": "discharged_to_concept_id",
    },
    "visit_detail": {
        "type": "visit_detail_type_concept_id",
        "source": "visit_detail_source_concept_id",
        "admitted_from": "admitted_from_concept_id",
        "discharged_to": "discharged_to_concept_id",
    },
    "death": {"type": "death_type_concept_id", "source": "cause_source_concept_id"},
    "specimen": {
        "type": "specimen_type_concept_id",
        "unit": "unit_concept_id",
        "anatomic_site": "anatomic_site_concept_id",
        "disease_status": "disease_status_concept_id",
    },
    "episode": {
        "type": "episode_type_concept_id",
        "object": "episode_object_concept_id",
        "source": "episode_source_concept_id",
    },
    "dose_era": {"unit": "unit_concept_id"},
}
"""Attributes that are concepts: by table and name, the column."""

NUMBER_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "drug_exposure": {
        "quantity": "quantity",
        "days_supply": "days_supply",
        "refills": "refills",
    },
    "procedure_occurrence": {"quantity": "quantity"},
    "device_exposure": {"quantity": "quantity"},
    "measurement": {
        "value": "value_as_number",
        "range_low": "range_low",
        "range_high": "range_high",
    },
    "observation": {"value": "value_as_number"},
    "specimen": {"quantity": "quantity"},
    "episode": {"number": "episode_number"},
    "condition_era": {"occurrence_count": "condition_occurrence_count"},
    "drug_era": {"exposure_count": "drug_exposure_count", "gap_days": "gap_days"},
    "dose_era": {"dose_value": "dose_value"},
}
"""Attributes that are numbers: by table and name, the column."""

CALENDAR: Final = ("year", "month", "day")
"""Numbers that every event has: of its start date."""

LENGTH: Final = "length"
"""Days from the start to the end of an event, of tables with an end date."""

VISIT: Final = "in_visit"
"""The concept of the visit that a row is linked to."""

_ENDLESS: Final = ("measurement", "observation", "specimen", "death")
_VISITLESS: Final = (
    *("visit_occurrence", "death", "specimen", "episode"),
    *("condition_era", "drug_era", "dose_era"),
)
_ERAS: Final = ("condition_era", "drug_era", "dose_era")
_SHOWN: Final = 24  # characters of a name in an error
_TABLES: Final = tuple(table for table in EVENT_TABLES.values() if table != ANY_EVENT)


def concept_attributes(table: str) -> frozenset[str]:
    """Return the attributes of a table, or of `ANY_EVENT`, that are concepts."""
    if table == ANY_EVENT:
        return frozenset().union(*(concept_attributes(one) for one in _TABLES if one not in _ERAS))
    linked = () if table in _VISITLESS else (VISIT,)
    return frozenset((*CONCEPT_COLUMNS.get(table, ()), *linked))


def number_attributes(table: str) -> frozenset[str]:
    """Return the attributes of a table, or of `ANY_EVENT`, that are numbers."""
    if table == ANY_EVENT:
        return frozenset().union(*(number_attributes(one) for one in _TABLES if one not in _ERAS))
    ended = () if table in _ENDLESS else (LENGTH,)
    return frozenset((*NUMBER_COLUMNS.get(table, ()), *CALENDAR, *ended))


@cache
def every_number() -> frozenset[str]:
    """Return the attributes of any table that are numbers."""
    return frozenset().union(*map(number_attributes, _TABLES))


@cache
def every_attribute() -> frozenset[str]:
    """Return the attributes of any table."""
    return every_number().union(*map(concept_attributes, _TABLES))


def require_attribute(table: str, name: str) -> None:
    """Check that a table has an attribute.

    Raises:
        UsageError: it has none of the name; the functions of tables that have one are named.
    """
    if name in concept_attributes(table) | number_attributes(table):
        return
    function = next(each for each, of in EVENT_TABLES.items() if of == table)
    having = [
        each
        for each, of in EVENT_TABLES.items()
        if name in concept_attributes(of) | number_attributes(of)
    ]
    own = ", ".join(sorted(concept_attributes(table) | number_attributes(table)))
    known = f"{', '.join(having)} have it; " if having else ""
    shown = name if len(name) <= _SHOWN else f"{name[:_SHOWN]}..."
    raise UsageError(
        f"the rows that {function} reads have no {shown!r}", hint=f"{known}{function} has {own}"
    )


@dataclass(frozen=True, slots=True)
class Attribute:
    """A condition on an attribute: it is one of ``concepts``, or keeps all ``bounds``."""

    name: str
    concepts: tuple[int, ...] | ConceptSet = ()
    bounds: tuple[Bound, ...] = ()
