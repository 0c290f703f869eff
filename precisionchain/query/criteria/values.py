"""What a criterion is asked with, and its call: the one form that every spelling spells."""

from __future__ import annotations

import math
from dataclasses import dataclass
from datetime import date
from numbers import Real
from typing import Final, TypeAlias

from precisionchain.errors import UsageError
from precisionchain.query.criteria.names import OPERATORS
from precisionchain.schemas.variant import Region, Variant

_EXACT: Final = 2**53  # above it a float skips whole numbers


def number(given: object) -> float:
    """Return a number in its one form: what a 64-bit float holds, as an int where that is whole.

    Raises:
        UsageError: it is no number, or not a finite one.
    """
    if isinstance(given, bool) or not isinstance(given, Real):
        raise UsageError("this needs a number", hint="as 7, -0.5 or 1e-3")
    try:
        exact = float(given)
    except OverflowError:
        exact = math.inf
    if not math.isfinite(exact):
        raise UsageError("this needs a finite number")
    return int(exact) if exact.is_integer() and abs(exact) < _EXACT else exact


@dataclass(frozen=True, slots=True)
class Interval:
    """A closed interval, open-ended where a bound is None; written ``18..65``, ``18..``."""

    low: float | None
    high: float | None

    def __post_init__(self) -> None:
        for name in ("low", "high"):
            bound = getattr(self, name)
            object.__setattr__(self, name, None if bound is None else number(bound))
        if self.low is not None and self.high is not None and self.low > self.high:
            raise UsageError(f"{self.low}..{self.high} is empty", hint="LOW..HIGH")


@dataclass(frozen=True, slots=True)
class Bound:
    """One side a number must keep: ``>``, ``>=``, ``<``, ``<=`` or ``=`` another.

    ``number`` is that other, or the name of an attribute of the same row.
    """

    operator: str
    number: float | str

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise UsageError("not a comparison", hint=f"one of {', '.join(OPERATORS)}")
        if not isinstance(self.number, str):
            object.__setattr__(self, "number", number(self.number))


Argument: TypeAlias = (
    "bool | int | float | str | date | Variant | Region | Interval | Call | tuple[Argument, ...]"
)


@dataclass(frozen=True, slots=True)
class Call:
    """How a criterion is written: a function's name and its arguments, defaults left out.

    ``positional`` come first; ``named`` are (name, value) in a fixed order; ``bounds`` are (name,
    bound) of numbers of a row, which text writes as comparisons.
    """

    name: str
    positional: tuple[Argument, ...] = ()
    named: tuple[tuple[str, Argument], ...] = ()
    bounds: tuple[tuple[str, Bound], ...] = ()
