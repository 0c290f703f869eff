"""Visits, and events that fall into visits.

Every event belongs to a visit of its person and happens on one of its days; visits lie in the
observation period, which ends with death. So the tables agree with each other by construction.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.synthetic.concepts import ELECTRONIC_RECORD
from precisionchain.synthetic.pedigree import Ints
from precisionchain.synthetic.persons import CARE_SITES, PROVIDERS, Observed
from precisionchain.synthetic.roster import Days, Roster
from precisionchain.synthetic.tables import complete

INPATIENT, OUTPATIENT, EMERGENCY, INTENSIVE_CARE = 9201, 9202, 9203, 32037
FIRST_VISIT_ID, FIRST_DETAIL_ID = 10_000_001, 15_000_001
_KINDS = (OUTPATIENT, INPATIENT, EMERGENCY)
_KIND_SHARES = (0.82, 0.1, 0.08)
_VISITS_A_YEAR = 2.5


@dataclass(frozen=True, slots=True)
class Visits:
    """All visits of a site, by person and then by day.

    Args:
        observed: when the persons were under observation.
        person: index of the person, ascending.
        first: index of each person's first visit; persons + 1 entries.
        kind: concept.
        start, end: days.
        care_site: where.
        provider: whom with.
    """

    observed: Observed
    person: Ints
    first: Ints
    kind: Ints
    start: Days
    end: Days
    care_site: Ints
    provider: Ints


@dataclass(frozen=True, slots=True)
class Events:
    """Events of one kind, in the order of days.

    Args:
        person: index of the person.
        what: index of the concept, or whatever else was asked for.
        visit: index of the visit.
        day: a day of that visit.
    """

    person: Ints
    what: Ints
    visit: Ints
    day: Days

    def __len__(self) -> int:
        return len(self.person)


def draw_visits(observed: Observed, rng: np.random.Generator) -> Visits:
    """Some visits for everybody, at least one."""
    span = (observed.end - observed.start).astype(np.int64)
    counts = 1 + rng.poisson(span / 365.25 * _VISITS_A_YEAR)
    person = np.repeat(np.arange(len(span)), counts)
    after = (rng.random(len(person)) * (span[person] + 1)).astype(np.int64)
    order = np.lexsort((after, person))
    after = after[order]
    n = len(person)
    kind = rng.choice(_KINDS, n, p=_KIND_SHARES)
    stay = np.where(kind == INPATIENT, 1 + rng.geometric(0.25, n), 0)
    start = observed.start[person] + after
    return Visits(
        observed=observed,
        person=person,
        first=np.concatenate([[0], np.cumsum(counts)]),
        kind=kind,
        start=start,
        end=np.minimum(start + stay, observed.end[person]),
        care_site=rng.integers(1, CARE_SITES + 1, n),
        provider=rng.integers(1, PROVIDERS + 1, n),
    )


def draw_events(
    visits: Visits,
    counts: npt.NDArray[np.int64],
    rng: np.random.Generator,
    not_before: Ints | None = None,
) -> Events:
    """Place events on visits.

    Args:
        visits: of the site.
        counts: events by person and concept, [persons, concepts].
        rng: randomness.
        not_before: index of the earliest visit that may be taken, by person and concept, [persons,
            concepts]; each person's first by default.
    """
    flat = np.repeat(np.arange(counts.size), counts.ravel())
    person, what = np.divmod(flat, counts.shape[1])
    first = visits.first[person] if not_before is None else not_before.ravel()[flat]
    left = visits.first[person + 1] - first
    visit = first + (rng.random(len(person)) * left).astype(np.int64)
    days = (visits.end[visit] - visits.start[visit]).astype(np.int64) + 1
    day = visits.start[visit] + (rng.random(len(person)) * days).astype(np.int64)
    order = np.lexsort((what, person, day))
    return Events(person[order], what[order], visit[order], day[order])


def ever(
    share: npt.NDArray[np.float64], repeats: float, rng: np.random.Generator
) -> npt.NDArray[np.int64]:
    """Counts of events: whoever has a concept has it once, and ``repeats`` more on average."""
    has = rng.random(share.shape) < share
    counts = np.zeros(share.shape, dtype=np.int64)
    counts[has] = 1 + rng.poisson(repeats, int(has.sum()))
    return counts


def on_visits(visits: Visits, events: Events) -> dict[str, pl.Series]:
    """The columns by which events point at visits."""
    return {
        "visit_occurrence_id": pl.Series(FIRST_VISIT_ID + events.visit),
        "provider_id": pl.Series(visits.provider[events.visit]),
    }


def visit_table(roster: Roster, visits: Visits) -> pl.DataFrame:
    """OMOP ``visit_occurrence``."""
    number = np.arange(len(visits.person))
    follows = pl.Series(number > visits.first[visits.person])
    moments = visits.start.astype("datetime64[us]") + np.timedelta64(8, "h")
    frame = pl.DataFrame(
        {
            "visit_occurrence_id": FIRST_VISIT_ID + number,
            "person_id": roster.person_id[visits.person],
            "visit_concept_id": visits.kind,
            "visit_start_date": visits.start,
            "visit_start_datetime": moments,
            "visit_end_date": visits.end,
            "provider_id": visits.provider,
            "care_site_id": visits.care_site,
        }
    ).with_columns(
        visit_type_concept_id=pl.lit(ELECTRONIC_RECORD),
        visit_source_concept_id=pl.lit(0),
        preceding_visit_occurrence_id=pl.when(follows).then(pl.col("visit_occurrence_id") - 1),
    )
    return complete("visit_occurrence", frame)


def visit_detail_table(roster: Roster, visits: Visits, rng: np.random.Generator) -> pl.DataFrame:
    """OMOP ``visit_detail``: stays in intensive care, within a third of the stays in hospital."""
    stays = np.flatnonzero((visits.kind == INPATIENT) & (rng.random(len(visits.kind)) < 1 / 3))
    length = (visits.end[stays] - visits.start[stays]).astype(np.int64)
    end = visits.start[stays] + (rng.random(len(stays)) * (length + 1)).astype(np.int64)
    frame = pl.DataFrame(
        {
            "visit_detail_id": FIRST_DETAIL_ID + np.arange(len(stays)),
            "person_id": roster.person_id[visits.person[stays]],
            "visit_detail_start_date": visits.start[stays],
            "visit_detail_end_date": end,
            "provider_id": visits.provider[stays],
            "care_site_id": visits.care_site[stays],
            "visit_occurrence_id": FIRST_VISIT_ID + stays,
        }
    ).with_columns(
        visit_detail_concept_id=pl.lit(INTENSIVE_CARE),
        visit_detail_type_concept_id=pl.lit(ELECTRONIC_RECORD),
    )
    return complete("visit_detail", frame)
