"""Bounds on a value, and rows whose value may be an open-ended interval itself.

A measurement below the limit of detection is written ``< 5``: an interval, which meets bounds when
every number of it does, and may meet them when some number does.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.query.criteria import Bound
from precisionchain.query.event_rows import Values

Bools = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LESS: Final = 4171756
AT_MOST: Final = 4171754
MORE: Final = 4172704
AT_LEAST: Final = 4171755
"""Operator concepts that make a value an open-ended interval; any other is ``=``."""


@dataclass(frozen=True, slots=True)
class _Intervals:
    """Intervals, one or many: their ends, and whether an end is outside of the interval."""

    low: Floats
    high: Floats
    low_open: Bools
    high_open: Bools


def meeting(
    values: Values, bounds: Sequence[Bound], others: Mapping[str, Floats] | None = None
) -> tuple[Bools, Bools]:
    """Return which rows meet all bounds, and which meet them or may; rows without a number do not.

    Args:
        values: the rows.
        bounds: none or more.
        others: the numbers of the same rows that bounds name; nan where a row has none.
    """
    ends = [_number_of(bound, others or {}) for bound in bounds]
    has_number = ~np.isnan(values.number)
    for end in ends:
        has_number &= ~np.isnan(end)
    rows, wanted = _of_rows(values), _of_bounds(bounds, ends)
    above = (rows.low > wanted.low) | (
        (rows.low == wanted.low) & (rows.low_open | ~wanted.low_open)
    )
    below = (rows.high < wanted.high) | (
        (rows.high == wanted.high) & (rows.high_open | ~wanted.high_open)
    )
    common = _intersection(rows, wanted)
    closed = ~common.low_open & ~common.high_open
    some = (common.low < common.high) | ((common.low == common.high) & closed)
    return has_number & above & below, has_number & some


def _of_rows(values: Values) -> _Intervals:
    operator = values.operator
    to_the_left = np.isin(operator, (LESS, AT_MOST))
    to_the_right = np.isin(operator, (MORE, AT_LEAST))
    return _Intervals(
        np.where(to_the_left, -np.inf, values.number),
        np.where(to_the_right, np.inf, values.number),
        to_the_left | (operator == MORE),
        to_the_right | (operator == LESS),
    )


def _number_of(bound: Bound, others: Mapping[str, Floats]) -> Floats:
    """Return the number that a bound is, or that each row has for it."""
    if isinstance(bound.number, str):
        return others[bound.number]
    return np.array(float(bound.number))


def _of_bounds(bounds: Sequence[Bound], ends: Sequence[Floats]) -> _Intervals:
    """Return the intervals that meet all bounds; a low end is above its high one if none does."""
    low, high = np.array(-np.inf), np.array(np.inf)
    low_open, high_open = np.array(False), np.array(False)  # cells, not switches
    for bound, end in zip(bounds, ends, strict=True):
        strict = bound.operator in ("<", ">")
        if bound.operator in (">", ">=", "="):
            higher = (end > low) | ((end == low) & strict & ~low_open)
            low, low_open = np.where(higher, end, low), np.where(higher, strict, low_open)
        if bound.operator in ("<", "<=", "="):
            lower = (end < high) | ((end == high) & strict & ~high_open)
            high, high_open = np.where(lower, end, high), np.where(lower, strict, high_open)
    return _Intervals(low, high, low_open, high_open)


def _intersection(some: _Intervals, others: _Intervals) -> _Intervals:
    low, high = np.maximum(some.low, others.low), np.minimum(some.high, others.high)
    return _Intervals(
        low,
        high,
        ((some.low == low) & some.low_open) | ((others.low == low) & others.low_open),
        ((some.high == high) & some.high_open) | ((others.high == high) & others.high_open),
    )
