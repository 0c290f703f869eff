"""Where the records of a CSV file and their cells begin and end: a byte at a time.

The grammar is that of Python's ``csv`` module (so records can be counted by it), with a note of
every record that leaves RFC 4180 or UTF-8, since on those two readers may disagree:

* a field that begins with a quotation mark ends with one; what follows it until the separator, or
  blanks before it, is malformed (DuckDB drops such blanks, Python keeps them);
* a quotation mark within an unquoted field is a character like any other;
* LF, CRLF and CR end a record outside quotation marks; an empty line is no record.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

ENCODING, QUOTING, RAGGED, TOO_LONG = 1, 2, 4, 8
"""Bits of a record's faults."""

ENDED, BLANK_LINES, BREAKS = range(3)
"""Places in the counts: line breaks that end a line, lines without a byte, and all line breaks
before the first byte that was not consumed, those in quotation marks too."""

LINE, FAULTS = range(2)
"""Columns of what is found of a record: the line breaks before it in the buffer, its faults."""

_FIELD, _SPACES, _UNQUOTED, _QUOTED, _CLOSED = range(5)
_QUOTE, _SPACE, _LINE_FEED, _RETURN = 34, 32, 10, 13


@njit(cache=True, nogil=True)
def _utf8_length(data: npt.NDArray[np.uint8], at: int) -> int:
    """Return the bytes of the character at a byte >= 0x80; 0 when it is none, -1 when cut off."""
    lead = data[at]
    if lead < 0xC2 or lead > 0xF4:
        return 0
    length = 2 if lead < 0xE0 else 3 if lead < 0xF0 else 4
    low, high = 0x80, 0xBF
    if lead == 0xE0:
        low = 0xA0  # shorter forms are not UTF-8
    elif lead == 0xED:
        high = 0x9F  # surrogates are not characters
    elif lead == 0xF0:
        low = 0x90
    elif lead == 0xF4:
        high = 0x8F  # the last plane
    for offset in range(1, length):
        if at + offset >= data.size:
            return -1
        if data[at + offset] < low or data[at + offset] > high:
            return 0
        low, high = 0x80, 0xBF
    return length


@njit(cache=True, nogil=True)
def _ordinary(delimiter: int, quoting: bool) -> npt.NDArray[np.bool_]:
    """Return, by byte, whether it has no meaning for where a record ends."""
    ordinary = np.ones(256, np.bool_)
    ordinary[128:] = False
    ordinary[0] = ordinary[_LINE_FEED] = ordinary[_RETURN] = ordinary[delimiter] = False
    if quoting:
        ordinary[_QUOTE] = False
    return ordinary


@njit(cache=True, nogil=True)
def _break_width(data: npt.NDArray[np.uint8], at: int) -> int:
    """Return the bytes of the line break at a byte; -1 where a line feed may still follow."""
    if data[at] == _LINE_FEED:
        return 1
    if at + 1 == data.size:
        return -1
    return 2 if data[at + 1] == _LINE_FEED else 1


@njit(cache=True, nogil=True)
def _simple_record(
    data: npt.NDArray[np.uint8],
    at: int,
    delimiter: int,
    ordinary: npt.NDArray[np.bool_],
    cells: npt.NDArray[np.int32],
) -> tuple[int, int]:
    """Read a record of ordinary bytes and separators alone, as most are; as `_one_record`.

    Returns:
        the byte after its last (-1: it is none such, or the buffer ends before), fields.
    """
    size, fields, room = data.size, 1, cells.size
    while True:
        while at < size and ordinary[data[at]]:
            at += 1
        if at == size:
            return -1, 0
        byte = data[at]
        if byte == delimiter:
            if fields < room:
                cells[fields] = at + 1
            fields += 1
            at += 1
        elif byte == _LINE_FEED:
            return at, fields
        else:
            return -1, 0


