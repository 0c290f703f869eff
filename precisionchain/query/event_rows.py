"""Rows of the Domain view as columns: whose they are, when they were, and what they say.

Read through the mapping, file by file, and kept in memory by table, concepts and columns while
there is room: eight bytes a row, and four or eight for each column that is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.errors import UnknownConceptError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.concepts import concept_set
from precisionchain.query.criteria import (
    ANY_EVENT,
    CONCEPT_COLUMNS,
    EVENT_TABLES,
    NUMBER_COLUMNS,
    VISIT,
    Attribute,
    Event,
)
from precisionchain.query.frames import index_frame
from precisionchain.query.slices import slices
from precisionchain.query.universe import Universe
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept
from precisionchain.schemas.omop import TABLES, Table
from precisionchain.schemas.streams import MAP_CONCEPT

NO_DAY: Final = np.iinfo(np.int32).min
"""The day of a row without a start date, or without an end date; before every date there is."""

NO_VISIT: Final = np.iinfo(np.int64).max
"""The visit of a row that is linked to none."""

ROW_BYTES: Final = 256 * 2**20
CONCEPT_BYTES: Final = 32 * 2**20

PLACED: Final = ("concept", "end", "row", "visit")
"""What tells rows apart and says where they lie to each other: main concept (0 for none), int32 end
date (`NO_DAY`), a number of its own, the id of the visit it is linked to (`NO_VISIT`)."""

_ROW, _FAMILY = 36, 20  # bits of a row's number: its place in the file, and which file


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
_visits: Final = Kept[pl.DataFrame](ROW_BYTES, lambda frame: 20 * frame.height)
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
    tables: Iterable[Table],
    concepts: frozenset[int] | None,
    columns: tuple[str, ...],
) -> EventRows:
    stored = [name for name in columns if name != VISIT]
    stored += ["visit"] if VISIT in columns and "visit" not in stored else []
    parts = []
    for table in tables:
        for number, path in _files(snapshot, table, concepts):
            rows = _scan(path, number, table, concepts, ["day", *stored]).collect()
            place = pl.Series("person", universe.places_of(rows), pl.Int32)
            parts.append(rows.select(place, "day", *stored))
    schema = {name: _kind(name) for name in ("person", "day", *stored)}
    rows = pl.concat([pl.DataFrame(schema=schema), *parts])
    if VISIT in columns:
        rows = _with_kind_of_visit(rows, snapshot, universe)
    rows = rows.select("person", "day", *columns).rechunk().sort("person", "day")
    person, day = rows["person"].to_numpy(), rows["day"].to_numpy()
    return EventRows(person, day, {name: rows[name].to_numpy() for name in columns})


def _kind(name: str) -> type[pl.DataType]:
    if name in _NUMBERS:
        return pl.Float64
    return pl.Int32 if name in ("person", "day", "end") else pl.Int64


_NUMBERS: Final = frozenset(name for of in NUMBER_COLUMNS.values() for name in of)


def _with_kind_of_visit(rows: pl.DataFrame, snapshot: Snapshot, universe: Universe) -> pl.DataFrame:
    """Return rows with the concept of the visit that each is linked to, 0 where it is to none.

    Visits of one person and id that several sources have count as that of the smallest concept.
    """

    def make() -> pl.DataFrame:
        visits = _read_visits(snapshot, universe)
        return visits.group_by("person", "visit").agg(pl.col("concept").min().alias(VISIT))

    kinds = _visits.get(universe.key, make)
    joined = rows.join(kinds, on=["person", "visit"], how="left", maintain_order="left")
    return joined.with_columns(pl.col(VISIT).fill_null(0))


def _read_visits(snapshot: Snapshot, universe: Universe) -> pl.DataFrame:
    """Return person, id and concept of every visit."""
    table = TABLES["visit_occurrence"]
    schema = {"person": pl.Int32, "visit": pl.Int64, "concept": pl.Int64}
    parts = [pl.DataFrame(schema=schema)]
    for _, path in _files(snapshot, table, None):
        rows = (
            pl.scan_parquet(path)
            .select(
                pl.col("site").cast(pl.String),
                "person_id",
                pl.col(str(table.primary_key)).cast(pl.Int64).alias("visit"),
                pl.col(str(table.concept_column)).cast(pl.Int64).fill_null(0).alias("concept"),
            )
            .collect()
        )
        place = pl.Series("person", universe.places_of(rows), pl.Int32)
        parts.append(rows.select(place, "visit", "concept"))
    return pl.concat(parts)


def _files(
    snapshot: Snapshot, table: Table, concepts: frozenset[int] | None
) -> list[tuple[int, Path]]:
    """Return the Domain-view files that hold a table's rows of some concepts, by the mapping.

    Each comes with its number among all files of the table.
    """
    mapped = index_frame(snapshot, f"{MAP_CONCEPT}/map-concept")
    if mapped is None:
        return []
    here = mapped.filter(pl.col("table") == table.name)
    every = here["family"].unique().sort().to_list()
    if concepts is not None:
        here = here.filter(pl.col("concept_id").is_in(sorted(concepts)))
    wanted = set(here["family"].to_list())
    found = [
        (number, snapshot.path(f"{family}/{table.name}"))
        for number, family in enumerate(every)
        if family in wanted
    ]
    return [(number, path) for number, path in found if path is not None]


def _scan(
    path: Path,
    number: int,
    table: Table,
    concepts: frozenset[int] | None,
    columns: Sequence[str],
) -> pl.LazyFrame:
    """Return site, person_id and some columns of a file's rows of some concepts."""
    rows = pl.scan_parquet(path)
    known = set(rows.collect_schema().names())
    if "row" in columns:
        first = (list(TABLES).index(table.name) << (_ROW + _FAMILY)) | (number << _ROW)
        rows = rows.with_row_index("_place").with_columns(
            (pl.col("_place").cast(pl.Int64) + first).alias("_row")
        )
        known.add("_row")
    if concepts is not None:
        rows = rows.filter(_of_concepts(table, concepts))
    stored = _stored_columns(table)
    picked = []
    for name in columns:
        source, kind = stored.get(name), _kind(name)
        kept = (pl.col(source) if source in known else pl.lit(None)).cast(kind)
        picked.append(kept.fill_null(_missing(name)).alias(name))
    return rows.select(pl.col("site").cast(pl.String), "person_id", *picked)


def _stored_columns(table: Table) -> dict[str, str | None]:
    """Return what each name is called in a table's files."""
    return {
        "day": table.start_date_column,
        "end": table.end_date_column,
        "concept": table.concept_column,
        "row": "_row",
        "visit": "visit_occurrence_id",  # of a visit its own
        **CONCEPT_COLUMNS.get(table.name, {}),
        **NUMBER_COLUMNS.get(table.name, {}),
    }


def _missing(name: str) -> float:
    """Return what stands for no cell."""
    if name in _NUMBERS:
        return np.nan
    return {"day": NO_DAY, "end": NO_DAY, "visit": NO_VISIT}.get(name, 0)


def _of_concepts(table: Table, concepts: frozenset[int]) -> pl.Expr:
    column = pl.col(str(table.concept_column))
    among = column.is_in(sorted(concepts))
    return among | column.is_null() if 0 in concepts else among
