"""Criteria of genotypes."""

from __future__ import annotations

from dataclasses import dataclass, field
from keyword import iskeyword
from typing import Final

from precisionchain.errors import UsageError
from precisionchain.query.criteria.attributes import every_number
from precisionchain.query.criteria.logic import Criterion, level
from precisionchain.query.criteria.values import Argument, Call, Interval
from precisionchain.query.reach import ANY, Reach
from precisionchain.schemas.variant import Region, Variant


@dataclass(frozen=True, slots=True, repr=False)
class Genotype(Criterion):
    """The person's state at a variant, or at that of an id, is one of ``states``, of `STATES`."""

    variant: Variant | str
    states: tuple[str, ...]

    def call(self) -> Call:
        """Return ``genotype(variant, state, ...)``."""
        states = (int(state) if state.isdecimal() else state for state in self.states)
        return Call("genotype", (self.variant, *states))


@dataclass(frozen=True, slots=True, repr=False)
class Carries(Criterion):
    """The person has a copy of an allele, or of that of an id."""

    variant: Variant | str

    def call(self) -> Call:
        """Return ``carries(variant)``."""
        return Call("carries", (self.variant,))


@dataclass(frozen=True, slots=True, repr=False)
class Assayed(Criterion):
    """The variant, or that of an id, was looked at in the person, called or missing."""

    variant: Variant | str

    def call(self) -> Call:
        """Return ``assayed(variant)``."""
        return Call("assayed", (self.variant,))


@dataclass(frozen=True, slots=True, repr=False)
class Maf:
    """A condition on alleles: their minor allele frequency; no criterion by itself.

    ``within`` are the persons it is taken among: those of whom the criterion is true; None means
    the network's counts.
    """

    frequencies: Interval
    within: Criterion | None = None

    def __post_init__(self) -> None:
        low, high = self.frequencies.low, self.frequencies.high
        if low is None or high is None or not 0 <= low <= high <= 0.5:
            raise UsageError(
                "not a range of minor allele frequencies", hint="0 <= LOW <= HIGH <= 0.5"
            )

    def __repr__(self) -> str:
        from precisionchain.query.spelling import to_python

        return to_python(self.call())

    def call(self) -> Call:
        """Return ``maf(LOW..HIGH)``."""
        within: tuple[tuple[str, Argument], ...] = (
            () if self.within is None else (("within", self.within.call()),)
        )
        return Call("maf", (self.frequencies,), within)


@dataclass(frozen=True, slots=True, repr=False)
class CarriesIn(Criterion):
    """The person has a copy of any allele listed in a region, of some frequency.

    Listed in it are alleles with POS inside, or with ``overlap`` those whose span reaches it.
    """

    region: Region
    maf: Maf | None = None
    overlap: bool = False
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        within = () if self.maf is None or self.maf.within is None else (self.maf.within,)
        object.__setattr__(self, "depth", level(1 if self.maf is None else 2, within))

    def call(self) -> Call:
        """Return ``carries(region)``."""
        maf: tuple[Argument, ...] = () if self.maf is None else (self.maf.call(),)
        named: tuple[tuple[str, Argument], ...] = (("overlap", True),) if self.overlap else ()
        return Call("carries", (self.region, *maf), named)


@dataclass(frozen=True, slots=True, repr=False)
class CarriesStructural(Criterion):
    """The person has a copy of any structural variant that reaches a region."""

    reach: Reach

    def call(self) -> Call:
        """Return ``carries_structural(region, svtype=..., overlap=..., reciprocal=...)``."""
        asked = self.reach
        named: list[tuple[str, Argument]] = []
        if asked.svtypes:
            named.append(("svtype", asked.svtypes))
        if asked.overlap != ANY:
            named.append(("overlap", asked.overlap))
        if asked.reciprocal is not None:
            named.append(("reciprocal", asked.reciprocal))
        return Call("carries_structural", (asked.region,), tuple(named))


COMPARISONS: Final = ("eq", "ne", "lt", "le", "gt", "ge", "in")
"""How a column of sequencing metadata may be compared, in the order they are written."""


@dataclass(frozen=True, slots=True)
class ColumnBound:
    """A condition on a column of sequencing metadata.

    Attributes:
        column: what its name folds to (`column_names.folded`).
        comparison: one of `COMPARISONS`.
        values: numbers and texts, in their one order; one, but for ``in``.
    """

    column: str
    comparison: str
    values: tuple[float | str, ...]

    @property
    def argument(self) -> str:
        """How the condition is named: ``coverage__ge``, or the column where it is to be equal.

        A column that has the name of something else in a spelling is not left alone: ``sex__eq``.
        """
        from precisionchain.query.expressions import functions

        taken = iskeyword(self.column) or self.column in (*functions(), *every_number())
        bare = self.comparison == "eq" and not taken
        return self.column if bare else f"{self.column}__{self.comparison}"


@dataclass(frozen=True, slots=True, repr=False)
class Sequenced(Criterion):
    """The person was sequenced, in one source of genotypes, as all of these conditions say."""

    conditions: tuple[ColumnBound, ...]

    def call(self) -> Call:
        """Return ``sequenced(column=value, column__ge=value)``."""
        named = [
            (one.argument, one.values if one.comparison == "in" else one.values[0])
            for one in self.conditions
        ]
        return Call("sequenced", (), tuple(named))
