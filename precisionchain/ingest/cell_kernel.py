"""What the cells of a column say: their values, where a cell is written as its value is.

Each function goes over the cells of some records and fills values and states. A cell's *state* is

* `EMPTY`: nothing, not even quotation marks;
* `EXACT`: the value, of which DuckDB makes the same text again; the text need not be kept;
* `OTHERWISE`: a plain spelling (`schemas/lexical.py`) of the value, such as ``5`` of a float;
* `ODD`: anything else, which SQL judges by its text;
* `QUOTED`: nothing but quotation marks, which is NULL (``empty_quotes``);
* `NORMALISED` and above: a spelling that is normalised in one way, told by its place in
  `NORMALISATIONS`, such as ``32020.0`` of a whole number.

They are strict: a spelling that they do not know, such as a float with an exponent, is odd, which
costs time and is never wrong.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
from numba import njit

EMPTY, EXACT, OTHERWISE, ODD, QUOTED, NORMALISED = range(6)
"""States of a cell."""

NORMALISATIONS: Mapping[str, tuple[str, ...]] = {
    "BIGINT": ("decimal_point",),
    "DATE": ("compact", "midnight_time"),
    "TIMESTAMP": ("date_only", "letter_t"),
}
"""By DuckDB's type, what exports often have, from `NORMALISED` on."""

Bytes = npt.NDArray[np.uint8]
Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_MINUS, _POINT, _SPACE, _COLON, _ZERO, _T = 45, 46, 32, 58, 48, 84
_NO_DAY = -(2**31)
_DAY = 86_400_000_000
_EXACT_DIGITS = 15
"""Decimal digits of which every double keeps each number apart, and that it is written with."""


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
            states[row] = QUOTED if quoted[row] else EMPTY
            continue
        states[row] = ODD
        first = start + 1 if data[start] == _MINUS else start
        last = _before_zeros(data, first, end)
        digits = last - first
        if digits < 1 or digits > (18 if last == end else _EXACT_DIGITS):
            continue
        if data[first] == _ZERO and (digits > 1 or first > start):
            continue
        value = _number(data, first, last)
        if value >= 0:
            values[row] = -value if first > start else value
            states[row] = EXACT if last == end else NORMALISED


@njit(cache=True, nogil=True)
def _before_zeros(data: Bytes, start: int, end: int) -> int:
    """Return where a point begins that nothing but zeros follow; the end where none does."""
    at = end
    while at > start and data[at - 1] == _ZERO:
        at -= 1
    return at - 1 if start < at < end and data[at - 1] == _POINT else end


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
            states[row] = QUOTED if quoted[row] else EMPTY
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
    """Return the days since 1970 of ``2015-04-01``; `_NO_DAY` where that is none."""
    if data[at + 4] != _MINUS or data[at + 7] != _MINUS:
        return _NO_DAY
    year, month = _number(data, at, at + 4), _number(data, at + 5, at + 7)
    return _since_1970(year, month, _number(data, at + 8, at + 10))


@njit(cache=True, nogil=True)
def _since_1970(year: int, month: int, day: int) -> int:
    """Return the days since 1970 of a day of the calendar; `_NO_DAY` of anything else."""
    if year < 1 or month < 1 or month > 12 or day < 1 or day > 31:
        return _NO_DAY
    leap = year % 4 == 0 and (year % 100 != 0 or year % 400 == 0)
    longest = 28 + leap if month == 2 else 30 if month in (4, 6, 9, 11) else 31
    if day > longest:
        return _NO_DAY
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
        states[row] = ODD if end > start else QUOTED if quoted[row] else EMPTY
        day, state = _NO_DAY, EXACT
        if end - start == 10:
            day = _day(data, start)
        elif end - start == 8:
            year, month = _number(data, start, start + 4), _number(data, start + 4, start + 6)
            day, state = _since_1970(year, month, _number(data, start + 6, end)), NORMALISED
        elif end - start == 19 and _time_of_day(data, start + 10) == 0:
            day, state = _day(data, start), NORMALISED + 1
        if day != _NO_DAY:
            values[row], states[row] = day, state


@njit(cache=True, nogil=True)
def _time_of_day(data: Bytes, at: int) -> int:
    """Return the microseconds of `` 10:30:00`` or ``T10:30:00``; -1 where that is no time."""
    if data[at] not in (_SPACE, _T) or data[at + 3] != _COLON or data[at + 6] != _COLON:
        return -1
    hour, minute = _number(data, at + 1, at + 3), _number(data, at + 4, at + 6)
    second = _number(data, at + 7, at + 9)
    if hour < 0 or hour > 23 or minute < 0 or minute > 59 or second < 0 or second > 59:
        return -1
    return (hour * 3600 + minute * 60 + second) * 1_000_000


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
        states[row] = ODD if end > start else QUOTED if quoted[row] else EMPTY
        if end - start == 10:
            day = _day(data, start)
            if day != _NO_DAY:
                values[row], states[row] = day * _DAY, NORMALISED
            continue
        decimals = end - start - 20
        if end - start != 19 and (decimals < 1 or decimals > 6 or data[start + 19] != _POINT):
            continue
        day, time = _day(data, start), _time_of_day(data, start + 10)
        fraction = _number(data, min(start + 20, end), end)
        if day == _NO_DAY or time < 0 or fraction < 0:
            continue
        for _ in range(6 - decimals if decimals > 0 else 0):
            fraction *= 10
        values[row] = day * _DAY + time + fraction
        states[row] = OTHERWISE if decimals > 0 else EXACT
        if data[start + 10] == _T:
            states[row] = NORMALISED + 1


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
        states[row] = ODD if end > start else QUOTED if quoted[row] else EMPTY
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
            states[row] = QUOTED if quoted[row] else EMPTY
