"""Any criterion over given words, for property tests: of spellings, and of evaluation."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from functools import cache
from typing import TypeVar

from hypothesis import strategies as st

from precisionchain.query import expressions as of
from precisionchain.query.criteria import (
    COMPARISONS,
    EVENT_TABLES,
    OPERATORS,
    STATES,
    AtLeast,
    Bound,
    Criterion,
    Event,
    Interval,
    Maf,
    Observed,
    WithinDays,
    number_attributes,
)

T = TypeVar("T")
S = TypeVar("S")
Drawn = st.SearchStrategy[Criterion]


@dataclass(frozen=True, slots=True)
class Words:
    """What criteria are drawn from. An empty tuple leaves out what would be made of it.

    Attributes:
        concepts: concept ids of events.
        dates: days for ``since``, ``until`` and ``at``.
        numbers: numbers that values are compared with.
        units: unit concept ids; a value is compared in one or some of them, or in none named.
        must_name_unit: whether a value is only compared in a unit that is named.
        ages: whole years.
        years: years of birth.
        days: how many days two events are apart.
        races, ethnicities: concept ids.
        variants: ``chrom:pos:ref:alt``.
        regions: ``chrom:start-end``.
        frequencies: within 0 to 0.5.
        sites, persons, saved: as they are written.
        columns: names of columns of sequencing metadata, as they fold.
        texts: what such columns hold, beside ``numbers``.
        functions: functions of events.
    """

    concepts: tuple[int, ...] = ()
    dates: tuple[date, ...] = ()
    numbers: tuple[float, ...] = ()
    units: tuple[int, ...] = ()
    must_name_unit: bool = False
    ages: tuple[int, ...] = (0, 17, 18, 40, 65, 90)
    years: tuple[int, ...] = (1930, 1950, 1960, 1980, 2000)
    days: tuple[int, ...] = (-365, -30, -1, 0, 1, 30, 365)
    races: tuple[int, ...] = (8527, 8516, 8515)
    ethnicities: tuple[int, ...] = (38003563, 38003564)
    variants: tuple[str, ...] = ()
    regions: tuple[str, ...] = ()
    frequencies: tuple[float, ...] = (0, 0.01, 0.05, 0.2, 0.5)
    sites: tuple[str, ...] = ()
    persons: tuple[str, ...] = ()
    saved: tuple[str, ...] = ()
    columns: tuple[str, ...] = ()
    texts: tuple[str, ...] = ()
    functions: tuple[str, ...] = tuple(EVENT_TABLES)


@st.composite
def criteria(draw: st.DrawFn, words: Words, levels: int = 3) -> Criterion:
    """Any criterion of these words, at most so many levels of logic over its calls."""
    how = draw(st.sampled_from(("call", "and", "or", "not", "region"))) if levels > 1 else "call"
    below = criteria(words, levels - 1)
    match how:
        case "and":
            return of.all_of(*draw(st.lists(below, min_size=2, max_size=3)))
        case "or":
            return of.any_of(*draw(st.lists(below, min_size=2, max_size=3)))
        case "not":
            return ~draw(below)
        case "region" if words.regions:
            return draw(_in_region(words, below))
        case _:
            return draw(calls(words))


@cache
def calls(words: Words) -> Drawn:
    """Any criterion without logic, except that a region's frequency may be within one."""
    kinds: list[Drawn] = [
        st.sampled_from([of.everyone(), of.recorded(), of.genotyped()]),
        demographics(words),
        _observed(words),
        events(words),
        at_least(words),
        within_days(words),
    ]
    if words.variants:
        kinds.append(genotypes(words))
    if words.regions:
        kinds.append(_in_region(words, demographics(words)))
    if words.sites:
        kinds.append(_some(words.sites).map(lambda sites: of.at_site(*sites)))
    if words.persons:
        kinds.append(_some(words.persons).map(lambda who: of.persons(*who)))
    if words.columns:
        kinds.append(sequenced(words))
    if words.saved:
        kinds.append(st.sampled_from(words.saved).map(of.saved))
    return st.one_of(kinds)


@st.composite
def sequenced(draw: st.DrawFn, words: Words) -> Criterion:
    """Any conditions on columns of sequencing metadata."""
    values = st.sampled_from((*words.numbers, *words.texts))
    several = st.lists(values, min_size=1, max_size=3)
    asked = st.tuples(st.sampled_from(words.columns), st.sampled_from(COMPARISONS))
    conditions = draw(st.lists(asked, min_size=1, max_size=3, unique=True))
    return of.sequenced(
        **{
            f"{column}__{comparison}": draw(several if comparison == "in" else values)
            for column, comparison in conditions
        }
    )


