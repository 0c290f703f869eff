"""Event tables as columns: kept whole in the order of concepts, or read by the mapping.

A table is read column by column as they are asked for, and kept in memory while there is room; of a
large one the files of some concepts are read.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.criteria import CONCEPT_COLUMNS, NUMBER_COLUMNS, VISIT
from precisionchain.query.frames import index_frame
from precisionchain.query.universe import Universe
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept
from precisionchain.schemas.distinct import distinct
from precisionchain.schemas.omop import TABLES, Table
from precisionchain.schemas.streams import MAP_CONCEPT

NO_DAY: Final = np.iinfo(np.int32).min
"""The day of a row without a start date, or without an end date; before every date there is."""

NO_VISIT: Final = np.iinfo(np.int64).max
"""The visit of a row that is linked to none."""

WHOLE_BYTES: Final = 512 * 2**20

_ROW, _FAMILY = 36, 20  # bits of a row's number: its place in the file, and which file
_IN_ALPHABET: Final = np.argsort(np.argsort(list(TABLES)))
_VISIT_BYTES: Final = 64 * 2**20
_visits: Final = Kept[pl.DataFrame](_VISIT_BYTES, lambda frame: 20 * frame.height)


def rows_of_table(
    snapshot: Snapshot,
    universe: Universe,
    table: Table,
    concepts: frozenset[int] | None,
    names: tuple[str, ...],
) -> dict[str, npt.NDArray[Any]]:
    """Return columns of a table's rows of some concepts, in the order of person and day."""
    whole = whole_table(snapshot, universe, table)
    if whole is None:
        rows = _scanned(snapshot, universe, table, concepts, names)
        return {name: rows[name].to_numpy() for name in names}
    chosen = whole.rows_of(concepts)
    whole.read_columns(names)
    return {name: whole.column(name)[chosen] for name in names}


def by_day(person: npt.NDArray[np.int32], day: npt.NDArray[np.int32]) -> npt.NDArray[np.int64]:
    """Return numbers in the order of person and day."""
    return (person.astype(np.int64) << 32) + day


def holding(snapshot: Snapshot, tables: Sequence[Table], concepts: frozenset[int]) -> list[Table]:
    """Return those of some tables that hold rows of some concepts, by the mapping."""
    mapped = _mapped(snapshot)
    if mapped is None:
        return []
    here = mapped.filter(pl.col("concept_id").is_in(sorted(concepts)))
    named = set(here["table"].unique().to_list())
    return [table for table in tables if table.name in named]


def by_name_of_table(rows: npt.NDArray[np.int64]) -> npt.NDArray[np.int64]:
    """Return the place of each row's table, given by the row's number, in the alphabet."""
    places: npt.NDArray[np.int64] = _IN_ALPHABET[rows >> (_ROW + _FAMILY)]
    return places


def places_in_files(
    snapshot: Snapshot, rows: npt.NDArray[np.int64]
) -> Iterator[tuple[Table, Path, npt.NDArray[np.int64]]]:
    """Yield the files that rows, given by their numbers, are in, and their places in each."""
    names = list(TABLES)
    rows = np.sort(rows)
    of_file = rows >> _ROW
    for file in distinct(of_file).tolist():
        table, number = TABLES[names[file >> _FAMILY]], file & (2**_FAMILY - 1)
        path = dict(files_of(snapshot, table, None))[number]
        yield table, path, rows[of_file == file] & (2**_ROW - 1)


def whole_table(snapshot: Snapshot, universe: Universe, table: Table) -> WholeTable | None:
    """Return all rows of a table, kept once read; None of a table that is too large for that."""

    def count() -> int:
        # One by one: files of one table may have other columns.
        rows = (pl.scan_parquet(path) for _, path in files_of(snapshot, table, None))
        return sum(int(of_file.select(pl.len()).collect().item()) for of_file in rows)

    key = (universe.key, table.name)
    if _counts.get(key, count) > WHOLE_ROWS:
        return None
    return _whole.get(key, lambda: WholeTable.read(snapshot, universe, table))


