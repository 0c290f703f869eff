"""OMOP ``measurement``: values around each person's own mean, in more than one unit."""

from __future__ import annotations

import numpy as np
import polars as pl

from precisionchain.synthetic.concepts import (
    C_REACTIVE_PROTEIN,
    ELECTRONIC_RECORD,
    GLUCOSE,
    HEMOGLOBIN_A1C,
    TYPE_2_DIABETES,
    of_domain,
)
from precisionchain.synthetic.conditions import awkward_text
from precisionchain.synthetic.pedigree import Flags
from precisionchain.synthetic.phenotype import Floats, Traits
from precisionchain.synthetic.roster import Roster
from precisionchain.synthetic.tables import complete
from precisionchain.synthetic.visits import Events, Visits, draw_events, ever, on_visits

IN_DIABETES = {GLUCOSE: 55.0, HEMOGLOBIN_A1C: 1.7}
"""What a person with type 2 diabetes has more of, on average."""

WITHIN = 0.4
"""Share of a measurement's variance that lies within a person, who does not stay the same."""

_OTHER_UNIT = 1 / 3  # share of the values of a measurement that has two units
_WITHOUT_VALUE = 0.03  # share of measurements that carry no number
_LEAST = 0.3  # C reactive protein below it is reported as less than that
_LESS_THAN = 4171756
_REPEATS = 4.0


def draw_measurements(visits: Visits, rng: np.random.Generator) -> Events:
    """Place measurements; ``Events.what`` is an index of ``of_domain("Measurement")``."""
    share = np.array([c.share for c in of_domain("Measurement")])
    persons = len(visits.first) - 1
    return draw_events(visits, ever(np.tile(share, (persons, 1)), _REPEATS, rng), rng)


def draw_means(roster: Roster, traits: Traits, rng: np.random.Generator) -> Floats:
    """Each person's mean of each measurement; [persons, measurements]."""
    concepts = of_domain("Measurement")
    spread = np.array([c.sd for c in concepts]) * np.sqrt(1 - WITHIN)
    noise = rng.standard_normal((len(roster), len(concepts)))
    means: Floats = np.array([c.mean for c in concepts]) + spread * noise
    for column, concept in enumerate(concepts):
        if concept.concept_id in traits.level:
            means[:, column] = traits.level[concept.concept_id][roster.human]
        if concept.concept_id in IN_DIABETES and TYPE_2_DIABETES in traits.has:
            ill = traits.has[TYPE_2_DIABETES][roster.human]
            means[:, column] += IN_DIABETES[concept.concept_id] * ill
    return means


def measurement_table(
    roster: Roster, visits: Visits, events: Events, means: Floats, rng: np.random.Generator
) -> pl.DataFrame:
    """OMOP ``measurement``."""
    concepts = of_domain("Measurement")
    n = len(events)
    ids = np.array([c.concept_id for c in concepts])[events.what]
    within = np.array([c.sd for c in concepts]) * np.sqrt(WITHIN)
    values = means[events.person, events.what] + within[events.what] * rng.standard_normal(n)
    values = np.maximum(values, 0.01)
    other = np.array([c.other_unit for c in concepts])[events.what]
    converted = (other > 0) & (rng.random(n) < _OTHER_UNIT)
    factors = np.array([c.units_a_other_unit for c in concepts])[events.what]
    units = np.where(converted, other, np.array([c.unit for c in concepts])[events.what])
    values = np.round(np.where(converted, values / factors, values), 2)
    below: Flags = (ids == C_REACTIVE_PROTEIN) & (values < _LEAST)
    values[below] = _LEAST
    moments = events.day.astype("datetime64[m]") + rng.integers(6 * 60, 20 * 60, n)
    known = pl.Series(rng.random(n) >= _WITHOUT_VALUE)
    frame = pl.DataFrame(
        {
            "measurement_id": 50_000_001 + np.arange(n),
            "person_id": roster.person_id[events.person],
            "measurement_concept_id": ids,
            "measurement_date": events.day,
            "measurement_datetime": moments.astype("datetime64[us]"),
            "operator_concept_id": np.where(below, _LESS_THAN, 0),
            "value_as_number": values,
            "unit_concept_id": units,
        }
    ).with_columns(
        operator_concept_id=pl.when(known).then("operator_concept_id"),
        value_as_number=pl.when(known).then("value_as_number"),
        unit_concept_id=pl.when(known).then("unit_concept_id"),
        measurement_type_concept_id=pl.lit(ELECTRONIC_RECORD),
        measurement_source_value=awkward_text(ids),
        measurement_source_concept_id=pl.lit(0),
        **on_visits(visits, events),
    )
    return complete("measurement", frame)
