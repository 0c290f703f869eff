"""Rows of the Domain view as columns: whose they are, when they were, and what they say.

Rows of the same concepts and columns are kept in memory while there is room: eight bytes a row, and
four or eight for each column.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnknownConceptError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.concepts import concept_set
from precisionchain.query.criteria import (
    ANY_EVENT,
    EVENT_TABLES,
    Attribute,
    Event,
)
from precisionchain.query.event_tables import NO_DAY, NO_VISIT, by_day, holding, rows_of_table
from precisionchain.query.slices import slices
from precisionchain.query.universe import Universe
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept
from precisionchain.schemas.omop import TABLES, Table

__all__ = [
    "NO_DAY",
    "NO_VISIT",
    "PLACED",
    "VALUED",
    "EventRows",
    "Values",
    "attribute_concepts",
    "event_rows",
    "tables_of",
    "wanted_concepts",
]

ROW_BYTES: Final = 128 * 2**20
CONCEPT_BYTES: Final = 32 * 2**20

PLACED: Final = ("concept", "end", "key", "row", "visit")
"""What tells rows apart and says where they lie to each other: main concept (0 for none), int32 end
date (`NO_DAY`), key in its table (0 for none), a number of its own, the id of the visit it is
linked to (`NO_VISIT`)."""


@dataclass(frozen=True, slots=True, eq=False)
class Values:
    """What was measured, a value a row.

    Attributes:
        number: float64; nan where a row has none.
        unit: int64 concept; 0 where there is none.
        operator: int64 concept; 0 where there is none.
    """

    number: npt.NDArray[np.float64]
    unit: npt.NDArray[np.int64]
    operator: npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True, eq=False)
class EventRows:
    """Rows of some concepts, in the order of person and day.

    Attributes:
        person: int32 places in the universe.
        day: int32 start dates in days since 1970-01-01; `NO_DAY` where there is none.
        columns: what else was asked for: of `PLACED`, and attributes: concepts as int64 (0 where a
            row has none), numbers as float64 (nan).
    """

    person: npt.NDArray[np.int32]
    day: npt.NDArray[np.int32]
    columns: Mapping[str, npt.NDArray[Any]] = field(default_factory=dict)

    def __len__(self) -> int:
        return len(self.person)

    @property
    def values(self) -> Values:
        """The values, where these were asked for."""
        return Values(*(self.columns[name] for name in VALUED))


VALUED: Final = ("value", "unit", "operator")
"""The attributes a value is judged by."""


def _size(rows: EventRows) -> int:
    return 8 * len(rows) + sum(column.nbytes for column in rows.columns.values())


_rows: Final = Kept[EventRows](ROW_BYTES, _size)
_concepts: Final = Kept[frozenset[int]](CONCEPT_BYTES, lambda found: 64 * len(found))


def event_rows(
    snapshot: Snapshot, universe: Universe, event: Event, columns: Iterable[str] = ()
) -> EventRows:
    """Return the rows of an event's table and concepts, whatever else it asks.

    Args:
        snapshot: the generation.
        universe: its universe.
        event: whose table and concepts.
        columns: of `PLACED`, and attributes of the table but those that follow from dates.

    Raises:
        UnknownConceptError: a concept is in no vocabulary slice and the main concept of no row.
    """
    concepts = wanted_concepts(snapshot, universe, event)
    asked = tuple(sorted(set(columns)))
    key = (universe.key, event.table, concepts, asked)
    return _rows.get(
        key, lambda: _read(snapshot, universe, tables_of(event.table), concepts, asked)
    )


def wanted_concepts(snapshot: Snapshot, universe: Universe, event: Event) -> frozenset[int] | None:
    """Return the concepts an event is of, None for any; 0 stands for none, too.

    Raises:
        UnknownConceptError: a concept is in no vocabulary slice and the main concept of no row.
    """
    if isinstance(event.concepts, ConceptSet):
        return _of_set(snapshot, universe, event.concepts)
    if not event.concepts:
        return None
    among, without = (
        _expanded(snapshot, universe, concepts, descendants=event.descendants)
        for concepts in (event.concepts, event.exclude)
    )
    return among - without if without else among


def _expanded(
    snapshot: Snapshot, universe: Universe, concepts: tuple[int, ...], *, descendants: bool
) -> frozenset[int]:
    def make() -> frozenset[int]:
        found = (concept_set(snapshot, one, descendants=descendants) for one in concepts)
        return frozenset(one for several in found for one in several)

    return _concepts.get((universe.key, concepts, descendants), make)


def _of_set(snapshot: Snapshot, universe: Universe, concepts: ConceptSet) -> frozenset[int]:
    return _concepts.get((universe.key, concepts), lambda: slices(snapshot).resolve(concepts))


def attribute_concepts(
    snapshot: Snapshot, universe: Universe, event: Event, asked: Attribute
) -> frozenset[int]:
    """Return the concepts that an attribute may be, with descendants where the event asks for them.

    Raises:
        UnknownConceptError: a concept is in no vocabulary slice, the main concept of no row, and
            the attribute of no row of the table.
    """
    if isinstance(asked.concepts, ConceptSet):
        return _of_set(snapshot, universe, asked.concepts)
    found: set[int] = set()
    for concept in asked.concepts:
        try:
            found |= _expanded(snapshot, universe, (concept,), descendants=event.descendants)
        except UnknownConceptError:
            anything = event_rows(snapshot, universe, Event(event.table), (asked.name,))
            if not np.any(anything.columns[asked.name] == concept):
                raise
            found.add(concept)
    return frozenset(found)


def tables_of(name: str) -> list[Table]:
    """Return the tables that a function of events reads."""
    if name != ANY_EVENT:
        return [TABLES[name]]
    named = [TABLES[table] for table in EVENT_TABLES.values() if table != ANY_EVENT]
    return [table for table in named if not table.is_era]


def _read(
    snapshot: Snapshot,
    universe: Universe,
    tables: Sequence[Table],
    concepts: frozenset[int] | None,
    columns: tuple[str, ...],
) -> EventRows:
    names = ("person", "day", *columns)
    if concepts is not None and len(tables) > 1:
        # Of many tables a concept is in one: the others need not be read.
        tables = holding(snapshot, tables, concepts) or tables[:1]
    parts = [rows_of_table(snapshot, universe, table, concepts, names) for table in tables]
    whole = {name: np.concatenate([part[name] for part in parts]) for name in names}
    if len(parts) > 1:
        order = np.argsort(by_day(whole["person"], whole["day"]), kind="stable")
        whole = {name: column[order] for name, column in whole.items()}
    return EventRows(whole["person"], whole["day"], {name: whole[name] for name in columns})
