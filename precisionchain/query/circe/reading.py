"""Read cohort definitions as OHDSI's tools write them, into one form that holds no more than meant.

Every member is looked at: one that is not covered is refused by its place in the document, because
a part that is left out silently changes who is in the cohort. Null members are absent. Names,
descriptions and codes are not looked at and not kept.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, Final

from precisionchain.errors import UsageError
from precisionchain.query.atlas_sets import AtlasSet, atlas_sets, read_document
from precisionchain.query.circe.members import DATES, KINDS, WHOLE, Kind
from precisionchain.query.circe.values import (
    BY_KIND,
    Json,
    Member,
    Reading,
    chosen,
    concepts,
    day_of,
    flag,
    not_covered,
    one_of,
    said_flag,
    set_number,
    whole,
)
from precisionchain.query.criteria import MAX_DEPTH, CohortDefinition

_FORM: Final = "the JSON of ATLAS or WebAPI, with PrimaryCriteria and ConceptSets"
_ANY: Final = "DOMAIN_CONCEPT"
_GROUPS: Final = ("ALL", "ANY", "AT_LEAST", "AT_MOST")
_OF_DEATH: Final = {"StartWith": "START_DATE", "EndWith": "END_DATE"}


def cohort_definition(definition: str | Path | Mapping[str, Any]) -> CohortDefinition:
    """Return the criterion of an OHDSI cohort definition, as ATLAS exports it.

    Args:
        definition: a path, or what ``json.loads`` returns of the file.

    Raises:
        UnreadableFileError: the file cannot be read.
        InputError: it is no JSON.
        UsageError: it is no cohort definition, or asks what is not covered; the error says where.
    """
    given: object = definition
    if isinstance(definition, str) and definition.lstrip().startswith("{"):
        raise UsageError("a path is wanted, not the text", hint="circe(TEXT) reads a text")
    if isinstance(definition, str | Path):
        given = read_document(Path(definition), _FORM)
    return CohortDefinition(json.dumps(normalised(given), separators=(",", ":")))


def circe(definition: str) -> CohortDefinition:
    """Return the criterion of an OHDSI cohort definition that stands in a text as JSON.

    Args:
        definition: the definition as JSON; files are read by `cohort_definition`.

    Raises:
        UsageError: it is none, or asks what is not covered; the error says where.
    """
    try:
        given = json.loads(definition)
    except (TypeError, ValueError, RecursionError):
        raise UsageError(
            "the cohort definition is not JSON",
            hint="a file is read by --definition, and in Python by cohort_definition",
        ) from None
    return cohort_definition(given if isinstance(given, Mapping) else {})


def normalised(document: object) -> Json:
    """Return a cohort definition in its one form, which is a definition of the same meaning.

    Raises:
        UsageError: it is none, or asks what is not covered; the error says where.
    """
    if isinstance(document, Mapping) and "PrimaryCriteria" not in document:
        inner = document.get("expression", document.get("Expression"))
        if isinstance(inner, str):
            try:
                inner = json.loads(inner)
            except (ValueError, RecursionError):
                inner = None
        document = inner if isinstance(inner, Mapping) else document
    if not isinstance(document, Mapping) or "PrimaryCriteria" not in document:
        raise UsageError(
            "not a cohort definition",
            hint=_FORM,
        )
    reading = Reading(_sets_of(document))
    found = reading.members(document, "", _DEFINITION, needs=("PrimaryCriteria",))
    used = [reading.sets[number] for number in sorted(reading.used)]
    return {"ConceptSets": [_set_written(one) for one in used], **found}


def _sets_of(document: Mapping[str, Any]) -> dict[int, AtlasSet]:
    found: dict[int, AtlasSet] = {}
    for place, one in enumerate(atlas_sets({"ConceptSets": document.get("ConceptSets") or []})):
        if one.number is None or one.number in found:
            raise UsageError(
                "a concept set without a number of its own", where=f"ConceptSets[{place}].id"
            )
        found[one.number] = one
    return found


def _set_written(one: AtlasSet) -> Json:
    items = []
    if one.concepts is not None:
        for among, excluded in ((one.concepts.include, False), (one.concepts.exclude, True)):
            for item in among:
                flags = {
                    "isExcluded": excluded,
                    "includeDescendants": item.descendants,
                    "includeMapped": item.mapped,
                }
                said = {name: True for name, flag in flags.items() if flag}
                items.append({"concept": {"CONCEPT_ID": item.concept}, **said})
    return {"id": one.number, "expression": {"items": items}}


# -------------------------------------------------------------------------------------- criteria


def _adjustment(reading: Reading, value: Any, where: str) -> Json:
    day = one_of("START_DATE", "END_DATE")
    known = {"StartWith": day, "StartOffset": whole(), "EndWith": day, "EndOffset": whole()}
    default = {"StartWith": "START_DATE", "StartOffset": 0, "EndWith": "END_DATE", "EndOffset": 0}
    return default | reading.members(value, where, known)


def _criterion(reading: Reading, value: Any, where: str) -> Json:
    """Return a criterion: an object of one member, named by what it is of."""
    if not isinstance(value, Mapping) or len(value) != 1:
        raise UsageError(
            "not a criterion", where=where, hint='{"ConditionOccurrence": {"CodesetId": 0}}'
        )
    ((name, given),) = value.items()
    if name not in KINDS:
        raise not_covered(str(name), f"{where}.{name}")
    kind = KINDS[name]
    found = reading.members(given or {}, f"{where}.{name}", _members_of(kind))
    adjusted = found.get("DateAdjustment")
    if name == "Death" and adjusted and adjusted != {**adjusted, **_OF_DEATH}:
        raise UsageError(
            "Circe moves the start and the end of a death, whatever StartWith and EndWith say",
            where=f"{where}.{name}.DateAdjustment",
            hint="START_DATE and END_DATE",
        )
    return {name: _without_idle_flags(kind, found)}


def _members_of(kind: Kind) -> dict[str, Member]:
    known: dict[str, Member] = {"CodesetId": set_number} if kind.has_set else {}
    if kind.source:
        known[kind.source] = set_number
    if kind.has_first:
        known["First"] = flag
    for name, asked in kind.members.items():
        known[name] = BY_KIND[asked.kind]
        if asked.exclude:
            known[asked.exclude] = flag
    if kind.has_adjustment:
        known["DateAdjustment"] = _adjustment
    return {**known, "CorrelatedCriteria": _group}


def _without_idle_flags(kind: Kind, found: Json) -> Json:
    """Return a criterion without flags that speak of a list which is not there."""
    idle = {
        asked.exclude for name, asked in kind.members.items() if asked.exclude and name not in found
    }
    return {name: value for name, value in found.items() if name not in idle}


def _list_of(member: Member) -> Member:
    def read(reading: Reading, value: Any, where: str) -> list[Any] | None:
        if not isinstance(value, list):
            raise UsageError("not a list", where=where)
        return [member(reading, one, f"{where}[{at}]") for at, one in enumerate(value)] or None

    return read


def _demographic(reading: Reading, value: Any, where: str) -> Json:
    known = {
        "Age": BY_KIND[WHOLE],
        "Gender": concepts,
        "GenderCS": chosen,
        "Race": concepts,
        "Ethnicity": concepts,
        "OccurrenceStartDate": BY_KIND[DATES],
        "OccurrenceEndDate": BY_KIND[DATES],
    }
    return reading.members(value, where, known)


def _endpoint(reading: Reading, value: Any, where: str) -> Json:
    known = {"Days": whole(0), "Coeff": whole(-1)}
    found = reading.members(value, where, known, needs=("Coeff",))
    if found["Coeff"] not in (-1, 1):
        raise UsageError("neither -1 nor 1", where=f"{where}.Coeff")
    return found


def _window(reading: Reading, value: Any, where: str) -> Json:
    known = {
        "Start": _endpoint,
        "End": _endpoint,
        "UseIndexEnd": said_flag,
        "UseEventEnd": said_flag,
    }
    return reading.members(value, where, known, needs=("Start", "End"))


def _occurrence(reading: Reading, value: Any, where: str) -> Json:
    known = {
        "Type": whole(0),
        "Count": whole(0),
        "IsDistinct": flag,
        "CountColumn": lambda _reading, given, _where: given,
    }
    found = reading.members(value, where, known, needs=("Type", "Count"))
    if found["Type"] > 2:
        raise UsageError("0 (exactly), 1 (at most) or 2 (at least)", where=f"{where}.Type")
    if not found.get("IsDistinct"):
        found.pop("CountColumn", None)
    return found


def _correlated(reading: Reading, value: Any, where: str) -> Json:
    known = {
        "Criteria": _criterion,
        "StartWindow": _window,
        "EndWindow": _window,
        "Occurrence": _occurrence,
        "RestrictVisit": flag,
        "IgnoreObservationPeriod": flag,
    }
    needs = ("Criteria", "StartWindow", "Occurrence")
    found = reading.members(value, where, known, needs=needs)
    column = found["Occurrence"].get("CountColumn", _ANY)
    (name,) = found["Criteria"]
    if column != _ANY and column not in KINDS[name].counted:
        raise UsageError(
            f"what is counted of {name} is not covered",
            where=f"{where}.Occurrence.CountColumn",
            hint=", ".join((_ANY, *KINDS[name].counted)),
        )
    return found


def _group(reading: Reading, value: Any, where: str) -> Json | None:
    """Return a group; None where it is empty, which every event meets."""
    reading.depth += 1
    if reading.depth > MAX_DEPTH:
        raise UsageError(f"groups nest {MAX_DEPTH} deep at most", where=None)
    known = {
        "Type": one_of(*_GROUPS),
        "Count": whole(0),
        "CriteriaList": _list_of(_correlated),
        "DemographicCriteriaList": _list_of(_demographic),
        "Groups": _list_of(_inner_group),
    }
    found = reading.members(value, where, known)
    reading.depth -= 1
    if not any(name in found for name in ("CriteriaList", "DemographicCriteriaList", "Groups")):
        return None
    if "Type" not in found:
        raise UsageError("Type is missing", where=where, hint=", ".join(_GROUPS))
    if not found["Type"].startswith("AT_"):
        found.pop("Count", None)
    elif "Count" not in found:
        raise UsageError("Count is missing", where=where)
    return found


def _inner_group(reading: Reading, value: Any, where: str) -> Json:
    """Return a group in a group: an empty one counts as one that holds."""
    return _group(reading, value, where) or {}


# ------------------------------------------------------------------------------------ definition


def _limit(reading: Reading, value: Any, where: str) -> Json | None:
    if isinstance(value, Mapping) and value.get("Type", "First") is None:
        raise UsageError("Type is null", where=where, hint="First, Last or All")
    found = reading.members(value, where, {"Type": one_of("First", "Last", "All")})
    return found if found.get("Type", "First") != "First" else None


def _primary(reading: Reading, value: Any, where: str) -> Json:
    def around(reading: Reading, value: Any, where: str) -> Json:
        return reading.members(value, where, {"PriorDays": whole(0), "PostDays": whole(0)})

    known = {
        "CriteriaList": _list_of(_criterion),
        "ObservationWindow": around,
        "PrimaryCriteriaLimit": _limit,
    }
    return reading.members(value, where, known, needs=("CriteriaList", "ObservationWindow"))


def _additional(reading: Reading, value: Any, where: str) -> Json:
    """Return the group of an event's own criteria: an empty one still lets a limit count."""
    return _group(reading, value, where) or {}