@dataclass(frozen=True, slots=True, eq=False)
class WholeTable:
    """All rows of a table, by concept, person and day; columns are read when they are asked for.

    Attributes:
        snapshot, universe, table: whose rows.
        concepts: the distinct main concepts, ascending; 0 stands for none, too.
        starts: where the rows of each begin, and the number of rows.
        order: the place in the files of each row.
        columns: what was read, by name.
    """

    snapshot: Snapshot
    universe: Universe
    table: Table
    concepts: npt.NDArray[np.int64]
    starts: npt.NDArray[np.int64]
    order: npt.NDArray[np.int64]
    columns: dict[str, npt.NDArray[Any]]

    @classmethod
    def read(cls, snapshot: Snapshot, universe: Universe, table: Table) -> WholeTable:
        """Read person, day and concept."""
        rows = _file_rows(snapshot, universe, table, None, ("person", "day", "concept"))
        person, day, concept = (rows[name].to_numpy() for name in ("person", "day", "concept"))
        order = np.lexsort((by_day(person, day), concept))
        columns = {"person": person[order], "day": day[order], "concept": concept[order]}
        concept = columns["concept"]
        starts = np.flatnonzero(np.append(True, concept[1:] != concept[:-1])[: len(concept)])
        ends = np.append(starts, len(concept))
        return cls(snapshot, universe, table, concept[starts], ends, order, columns)

    def read_columns(self, names: Sequence[str]) -> None:
        """Read what of some columns has not been read, in one pass over the files."""
        wanted = ["visit" if name == VISIT else name for name in names]
        missing = tuple(name for name in dict.fromkeys(wanted) if name not in self.columns)
        if missing:
            rows = _file_rows(self.snapshot, self.universe, self.table, None, missing)
            self.columns.update({name: rows[name].to_numpy()[self.order] for name in missing})

    def column(self, name: str) -> npt.NDArray[Any]:
        """Return a column, read now if it has not been."""
        if name == VISIT and name not in self.columns:
            rows = pl.DataFrame({one: self.column(one) for one in ("person", "visit")})
            joined = _with_kind_of_visit(rows, self.snapshot, self.universe)
            self.columns[name] = joined[name].to_numpy()
        self.read_columns((name,))
        return self.columns[name]

    def rows_of(self, concepts: frozenset[int] | None) -> npt.NDArray[np.int64] | slice:
        """Return the places of the rows of some concepts, in the order of person and day."""
        among = self.concepts
        if concepts is not None:
            among = np.intersect1d(among, np.fromiter(concepts, np.int64, len(concepts)))
        at = np.searchsorted(self.concepts, among)
        spans = list(zip(self.starts[at].tolist(), self.starts[at + 1].tolist(), strict=True))
        if len(spans) == 1:
            return slice(*spans[0])
        places = np.concatenate([np.empty(0, np.int64), *(np.arange(*span) for span in spans)])
        person, day = self.columns["person"][places], self.columns["day"][places]
        return places[np.argsort(by_day(person, day), kind="stable")]


WHOLE_ROWS: Final = 4_000_000
"""Rows of a table that is kept whole, at most."""

_ROW_ROOM: Final = 64  # bytes of a row with the columns that are mostly asked for
_counts: Final = Kept[int](4 * 2**20, lambda _count: 8)
_whole: Final = Kept[WholeTable](WHOLE_BYTES, lambda table: _ROW_ROOM * len(table.order))


def _scanned(
    snapshot: Snapshot,
    universe: Universe,
    table: Table,
    concepts: frozenset[int] | None,
    names: tuple[str, ...],
) -> pl.DataFrame:
    """Return columns of rows of some concepts, read from their files, by person and day."""
    stored = dict.fromkeys(name for name in ("person", "day", *names) if name != VISIT)
    if VISIT in names:
        stored["visit"] = None
    rows = _file_rows(snapshot, universe, table, concepts, tuple(stored))
    if VISIT in names:
        rows = _with_kind_of_visit(rows, snapshot, universe)
    return rows.sort("person", "day").select(names).rechunk()


def _file_rows(
    snapshot: Snapshot,
    universe: Universe,
    table: Table,
    concepts: frozenset[int] | None,
    names: tuple[str, ...],
) -> pl.DataFrame:
    """Return stored columns of rows of some concepts, and whose they are, file by file."""
    stored = [name for name in names if name != "person"]
    parts = [pl.DataFrame(schema={name: _kind(name) for name in names})]
    # A column of a file counts its rows, whatever of those that are asked for it has not.
    whose = ("site", "person_id") if "person" in names else ("person_id",)
    for file in files_of(snapshot, table, concepts):
        rows = _scan(file, table, concepts, stored, whose).collect()
        if "person" in names:
            place = pl.Series("person", universe.places_of(rows), pl.Int32)
            rows = rows.with_columns(place)
        parts.append(rows.select(names))
    return pl.concat(parts, rechunk=True)


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
    names = ("person", "visit", "concept")
    return _file_rows(snapshot, universe, TABLES["visit_occurrence"], None, names)


def files_of(
    snapshot: Snapshot, table: Table, concepts: frozenset[int] | None
) -> list[tuple[int, Path]]:
    """Return the Domain-view files that hold a table's rows of some concepts, by the mapping.

    Each comes with its number among all files of the table.
    """
    mapped = _mapped(snapshot)
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


def _mapped(snapshot: Snapshot) -> pl.DataFrame | None:
    return index_frame(snapshot, f"{MAP_CONCEPT}/map-concept")


def _scan(
    file: tuple[int, Path],
    table: Table,
    concepts: frozenset[int] | None,
    columns: Sequence[str],
    whose: Sequence[str],
) -> pl.LazyFrame:
    """Return some columns of a file's rows of some concepts, and before them whose they are."""
    number, path = file
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
    return rows.select(*(pl.col(name) for name in whose), *picked)


def _stored_columns(table: Table) -> dict[str, str | None]:
    """Return what each name is called in a table's files."""
    return {
        "day": table.start_date_column,
        "end": table.end_date_column,
        "concept": table.concept_column,
        "row": "_row",
        "key": table.primary_key,
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
