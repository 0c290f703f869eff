"""A segment of the index: the questions that were resolved in a stretch of the log, immutable.

``questions`` has a row a question. ``pieces`` says whose runs follow each other in ``runs``: a
piece is one question's persons of one site, returned or contributed, or its variants. ``blocks``
is the inverse: which questions hold a block of numbers (``runs.py``), sorted by block, so that a
look-up reads a few row groups. ``persons`` and ``alleles`` are those that the segment numbers.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.access.index.numbering import PERSON_SCHEMA
from precisionchain.access.index.runs import Ints
from precisionchain.access.postings import ALLELE_SCHEMA
from precisionchain.errors import IntegrityError
from precisionchain.replica.kept import Kept

_TIME: Final = pl.Datetime("us", "UTC")
QUESTION_SCHEMA: Final[dict[str, Any]] = {
    "entry": pl.Int64,
    "time": _TIME,
    "user": pl.String,
    "site": pl.String,
    "operation": pl.String,
    "data": pl.String,
    "question": pl.String,
    "purpose": pl.String,
    "position": pl.Int64,
    "status": pl.String,
    "question_id": pl.String,
    "outcome_entry": pl.Int64,
    "outcome_time": _TIME,
    "rows": pl.Int64,
    "n_persons_returned": pl.Int64,
    "n_persons_contributed": pl.Int64,
    "n_variants_returned": pl.Int64,
    "error": pl.String,
    "digest": pl.String,
    "sealed": pl.Boolean,
}
RETURNED, CONTRIBUTED, VARIANTS = 0, 1, 2
"""Kinds of pieces."""
PIECE_SCHEMA: Final = {
    "row": pl.Int32,
    "kind": pl.Int32,
    "site": pl.Int32,
    "n_runs": pl.Int32,
    "n_numbers": pl.Int32,
}
"""``row`` counts from 0 in the segment; ``site`` is a code, 0 for variants."""
_SCHEMAS: Final[Mapping[str, Mapping[str, Any]]] = {
    "questions": QUESTION_SCHEMA,
    "pieces": PIECE_SCHEMA,
    "runs": {"start": pl.Int32, "length": pl.Int32},
    "blocks": {"key": pl.Int64, "row": pl.Int32},
    "persons": PERSON_SCHEMA,
    "alleles": ALLELE_SCHEMA,
}
_ROW_GROUP: Final = 2**15
_KEPT_BYTES: Final = 512 * 2**20
_read: Final = Kept[pl.DataFrame](_KEPT_BYTES, lambda frame: int(frame.estimated_size()))


class Segment:
    """Tables of a stretch of the log, in memory.

    Args:
        tables: by name.
    """

    def __init__(self, tables: Mapping[str, pl.DataFrame]) -> None:
        self._tables = tables

    def table(self, name: str) -> pl.DataFrame:
        """Return one of its tables, whole."""
        return self._tables[name]

    def height(self, name: str) -> int:
        """Return how many rows a table has."""
        return self._tables[name].height

    def rows_in(self, keys: Ints) -> tuple[Ints, Ints]:
        """Return keys and rows of the blocks of these ascending keys."""
        return _within(self._tables["blocks"], keys)

    def write(self, folder: Path) -> StoredSegment:
        """Write the tables into a new folder and return the segment that reads them."""
        folder.mkdir(mode=0o700)
        for name, schema in _SCHEMAS.items():
            write_table(self.table(name).cast(pl.Schema(schema)), folder / f"{name}.parquet")
        return StoredSegment(folder)


class StoredSegment(Segment):
    """Tables of a stretch of the log, read from their files when first asked for.

    Args:
        folder: where the files lie.
    """

    def __init__(self, folder: Path) -> None:
        super().__init__({})
        self.folder = folder

    def table(self, name: str) -> pl.DataFrame:
        """Return one of its tables, whole; kept in memory once read."""
        return _read.get((self.folder, name), lambda: read_table(self._path(name)))

    def height(self, name: str) -> int:
        """Return how many rows a table has."""
        with _opened(self._path(name)) as file:
            return int(file.metadata.num_rows)

    def rows_in(self, keys: Ints) -> tuple[Ints, Ints]:
        """Return keys and rows of the blocks of these ascending keys; reads what can hold them."""
        with _opened(self._path("blocks")) as file:
            groups = _groups_of(file, keys)
            if not groups:
                return keys[:0], keys[:0]
            return _within(pl.DataFrame(file.read_row_groups(groups)), keys)

    def _path(self, name: str) -> Path:
        return self.folder / f"{name}.parquet"


def read_table(path: Path) -> pl.DataFrame:
    """Return a table that `write_table` wrote.

    Raises:
        IntegrityError: it cannot be read, or a page does not match its checksum.
    """
    with _opened(path) as file:
        return pl.DataFrame(file.read())


@contextmanager
def _opened(path: Path) -> Iterator[pq.ParquetFile]:
    try:
        with pq.ParquetFile(path, page_checksum_verification=True) as file:
            yield file
    except (OSError, pa.ArrowException) as error:
        raise IntegrityError(
            "a file of the index of the access log is damaged or gone",
            where=f"{path.parent.name}/{path.name}",
            hint="delete the folder replica/access: it is made again",
        ) from error


def write_table(frame: pl.DataFrame, path: Path) -> None:
    """Write a table as Parquet, on disk when it returns; every page carries a checksum."""
    packed = {name for name, kind in frame.schema.items() if kind.is_integer()}
    texts: Any = [name for name in frame.columns if name not in packed]
    table = frame.to_arrow(compat_level=pl.CompatLevel.oldest())
    pq.write_table(
        table,
        path,
        row_group_size=_ROW_GROUP,
        compression="zstd",
        use_dictionary=texts,
        column_encoding=dict.fromkeys(packed, "DELTA_BINARY_PACKED"),
        write_statistics=["key"] if "key" in packed else False,
        write_page_checksum=True,
    )
    with path.open("rb") as written:
        os.fsync(written.fileno())


def _groups_of(file: pq.ParquetFile, keys: Ints) -> list[int]:
    """Return the row groups in which one of the ascending keys can lie."""
    low, high = _ranges(file)
    first = np.searchsorted(keys, low)
    touched = (first < keys.size) & (keys[np.minimum(first, keys.size - 1)] <= high)
    return [int(group) for group in np.flatnonzero(touched)]


def _ranges(file: pq.ParquetFile) -> tuple[Ints, Ints]:
    metadata = file.metadata
    found = [
        metadata.row_group(group).column(0).statistics for group in range(metadata.num_row_groups)
    ]
    low, high = ([getattr(one, end) for one in found] for end in ("min", "max"))
    return np.array(low, np.int64), np.array(high, np.int64)


def _within(blocks: pl.DataFrame, keys: Ints) -> tuple[Ints, Ints]:
    """Return key and row of the blocks of these ascending keys."""
    column = blocks["key"].to_numpy()
    at = np.flatnonzero(keys[np.minimum(np.searchsorted(keys, column), keys.size - 1)] == column)
    return column[at], blocks["row"].to_numpy()[at].astype(np.int64)


def weight(segment: Segment) -> int:
    """Return about what it takes to write a segment again: its runs, and 16 a question."""
    return 16 * segment.height("questions") + segment.height("runs")


def merged(segments: Sequence[Segment]) -> Segment:
    """Return adjacent segments as one, in memory."""
    tables: dict[str, list[pl.DataFrame]] = {name: [] for name in _SCHEMAS}
    first = 0
    for segment in segments:
        for name in _SCHEMAS:
            table = segment.table(name)
            if "row" in table.columns:
                table = table.with_columns((pl.col("row") + first).cast(pl.Int32))
            tables[name].append(table)
        first += segment.height("questions")
    joined = {name: pl.concat(parts) for name, parts in tables.items()}
    joined["blocks"] = joined["blocks"].sort("key", "row")
    return Segment(joined)
