"""The functions criteria are made with, in Python, in text and from JSON alike.

``functions()`` names them all; ``docs/reference/cohorts.md`` says what each means. They check what
they are given and make the values of ``criteria/``.
"""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Sequence
from functools import cache
from numbers import Integral
from typing import Concatenate, Final, ParamSpec

from precisionchain.errors import UsageError
from precisionchain.query.arguments import (
    Concepts,
    Day,
    Range,
    as_bounds,
    as_concepts,
    as_conditions,
    as_day,
    as_event,
    as_flag,
    as_integer,
    as_interval,
    as_place,
    as_variant,
    as_whole_interval,
    is_word_or_whole,
    some_concepts,
)
from precisionchain.query.criteria import (
    ANY_EVENT,
    EVENT_TABLES,
    SEXES,
    STATES,
    Age,
    And,
    Assayed,
    AtLeast,
    AtSite,
    Born,
    Carries,
    CarriesIn,
    CarriesStructural,
    Criterion,
    Demographic,
    Event,
    Everyone,
    Genotype,
    Maf,
    Observed,
    Or,
    Persons,
    Saved,
    Sequenced,
    WithinDays,
    checked,
)
from precisionchain.query.reach import reach_of
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
    "carries_structural",
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
    "sequenced",
    "sex",
    "specimen",
    "visit",
    "visit_detail",
    "within_days",
]

P = ParamSpec("P")

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
        () if concepts is None else some_concepts(name, concepts),
        as_concepts(exclude),
        as_flag("descendants", descendants),
        as_day("since", since),
        as_day("until", until),
        as_bounds(value),
        () if unit is None else some_concepts("unit", unit),
        None if age is None else as_whole_interval(age),
        as_flag("exact_age", exact_age),
        as_flag("first", first),
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
    return AtLeast(as_integer(n), as_event(event), as_flag("days", days))


def within_days(first: Event, second: Event, days: int | Range) -> WithinDays:
    """Return the criterion of two events so many days apart.

    Args:
        first: an event.
        second: an event that starts ``days`` after it; negative days are before it.
        days: a closed interval; a number means that many days before or after.
    """
    if isinstance(days, Integral):
        either_way = as_integer(days)
        if either_way < 0:
            raise UsageError("a number of days is not negative", hint="LOW..HIGH, as -30..0")
        days = (-either_way, either_way)
    return WithinDays(as_event(first), as_event(second), as_whole_interval(days))


def observed(*, since: Day | None = None, until: Day | None = None) -> Observed:
    """Return the criterion of one observation period that holds all these days."""
    return Observed(as_day("since", since), as_day("until", until))


def sex(*sexes: str | int) -> Demographic:
    """Return the criterion of a sex: ``male``, ``female`` or a gender concept."""
    if not {one.lower() for one in sexes if isinstance(one, str)} <= SEXES.keys():
        raise UsageError("not a sex", hint=f"{', '.join(SEXES)} or a gender concept")
    named = [SEXES[one.lower()] if isinstance(one, str) else one for one in sexes]
    return Demographic("sex", some_concepts("sex", named))


def race(*concepts: int) -> Demographic:
    """Return the criterion of a race, by concept."""
    return Demographic("race", some_concepts("race", concepts))


def ethnicity(*concepts: int) -> Demographic:
    """Return the criterion of an ethnicity, by concept."""
    return Demographic("ethnicity", some_concepts("ethnicity", concepts))


def age(years: Range, *, at: Day, exact: bool = False) -> Age:
    """Return the criterion of an age on a day, a closed interval of years."""
    day = as_day("at", at)
    if day is None:
        raise UsageError("age needs the day it is asked of", hint="age(18..65, at=2020-01-01)")
    return Age(as_whole_interval(years), day, as_flag("exact", exact))


def born(years: Range) -> Born:
    """Return the criterion of a year of birth, a closed interval."""
    return Born(as_whole_interval(years))


# ----------------------------------------------------------------------------------------- genetic


def carries(
    where: str | Variant | Region, maf: Maf | None = None, *, overlap: bool = False
) -> Carries | CarriesIn:
    """Return the criterion of a copy of an allele, or of any allele of a region and frequency.

    Args:
        where: a variant, the id that files gave it, or a region.
        maf: the frequency of a region's alleles.
        overlap: of a region also the alleles that begin outside and reach into it.
    """
    place, reaching = as_place(where), as_flag("overlap", overlap)
    if maf is not None and not isinstance(maf, Maf):
        raise UsageError("the frequency is given as maf(LOW..HIGH)")
    if isinstance(place, Region):
        return CarriesIn(place, maf, reaching)
    if reaching:
        raise UsageError("overlap goes with a region, not with a variant")
    if maf is not None:
        raise UsageError("maf(...) goes with a region, not with a variant")
    return Carries(place)


def carries_structural(
    region: str | Region,
    *,
    svtype: str | Sequence[str] | None = None,
    overlap: str = "any",
    reciprocal: float | None = None,
) -> CarriesStructural:
    """Return the criterion of a copy of a structural variant that reaches a region.

    Args:
        region: the region.
        svtype: one type or several, of DEL, DUP, INV, INS, CNV, BND; default any.
        overlap: ``any``, ``within``, ``covers`` or ``start``.
        reciprocal: the least share of the region, and of the variant, that both have.
    """
    place = as_place(region)
    if not isinstance(place, Region):
        raise UsageError("this needs a region", hint="9:22000000-22130000")
    return CarriesStructural(reach_of(place, svtype, overlap, reciprocal))


def genotype(variant: str | Variant, *states: str | int) -> Genotype:
    """Return the criterion of one of some states: 0, 1, 2, missing, not_assayed."""
    asked = {str(state) for state in states if is_word_or_whole(state)}
    if not asked <= set(STATES) or not states or not all(map(is_word_or_whole, states)):
        raise UsageError("not a genotype", hint=f"one or more of {', '.join(STATES)}")
    return Genotype(as_variant(variant), tuple(state for state in STATES if state in asked))


def assayed(variant: str | Variant) -> Assayed:
    """Return the criterion of having been looked at, called or missing."""
    return Assayed(as_variant(variant))


def maf(frequencies: Range, within: Criterion | str = "network") -> Maf:
    """Return a condition on the alleles of a region: their minor allele frequency.

    Args:
        frequencies: a closed interval within 0 to 0.5.
        within: the network, or the persons a criterion is true of.
    """
    if isinstance(within, str) and within != "network":
        raise UsageError("maf is within the network or within a criterion")
    return Maf(as_interval(frequencies), None if isinstance(within, str) else checked(within))


def sequenced(**columns: object) -> Sequenced:
    """Return the criterion of having been sequenced like this: conditions on metadata columns.

    ``machine="Illumina NovaSeq 6000"`` is equal; ``coverage__ge=30``, ``__gt``, ``__le``, ``__lt``,
    ``__ne`` compare, ``__in`` takes a list. All hold in one source of the person's genotypes.
    """
    return Sequenced(as_conditions(columns))


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
    if not who or not all(map(is_word_or_whole, who)):
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
    *(carries, carries_structural, genotype, assayed, maf, sequenced),
    *(everyone, recorded, genotyped, at_site, persons, saved),
)
