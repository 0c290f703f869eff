"""What the cells of a column say: their values, where a cell is written as its value is.

Each function goes over the cells of some records and fills values and states. A cell's *state* is

* `EMPTY`: nothing, not even quotation marks;
* `EXACT`: the value, of which DuckDB makes the same text again; the text need not be kept;
* `OTHERWISE`: a plain spelling (`schemas/lexical.py`) of the value, such as ``5`` of a float;
* `ODD`: anything else, which SQL judges by its text.

They are strict: a plain spelling that they do not know, such as a float with an exponent, is odd,
which costs time and is never wrong.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

EMPTY, EXACT, OTHERWISE, ODD = range(4)
"""States of a cell."""

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_MINUS, _POINT, _SPACE, _COLON, _QUOTE, _ZERO = 45, 46, 32, 58, 34, 48
_DAY = 86_400_000_000
_EXACT_DIGITS = 15
"""Decimal digits of which every double keeps each number apart, and that it is written with."""


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
def _number(data: Bytes, start: int, end: int) -> int:
    """Return the number that digits alone are; -1 where something else stands among them."""
    value = 0
    for at in range(start, end):
        digit = data[at] - _ZERO
        if digit < 0 or digit > 9:
            return -1
        value = value * 10 + digit
    return value


@njit(cache=True, nogil=True)
def integers(  # noqa: PLR0917 - numba knows no keyword-only arguments
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    quoted: npt.NDArray[np.bool_],
    values: Int64s,
    states: Bytes,
) -> None:
    """Read whole numbers of 64 bits."""
    for row in range(starts.size):
        start, end = starts[row], ends[row]
        values[row] = 0
        if start == end:
            states[row] = ODD if quoted[row] else EMPTY
            continue
        states[row] = ODD
        first = start + 1 if data[start] == _MINUS else start
        digits = end - first
        if digits < 1 or digits > 18:
            continue
        if data[first] == _ZERO and (digits > 1 or first > start):
            continue
        value = _number(data, first, end)
        if value >= 0:
            values[row] = -value if first > start else value
            states[row] = EXACT


@njit(cache=True, nogil=True)
def floats(  # noqa: PLR0917 - numba knows no keyword-only arguments
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    quoted: npt.NDArray[np.bool_],
    values: npt.NDArray[np.float64],
    states: Bytes,
) -> None:
    """Read decimal numbers of up to fifteen digits; their quotient is the nearest double."""
    powers = 10.0 ** np.arange(16)
    for row in range(starts.size):
        start, end = starts[row], ends[row]
        values[row] = 0.0
        if start == end:
            states[row] = ODD if quoted[row] else EMPTY
            continue
        states[row] = ODD
        first = start + 1 if data[start] == _MINUS else start
        point = first
        while point < end and data[point] != _POINT:
            point += 1
        whole, decimals = point - first, max(end - point - 1, 0)
        if whole < 1 or whole + decimals > _EXACT_DIGITS or end == point + 1:
            continue
        if data[first] == _ZERO and whole > 1:
            continue
        before = _number(data, first, point)
        after = _number(data, min(point + 1, end), end)
        if before < 0 or after < 0:
            continue
        number = before * np.int64(powers[decimals]) + after
        if number == 0 and first > start:  # -0.0 has a sign, and -0 none
            continue
        value = number / powers[decimals]
        values[row] = -value if first > start else value
        # DuckDB writes 5.0, 0.25 and 0.0001, and 1e-05.
        ends_well = decimals == 1 or (decimals > 1 and data[end - 1] != _ZERO)
        states[row] = EXACT if ends_well and (number == 0 or value >= 1e-4) else OTHERWISE


@njit(cache=True, nogil=True)
def _day(data: Bytes, at: int) -> int:
    """Return the days since 1970 of ``2015-04-01``; -2^31 where that is no day of a calendar."""
    none = -(2**31)
    if data[at + 4] != _MINUS or data[at + 7] != _MINUS:
        return none
    year, month = _number(data, at, at + 4), _number(data, at + 5, at + 7)
    day = _number(data, at + 8, at + 10)
    if year < 1 or month < 1 or month > 12 or day < 1 or day > 31:
        return none
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 28 + leap if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    if day > longest:
        return none
    # Hinnant's days_from_civil: of a year that begins with March.
    year -= 1 if month <= 2 else 0
    era, of_era = year // 400, year % 400
    of_year = (153 * (month + (9 if month <= 2 else -3)) + 2) // 5 + day - 1
    return era * 146097 + of_era * 365 + of_era // 4 - of_era // 100 + of_year - 719468


@njit(cache=True, nogil=True)
def dates(  # noqa: PLR0917 - numba knows no keyword-only arguments
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    quoted: npt.NDArray[np.bool_],
    values: Int32s,
    states: Bytes,
) -> None:
    """Read dates, as days since 1970."""
    for row in range(starts.size):
        start, end = starts[row], ends[row]
        values[row] = 0
        states[row] = ODD if end > start or quoted[row] else EMPTY
        if end - start == 10:
            day = _day(data, start)
            if day != -(2**31):
                values[row], states[row] = day, EXACT


@njit(cache=True, nogil=True)
def datetimes(  # noqa: PLR0917 - numba knows no keyword-only arguments
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    quoted: npt.NDArray[np.bool_],
    values: Int64s,
    states: Bytes,
) -> None:
    """Read dates with a time of day, as microseconds since 1970."""
    for row in range(starts.size):
        start, end = starts[row], ends[row]
        values[row] = 0
        states[row] = ODD if end > start or quoted[row] else EMPTY
        decimals = end - start - 20
        if end - start != 19 and (decimals < 1 or decimals > 6 or data[start + 19] != _POINT):
            continue
        day = _day(data, start)
        if day == -(2**31) or data[start + 10] != _SPACE:
            continue
        if data[start + 13] != _COLON or data[start + 16] != _COLON:
            continue
        hour, minute = _number(data, start + 11, start + 13), _number(data, start + 14, start + 16)
        second = _number(data, start + 17, start + 19)
        if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
            continue
        fraction = 0
        if decimals > 0:
            fraction = _number(data, start + 20, end)
            if fraction < 0:
                continue
            for _ in range(6 - decimals):
                fraction *= 10
        values[row] = day * _DAY + (hour * 3600 + minute * 60 + second) * 1_000_000 + fraction
        states[row] = OTHERWISE if decimals > 0 else EXACT


@njit(cache=True, nogil=True)
def flags(
    data: Bytes,
    starts: Int32s,
    ends: Int32s,
    quoted: npt.NDArray[np.bool_],
    states: Bytes,
) -> None:
    """Tell single letters and digits from other texts."""
    for row in range(starts.size):
        start, end = starts[row], ends[row]
        states[row] = ODD if end > start or quoted[row] else EMPTY
        if end - start == 1:
            mark = data[start]
            small = mark | 32
            if _ZERO <= mark <= 57 or 97 <= small <= 122:
                states[row] = EXACT


@njit(cache=True, nogil=True)
def texts(
    starts: Int32s,
    ends: Int32s,
    quoted: npt.NDArray[np.bool_],
    states: Bytes,
) -> None:
    """Tell texts from what is empty in quotation marks."""
    for row in range(starts.size):
        if ends[row] > starts[row]:
            states[row] = EXACT
        else:
            states[row] = ODD if quoted[row] else EMPTY


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
