"""Criteria of persons themselves: demographics, observation, who they are and whose."""

from __future__ import annotations

import numpy as np

from precisionchain.errors import UnknownPersonError, UsageError
from precisionchain.query.criteria import (
    Age,
    AtSite,
    Born,
    Demographic,
    Everyone,
    Observed,
    Persons,
    Saved,
)
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.event_rows import NO_DAY
from precisionchain.query.kleene import Truth
from precisionchain.query.known_names import require_site
from precisionchain.query.person_rows import demographics, observation_periods
from precisionchain.query.persons import meant_by_bare_id
from precisionchain.query.row_conditions import days_of, inside
from precisionchain.schemas.person import parse_person


def of_demographic(scope: CriterionScope, asked: Demographic) -> Truth:
    """Return whose concept is one of those asked for; unknown where it is none, or 0."""
    said = demographics(scope.snapshot, scope.universe)[asked.what]
    known = said.known & (said.value != 0)
    return Truth(known & np.isin(said.value, asked.concepts), ~known)


def of_born(scope: CriterionScope, asked: Born) -> Truth:
    """Return whose year of birth is in the interval; unknown where there is none."""
    year = demographics(scope.snapshot, scope.universe)["year"]
    return Truth(year.known & inside(year.value, asked.years), ~year.known)


def of_age(scope: CriterionScope, asked: Age) -> Truth:
    """Return whose age on the day is in the interval; unknown where the date of birth is."""
    if asked.at is None:
        raise UsageError(
            "an age is asked of a day",
            hint="age(18..65, at=2020-01-01), or inside index(where=...)",
        )
    said = demographics(scope.snapshot, scope.universe)
    age, known = asked.at.year - said["year"].value, said["year"].known
    if asked.exact:
        birthday = said["month"].value * 100 + said["day"].value
        age = age - (asked.at.month * 100 + asked.at.day < birthday)
        known = known & said["month"].known & said["day"].known
    return Truth(known & inside(age, asked.years), ~known)


def of_observed(scope: CriterionScope, asked: Observed) -> Truth:
    """Return of whom one observation period holds all the days asked for."""
    if asked.of_index:
        raise UsageError(
            "days before and after are counted from a day",
            hint="observed(before=365, at=2020-01-01), or inside index(where=...)",
        )
    periods = observation_periods(scope.snapshot, scope.universe)
    holds = np.ones(len(periods.person), np.bool_)
    days = [days_of(day) for day in (asked.since, asked.until) if day is not None]
    if asked.at is not None:
        at = days_of(asked.at)
        days = [at - (asked.before or 0), at + (asked.after or 0)]
    if days:
        first, last = days[0], days[-1]
        holds = (periods.start <= first) & (periods.end >= last)
        holds &= (periods.start != NO_DAY) & (periods.end != NO_DAY)
    true = np.zeros(len(scope.universe), np.bool_)
    true[periods.person[holds]] = True
    return Truth.known(true)


def of_everyone(scope: CriterionScope, asked: Everyone) -> Truth:
    """Return everyone, or those with a clinical record, or with genotypes."""
    if asked.what == "everyone":
        return Truth.known(np.ones(len(scope.universe), np.bool_))
    known = {"recorded": scope.universe.recorded, "genotyped": scope.universe.genotyped}
    return Truth.known(known[asked.what])


def of_site(scope: CriterionScope, asked: AtSite) -> Truth:
    """Return the persons of some sites.

    Raises:
        UsageError: one of them is no member of the network.
    """
    for site in asked.sites:
        require_site(site, scope.sites)
    universe = scope.universe
    true = np.zeros(len(universe), np.bool_)
    for site in asked.sites:
        first = universe.first_places.get(site, 0)
        true[first : first + len(universe.ids.get(site, ()))] = True
    return Truth.known(true)


def of_persons(scope: CriterionScope, asked: Persons) -> Truth:
    """Return these persons; a bare id is the own site's, or the only other one's.

    Raises:
        UnknownPersonError: nobody has published one of them.
        AmbiguousPersonError: several other sites hold a bare id.
    """
    true = np.zeros(len(scope.universe), np.bool_)
    for text in asked.persons:
        site, person_id = parse_person(text)
        if site is None:
            holding = scope.universe.sites_of(person_id)
            site = meant_by_bare_id(holding, own_site=scope.own_site)
        place = scope.universe.places(site, np.array([person_id]))[0]
        if place < 0:
            raise UnknownPersonError(
                f"site {site} has published nothing of one of these persons",
                hint="a person is written SITE:person_id",
            )
        true[place] = True
    return Truth.known(true)


def of_saved(scope: CriterionScope, asked: Saved) -> Truth:
    """Return who is in a saved cohort; unknown where it does not say.

    Raises:
        UsageError: no cohort is saved under the name, or it is of another network.
        IntegrityError: it is damaged.
    """
    return scope.saved(asked.name).truth_over(scope.universe)
