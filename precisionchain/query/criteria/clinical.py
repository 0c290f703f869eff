"""Criteria of events and of what a person row says."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

from precisionchain.errors import UsageError
from precisionchain.query.criteria.logic import Criterion
from precisionchain.query.criteria.names import EVENT_TABLES, SEXES
from precisionchain.query.criteria.values import Argument, Bound, Call, Interval

_FUNCTION_OF: Final = {table: function for function, table in EVENT_TABLES.items()}
_NAME_OF_SEX: Final = {concept: name for name, concept in SEXES.items()}


@dataclass(frozen=True, slots=True, repr=False)
class Event(Criterion):
    """The person has an event: a row of a CDM table, by concept, date, value, unit and age.

    ``table`` is a CDM table or `ANY_EVENT`; no ``concepts`` means any. ``first`` keeps the events
    of the person's earliest day before every other condition is asked.
    """

    table: str
    concepts: tuple[int, ...] = ()
    exclude: tuple[int, ...] = ()
    descendants: bool = True
    since: date | None = None
    until: date | None = None
    value: tuple[Bound, ...] = ()
    unit: tuple[int, ...] = ()
    age: Interval | None = None
    exact_age: bool = False
    first: bool = False

    def __post_init__(self) -> None:
        if self.table not in _FUNCTION_OF:
            raise UsageError("no function reads the events of that table")
        if self.since and self.until and self.since > self.until:
            raise UsageError("since is after until")
        if self.unit and not self.value:
            raise UsageError("unit= goes with a condition on value")
        if self.exact_age and self.age is None:
            raise UsageError("exact_age goes with age=LOW..HIGH")
        if self.exclude and not self.concepts:
            raise UsageError("exclude= goes with the concepts it takes from")
        if not self.descendants and not self.concepts:
            raise UsageError("descendants= goes with the concepts they descend from")

    @property
    def function(self) -> str:
        """The name it is written by."""
        return _FUNCTION_OF[self.table]

    def call(self) -> Call:
        """Return ``condition(...)`` or as the table's function is called."""
        named: list[tuple[str, Argument]] = []
        if self.exclude:
            named.append(("exclude", _one_or_several(self.exclude)))
        if not self.descendants:
            named.append(("descendants", False))
        named += _window(self.since, self.until)
        if self.unit:
            named.append(("unit", _one_or_several(self.unit)))
        if self.age is not None:
            named.append(("age", self.age))
        named += [(name, True) for name in ("exact_age", "first") if getattr(self, name)]
        concepts = (_one_or_several(self.concepts),) if self.concepts else ()
        return Call(self.function, concepts, tuple(named), self.value)


@dataclass(frozen=True, slots=True, repr=False)
class AtLeast(Criterion):
    """The person has at least ``n`` such events; with ``days``, on as many different days."""

    n: int
    event: Event
    days: bool = False

    @property
    def depth(self) -> int:
        """A call in a call."""
        return 2

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError("at_least needs a number from 1 up")

    def call(self) -> Call:
        """Return ``at_least(n, event)``."""
        named: tuple[tuple[str, Argument], ...] = (("days", True),) if self.days else ()
        return Call("at_least", (self.n, self.event.call()), named)


@dataclass(frozen=True, slots=True, repr=False)
class WithinDays(Criterion):
    """An event of ``second`` starts ``days`` after one of ``first`` (negative: before it)."""

    first: Event
    second: Event
    days: Interval

    @property
    def depth(self) -> int:
        """A call in a call."""
        return 2

    def call(self) -> Call:
        """Return ``within_days(first, second, LOW..HIGH)``."""
        return Call("within_days", (self.first.call(), self.second.call(), self.days))


@dataclass(frozen=True, slots=True, repr=False)
class Observed(Criterion):
    """One observation period of the person holds all of ``since`` to ``until``."""

    since: date | None = None
    until: date | None = None

    def __post_init__(self) -> None:
        if self.since and self.until and self.since > self.until:
            raise UsageError("since is after until")

    def call(self) -> Call:
        """Return ``observed(...)``."""
        return Call("observed", (), tuple(_window(self.since, self.until)))


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
    """The person's age on a day, in years: of the calendar years, or completed where ``exact``."""

    years: Interval
    at: date
    exact: bool = False

    def call(self) -> Call:
        """Return ``age(LOW..HIGH, at=DAY)``."""
        exact: tuple[tuple[str, Argument], ...] = (("exact", True),) if self.exact else ()
        return Call("age", (self.years,), (("at", self.at), *exact))


@dataclass(frozen=True, slots=True, repr=False)
class Born(Criterion):
    """The person's year of birth."""

    years: Interval

    def call(self) -> Call:
        """Return ``born(LOW..HIGH)``."""
        return Call("born", (self.years,))


def _window(since: date | None, until: date | None) -> list[tuple[str, Argument]]:
    named = (("since", since), ("until", until))
    return [(name, day) for name, day in named if day is not None]


def _one_or_several(concepts: tuple[int, ...]) -> Argument:
    return concepts[0] if len(concepts) == 1 else concepts
