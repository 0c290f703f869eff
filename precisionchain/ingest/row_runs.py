"""Cutting a sorted stream of rows into runs of one value, bounded in length."""

from __future__ import annotations

from collections.abc import Iterator
from itertools import pairwise

import numpy as np
import pyarrow as pa


def row_runs(
    reader: pa.RecordBatchReader, column: str, max_rows: int
) -> Iterator[tuple[int, pa.Table]]:
    """Yield (value, rows without the column) for each run of one value, cut at ``max_rows``.

    Args:
        reader: batches sorted by ``column``, an integer column without nulls.
        column: the column that runs are of.
        max_rows: rows a piece has at most; only the pieces of one run are ever held in memory.
    """
    held: list[pa.RecordBatch] = []
    rows = 0
    value: int | None = None
    for batch in reader:
        for run, piece in _pieces(batch, column):
            start = 0
            if held and run != value:
                yield _joined(held, value)
                held, rows = [], 0
            value = run
            while start < piece.num_rows:
                taken = piece.slice(start, max_rows - rows)
                held.append(taken)
                rows += taken.num_rows
                start += taken.num_rows
                if rows == max_rows:
                    yield _joined(held, value)
                    held, rows = [], 0
    if held:
        yield _joined(held, value)


def _pieces(batch: pa.RecordBatch, column: str) -> Iterator[tuple[int, pa.RecordBatch]]:
    index = batch.schema.get_field_index(column)
    values = batch.column(index).to_numpy(zero_copy_only=False)
    if not len(values):
        return
    kept = [i for i in range(batch.num_columns) if i != index]
    rows = pa.RecordBatch.from_arrays(
        [batch.column(i) for i in kept], names=[batch.schema.field(i).name for i in kept]
    )
    bounds = [0, *(np.flatnonzero(np.diff(values)) + 1).tolist(), len(values)]
    for start, end in pairwise(bounds):
        yield int(values[start]), rows.slice(start, end - start)


def _joined(batches: list[pa.RecordBatch], value: int | None) -> tuple[int, pa.Table]:
    if value is None:
        raise AssertionError("a run always has a value")
    return value, pa.Table.from_batches(batches).combine_chunks()
