"""The cells of a column as Arrow: their values, and the text of those written otherwise."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.ingest.cell_kernel import (
    EMPTY,
    EXACT,
    NORMALISATIONS,
    NORMALISED,
    ODD,
    OTHERWISE,
    QUOTED,
    Bytes,
    Int32s,
    dates,
    datetimes,
    flags,
    floats,
    integers,
    texts,
)
from precisionchain.ingest.csv_records import Chunk
from precisionchain.ingest.text_kernel import copy_texts, count_bytes, cut_cells
from precisionchain.schemas.lexical import LexicalType

ARROW_TYPES: Mapping[str, pa.DataType] = {
    "BIGINT": pa.int64(),
    "DOUBLE": pa.float64(),
    "DATE": pa.date32(),
    "TIMESTAMP": pa.timestamp("us"),
    "VARCHAR": pa.string(),
}
"""By DuckDB's type."""

_READERS: Mapping[str, tuple[Callable[..., None], type[np.generic]]] = {
    "BIGINT": (integers, np.int64),
    "DOUBLE": (floats, np.float64),
    "DATE": (dates, np.int32),
    "TIMESTAMP": (datetimes, np.int64),
}

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Cells:
    """The cells of a column in some records.

    Args:
        data: bytes.
        starts, ends: [records] of each cell its first byte, and the byte after its last.
        quoted: [records] whether an empty cell is empty in quotation marks.
    """

    data: Bytes
    starts: Int32s
    ends: Int32s
    quoted: Bools

    def __len__(self) -> int:
        """Return the number of records."""
        return len(self.starts)


def cells_of_chunk(chunk: Chunk, column: int, *, quoting: bool) -> Cells:
    """Return a column of records of a file; to be asked once, since it may change the buffer."""
    n = len(chunk.cells)
    starts, ends, quoted = np.empty(n, np.int32), np.empty(n, np.int32), np.empty(n, np.bool_)
    cut_cells(chunk.data, chunk.cells, column, quoting, starts, ends, quoted)
    return Cells(chunk.data, starts, ends, quoted)


def cells_of_text(column: pa.Array[Any]) -> Cells:
    """Return a column of texts; NULL is an empty cell, and an empty text one that is quoted."""
    there = np.asarray(column.is_valid())
    _, offsets, data = column.buffers()
    bounds = np.zeros(len(column) + 1, np.int32)
    if offsets is not None and len(column):
        bounds = np.frombuffer(memoryview(offsets), np.int32)
        bounds = bounds[column.offset : column.offset + len(column) + 1]
    starts = bounds[:-1]
    held = np.frombuffer(memoryview(data) if data else b"", np.uint8)
    return Cells(held, starts, np.where(there, bounds[1:], starts), there)


def cells_of_constant(text: str, faults: npt.NDArray[np.int64]) -> Cells:
    """Return a cell for every record, and an empty one for a record that cannot be parsed."""
    data = np.frombuffer(text.encode(), np.uint8)
    starts = np.zeros(len(faults), np.int32)
    return Cells(data, starts, np.where(faults, 0, data.size).astype(np.int32), faults == 0)


@dataclass(frozen=True, slots=True)
class Column:
    """What the cells of a column say.

    Args:
        values: of its type; NULL for empty cells, and for those that SQL has to judge.
        written: the text of every cell of which its value does not make the same text; None where
            there is no such cell.
        odd: cells that SQL has to judge.
        normalised: normalisation -> cells of which it made the value, or NULL.
    """

    values: pa.Array[Any]
    written: pa.Array[Any] | None
    odd: int = 0
    normalised: Mapping[str, int] = field(default_factory=dict)


def column_of(cells: Cells, lexical: LexicalType) -> Column:
    """Read the cells of a column."""
    states = np.empty(len(cells), np.uint8)
    where = (cells.starts, cells.ends, cells.quoted)
    if lexical.sql_type in _READERS:
        read, kind = _READERS[lexical.sql_type]
        numbers = np.empty(len(cells), kind)
        read(cells.data, *where, numbers, states)
        valid = (states != EMPTY) & (states != ODD) & (states != QUOTED)
        values = _values(numbers, valid, ARROW_TYPES[lexical.sql_type])
    else:
        if lexical.name == "Flag":
            flags(cells.data, *where, states)
        else:
            texts(*where, states)
        values = _texts(cells, states == EXACT)
    kept = states >= OTHERWISE
    if not kept.any():
        return Column(values, None)
    counts = np.bincount(states, minlength=NORMALISED + 2).tolist()
    ways = zip(NORMALISATIONS.get(lexical.sql_type, ()), counts[NORMALISED:], strict=False)
    normalised = {name: n for name, n in (("empty_quotes", counts[QUOTED]), *ways) if n}
    return Column(values, _texts(cells, kept), counts[ODD], normalised)


def text_of(cells: Cells) -> pa.Array[Any]:
    """Return the text of every cell; NULL for an empty one, but not for quotation marks."""
    return _texts(cells, (cells.ends > cells.starts) | cells.quoted)


def _values(numbers: npt.NDArray[np.generic], valid: Bools, kind: pa.DataType) -> pa.Array[Any]:
    buffers = [_bitmap(valid), pa.py_buffer(numbers.data)]
    return pa.Array.from_buffers(kind, len(numbers), buffers)


def _texts(cells: Cells, wanted: Bools) -> pa.Array[Any]:
    offsets = np.empty(len(cells) + 1, np.int32)
    out = np.empty(count_bytes(cells.starts, cells.ends, wanted), np.uint8)
    copy_texts(cells.data, cells.starts, cells.ends, wanted, offsets, out)
    buffers = [_bitmap(wanted), pa.py_buffer(offsets.data), pa.py_buffer(out.data)]
    return pa.Array.from_buffers(pa.string(), len(cells), buffers)


def _bitmap(valid: Bools) -> pa.Buffer | None:
    return None if valid.all() else pa.py_buffer(np.packbits(valid, bitorder="little").data)
