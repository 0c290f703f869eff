"""Kleene's strong three-valued logic over persons: what is true, and what is not known."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Self

import numpy as np
import numpy.typing as npt

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True, eq=False)
class Truth:
    """What a criterion is of each person: true, unknown, or else false.

    Attributes:
        true: bool [persons].
        unknown: bool [persons]; never where ``true`` is.
    """

    true: Bools
    unknown: Bools

    @classmethod
    def known(cls, true: Bools) -> Self:
        """Return a truth without unknowns."""
        return cls(true, np.zeros(len(true), np.bool_))

    @classmethod
    def of(cls, true: Bools, possible: Bools) -> Self:
        """Return a truth that is unknown where it is possible and not true."""
        return cls(true, possible & ~true)

    def __and__(self, other: Truth) -> Truth:
        """False where either is false, true where both are true, else unknown."""
        true = self.true & other.true
        return Truth(true, (self.true | self.unknown) & (other.true | other.unknown) & ~true)

    def __or__(self, other: Truth) -> Truth:
        """True where either is true, false where both are false, else unknown."""
        true = self.true | other.true
        return Truth(true, (self.unknown | other.unknown) & ~true)

    def __invert__(self) -> Truth:
        """True and false swapped."""
        return Truth(~(self.true | self.unknown), self.unknown)