@st.composite
def events(draw: st.DrawFn, words: Words) -> Event:
    """Any event."""
    table = EVENT_TABLES[draw(st.sampled_from(words.functions))]
    concepts = draw(_some(words.concepts) | st.just(())) if words.concepts else ()
    exclude = draw(_rarely(_some(words.concepts), ())) if concepts else ()
    valued = bool(words.numbers) and "value" in number_attributes(table)
    bounds = draw(_rarely(_bounds(words), ())) if valued else ()
    unit: tuple[int, ...] = ()
    if bounds and words.units:
        some = _some(words.units)
        unit = draw(some if words.must_name_unit else some | st.just(()))
    since, until = draw(_window(words))
    age = draw(_rarely(intervals(words.ages), None))
    return Event(
        table,
        tuple(sorted(concepts)),
        tuple(sorted(exclude)),
        descendants=not concepts or draw(st.booleans()),
        since=since,
        until=until,
        value=bounds,
        unit=tuple(sorted(unit)),
        age=age,
        exact_age=age is not None and draw(st.booleans()),
        first=draw(_rarely(st.just(value=True), otherwise=False)),
    )


@st.composite
def at_least(draw: st.DrawFn, words: Words) -> AtLeast:
    """So many events, or days with one."""
    return AtLeast(draw(st.integers(1, 4)), draw(events(words)), draw(st.booleans()))


@st.composite
def within_days(draw: st.DrawFn, words: Words) -> WithinDays:
    """Two events, so many days apart."""
    return WithinDays(draw(events(words)), draw(events(words)), draw(intervals(words.days)))


@st.composite
def demographics(draw: st.DrawFn, words: Words) -> Criterion:
    """A criterion of the person row."""
    kinds: list[Drawn] = [
        st.sampled_from([of.sex("male"), of.sex("female"), of.sex("male", "female"), of.sex(0)]),
        intervals(words.years).map(of.born),
        _some(words.races).map(lambda chosen: of.race(*chosen)),
        _some(words.ethnicities).map(lambda chosen: of.ethnicity(*chosen)),
    ]
    if words.dates:
        at, exact = st.sampled_from(words.dates), st.booleans()
        kinds.append(
            st.builds(
                lambda years, at, exact: of.age(years, at=at, exact=exact),
                intervals(words.ages),
                at,
                exact,
            )
        )
    return draw(st.one_of(kinds))


def genotypes(words: Words) -> Drawn:
    """A criterion of one variant."""
    variant = st.sampled_from(words.variants)
    states = st.sets(st.sampled_from(STATES), min_size=1, max_size=3)
    return st.one_of(
        variant.map(of.carries),
        variant.map(of.assayed),
        st.builds(lambda where, asked: of.genotype(where, *asked), variant, states),
    )


@st.composite
def intervals(draw: st.DrawFn, numbers: tuple[float, ...]) -> Interval:
    """An interval between two of these numbers, or open-ended at one."""
    low, high = sorted((draw(st.sampled_from(numbers)), draw(st.sampled_from(numbers))))
    open_ended = draw(st.sampled_from(("neither", "neither", "low", "high")))
    return Interval(None if open_ended == "low" else low, None if open_ended == "high" else high)


@st.composite
def _in_region(draw: st.DrawFn, words: Words, within: Drawn) -> Criterion:
    region = draw(st.sampled_from(words.regions))
    if draw(st.booleans()):
        return of.carries(region)
    low, high = sorted(draw(st.tuples(*[st.sampled_from(words.frequencies)] * 2)))
    return of.carries(region, Maf(Interval(low, high), draw(st.none() | within)))


@st.composite
def _observed(draw: st.DrawFn, words: Words) -> Observed:
    return Observed(*draw(_window(words)))


@st.composite
def _window(draw: st.DrawFn, words: Words) -> tuple[date | None, date | None]:
    if not words.dates:
        return None, None
    day = _rarely(st.sampled_from(words.dates), None)
    since, until = draw(day), draw(day)
    return (until, since) if since and until and since > until else (since, until)


@st.composite
def _bounds(draw: st.DrawFn, words: Words) -> tuple[Bound, ...]:
    chosen = draw(st.sets(st.sampled_from(OPERATORS), min_size=1, max_size=2))
    return tuple(
        Bound(operator, draw(st.sampled_from(words.numbers)))
        for operator in OPERATORS
        if operator in chosen
    )


def _some(of_these: tuple[T, ...]) -> st.SearchStrategy[tuple[T, ...]]:
    """One to three different ones."""
    return st.lists(st.sampled_from(of_these), min_size=1, max_size=3, unique=True).map(tuple)


def _rarely(drawn: st.SearchStrategy[T], otherwise: S) -> st.SearchStrategy[T | S]:
    """Drawn once in three times."""
    return st.one_of(st.just(otherwise), st.just(otherwise), drawn)
