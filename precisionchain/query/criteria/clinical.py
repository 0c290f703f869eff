"""Criteria of observation periods and of what a person row says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from precisionchain.errors import UsageError
from precisionchain.query.criteria.events import days_named
from precisionchain.query.criteria.logic import Criterion
from precisionchain.query.criteria.names import SEXES
from precisionchain.query.criteria.values import Argument, Call, Interval

_NAME_OF_SEX: Final = {concept: name for name, concept in SEXES.items()}


@dataclass(frozen=True, slots=True, repr=False)
class Observed(Criterion):
    """One observation period of the person holds all of ``since`` to ``until``.

    Or, where ``before`` or ``after`` is given, so many days around ``at``, which without is the
    start of the index.
    """

    since: date | None = None
    until: date | None = None
    before: int | None = None
    after: int | None = None
    at: date | None = None

    def __post_init__(self) -> None:
        if self.since and self.until and self.since > self.until:
            raise UsageError("since is after until")
        around = self.before is not None or self.after is not None
        if around and (self.since or self.until):
            raise UsageError("before= and after= are days around at=, or around an index")
        if self.at is not None and not around:
            raise UsageError("at= goes with before= or after=", hint="a day alone: since=DAY")
        if any(days is not None and days < 0 for days in (self.before, self.after)):
            raise UsageError("a number of days is not negative")

    @property
    def of_index(self) -> bool:
        """Whether it is asked of an index."""
        return self.at is None and (self.before is not None or self.after is not None)

    def call(self) -> Call:
        """Return ``observed(...)``."""
        named = days_named(since=self.since, until=self.until)
        for name, days in (("before", self.before), ("after", self.after)):
            if days is not None:
                named.append((name, days))
        return Call("observed", (), (*named, *days_named(at=self.at)))


@dataclass(frozen=True, slots=True, repr=False)
class Demographic(Criterion):
    """A concept of the person row: ``what`` is sex, race or ethnicity."""

    what: str
    concepts: tuple[int, ...]

    def call(self) -> Call:
        """Return ``sex(...)``, ``race(...)`` or ``ethnicity(...)``."""
        if self.what == "sex":
            return Call("sex", tuple(_NAME_OF_SEX.get(one, one) for one in self.concepts))
        return Call(self.what, self.concepts)


@dataclass(frozen=True, slots=True, repr=False)
class Age(Criterion):
    """The person's age on a day, in years: of the calendar years, or completed where ``exact``.

    Without ``at`` the day is the start of the index.
    """

    years: Interval
    at: date | None = None
    exact: bool = False

    def call(self) -> Call:
        """Return ``age(LOW..HIGH, at=DAY)``."""
        exact: tuple[tuple[str, Argument], ...] = (("exact", True),) if self.exact else ()
        return Call("age", (self.years,), (*days_named(at=self.at), *exact))


@dataclass(frozen=True, slots=True, repr=False)
class Born(Criterion):
    """The person's year of birth."""

    years: Interval

    def call(self) -> Call:
        """Return ``born(LOW..HIGH)``."""
        return Call("born", (self.years,))
