"""Criteria of events: rows of CDM tables, alone, together, counted, and chosen as an index."""

from __future__ import annotations

from dataclasses import dataclass, field
from datetime import date
from typing import TYPE_CHECKING, Final

from precisionchain.errors import UsageError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria.attributes import Attribute, require_attribute
from precisionchain.query.criteria.logic import Criterion, level
from precisionchain.query.criteria.names import EVENT_TABLES
from precisionchain.query.criteria.values import Argument, Bound, Call, Interval

if TYPE_CHECKING:
    from collections.abc import Iterator

_FUNCTION_OF: Final = {table: function for function, table in EVENT_TABLES.items()}

WHICH: Final = ("first", "last", "each")
"""Which of a person's events an index is."""

ENDS: Final = ("period", "start", "end")
"""What a person's time in a cohort ends with: the observation period, or the event's own day."""


class Events(Criterion):
    """Rows of CDM tables by some rule; as a criterion, that the person has one."""

    __slots__ = ()


@dataclass(frozen=True, slots=True)
class Window:
    """Where a row lies, seen from the row or index that a criterion is asked of.

    Attributes:
        start: days from the index's start to the row's start.
        start_after_end: days from the index's end to the row's start.
        end: days from the index's start to the row's end.
        end_after_end: days from the index's end to the row's end.
        same_visit: both are linked to one visit.
        same_period: it starts in the observation period that the index starts in.
    """

    start: Interval | None = None
    start_after_end: Interval | None = None
    end: Interval | None = None
    end_after_end: Interval | None = None
    same_visit: bool = False
    same_period: bool = False

    def named(self) -> Iterator[tuple[str, Argument]]:
        """Yield what of it is given, as arguments are called."""
        for name, argument in WINDOW_ARGUMENTS.items():
            given = getattr(self, name)
            if given is not None and given is not False:
                yield argument, given


WINDOW_ARGUMENTS: Final = {
    "start": "from_index",
    "start_after_end": "from_index_end",
    "end": "end_from_index",
    "end_after_end": "end_from_index_end",
    "same_visit": "same_visit",
    "same_period": "same_period",
}
"""What a window has, and the arguments of events that say it."""


@dataclass(frozen=True, slots=True, repr=False)
class Event(Events):
    """The person has an event: a row of a CDM table, by concept, date, value, unit and age.

    ``table`` is a CDM table or `ANY_EVENT`; no ``concepts`` means any. A set says itself what of
    its concepts is excluded, and whose descendants count. ``first`` keeps the events of the
    person's earliest day before every other condition is asked. ``where`` is asked of each row that
    meets all else, as of an index.
    """

    table: str
    concepts: tuple[int, ...] | ConceptSet = ()
    exclude: tuple[int, ...] = ()
    descendants: bool = True
    since: date | None = None
    until: date | None = None
    value: tuple[Bound, ...] = ()
    unit: tuple[int, ...] = ()
    age: Interval | None = None
    exact_age: bool = False
    first: bool = False
    attributes: tuple[Attribute, ...] = ()
    end_since: date | None = None
    end_until: date | None = None
    observed: bool = False
    window: Window | None = None
    where: Criterion | None = None
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.table not in _FUNCTION_OF:
            raise UsageError("no function reads the events of that table")
        for since, until in ((self.since, self.until), (self.end_since, self.end_until)):
            if since and until and since > until:
                raise UsageError("since is after until")
        if self.exact_age and self.age is None:
            raise UsageError("exact_age goes with age=LOW..HIGH")
        is_set = isinstance(self.concepts, ConceptSet)
        if self.exclude and (is_set or not self.concepts):
            raise UsageError(
                "exclude= goes with the concepts it takes from",
                hint="a concept_set(...) has an exclude= of its own" if is_set else None,
            )
        if not self.descendants and not self._names_concepts():
            raise UsageError("descendants= goes with the concepts they descend from")
        if self.value:
            require_attribute(self.table, "value")
        if self.unit:
            require_attribute(self.table, "unit")
        for asked in self.attributes:
            require_attribute(self.table, asked.name)
        for bound in self._bounds():
            if isinstance(bound.number, str):
                require_attribute(self.table, bound.number)
        object.__setattr__(self, "depth", _over(1, self.where))

    def _names_concepts(self) -> bool:
        named = [self.concepts, *(asked.concepts for asked in self.attributes)]
        return any(one and not isinstance(one, ConceptSet) for one in named)

    def _bounds(self) -> Iterator[Bound]:
        yield from self.value
        for asked in self.attributes:
            yield from asked.bounds

    @property
    def function(self) -> str:
        """The name it is written by."""
        return _FUNCTION_OF[self.table]

    def call(self) -> Call:
        """Return ``condition(...)`` or as the table's function is called."""
        named: list[tuple[str, Argument]] = []
        if self.exclude:
            named.append(("exclude", one_or_several(self.exclude)))
        if not self.descendants:
            named.append(("descendants", False))
        named += days_named(since=self.since, until=self.until)
        named += days_named(end_since=self.end_since, end_until=self.end_until)
        if self.unit:
            named.append(("unit", one_or_several(self.unit)))
        named += [
            (asked.name, one_or_several(asked.concepts))
            for asked in self.attributes
            if asked.concepts
        ]
        if self.age is not None:
            named.append(("age", self.age))
        flags = ("exact_age", "first", "observed")
        named += [(name, True) for name in flags if getattr(self, name)]
        if self.window is not None:
            named += self.window.named()
        if self.where is not None:
            named.append(("where", self.where.call()))
        concepts = (one_or_several(self.concepts),) if self.concepts else ()
        bounds = [("value", bound) for bound in self.value]
        bounds += [(asked.name, bound) for asked in self.attributes for bound in asked.bounds]
        return Call(self.function, concepts, tuple(named), tuple(bounds))


