"""One person's rows of a file of the Person view: a slice of what is kept of it in little room.

A point question is about one of thousands of persons in a file, and reading a file, however well it
is searched, takes milliseconds for each of the dozen tables of a record. So a file is kept once
read: by person, integers as narrow as they are, and of a column that says the same in each row (as
most do: null) that once. Files too large for that are searched where they lie.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.replica.catalogue import PLACE
from precisionchain.replica.kept import Kept

LEADING: Final = ("site", "person_id", "table")
"""What an answer's rows begin with."""
KEPT_BYTES: Final = 128 * 2**20
"""Bytes of rows that a program keeps once read: some 2.5 million rows of a record."""
LARGE_FILE_BYTES: Final = 4 * 2**20
"""A file up to this size (about 500,000 rows) is read whole."""

_Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class _Column:
    """A column's type, and its values: as many as there are rows, or one that all rows have."""

    dtype: pl.DataType
    values: pl.Series

    @classmethod
    def of(cls, column: pl.Series) -> _Column:
        """Return a column in little room."""
        values = column
        if _is_constant(column):
            values = column.head(1)
        elif column.dtype.is_integer():
            values = column.shrink_dtype()
        return cls(column.dtype, values)

    def rows(self, first: int, count: int) -> pl.Series:
        """Return some rows, as the file has them."""
        if len(self.values) == 1:
            return self.values.new_from_index(0, count)
        part = self.values.slice(first, count)
        return part if part.dtype == self.dtype else part.cast(self.dtype)


@dataclass(frozen=True, slots=True)
class PersonRows:
    """The rows of a file, those of a person together: where each site's persons begin."""

    columns: Mapping[str, _Column]
    persons: Mapping[str, tuple[_Ints, _Ints]]
    nbytes: int

    @classmethod
    def read(cls, path: Path) -> PersonRows:
        """Return the rows of a file of the Person view."""
        frame = pl.read_parquet(path).drop("batch", *PLACE, strict=False)
        frame = frame.with_columns(pl.col("site").cast(pl.String))
        if not _is_by_person(frame):
            frame = frame.sort("site", "person_id", maintain_order=True)
        persons, first = {}, 0
        sites = frame["site"]
        for site in sites.unique().sort():
            ids = frame["person_id"].slice(first, int((sites == site).sum())).to_numpy()
            begins = np.flatnonzero(np.diff(ids, prepend=~ids[:1]))
            persons[site] = ids[begins].copy(), first + np.append(begins, ids.size)
            first += ids.size
        columns = {column.name: _Column.of(column) for column in frame}
        room = sum(int(column.values.estimated_size()) for column in columns.values())
        return cls(columns, persons, room + sum(16 * ids.size for ids, _ in persons.values()))

    def of(self, site: str, person_id: int) -> dict[str, pl.Series]:
        """Return the columns of a person's rows; none where there are no rows."""
        ids, begins = self.persons.get(site, (_NOBODY, _NOBODY))
        at = int(np.searchsorted(ids, person_id))
        if at == ids.size or ids[at] != person_id:
            return {}
        first = int(begins[at])
        count = int(begins[at + 1]) - first
        return {name: column.rows(first, count) for name, column in self.columns.items()}


_NOBODY: Final[_Ints] = np.empty(0, np.int64)
_kept: Final = Kept[PersonRows](KEPT_BYTES, lambda rows: rows.nbytes)


def rows_of_person(path: Path, table: str, site: str, person_id: int) -> pl.DataFrame | None:
    """Return a person's rows in a file of the Person view, `LEADING` first; None where none are.

    Args:
        path: a file of the replica, which never changes.
        table: whose rows it holds, as the answer says it.
        site: the person's.
        person_id: the site's own id.
    """
    if path.stat().st_size > LARGE_FILE_BYTES:
        columns = _searched(path, site, person_id)
    else:
        columns = _kept.get(path, lambda: PersonRows.read(path)).of(site, person_id)
    if not columns:
        return None
    rows = len(columns["site"])
    columns["table"] = pl.Series("table", [table], pl.String).new_from_index(0, rows)
    return pl.DataFrame([columns.pop(name) for name in LEADING] + list(columns.values()))


def _searched(path: Path, site: str, person_id: int) -> dict[str, pl.Series]:
    mine = (pl.col("person_id") == person_id) & (pl.col("site") == site)
    found = pl.scan_parquet(path).filter(mine).drop("batch", *PLACE, strict=False)
    frame = found.with_columns(pl.col("site").cast(pl.String)).collect()
    return {column.name: column for column in frame} if frame.height else {}


def _is_constant(column: pl.Series) -> bool:
    nulls = column.null_count()
    if nulls or not len(column):
        return nulls == len(column) > 0
    first: Any = column.head(1)
    # bytes, not values: -0.0 and 0.0 are equal, and a NaN is not
    return not column.dtype.is_float() and bool((column == first.item()).all())


def _is_by_person(frame: pl.DataFrame) -> bool:
    """Whether rows stand by site and person already, as those of one site do."""
    return frame["site"].n_unique() <= 1 and frame["person_id"].is_sorted()
