"""OMOP ``drug_exposure``: drugs for what a person has, and drugs that anybody may take."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import polars as pl

from precisionchain.synthetic.concepts import (
    BY_ID,
    CORONARY_ARTERIOSCLEROSIS,
    ELECTRONIC_RECORD,
    TYPE_2_DIABETES,
    Concept,
    of_domain,
)
from precisionchain.synthetic.conditions import NEVER
from precisionchain.synthetic.pedigree import Ints
from precisionchain.synthetic.phenotype import Floats
from precisionchain.synthetic.roster import Roster
from precisionchain.synthetic.tables import complete
from precisionchain.synthetic.visits import Events, Visits, draw_events, ever, on_visits

INDICATED: Mapping[int, tuple[int, float]] = {
    1503297: (TYPE_2_DIABETES, 0.75),
    1597756: (TYPE_2_DIABETES, 0.2),
    1502905: (TYPE_2_DIABETES, 0.15),
    1545958: (CORONARY_ARTERIOSCLEROSIS, 0.5),
    1112807: (CORONARY_ARTERIOSCLEROSIS, 0.6),
    1307046: (CORONARY_ARTERIOSCLEROSIS, 0.4),
}
"""Ingredient -> the disease it is for, and the share of the ill who take it, after diagnosis."""

_ORAL = 4132161
_SUPPLIES = (7, 14, 30, 90)
_REPEATS = 2.0


def draw_drugs(
    visits: Visits, first_diagnoses: Mapping[int, Ints], rng: np.random.Generator
) -> Events:
    """Place exposures; ``Events.what`` is an index of ``of_domain("Drug")``.

    Args:
        visits: of the site.
        first_diagnoses: disease -> visit of each person's first diagnosis, ``NEVER`` for none.
        rng: randomness.
    """
    concepts = of_domain("Drug")
    persons = len(visits.first) - 1
    share: Floats = np.tile(np.array([c.share for c in concepts]), (persons, 1))
    earliest = np.repeat(visits.first[:-1, None], len(concepts), axis=1)
    strengths = [ingredient_of(c) for c in concepts]
    for column, ingredient in enumerate(strengths):
        if ingredient in INDICATED:
            disease, taking = INDICATED[ingredient]
            visit = first_diagnoses[disease]
            ill = visit != NEVER
            share[ill, column] = taking / strengths.count(ingredient)
            earliest[ill, column] = visit[ill]
    return draw_events(visits, ever(share, _REPEATS, rng), rng, earliest)


def ingredient_of(drug: Concept) -> int:
    """The ingredient of a drug of one strength."""
    return drug.parents[0]


def drug_table(
    roster: Roster, visits: Visits, events: Events, rng: np.random.Generator
) -> pl.DataFrame:
    """OMOP ``drug_exposure``; an exposure ends with its supply, or with observation."""
    n = len(events)
    ids = np.array([c.concept_id for c in of_domain("Drug")])[events.what]
    supply = rng.choice(_SUPPLIES, n)
    ends = np.minimum(events.day + supply - 1, visits.observed.end[events.person])
    names = {c.concept_id: c.name for c in BY_ID.values() if c.domain == "Drug"}
    frame = pl.DataFrame(
        {
            "drug_exposure_id": 30_000_001 + np.arange(n),
            "person_id": roster.person_id[events.person],
            "drug_concept_id": ids,
            "drug_exposure_start_date": events.day,
            "drug_exposure_start_datetime": events.day.astype("datetime64[us]"),
            "drug_exposure_end_date": ends,
            "refills": rng.integers(0, 4, n),
            "quantity": supply * rng.integers(1, 3, n),
            "days_supply": supply,
        }
    ).with_columns(
        drug_type_concept_id=pl.lit(ELECTRONIC_RECORD),
        route_concept_id=pl.lit(_ORAL),
        sig=pl.lit("as directed, with water"),
        drug_source_value=pl.col("drug_concept_id").replace_strict(names, return_dtype=pl.String),
        drug_source_concept_id=pl.lit(0),
        **on_visits(visits, events),
    )
    return complete("drug_exposure", frame)
