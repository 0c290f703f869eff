"""Rows of the Domain view as columns: whose they are, when they were, and what was measured.

Read through the mapping, file by file, and kept in memory by table and concepts while there is
room: eight bytes a row, or 32 where values are asked.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.concepts import concept_set
from precisionchain.query.criteria import ANY_EVENT, EVENT_TABLES, Event
from precisionchain.query.frames import index_frame
from precisionchain.query.universe import Universe
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept
from precisionchain.schemas.omop import TABLES, Table
from precisionchain.schemas.streams import MAP_CONCEPT

NO_DAY: Final = np.iinfo(np.int32).min
"""The day of a row without a start date; before every date there is."""

ROW_BYTES: Final = 256 * 2**20
CONCEPT_BYTES: Final = 32 * 2**20

_PLAIN: Final = {"person": pl.Int32, "day": pl.Int32}
_VALUED: Final = {**_PLAIN, "number": pl.Float64, "unit": pl.Int64, "operator": pl.Int64}


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
        values: what was measured, where asked.
    """

    person: npt.NDArray[np.int32]
    day: npt.NDArray[np.int32]
    values: Values | None = None

    def __len__(self) -> int:
        return len(self.person)


def _size(rows: EventRows) -> int:
    return len(rows) * (8 if rows.values is None else 32)


_rows: Final = Kept[EventRows](ROW_BYTES, _size)
_concepts: Final = Kept[frozenset[int]](CONCEPT_BYTES, lambda found: 64 * len(found))


def event_rows(snapshot: Snapshot, universe: Universe, event: Event) -> EventRows:
    """Return the rows of an event's table and concepts, whatever else it asks; with their values
    where it asks of these.

    Raises:
        UnknownConceptError: a concept is in no vocabulary slice and the main concept of no row.
    """
    concepts = wanted_concepts(snapshot, universe, event)
    valued = bool(event.value)
    key = (universe.key, event.table, concepts, valued)
    return _rows.get(
        key, lambda: _read(snapshot, universe, _tables(event.table), concepts, valued=valued)
    )


def wanted_concepts(snapshot: Snapshot, universe: Universe, event: Event) -> frozenset[int] | None:
    """Return the concepts an event is of, None for any; 0 stands for none, too.

    Raises:
        UnknownConceptError: a concept is in no vocabulary slice and the main concept of no row.
    """
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


def _tables(name: str) -> list[Table]:
    if name != ANY_EVENT:
        return [TABLES[name]]
    named = [TABLES[table] for table in EVENT_TABLES.values() if table != ANY_EVENT]
    return [table for table in named if not table.is_era]


def _read(
    snapshot: Snapshot,
    universe: Universe,
    tables: Iterable[Table],
    concepts: frozenset[int] | None,
    *,
    valued: bool,
) -> EventRows:
    columns = _VALUED if valued else _PLAIN
    parts = [pl.DataFrame(schema=columns)]
    for table in tables:
        for path in _files(snapshot, table, concepts):
            rows = _scan(path, table, concepts, list(columns)[1:]).collect()
            place = pl.Series("person", universe.places_of(rows))
            parts.append(rows.select(place, *list(columns)[1:]))
    rows = pl.concat(parts, rechunk=True).sort("person", "day")
    person, day = rows["person"].to_numpy(), rows["day"].to_numpy()
    if not valued:
        return EventRows(person, day)
    values = Values(*(rows[name].to_numpy() for name in ("number", "unit", "operator")))
    return EventRows(person, day, values)


def _files(snapshot: Snapshot, table: Table, concepts: frozenset[int] | None) -> list[Path]:
    """Return the Domain-view files that hold a table's rows of some concepts, by the mapping."""
    mapped = index_frame(snapshot, f"{MAP_CONCEPT}/map-concept")
    if mapped is None:
        return []
    here = mapped.filter(pl.col("table") == table.name)
    if concepts is not None:
        here = here.filter(pl.col("concept_id").is_in(sorted(concepts)))
    families = here["family"].unique().sort().to_list()
    paths = [snapshot.path(f"{family}/{table.name}") for family in families]
    return [path for path in paths if path is not None]


def _scan(
    path: Path, table: Table, concepts: frozenset[int] | None, columns: Sequence[str]
) -> pl.LazyFrame:
    """Return site, person_id and some columns of a file's rows of some concepts."""
    rows = pl.scan_parquet(path)
    known = set(rows.collect_schema().names())
    if concepts is not None:
        rows = rows.filter(_of_concepts(table, concepts))
    of = {
        "day": (table.start_date_column, NO_DAY),
        "number": ("value_as_number", None),
        "unit": ("unit_concept_id", 0),
        "operator": ("operator_concept_id", 0),
    }
    picked = []
    for name in columns:
        source, default = of[name]
        kept = (pl.col(source) if source in known else pl.lit(None)).cast(_VALUED[name])
        picked.append((kept if default is None else kept.fill_null(default)).alias(name))
    return rows.select(pl.col("site").cast(pl.String), "person_id", *picked)


def _of_concepts(table: Table, concepts: frozenset[int]) -> pl.Expr:
    column = pl.col(str(table.concept_column))
    among = column.is_in(sorted(concepts))
    return among | column.is_null() if 0 in concepts else among