@dataclass(frozen=True, slots=True, repr=False)
class Either(Events):
    """The rows of several events together, each row once."""

    of: tuple[Events, ...]
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if len(self.of) < 2:
            raise UsageError("either needs two events at least")
        object.__setattr__(self, "depth", level(1, self.of))

    def call(self) -> Call:
        """Return ``either(event, event, ...)``."""
        return Call("either", tuple(part.call() for part in self.of))


@dataclass(frozen=True, slots=True, repr=False)
class Index(Events):
    """Of each person's events the first, the last or each, of which ``where`` is true.

    ``ends``, ``offset`` and ``censor`` say when the time that begins with it ends.
    """

    event: Events
    which: str = "first"
    where: Criterion | None = None
    ends: str = "period"
    offset: int = 0
    censor: Events | None = None
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.which not in WHICH:
            raise UsageError("not a choice of events", hint=f"one of {', '.join(WHICH)}")
        if self.ends not in ENDS:
            raise UsageError("nothing that a cohort ends with", hint=f"one of {', '.join(ENDS)}")
        if self.offset and self.ends == "period":
            raise UsageError("offset= goes with ends=start or ends=end")
        object.__setattr__(self, "depth", _over(1, self.event, self.where, self.censor))

    def call(self) -> Call:
        """Return ``index(event, first, where=...)``."""
        named: list[tuple[str, Argument]] = []
        if self.where is not None:
            named.append(("where", self.where.call()))
        if self.ends != "period":
            named.append(("ends", self.ends))
        if self.offset:
            named.append(("offset", self.offset))
        if self.censor is not None:
            named.append(("censor", self.censor.call()))
        return Call("index", (self.event.call(), self.which), tuple(named))


@dataclass(frozen=True, slots=True, repr=False)
class AtLeast(Criterion):
    """The person has at least ``n`` such events; or so many days, concepts or visits of them."""

    n: int
    event: Events
    days: bool = False
    concepts: bool = False
    visits: bool = False
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if self.n < 1:
            raise UsageError("at_least needs a number from 1 up")
        if self.days + self.concepts + self.visits > 1:
            raise UsageError("one of days, concepts and visits is counted")
        object.__setattr__(self, "depth", _over(1, self.event))

    def call(self) -> Call:
        """Return ``at_least(n, event)``."""
        counted = ("days", "concepts", "visits")
        named: list[tuple[str, Argument]] = [(one, True) for one in counted if getattr(self, one)]
        return Call("at_least", (self.n, self.event.call()), tuple(named))


@dataclass(frozen=True, slots=True, repr=False)
class WithinDays(Criterion):
    """An event of ``second`` starts ``days`` after one of ``first`` (negative: before it)."""

    first: Events
    second: Events
    days: Interval
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "depth", _over(1, self.first, self.second))

    def call(self) -> Call:
        """Return ``within_days(first, second, LOW..HIGH)``."""
        return Call("within_days", (self.first.call(), self.second.call(), self.days))


def days_named(**named: date | None) -> list[tuple[str, Argument]]:
    """Return the days that are given, as arguments are called."""
    return [(name, day) for name, day in named.items() if day is not None]


def one_or_several(concepts: tuple[int, ...] | ConceptSet) -> Argument:
    """Return concepts as they are written: one by itself, a set by its words."""
    if isinstance(concepts, ConceptSet):
        left_out = concepts.exclude_words
        named: tuple[tuple[str, Argument], ...] = (("exclude", left_out),) if left_out else ()
        return Call("concept_set", concepts.include_words, named)
    return concepts[0] if len(concepts) == 1 else concepts


def _over(above: int, *parts: Criterion | None) -> int:
    return level(above, (part for part in parts if part is not None))
