"""Bounds on a value, and rows whose value may be an open-ended interval itself.

A measurement below the limit of detection is written ``< 5``: an interval, which meets bounds when
every number of it does, and may meet them when some number does.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
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


def meeting(values: Values, bounds: Sequence[Bound]) -> tuple[Bools, Bools]:
    """Return which rows meet all bounds, and which meet them or may; rows without a number do not.

    Args:
        values: the rows.
        bounds: none or more.
    """
    has_number = ~np.isnan(values.number)
    rows, wanted = _of_rows(values), _of_bounds(bounds)
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


def _of_bounds(bounds: Sequence[Bound]) -> _Intervals:
    """Return the interval that meets all bounds; its low end is above its high one if none does."""
    low, high, low_open, high_open = -math.inf, math.inf, False, False
    for bound in bounds:
        number, strict = float(bound.number), bound.operator in ("<", ">")
        if bound.operator in (">", ">=", "=") and (number, strict) > (low, low_open):
            low, low_open = number, strict
        if bound.operator in ("<", "<=", "=") and (-number, strict) > (-high, high_open):
            high, high_open = number, strict
    return _Intervals(np.array(low), np.array(high), np.array(low_open), np.array(high_open))


def _intersection(some: _Intervals, others: _Intervals) -> _Intervals:
    low, high = np.maximum(some.low, others.low), np.minimum(some.high, others.high)
    return _Intervals(
        low,
        high,
        ((some.low == low) & some.low_open) | ((others.low == low) & others.low_open),
        ((some.high == high) & some.high_open) | ((others.high == high) & others.high_open),
    )
