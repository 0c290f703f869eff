"""The functions criteria are made with, in Python, in text and from JSON alike.

``functions()`` names them all; ``docs/reference/cohorts.md`` says what each means. They check what
they are given and make the values of ``criteria.py``.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterable, Mapping
from datetime import date
from typing import Final, TypeAlias

from precisionchain.errors import UsageError
from precisionchain.query.criteria import (
    ANY_EVENT,
    STATES,
    Age,
    And,
    Assayed,
    AtLeast,
    AtSite,
    Born,
    Bound,
    Carries,
    CarriesIn,
    Criterion,
    Demographic,
    Event,
    Everyone,
    Genotype,
    Interval,
    Maf,
    Observed,
    Or,
    Persons,
    Saved,
    WithinDays,
)
from precisionchain.query.typed import as_date
from precisionchain.schemas.person import written
from precisionchain.schemas.variant import Region, Variant

Concepts: TypeAlias = int | Iterable[int]
Day: TypeAlias = date | str
Range: TypeAlias = Interval | tuple[float | None, float | None]

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
_OPERATORS: Final = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "="}


def functions() -> dict[str, Callable[..., Criterion | Maf]]:
    """Return every function by the name it is written by in text and JSON."""
    made: dict[str, Callable[..., Criterion | Maf]] = {name: _events(name) for name in EVENT_TABLES}
    made |= {function.__name__: function for function in _OTHERS}
    return made | {"and": all_of, "or": any_of, "not": complement_of}


# ---------------------------------------------------------------------------------------- clinical


def _events(name: str) -> Callable[..., Event]:
    def events(
        concepts: Concepts | None = None,
        *,
        exclude: Concepts = (),
        descendants: bool = True,
        since: Day | None = None,
        until: Day | None = None,
        unit: Concepts = (),
        age: Range | None = None,
        exact_age: bool = False,
        first: bool = False,
        **value: float,
    ) -> Event:
        return Event(
            EVENT_TABLES[name],
            () if concepts is None else _concepts(concepts),
            _concepts(exclude),
            _flag("descendants", descendants),
            as_date(since),
            as_date(until),
            _bounds(value),
            _concepts(unit),
            None if age is None else _whole(age),
            _flag("exact_age", exact_age),
            _flag("first", first),
            function=name,
        )

    events.__name__ = events.__qualname__ = name
    events.__doc__ = (
        f"Return the criterion of a person with such a row of {EVENT_TABLES[name]}; arguments, "
        "units and rules: ``docs/reference/cohorts.md``."
    )
    return events


event = _events("event")
condition = _events("condition")
drug = _events("drug")
procedure = _events("procedure")
device = _events("device")
measurement = _events("measurement")
observation = _events("observation")
visit = _events("visit")
visit_detail = _events("visit_detail")
death = _events("death")
specimen = _events("specimen")
episode = _events("episode")
condition_era = _events("condition_era")
drug_era = _events("drug_era")
dose_era = _events("dose_era")


def at_least(n: int, event: Event, *, days: bool = False) -> AtLeast:
    """Return the criterion of at least ``n`` such events, or days with one."""
    return AtLeast(_integer(n), _an_event(event), _flag("days", days))


def within_days(first: Event, second: Event, days: int | Range) -> WithinDays:
    """Return the criterion of two events so many days apart.

    Args:
        first: an event.
        second: an event that starts ``days`` after it; negative days are before it.
        days: a closed interval; a number means that many days before or after.
    """
    if isinstance(days, int):
        days = Interval(-_integer(days), days)
    return WithinDays(_an_event(first), _an_event(second), _whole(days))


def observed(*, since: Day | None = None, until: Day | None = None) -> Observed:
    """Return the criterion of one observation period that holds all these days."""
    return Observed(as_date(since), as_date(until))


def sex(*sexes: str | int) -> Demographic:
    """Return the criterion of a sex: ``male``, ``female`` or a gender concept."""
    named = [SEXES.get(one.lower(), one) if isinstance(one, str) else one for one in sexes]
    return Demographic("sex", _some_concepts("sex", named))


def race(*concepts: int) -> Demographic:
    """Return the criterion of a race, by concept."""
    return Demographic("race", _some_concepts("race", concepts))


def ethnicity(*concepts: int) -> Demographic:
    """Return the criterion of an ethnicity, by concept."""
    return Demographic("ethnicity", _some_concepts("ethnicity", concepts))


def age(years: Range, *, at: Day, exact: bool = False) -> Age:
    """Return the criterion of an age on a day, a closed interval of years."""
    day = as_date(at)
    if day is None:
        raise UsageError("age needs the day it is asked of", hint="age(18..65, at=2020-01-01)")
    return Age(_whole(years), day, _flag("exact", exact))


def born(years: Range) -> Born:
    """Return the criterion of a year of birth, a closed interval."""
    return Born(_whole(years))


# ----------------------------------------------------------------------------------------- genetic


def carries(where: str | Variant | Region, maf: Maf | None = None) -> Carries | CarriesIn:
    """Return the criterion of a copy of an allele, or of any allele of a region and frequency."""
    place = _place(where)
    if isinstance(place, Region):
        if maf is not None and not isinstance(maf, Maf):
            raise UsageError("the frequency is given as maf(LOW..HIGH)")
        return CarriesIn(place, maf)
    if maf is not None:
        raise UsageError("maf(...) goes with a region, not with a variant")
    return Carries(place)


def genotype(variant: str | Variant, *states: str | int) -> Genotype:
    """Return the criterion of one of some states: 0, 1, 2, missing, not_assayed."""
    asked = {str(state) for state in states}
    if not asked or not asked <= set(STATES) or any(isinstance(s, bool) for s in states):
        raise UsageError("not a genotype", hint=f"one or more of {', '.join(STATES)}")
    return Genotype(_variant(variant), tuple(state for state in STATES if state in asked))


def assayed(variant: str | Variant) -> Assayed:
    """Return the criterion of having been looked at, called or missing."""
    return Assayed(_variant(variant))


def maf(frequencies: Range, within: Criterion | str = "network") -> Maf:
    """Return a condition on the alleles of a region: their minor allele frequency.

    Args:
        frequencies: a closed interval within 0 to 0.5.
        within: the network, or the persons a criterion is true of.
    """
    if isinstance(within, str) and within != "network":
        raise UsageError("maf is within the network or within a criterion")
    return Maf(_interval(frequencies), None if isinstance(within, str) else _criterion(within))


# ---------------------------------------------------------------------------------------- whoever


def everyone() -> Everyone:
    """Return the criterion that holds of the whole universe."""
    return Everyone("everyone")


def recorded() -> Everyone:
    """Return the criterion of having any published clinical row."""
    return Everyone("recorded")


def genotyped() -> Everyone:
    """Return the criterion of being in any published genotypes."""
    return Everyone("genotyped")


def at_site(*sites: str) -> AtSite:
    """Return the criterion of being a person of these sites."""
    if not sites or not all(isinstance(site, str) for site in sites):
        raise UsageError("at_site needs the names of sites")
    return AtSite(tuple(sorted(set(sites))))


def persons(*who: str | int) -> Persons:
    """Return the criterion of being one of these persons, ``A:42``."""
    if not who:
        raise UsageError("persons needs at least one person", hint="A:42")
    return Persons(tuple(sorted({written(str(person)) for person in who})))


def saved(name: str) -> Saved:
    """Return the criterion of being in a saved cohort."""
    return Saved(name)


def all_of(*of: Criterion) -> Criterion:
    """Return the criterion that all of these hold."""
    return And(tuple(_criterion(part) for part in of))


def any_of(*of: Criterion) -> Criterion:
    """Return the criterion that one of these holds."""
    return Or(tuple(_criterion(part) for part in of))


def complement_of(of: Criterion) -> Criterion:
    """Return the criterion that this does not hold."""
    return ~_criterion(of)


_OTHERS: Final = (
    *(at_least, within_days, observed, sex, race, ethnicity, age, born),
    *(carries, genotype, assayed, maf),
    *(everyone, recorded, genotyped, at_site, persons, saved),
)


# --------------------------------------------------------------------------------------- arguments


def _concepts(given: Concepts) -> tuple[int, ...]:
    several = (given,) if isinstance(given, int) else tuple(given)
    return tuple(sorted({_integer(concept) for concept in several}))


def _some_concepts(what: str, given: Iterable[object]) -> tuple[int, ...]:
    concepts = tuple(sorted({_integer(concept) for concept in given}))
    if not concepts:
        raise UsageError(f"{what} needs at least one concept")
    return concepts


def _integer(given: object) -> int:
    if not isinstance(given, int) or isinstance(given, bool) or not -(2**63) <= given < 2**63:
        raise UsageError("not a whole number", hint="concepts and counts are 64-bit integers")
    return given


def _flag(name: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise UsageError(f"{name} is true or false")
    return given


def _interval(given: Range) -> Interval:
    if not isinstance(given, Interval):
        low, high = given
        given = Interval(low, high)
    for bound in (given.low, given.high):
        number = isinstance(bound, int | float) and not isinstance(bound, bool)
        if bound is not None and not (number and math.isfinite(bound)):
            raise UsageError("not an interval of numbers", hint="LOW..HIGH")
    return given


def _whole(given: Range) -> Interval:
    interval = _interval(given)
    bounds = [b for b in (interval.low, interval.high) if b is not None]
    if not bounds:
        raise UsageError("an interval without bounds says nothing", hint="18..65, 18.. or ..65")
    for bound in bounds:
        _integer(bound)
    return interval


def _bounds(given: Mapping[str, float]) -> tuple[Bound, ...]:
    bounds = []
    for name, number in given.items():
        what, _, suffix = name.partition("__")
        if what != "value" or suffix not in _OPERATORS:
            raise UsageError(
                f"{name} is no argument here", hint="value__gt, __ge, __lt, __le or __eq"
            )
        if isinstance(number, bool) or not isinstance(number, int | float):
            raise UsageError("a value is compared with a number")
        if not math.isfinite(number):
            raise UsageError("a value is compared with a finite number")
        bounds.append(Bound(_OPERATORS[suffix], number))
    order = list(_OPERATORS.values())
    return tuple(sorted(bounds, key=lambda bound: order.index(bound.operator)))


def _an_event(given: object) -> Event:
    if not isinstance(given, Event):
        raise UsageError("this needs an event", hint="as condition(201826)")
    return given


def _criterion(given: object) -> Criterion:
    if not isinstance(given, Criterion):
        raise UsageError("this needs a criterion", hint="as condition(201826)")
    return given


def _variant(given: str | Variant) -> Variant:
    return Variant.parse(given) if isinstance(given, str) else given


def _place(given: str | Variant | Region) -> Variant | Region:
    if not isinstance(given, str):
        return given
    return Variant.parse(given) if given.count(":") > 1 else Region.parse(given)
