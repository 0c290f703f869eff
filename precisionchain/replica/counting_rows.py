"""Rows of one batch's file that count: without superseded places and withdrawn persons.

They are given block by block, so that memory holds the places that are gone of one file, and never
the rows: DuckDB's own anti join below a sort keeps both in memory that it cannot spill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from precisionchain.replica.catalogue import PLACE

_BLOCK: Final = 65_536
_KEY: Final = ["ordinal", "row"]


def counting_rows(
    path: Path, *, batch: str, gone: Path | None, persons: Sequence[int]
) -> pa.RecordBatchReader:
    """Return the rows of a file that count, without their places, to be read once.

    Args:
        path: rows with ``ordinal`` and ``row``, their place in the batch.
        batch: digest of the batch, in hex.
        gone: file of superseded places (``batch``, ``ordinal``, ``row``), sorted by them.
        persons: persons of the batch's site whose rows are left out.
    """
    columns = [name for name in pq.read_schema(path).names if name not in PLACE]
    fields = [pq.read_schema(path).field(name) for name in columns]
    return pa.RecordBatchReader.from_batches(
        pa.schema(fields), _blocks(path, columns, batch, gone, persons)
    )


def _blocks(
    path: Path, columns: list[str], batch: str, gone: Path | None, persons: Sequence[int]
) -> Iterator[pa.RecordBatch]:
    left_out = pa.array(persons, pa.int64())
    with pq.ParquetFile(path) as file:
        superseded = _superseded(gone, batch, file)
        for block in file.iter_batches(_BLOCK, columns=[*columns, *_KEY]):
            counts = np.ones(block.num_rows, bool)
            if len(superseded):
                keys = _keys(block)
                at = np.searchsorted(superseded, keys)
                counts = superseded[np.minimum(at, len(superseded) - 1)] != keys
            if persons:
                withdrawn = pc.is_in(block["person_id"], left_out)
                counts &= ~withdrawn.to_numpy(zero_copy_only=False)
            yield block.select(columns).filter(pa.array(counts))


def _superseded(gone: Path | None, batch: str, file: pq.ParquetFile) -> NDArray[np.int64]:
    """Return the superseded places of a batch among the items that a file has rows of, sorted."""
    if gone is None or file.metadata.num_rows == 0:
        return np.empty(0, np.int64)
    first, last = _bounds(file)
    wanted = (pc.field("batch") == batch) & (pc.field("ordinal") >= first)
    places = pq.read_table(gone, columns=_KEY, filters=wanted & (pc.field("ordinal") <= last))
    return np.sort(_keys(places))


def _bounds(file: pq.ParquetFile) -> tuple[int, int]:
    """Return bounds of the ordinals in a file, from its statistics."""
    at = file.schema_arrow.names.index("ordinal")
    groups = [file.metadata.row_group(n).column(at) for n in range(file.num_row_groups)]
    bounds = [(one.min, one.max) for one in (group.statistics for group in groups) if one]
    if len(bounds) < len(groups):
        return 0, np.iinfo(np.int32).max
    known = np.array(bounds, np.int64)
    return int(known.min()), int(known.max())


def _keys(rows: pa.Table | pa.RecordBatch) -> NDArray[np.int64]:
    """Return one number for each place: the item's ordinal, then the row in it."""
    ordinal, row = (rows[name].to_numpy(zero_copy_only=False) for name in _KEY)
    keys: NDArray[np.int64] = (ordinal.astype(np.int64) << 32) | row.astype(np.int64)
    return keys
