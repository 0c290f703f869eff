"""OMOP ``condition_occurrence``: planted diseases and what they bring, and all other conditions."""

from __future__ import annotations

import numpy as np
import polars as pl

from precisionchain.synthetic.concepts import (
    CORONARY_ARTERIOSCLEROSIS,
    ELECTRONIC_RECORD,
    GLUCOSE,
    TYPE_2_DIABETES,
    Concept,
    descendants,
    source_code,
)
from precisionchain.synthetic.pedigree import Ints
from precisionchain.synthetic.phenotype import Floats, Traits
from precisionchain.synthetic.roster import Roster
from precisionchain.synthetic.tables import complete
from precisionchain.synthetic.visits import Events, Visits, draw_events, ever, on_visits

NEVER = np.iinfo(np.int64).max  # the visit of a first diagnosis that never was
_REPEATS = 0.6
_UNMAPPED = 0.02  # share of conditions with concept 0
_AWKWARD = {
    TYPE_2_DIABETES: 'Diabetes, "type 2"',
    CORONARY_ARTERIOSCLEROSIS: "Coronary\narteriosclerosis",
    GLUCOSE: "Glucose, serum",
}


def draw_conditions(
    roster: Roster,
    visits: Visits,
    concepts: list[Concept],
    traits: Traits,
    rng: np.random.Generator,
) -> Events:
    """Place the conditions of a site.

    Whoever has a planted disease has its concept once at least; whoever has not has none below it.

    Args:
        roster: the persons.
        visits: their visits.
        concepts: to be drawn; ``Events.what`` is an index of it.
        traits: the planted diseases.
        rng: randomness.
    """
    ids = [c.concept_id for c in concepts]
    share: Floats = np.tile(np.array([c.share for c in concepts]), (len(roster), 1))
    for disease, has in traits.has.items():
        below = [ids.index(d) for d in descendants(disease)[1:] if d in ids]
        share[:, ids.index(disease)] = has[roster.human]
        share[:, below] *= has[roster.human][:, None]
    return draw_events(visits, ever(share, _REPEATS, rng), rng)


def unmapped(events: Events, concepts: list[Concept], rng: np.random.Generator) -> Ints:
    """The concept of each event; 0 for a few, but never for a person's first of its concept."""
    ids = np.array([c.concept_id for c in concepts])[events.what]
    order = np.lexsort((np.arange(len(events)), events.what, events.person))
    person, what = events.person[order], events.what[order]
    again = np.zeros(len(events), dtype=np.bool_)
    again[order[1:]] = (person[1:] == person[:-1]) & (what[1:] == what[:-1])
    ids[again & (rng.random(len(events)) < 2 * _UNMAPPED)] = 0
    return ids


def first_diagnosis(events: Events, ids: Ints, disease: int, persons: int) -> Ints:
    """Index of the visit of each person's first event of a disease or below; ``NEVER`` for none."""
    first = np.full(persons, NEVER)
    of_disease = np.isin(ids, descendants(disease))
    np.minimum.at(first, events.person[of_disease], events.visit[of_disease])
    return first


def condition_table(
    roster: Roster, visits: Visits, events: Events, ids: Ints, rng: np.random.Generator
) -> pl.DataFrame:
    """OMOP ``condition_occurrence``; an end, where there is one, is within 40 days."""
    n = len(events)
    ends = np.minimum(events.day + rng.integers(0, 40, n), visits.observed.end[events.person])
    codes = {c: source_code(c) for c in np.unique(ids).tolist() if c}
    frame = pl.DataFrame(
        {
            "condition_occurrence_id": 20_000_001 + np.arange(n),
            "person_id": roster.person_id[events.person],
            "condition_concept_id": ids,
            "condition_start_date": events.day,
            "condition_start_datetime": events.day.astype("datetime64[us]"),
            "condition_end_date": ends,
            "condition_end_datetime": ends.astype("datetime64[us]"),
        }
    )
    ended = pl.Series(rng.random(n) < 0.7)
    frame = frame.with_columns(
        condition_end_date=pl.when(ended).then("condition_end_date"),
        condition_end_datetime=pl.when(ended).then("condition_end_datetime"),
        condition_type_concept_id=pl.lit(ELECTRONIC_RECORD),
        condition_status_concept_id=pl.lit(0),
        condition_source_value=awkward_text(ids),
        condition_source_concept_id=pl.col("condition_concept_id").replace_strict(codes, default=0),
        **on_visits(visits, events),
    )
    return complete("condition_occurrence", frame)


def awkward_text(ids: Ints) -> pl.Series:
    """Source values that a CSV reader can stumble over: commas, quotes, a line break."""
    values = pl.Series(ids)
    return values.replace_strict(_AWKWARD, default="local code " + values.cast(pl.String))
