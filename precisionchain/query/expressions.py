"""The functions criteria are made with, in Python, in text and from JSON alike.

``functions()`` names them all; ``docs/reference/cohorts.md`` says what each means. They check what
they are given and make the values of ``criteria/``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Iterable, Mapping
from datetime import date, datetime
from functools import cache
from numbers import Integral
from typing import Concatenate, Final, ParamSpec, TypeAlias

from precisionchain.errors import UsageError
from precisionchain.query.criteria import (
    ANY_EVENT,
    EVENT_TABLES,
    OPERATORS,
    SEXES,
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
    checked,
)
from precisionchain.schemas.person import written
from precisionchain.schemas.variant import Region, Variant

__all__ = [
    "EVENT_TABLES",
    "age",
    "all_of",
    "any_of",
    "assayed",
    "at_least",
    "at_site",
    "born",
    "carries",
    "complement_of",
    "condition",
    "condition_era",
    "death",
    "device",
    "dose_era",
    "drug",
    "drug_era",
    "episode",
    "ethnicity",
    "event",
    "everyone",
    "functions",
    "genotype",
    "genotyped",
    "maf",
    "measurement",
    "observation",
    "observed",
    "persons",
    "procedure",
    "race",
    "recorded",
    "saved",
    "sex",
    "specimen",
    "visit",
    "visit_detail",
    "within_days",
]

P = ParamSpec("P")
Concepts: TypeAlias = int | Iterable[int]
Day: TypeAlias = date | str
Range: TypeAlias = Interval | tuple[float | None, float | None]

_COMPARED: Final = {"gt": ">", "ge": ">=", "lt": "<", "le": "<=", "eq": "="}
_MOST: Final = 1_000_000  # years or days
_DATE: Final = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_SITE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}")


@cache
def functions() -> dict[str, Callable[..., Criterion | Maf]]:
    """Return every function by the name it is written by in text and JSON."""
    named = {function.__name__: function for function in (*_EVENTS, *_OTHERS)}
    return named | {"and": all_of, "or": any_of, "not": complement_of}


# ---------------------------------------------------------------------------------------- clinical


def _event(
    name: str,
    /,
    concepts: Concepts | None = None,
    *,
    exclude: Concepts = (),
    descendants: bool = True,
    since: Day | None = None,
    until: Day | None = None,
    unit: Concepts | None = None,
    age: Range | None = None,
    exact_age: bool = False,
    first: bool = False,
    **value: float,
) -> Event:
    return Event(
        EVENT_TABLES[name],
        () if concepts is None else _some_concepts(name, concepts),
        _concepts(exclude),
        _flag("descendants", descendants),
        _day("since", since),
        _day("until", until),
        _bounds(value),
        () if unit is None else _some_concepts("unit", unit),
        None if age is None else _whole(age),
        _flag("exact_age", exact_age),
        _flag("first", first),
    )


def _reading(name: str, make: Callable[Concatenate[str, P], Event]) -> Callable[P, Event]:
    """Return the function of one table's events, with the signature of all."""

    def events(*args: P.args, **kwargs: P.kwargs) -> Event:
        return make(name, *args, **kwargs)

    table = EVENT_TABLES[name]
    events.__name__ = events.__qualname__ = name
    events.__doc__ = (
        f"Return the criterion of a person with such a row of "
        f"{'any table but eras' if table == ANY_EVENT else table}; arguments, units and rules: "
        "``docs/reference/cohorts.md``."
    )
    whole = inspect.signature(make)
    others = [each for each in whole.parameters.values() if each.name != "name"]
    events.__signature__ = whole.replace(parameters=others)  # type: ignore[attr-defined]
    return events


