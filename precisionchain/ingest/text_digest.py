"""A digest of text columns: of what they say, whatever held them and however they were cut."""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

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
            text = _bytes_of(cells)
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
    counted = pc.call_function("binary_length", [cells])
    return np.asarray(counted.fill_null(null)).astype("<i4", copy=False)


def _bytes_of(cells: pa.Array[Any]) -> memoryview:
    """Return the bytes of text cells, one after the other; a NULL has none."""
    compact = cells.fill_null("")
    _, offsets, data = compact.buffers()
    if offsets is None or data is None or not len(compact):
        return memoryview(b"")
    ends = np.frombuffer(memoryview(offsets), np.int32)
    first, last = ends[compact.offset], ends[compact.offset + len(compact)]
    return memoryview(data)[int(first) : int(last)]
