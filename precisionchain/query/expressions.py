"""The functions criteria are made with, in Python, in text and from JSON alike.

``functions()`` names them all; ``docs/reference/cohorts.md`` says what each means. They check what
they are given and make the values of ``criteria/``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from functools import cache
from typing import Final

from precisionchain.errors import UsageError
from precisionchain.query.arguments import (
    Day,
    Range,
    as_conditions,
    as_day,
    as_flag,
    as_integer,
    as_interval,
    as_place,
    as_variant,
    as_whole_interval,
    is_word_or_whole,
    some_concepts,
)
from precisionchain.query.circe.reading import circe
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.criteria import (
    EVENT_TABLES,
    SEXES,
    STATES,
    Age,
    And,
    Assayed,
    AtSite,
    Born,
    Carries,
    CarriesIn,
    CarriesStructural,
    Criterion,
    Demographic,
    Everyone,
    Genotype,
    Maf,
    Observed,
    Or,
    Persons,
    Saved,
    Sequenced,
    SomeOf,
    checked,
)
from precisionchain.query.event_expressions import (
    after,
    at_least,
    at_most,
    before,
    concept_set,
    condition,
    condition_era,
    death,
    device,
    dose_era,
    drug,
    drug_era,
    during,
    either,
    episode,
    event,
    exactly,
    index,
    measurement,
    observation,
    procedure,
    same_visit,
    specimen,
    visit,
    visit_detail,
    within_days,
    without,
)
from precisionchain.query.reach import reach_of
from precisionchain.schemas.person import written
from precisionchain.schemas.variant import Region, Variant

__all__ = [
    "EVENT_TABLES",
    "after",
    "age",
    "all_of",
    "any_of",
    "assayed",
    "at_least",
    "at_most",
    "at_site",
    "before",
    "born",
    "carries",
    "carries_structural",
    "circe",
    "complement_of",
    "concept_set",
    "condition",
    "condition_era",
    "death",
    "device",
    "dose_era",
    "drug",
    "drug_era",
    "during",
    "either",
    "episode",
    "ethnicity",
    "event",
    "everyone",
    "exactly",
    "functions",
    "genotype",
    "genotyped",
    "index",
    "maf",
    "measurement",
    "observation",
    "observed",
    "persons",
    "procedure",
    "race",
    "recorded",
    "same_visit",
    "saved",
    "sequenced",
    "sex",
    "some_of",
    "specimen",
    "visit",
    "visit_detail",
    "within_days",
    "without",
]

_SITE: Final = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}")


@cache
def functions() -> dict[str, Callable[..., Criterion | Maf | ConceptSet]]:
    """Return every function by the name it is written by in text and JSON."""
    named = {function.__name__: function for function in (*_EVENTS, *_OTHERS)}
    return named | {"and": all_of, "or": any_of, "not": complement_of}


# ---------------------------------------------------------------------------------------- clinical


def observed(
    *,
    since: Day | None = None,
    until: Day | None = None,
    before: int | None = None,
    after: int | None = None,
    at: Day | None = None,
) -> Observed:
    """Return the criterion of one observation period that holds all these days.

    Args:
        since: the first of the days.
        until: the last of them.
        before: so many days before ``at``.
        after: so many days after ``at``.
        at: the day they are counted from; without it the start of the index.
    """
    return Observed(
        as_day("since", since),
        as_day("until", until),
        None if before is None else as_integer(before),
        None if after is None else as_integer(after),
        as_day("at", at),
    )


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


def age(years: Range, *, at: Day | None = None, exact: bool = False) -> Age:
    """Return the criterion of an age on a day, a closed interval of years.

    Args:
        years: the interval.
        at: the day; without it the start of the index.
        exact: completed years, not those of the calendar.
    """
    return Age(as_whole_interval(years), as_day("at", at), as_flag("exact", exact))


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


def some_of(n: int, *of: Criterion) -> SomeOf:
    """Return the criterion that at least ``n`` of these hold."""
    return SomeOf(as_integer(n), tuple(checked(part) for part in of))


_EVENTS: Final[tuple[Callable[..., Criterion], ...]] = (
    *(event, condition, drug, procedure, device, measurement, observation),
    *(visit, visit_detail, death, specimen, episode, condition_era, drug_era, dose_era),
    *(either, index, at_least, at_most, exactly, within_days, before, after, during),
    *(same_visit, without),
)
_OTHERS: Final[tuple[Callable[..., Criterion | Maf | ConceptSet], ...]] = (
    *(concept_set, observed, sex, race, ethnicity, age, born, some_of),
    *(carries, carries_structural, genotype, assayed, maf, sequenced),
    *(everyone, recorded, genotyped, at_site, persons, saved, circe),
)