event = _reading("event", _event)
condition = _reading("condition", _event)
drug = _reading("drug", _event)
procedure = _reading("procedure", _event)
device = _reading("device", _event)
measurement = _reading("measurement", _event)
observation = _reading("observation", _event)
visit = _reading("visit", _event)
visit_detail = _reading("visit_detail", _event)
death = _reading("death", _event)
specimen = _reading("specimen", _event)
episode = _reading("episode", _event)
condition_era = _reading("condition_era", _event)
drug_era = _reading("drug_era", _event)
dose_era = _reading("dose_era", _event)


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
    if isinstance(days, Integral):
        either_way = _integer(days)
        if either_way < 0:
            raise UsageError("a number of days is not negative", hint="LOW..HIGH, as -30..0")
        days = (-either_way, either_way)
    return WithinDays(_an_event(first), _an_event(second), _whole(days))


def observed(*, since: Day | None = None, until: Day | None = None) -> Observed:
    """Return the criterion of one observation period that holds all these days."""
    return Observed(_day("since", since), _day("until", until))


def sex(*sexes: str | int) -> Demographic:
    """Return the criterion of a sex: ``male``, ``female`` or a gender concept."""
    if not {one.lower() for one in sexes if isinstance(one, str)} <= SEXES.keys():
        raise UsageError("not a sex", hint=f"{', '.join(SEXES)} or a gender concept")
    named = [SEXES[one.lower()] if isinstance(one, str) else one for one in sexes]
    return Demographic("sex", _some_concepts("sex", named))


def race(*concepts: int) -> Demographic:
    """Return the criterion of a race, by concept."""
    return Demographic("race", _some_concepts("race", concepts))


def ethnicity(*concepts: int) -> Demographic:
    """Return the criterion of an ethnicity, by concept."""
    return Demographic("ethnicity", _some_concepts("ethnicity", concepts))


def age(years: Range, *, at: Day, exact: bool = False) -> Age:
    """Return the criterion of an age on a day, a closed interval of years."""
    day = _day("at", at)
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
    if maf is not None and not isinstance(maf, Maf):
        raise UsageError("the frequency is given as maf(LOW..HIGH)")
    if isinstance(place, Region):
        return CarriesIn(place, maf)
    if maf is not None:
        raise UsageError("maf(...) goes with a region, not with a variant")
    return Carries(place)


def genotype(variant: str | Variant, *states: str | int) -> Genotype:
    """Return the criterion of one of some states: 0, 1, 2, missing, not_assayed."""
    asked = {str(state) for state in states if _is_word_or_whole(state)}
    if not asked <= set(STATES) or not states or not all(map(_is_word_or_whole, states)):
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
    return Maf(_interval(frequencies), None if isinstance(within, str) else checked(within))


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
    named: tuple[object, ...] = sites
    if not named or not all(isinstance(one, str) and _SITE.fullmatch(one) for one in named):
        raise UsageError("at_site needs the names of sites", hint="as at_site(A, B)")
    return AtSite(tuple(sorted(set(sites))))


def persons(*who: str | int) -> Persons:
    """Return the criterion of being one of these persons, ``A:42``."""
    if not who or not all(map(_is_word_or_whole, who)):
        raise UsageError("persons needs at least one person", hint="SITE:person_id, as A:42")
    return Persons(tuple(sorted({written(str(person)) for person in who})))


def saved(name: str) -> Saved:
    """Return the criterion of being in a saved cohort."""
    return Saved(name)


def all_of(*of: Criterion) -> Criterion:
    """Return the criterion that all of these hold."""
    return And(tuple(checked(part) for part in of))


def any_of(*of: Criterion) -> Criterion:
    """Return the criterion that one of these holds."""
    return Or(tuple(checked(part) for part in of))


def complement_of(of: Criterion) -> Criterion:
    """Return the criterion that this does not hold."""
    return ~checked(of)


_EVENTS: Final = (
    *(event, condition, drug, procedure, device, measurement, observation),
    *(visit, visit_detail, death, specimen, episode, condition_era, drug_era, dose_era),
)
_OTHERS: Final[tuple[Callable[..., Criterion | Maf], ...]] = (
    *(at_least, within_days, observed, sex, race, ethnicity, age, born),
    *(carries, genotype, assayed, maf),
    *(everyone, recorded, genotyped, at_site, persons, saved),
)


# --------------------------------------------------------------------------------------- arguments