@njit(cache=True, nogil=True)
def _one_record(  # noqa: C901, PLR0912, PLR0915, PLR0917 - a loop over bytes, a branch a kind
    data: npt.NDArray[np.uint8],
    at: int,
    final: bool,
    delimiter: int,
    ordinary: npt.NDArray[np.bool_],
    cells: npt.NDArray[np.int32],
) -> tuple[int, int, int, int]:
    """Read from the first byte of a record to its end, and note where its cells begin.

    Returns:
        the byte after its last (-1: the buffer ends before), fields, faults, line breaks within.
    """
    size, fields, faults, breaks, state = data.size, 1, 0, 0, _FIELD
    while at < size:
        byte = data[at]
        width = 1
        if ordinary[byte]:
            if state == _CLOSED:
                faults |= QUOTING
                state = _UNQUOTED
            elif state in (_FIELD, _SPACES):
                state = _SPACES if byte == _SPACE else _UNQUOTED
            else:
                while at + width < size and ordinary[data[at + width]]:
                    width += 1
        elif byte == delimiter:
            if state != _QUOTED:
                if fields < cells.size:
                    cells[fields] = at + 1
                fields += 1
                state = _FIELD
        elif byte in (_LINE_FEED, _RETURN):
            width = _break_width(data, at)
            if width < 0 and not final:
                return -1, 0, 0, 0
            if state != _QUOTED:
                return at, fields, faults, breaks
            breaks += 1
            width = max(width, 1)
        elif byte == _QUOTE:
            if state in (_FIELD, _CLOSED):
                state = _QUOTED
            elif state == _QUOTED:
                state = _CLOSED
            elif state == _SPACES:
                faults |= QUOTING
                state = _UNQUOTED
        else:
            width = _utf8_length(data, at) if byte else 0
            if width < 0 and not final:
                return -1, 0, 0, 0
            if width <= 0:
                faults |= ENCODING
                width = 1
            if state == _CLOSED:
                faults |= QUOTING
            if state != _QUOTED:
                state = _UNQUOTED
        at += width
    if not final:
        return -1, 0, 0, 0
    return size, fields, faults | (QUOTING if state == _QUOTED else 0), breaks


@njit(cache=True, nogil=True)
def split_records(  # noqa: PLR0917 - numba knows no keyword-only arguments
    data: npt.NDArray[np.uint8],
    final: bool,
    dialect: npt.NDArray[np.int64],
    found: npt.NDArray[np.int64],
    cells: npt.NDArray[np.int32],
    counts: npt.NDArray[np.int64],
) -> tuple[int, int]:
    """Find the complete records of a buffer that begins with a record.

    Args:
        data: bytes.
        final: whether the file ends where the buffer ends.
        dialect: the separator's byte, whether quotation marks quote, the bytes a record may have.
        found: filled, one row a record; see the constants above.
        cells: filled, one row a record: where each of the header's fields begins, and the byte
            after the one that ends the last. Those of a record with faults are empty.
        counts: added to; see the constants above.

    Returns:
        records found, and bytes consumed.
    """
    delimiter, longest = dialect[0], dialect[2]
    ordinary = _ordinary(delimiter, dialect[1] != 0)
    fields_expected = cells.shape[1] - 1
    at, records = 0, 0
    while at < data.size and records < found.shape[0]:
        start, row, faults, breaks = at, cells[records], 0, 0
        end, fields = _simple_record(data, at, delimiter, ordinary, row)
        if end < 0:
            end, fields, faults, breaks = _one_record(data, at, final, delimiter, ordinary, row)
        if end < 0:
            break
        line = counts[BREAKS]
        at = _after_break(data, end, counts)
        counts[BREAKS] += breaks
        if end == start:
            counts[BLANK_LINES] += 1
            continue
        if fields != fields_expected and not faults & QUOTING:
            faults |= RAGGED
        if end - start > longest:
            faults |= TOO_LONG
        row[0], row[fields_expected] = start, end + 1
        if faults:
            for field in range(fields_expected + 1):
                row[field] = start + field
        found[records, LINE], found[records, FAULTS] = line, faults
        records += 1
    return records, at


@njit(cache=True, nogil=True)
def _after_break(data: npt.NDArray[np.uint8], end: int, counts: npt.NDArray[np.int64]) -> int:
    """Count the line break that ends a record, if one does; return the byte after it."""
    if end == data.size:
        return end
    counts[ENDED] += 1
    counts[BREAKS] += 1
    return end + max(_break_width(data, end), 1)
