"""Where the cells of a column are in a buffer, and their bytes as a column of texts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from precisionchain.ingest.cell_kernel import Bytes, Int32s

_QUOTE = 34


@njit(cache=True, nogil=True)
def cut_cells(  # noqa: PLR0917 - numba knows no keyword-only arguments
    data: Bytes,
    cells: Int32s,
    column: int,
    quoting: bool,
    starts: Int32s,
    ends: Int32s,
    quoted: npt.NDArray[np.bool_],
) -> None:
    """Find the cells of a column, without quotation marks; doubled ones become one, in place.

    Args:
        data: bytes; changed.
        cells: of `csv_kernel.split_records`.
        column: which.
        quoting: whether quotation marks quote.
        starts: filled: the cell's first byte.
        ends: filled: the byte after its last.
        quoted: filled: whether it stood in quotation marks.
    """
    for record in range(cells.shape[0]):
        start, end = cells[record, column], cells[record, column + 1] - 1
        quoted[record] = False
        if quoting and end > start:
            quoted[record] = data[start] == _QUOTE
            if quoted[record]:
                start, end = start + 1, _unescaped(data, start + 1, end - 1)
        starts[record], ends[record] = start, end


@njit(cache=True, nogil=True)
def _unescaped(data: Bytes, start: int, end: int) -> int:
    """Make one quotation mark of two, and return the new end."""
    to, at = start, start
    while at < end:
        data[to] = data[at]
        at += 2 if data[at] == _QUOTE else 1
        to += 1
    return to


@njit(cache=True, nogil=True)
def copy_texts(  # noqa: PLR0917 - numba knows no keyword-only arguments
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    wanted: npt.NDArray[np.bool_],
    offsets: Int32s,
    out: Bytes,
) -> None:
    """Write the bytes of wanted cells one after the other, and where each begins.

    Args:
        data: bytes.
        starts: of the cells, their first bytes.
        ends: the bytes after their last.
        wanted: of which cells.
        offsets: filled, one more than there are cells.
        out: filled; as long as all wanted cells.
    """
    to = 0
    for row in range(starts.size):
        offsets[row] = to
        if wanted[row]:
            for at in range(starts[row], ends[row]):
                out[to] = data[at]
                to += 1
    offsets[starts.size] = to


@njit(cache=True, nogil=True)
def count_bytes(starts: Int32s, ends: Int32s, wanted: npt.NDArray[np.bool_]) -> int:
    """Return the bytes of wanted cells."""
    total = 0
    for row in range(starts.size):
        if wanted[row]:
            total += ends[row] - starts[row]
    return total
