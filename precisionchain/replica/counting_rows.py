"""Rows of one batch's file that count: without superseded places and withdrawn persons.

They are given block by block, so that memory holds the places that are gone of one file, and never
the rows: DuckDB's own anti join below a sort keeps both in memory that it cannot spill.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from numpy.typing import NDArray

from precisionchain.schemas.arrow_values import column_of, values_of

_BLOCK: Final = 65_536
_KEY: Final = ["ordinal", "row"]


def counting_rows(
    path: Path,
    schema: pa.Schema,
    *,
    batch: str,
    gone: Path | None = None,
    persons: Sequence[int] = (),
) -> Iterator[pa.Table]:
    """Yield the rows of a file that count, in their order.

    Args:
        path: rows with ``ordinal`` and ``row``, their place in the batch, where some do not count.
        schema: of what is given: columns that the file has not are null.
        batch: digest of the batch, in hex.
        gone: file of superseded places (``batch``, ``ordinal``, ``row``), sorted by them.
        persons: persons of the batch's site whose rows are left out.
    """
    left_out = column_of(np.array(persons, np.int64))
    with pq.ParquetFile(path) as file:
        there = set(file.schema_arrow.names)
        wanted = [*(name for name in schema.names if name in there), *(_KEY if gone else ())]
        if persons:
            wanted = [*dict.fromkeys([*wanted, "person_id"])]
        superseded = _superseded(gone, batch, file)
        for block in file.iter_batches(_BLOCK, columns=wanted):
            counts = np.ones(block.num_rows, bool)
            if len(superseded):
                keys = _keys(block)
                at = np.searchsorted(superseded, keys)
                counts = superseded[np.minimum(at, len(superseded) - 1)] != keys
            if persons:
                withdrawn: Any = pc.is_in(block["person_id"], left_out)
                counts &= ~values_of(withdrawn)
            rows = pa.Table.from_batches([block])
            yield _of_schema(rows if counts.all() else rows.filter(column_of(counts)), schema)


def _of_schema(rows: pa.Table, schema: pa.Schema) -> pa.Table:
    there = set(rows.column_names)
    columns = [
        rows[field.name].cast(field.type)
        if field.name in there
        else pa.nulls(rows.num_rows, field.type)
        for field in schema
    ]
    return pa.Table.from_arrays(columns, schema=schema)


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
