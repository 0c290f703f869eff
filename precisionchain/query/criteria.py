"""Criteria: what makes a person a member of a cohort, as frozen values. No data, no engine.

``docs/reference/cohorts.md`` says what each means and is what tests are written from. A criterion
knows how it is called (`Criterion.call`); text, Python and JSON are spellings of that one call
(``spelling.py``), and ``expressions.py`` holds the functions that make criteria from it and check
what they are given. Equal criteria have equal spellings.
"""

from __future__ import annotations

import math
import re
from abc import ABC, abstractmethod
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date
from numbers import Real
from typing import Any, Final, TypeAlias

from precisionchain.errors import UsageError
from precisionchain.schemas.variant import Region, Variant

STATES: Final = ("0", "1", "2", "missing", "not_assayed")
"""The states of a person and an allele that a question can ask for, in the order of their codes."""

ANY_EVENT: Final = "event"
"""In place of a table: every table with a main concept but eras."""

EVENT_TABLES: Final[Mapping[str, str]] = {
    "event": ANY_EVENT,
    "condition": "condition_occurrence",
    "drug": "drug_exposure",
    "procedure": "procedure_occurrence",
    "device": "device_exposure",
    "measurement": "measurement",
    "observation": "observation",
    "visit": "visit_occurrence",
    "visit_detail": "visit_detail",
    "death": "death",
    "specimen": "specimen",
    "episode": "episode",
    "condition_era": "condition_era",
    "drug_era": "drug_era",
    "dose_era": "dose_era",
}
"""Functions of events, and the CDM table each reads."""

SEXES: Final[Mapping[str, int]] = {"male": 8507, "female": 8532}
"""The sexes that have a name, and their gender concepts."""

NAME: Final = re.compile(r"[A-Za-z][A-Za-z0-9_-]{0,63}")
"""How a saved cohort may be called."""

OPERATORS: Final = (">", ">=", "<", "<=", "=")
"""How a value may be compared with a number, in the order they are written."""

MAX_DEPTH: Final = 100
"""How deep criteria nest; a call in a call and a negation are levels as well."""

_FUNCTION_OF: Final = {table: function for function, table in EVENT_TABLES.items()}
_NAME_OF_SEX: Final = {concept: name for name, concept in SEXES.items()}
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
    """One side a value must keep: ``>``, ``>=``, ``<``, ``<=`` or ``=`` a number."""

    operator: str
    number: float

    def __post_init__(self) -> None:
        if self.operator not in OPERATORS:
            raise UsageError("not a comparison", hint=f"one of {', '.join(OPERATORS)}")
        object.__setattr__(self, "number", number(self.number))


Argument: TypeAlias = (
    "bool | int | float | str | date | Variant | Region | Interval | Call | tuple[Argument, ...]"
)


@dataclass(frozen=True, slots=True)
class Call:
    """How a criterion is written: a function's name and its arguments, defaults left out.

    ``positional`` come first; ``named`` are (name, value) in a fixed order; ``bounds`` are those of
    ``value``, which text writes as comparisons.
    """

    name: str
    positional: tuple[Argument, ...] = ()
    named: tuple[tuple[str, Argument], ...] = ()
    bounds: tuple[Bound, ...] = ()


class Criterion(ABC):
    """Something that is true, false or unknown of every person of the universe.

    ``a & b``, ``a | b`` and ``~a`` combine criteria by Kleene's strong logic.
    """

    __slots__ = ()

    @abstractmethod
    def call(self) -> Call:
        """Return how the criterion is written."""

    @property
    def depth(self) -> int:
        """How deep it nests, at most `MAX_DEPTH`."""
        return 1

    @property
    def text(self) -> str:
        """The criterion in the text grammar; `precisionchain.criterion` reads it."""
        from precisionchain.query.spelling import to_text

        return to_text(self.call())

    @property
    def python(self) -> str:
        """The criterion as a Python expression, where ``pc`` is ``precisionchain``."""
        from precisionchain.query.spelling import to_python

        return to_python(self.call())

    @property
    def json(self) -> dict[str, Any]:
        """The criterion as a JSON object; `precisionchain.criterion` reads it."""
        from precisionchain.query.spelling import to_json

        return to_json(self.call())

    def __str__(self) -> str:
        return self.text

    def __repr__(self) -> str:
        return self.python

    def __and__(self, other: Criterion) -> Criterion:
        return And((self, other))

    def __or__(self, other: Criterion) -> Criterion:
        return Or((self, other))

    def __invert__(self) -> Criterion:
        return self.of if isinstance(self, Not) else Not(self)

    def __bool__(self) -> bool:
        raise UsageError(
            "a criterion is neither true nor false by itself",
            hint="combine criteria with &, | and ~, not with and, or and not",
        )


# ------------------------------------------------------------------------------------------- logic


def _flat(kind: type[And] | type[Or], of: tuple[Criterion, ...]) -> tuple[Criterion, ...]:
    if len(of) < 2:
        raise UsageError("and, or need two criteria at least")
    parts: list[Criterion] = []
    for part in of:
        parts.extend(part.of if isinstance(part, kind) else (checked(part),))
    return tuple(parts)


