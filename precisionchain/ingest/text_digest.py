"""A digest of text columns: of what they say, whatever held them and however they were cut."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.schemas.canonical import canonical_json


class TextDigest:
    """SHA-256 over rows of text cells in their order.

    Columns are digested apart, the lengths of their cells (-1 for NULL) and the UTF-8 of them, so
    that neither the order of columns nor the size of batches enters.

    Args:
        names: of the columns that count.
    """

    def __init__(self, names: Sequence[str]) -> None:
        self._columns = {name: (hashlib.sha256(), hashlib.sha256()) for name in sorted(names)}
        self.size = 0

    def add(self, batch: pa.RecordBatch) -> None:
        """Take the next rows."""
        for name, (lengths, texts) in self._columns.items():
            cells = batch.column(name)
            lengths.update(cell_lengths(cells, null=-1).data)
            text = bytes_of(cells)
            texts.update(text)
            self.size += len(text)

    def hexdigest(self) -> str:
        """Return the digest of what was taken."""
        parts = [
            [name, lengths.hexdigest(), texts.hexdigest()]
            for name, (lengths, texts) in self._columns.items()
        ]
        return hashlib.sha256(canonical_json(parts)).hexdigest()


def cell_lengths(cells: pa.Array[Any], *, null: int) -> npt.NDArray[np.int32]:
    """Return the bytes of each text cell, and ``null`` for NULL."""
    lengths = np.diff(_bounds(cells))
    if cells.null_count:
        lengths[~np.asarray(cells.is_valid())] = null
    return lengths.astype("<i4", copy=False)


def bytes_of(cells: pa.Array[Any]) -> memoryview:
    """Return the bytes of text cells, one after the other; a NULL has none."""
    bounds = _bounds(cells)
    if cells.null_count and np.diff(bounds)[~np.asarray(cells.is_valid())].any():
        return bytes_of(cells.fill_null(""))
    data = cells.buffers()[2]
    if data is None:
        return memoryview(b"")
    return memoryview(data)[int(bounds[0]) : int(bounds[-1])]


def _bounds(cells: pa.Array[Any]) -> npt.NDArray[np.int32]:
    """Return where in the buffer of text cells each begins, and the last ends."""
    offsets = cells.buffers()[1]
    if offsets is None or not len(cells):
        return np.zeros(len(cells) + 1, np.int32)
    ends = np.frombuffer(memoryview(offsets), np.int32)
    return ends[cells.offset : cells.offset + len(cells) + 1]