def _rule(reading: Reading, value: Any, where: str) -> Json:
    found = reading.members(value, where, {"expression": _additional})
    return {"expression": found.get("expression", {})}


def _end_strategy(reading: Reading, value: Any, where: str) -> Json | None:
    def offset(reading: Reading, value: Any, where: str) -> Json:
        known = {"DateField": one_of("StartDate", "EndDate"), "Offset": whole()}
        return {"DateField": "StartDate", "Offset": 0, **reading.members(value, where, known)}

    def era(reading: Reading, value: Any, where: str) -> Json:
        known = {
            "DrugCodesetId": set_number,
            "GapDays": whole(0),
            "Offset": whole(),
            "DaysSupplyOverride": whole(0),
        }
        return reading.members(value, where, known, needs=("DrugCodesetId",))

    return reading.members(value, where, {"DateOffset": offset, "CustomEra": era}) or None


def _collapse(reading: Reading, value: Any, where: str) -> Json | None:
    known = {"CollapseType": one_of("ERA"), "EraPad": whole(0)}
    found = reading.members(value, where, known)
    return {"EraPad": found["EraPad"]} if found.get("EraPad") else None


def _censor_window(reading: Reading, value: Any, where: str) -> Json | None:
    return reading.members(value, where, {"StartDate": day_of, "EndDate": day_of}) or None


def _sets(_reading: Reading, _value: Any, _where: str) -> None:
    """Read before all else."""


_DEFINITION: Final[Mapping[str, Member]] = {
    "ConceptSets": _sets,
    "PrimaryCriteria": _primary,
    "AdditionalCriteria": _additional,
    "QualifiedLimit": _limit,
    "ExpressionLimit": _limit,
    "InclusionRules": _list_of(_rule),
    "EndStrategy": _end_strategy,
    "CensoringCriteria": _list_of(_criterion),
    "CollapseSettings": _collapse,
    "CensorWindow": _censor_window,
}
