"""The OMOP tables of a site, clean and typed."""

from __future__ import annotations

import numpy as np
import polars as pl

from precisionchain.synthetic.concepts import (
    BY_ID,
    CORONARY_ARTERIOSCLEROSIS,
    TYPE_2_DIABETES,
    Concept,
    of_domain,
)
from precisionchain.synthetic.conditions import (
    NEVER,
    condition_table,
    draw_conditions,
    first_diagnosis,
    unmapped,
)
from precisionchain.synthetic.drugs import draw_drugs, drug_table
from precisionchain.synthetic.eras import condition_eras, drug_eras
from precisionchain.synthetic.measurements import draw_means, draw_measurements, measurement_table
from precisionchain.synthetic.other_events import (
    device_table,
    observation_table,
    procedure_table,
    site_tables,
)
from precisionchain.synthetic.persons import (
    death_table,
    observation_period_table,
    observe,
    person_table,
)
from precisionchain.synthetic.phenotype import Floats, Traits
from precisionchain.synthetic.roster import Roster
from precisionchain.synthetic.tables import KEYS
from precisionchain.synthetic.visits import draw_visits, visit_detail_table, visit_table


def clinical_tables(
    roster: Roster, traits: Traits, ancestry: Floats, rng: np.random.Generator
) -> dict[str, pl.DataFrame]:
    """Draw what a site has on record of its persons; keys of the answer are those of ``KEYS``.

    Args:
        roster: the persons.
        traits: the planted phenotypes of all humans.
        ancestry: expected shares of populations of all humans.
        rng: randomness.
    """
    observed = observe(roster, rng)
    visits = draw_visits(observed, rng)
    concepts = _conditions(traits)
    conditions = draw_conditions(roster, visits, concepts, traits, rng)
    ids = unmapped(conditions, concepts, rng)
    first = {
        disease: first_diagnosis(conditions, ids, disease, len(roster))
        for disease in (TYPE_2_DIABETES, CORONARY_ARTERIOSCLEROSIS)
    }
    dying_of = np.where(first[CORONARY_ARTERIOSCLEROSIS] != NEVER, CORONARY_ARTERIOSCLEROSIS, 0)
    drugs = draw_drugs(visits, first, rng)
    measured = draw_measurements(visits, rng)
    means = draw_means(roster, traits, rng)
    tables = {
        **site_tables(roster.site),
        "person": person_table(roster, ancestry[roster.human], rng),
        "observation_period": observation_period_table(roster, observed),
        "death": death_table(roster, observed, dying_of),
        "visit_occurrence": visit_table(roster, visits),
        "visit_detail": visit_detail_table(roster, visits, rng),
        "condition_occurrence": condition_table(roster, visits, conditions, ids, rng),
        "drug_exposure": drug_table(roster, visits, drugs, rng),
        "procedure_occurrence": procedure_table(roster, visits, rng),
        "device_exposure": device_table(roster, visits, rng),
        "measurement": measurement_table(roster, visits, measured, means, rng),
        "observation": observation_table(roster, visits, rng),
    }
    tables["condition_era"] = condition_eras(tables["condition_occurrence"])
    tables["drug_era"] = drug_eras(tables["drug_exposure"])
    return {name: tables[name] for name in KEYS}


def _conditions(traits: Traits) -> list[Concept]:
    """The conditions to be drawn: those with a share of their own, and the planted diseases."""
    own = of_domain("Condition")
    listed = {c.concept_id for c in own}
    return own + [BY_ID[disease] for disease in traits.has if disease not in listed]