def checked(given: object) -> Criterion:
    """Return what was given, a criterion.

    Raises:
        UsageError: it is none.
    """
    if not isinstance(given, Criterion):
        raise UsageError("this needs a criterion", hint="as condition(201826)")
    return given


def _level(above: int, of: Iterable[Criterion]) -> int:
    """Return the depth of what is ``above`` levels over its parts."""
    depth = above + max((part.depth for part in of), default=0)
    if depth > MAX_DEPTH:
        raise UsageError(
            f"criteria nest {MAX_DEPTH} deep at most", hint="save a part as a cohort, by name"
        )
    return depth


@dataclass(frozen=True, slots=True, repr=False)
class And(Criterion):
    """All hold. An ``And`` in an ``And`` is merged into it."""

    of: tuple[Criterion, ...]
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", _flat(And, self.of))
        object.__setattr__(self, "depth", _level(1, self.of))

    def call(self) -> Call:
        """Return ``and(...)``."""
        return Call("and", tuple(part.call() for part in self.of))


@dataclass(frozen=True, slots=True, repr=False)
class Or(Criterion):
    """At least one holds. An ``Or`` in an ``Or`` is merged into it."""

    of: tuple[Criterion, ...]
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        object.__setattr__(self, "of", _flat(Or, self.of))
        object.__setattr__(self, "depth", _level(1, self.of))

    def call(self) -> Call:
        """Return ``or(...)``."""
        return Call("or", tuple(part.call() for part in self.of))


@dataclass(frozen=True, slots=True, repr=False)
class Not(Criterion):
    """It does not hold; unknown stays unknown. What is negated twice is not negated."""

    of: Criterion
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        if isinstance(self.of, Not):
            raise UsageError("a negation is not negated", hint="~criterion takes it away")
        object.__setattr__(self, "depth", _level(1, (checked(self.of),)))

    def call(self) -> Call:
        """Return ``not(...)``."""
        return Call("not", (self.of.call(),))


# ---------------------------------------------------------------------------------------- clinical


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


# ----------------------------------------------------------------------------------------- genetic


@dataclass(frozen=True, slots=True, repr=False)
class Genotype(Criterion):
    """The person's state at a variant is one of ``states``, of `STATES`."""

    variant: Variant
    states: tuple[str, ...]

    def call(self) -> Call:
        """Return ``genotype(variant, state, ...)``."""
        states = (int(state) if state.isdecimal() else state for state in self.states)
        return Call("genotype", (self.variant, *states))


@dataclass(frozen=True, slots=True, repr=False)
class Carries(Criterion):
    """The person has a copy of an allele."""

    variant: Variant

    def call(self) -> Call:
        """Return ``carries(variant)``."""
        return Call("carries", (self.variant,))


@dataclass(frozen=True, slots=True, repr=False)
class Assayed(Criterion):
    """The variant was looked at in the person, called or missing."""

    variant: Variant

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
    """The person has a copy of any allele listed in a region, of some frequency."""

    region: Region
    maf: Maf | None = None
    depth: int = field(init=False, compare=False)

    def __post_init__(self) -> None:
        within = () if self.maf is None or self.maf.within is None else (self.maf.within,)
        object.__setattr__(self, "depth", _level(1 if self.maf is None else 2, within))

    def call(self) -> Call:
        """Return ``carries(region)``."""
        maf: tuple[Argument, ...] = () if self.maf is None else (self.maf.call(),)
        return Call("carries", (self.region, *maf))


# ---------------------------------------------------------------------------------------- whoever


@dataclass(frozen=True, slots=True, repr=False)
class Everyone(Criterion):
    """Every person of the universe (``everyone``), or of a level: ``recorded``, ``genotyped``."""

    what: str = "everyone"

    def call(self) -> Call:
        """Return ``everyone()``, ``recorded()`` or ``genotyped()``."""
        return Call(self.what)


@dataclass(frozen=True, slots=True, repr=False)
class AtSite(Criterion):
    """The person is one of these sites'."""

    sites: tuple[str, ...]

    def call(self) -> Call:
        """Return ``at_site(A, ...)``."""
        return Call("at_site", self.sites)


@dataclass(frozen=True, slots=True, repr=False)
class Persons(Criterion):
    """The person is one of these, written ``A:42``; a bare id is the own site's."""

    persons: tuple[str, ...]

    def call(self) -> Call:
        """Return ``persons(A:42, ...)``."""
        # A bare id is a number, as it is typed.
        return Call("persons", tuple(who if ":" in who else int(who) for who in self.persons))


@dataclass(frozen=True, slots=True, repr=False)
class Saved(Criterion):
    """The person is in a saved cohort; unknown where that says so, or did not know the person."""

    name: str

    def __post_init__(self) -> None:
        name: object = self.name
        if not (isinstance(name, str) and NAME.fullmatch(name)):
            raise UsageError(
                "not a name of a saved cohort",
                hint="a letter, then at most 63 letters, digits, _ or -",
            )

    def call(self) -> Call:
        """Return ``saved(name)``."""
        return Call("saved", (self.name,))


def _window(since: date | None, until: date | None) -> list[tuple[str, Argument]]:
    named = (("since", since), ("until", until))
    return [(name, day) for name, day in named if day is not None]


def _one_or_several(concepts: tuple[int, ...]) -> Argument:
    return concepts[0] if len(concepts) == 1 else concepts