def _concepts(given: Concepts) -> tuple[int, ...]:
    if isinstance(given, Integral):
        return (_integer(given),)
    # The bytes of a text are whole numbers too.
    if isinstance(given, str | bytes | bytearray) or not isinstance(given, Iterable):
        raise UsageError("not a concept", hint="a concept id, or a list of them")
    return tuple(sorted({_integer(concept) for concept in given}))


def _some_concepts(what: str, given: Concepts) -> tuple[int, ...]:
    """An empty list is what a search that found nothing gives: it must not come to mean any."""
    concepts = _concepts(given)
    if not concepts:
        raise UsageError(f"{what} needs at least one concept")
    return concepts


def _integer(given: object) -> int:
    if not isinstance(given, Integral) or isinstance(given, bool):
        raise UsageError("not a whole number", hint="concepts and counts are integers")
    whole = int(given)
    if not -(2**63) <= whole < 2**63:
        raise UsageError("a whole number out of range", hint="concepts and counts have 64 bits")
    return whole


def _is_word_or_whole(given: object) -> bool:
    if isinstance(given, Integral) and not isinstance(given, bool):
        return -(2**63) <= int(given) < 2**63
    return isinstance(given, str)


def _flag(name: str, given: object) -> bool:
    if not isinstance(given, bool):
        raise UsageError(f"{name} is true or false")
    return given


def _day(name: str, given: object) -> date | None:
    if isinstance(given, str) and _DATE.fullmatch(given):
        try:
            return date.fromisoformat(given)
        except ValueError:
            raise UsageError(f"{name} is a day that no calendar has") from None
    if given is None or (isinstance(given, date) and not isinstance(given, datetime)):
        return given
    raise UsageError(f"{name} is no date", hint="YYYY-MM-DD")


def _interval(given: object) -> Interval:
    if isinstance(given, Interval):
        return given
    if not isinstance(given, tuple) or len(given) != 2:
        raise UsageError("this needs an interval", hint="LOW..HIGH; in Python (LOW, HIGH)")
    return Interval(*given)


def _whole(given: object) -> Interval:
    interval = _interval(given)
    bounds = [bound for bound in (interval.low, interval.high) if bound is not None]
    if not bounds:
        raise UsageError("an interval without bounds says nothing", hint="18..65, 18.. or ..65")
    if not all(isinstance(bound, int) and abs(bound) <= _MOST for bound in bounds):
        raise UsageError("not an interval of whole numbers", hint=f"up to {_MOST} years or days")
    return interval


def _bounds(given: Mapping[str, float]) -> tuple[Bound, ...]:
    bounds = []
    for name, number in given.items():
        what, _, suffix = name.partition("__")
        if what != "value" or suffix not in _COMPARED:
            raise UsageError(
                f"{name} is no argument here", hint="value__gt, __ge, __lt, __le or __eq"
            )
        bounds.append(Bound(_COMPARED[suffix], number))
    return tuple(sorted(bounds, key=lambda bound: OPERATORS.index(bound.operator)))


def _an_event(given: object) -> Event:
    if not isinstance(given, Event):
        raise UsageError("this needs an event", hint="as condition(201826)")
    return given


def _variant(given: object) -> Variant:
    place = _place(given)
    if not isinstance(place, Variant):
        raise UsageError("this needs a variant", hint="chrom:pos:ref:alt, as 9:22098574:A:G")
    return place


def _place(given: object) -> Variant | Region:
    """Return the variant or region, as it is printed again: so a value has one spelling."""
    if isinstance(given, Variant) and given.build is not None:
        raise UsageError(
            "a criterion asks in the network's build", hint="give the variant without a build"
        )
    if isinstance(given, Variant | Region) or _is_word_or_whole(given):
        text = str(given)  # a chromosome may be given as a number
        if text.isprintable():
            return Variant.parse(text) if text.count(":") > 1 else Region.parse(text)
    raise UsageError(
        "this needs a variant or a region", hint="9:22098574:A:G or 9:22000000-22130000"
    )
