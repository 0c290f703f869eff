"""Persons, their observation periods, conditions and measurements, as clean typed tables.

Every table is drawn in one piece: a matrix of expected counts (persons x concepts) becomes counts,
and the counts become rows.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.synthetic.concepts import (
    CORONARY_ARTERIOSCLEROSIS,
    ELECTRONIC_RECORD,
    FEMALE,
    GLUCOSE,
    MALE,
    MMOL_PER_L,
    TYPE_2_DIABETES,
    Concept,
    of_domain,
)

LOG_ODDS_PER_COPY = 0.7  # of coronary arteriosclerosis, for a copy of the planted allele
_GLUCOSE_MG_PER_MMOL = 18.016
_UNMAPPED = 0.02  # share of conditions with concept 0
_WITHOUT_VALUE = 0.03  # share of measurements that carry no number
_LAST_DAY = np.datetime64("2024-12-31", "D")

Days = npt.NDArray[np.datetime64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Cohort:
    """Who there is: one entry a person in each array."""

    person_id: Ints
    gender: Ints
    born: Days
    observed_from: Days
    observed_until: Days


def draw_cohort(persons: int, rng: np.random.Generator) -> Cohort:
    """Persons with gapped ids (42 among them, so that every text can name ``A:42``)."""
    ids = np.sort(rng.choice(np.arange(1, 20 * persons + 100), persons, replace=False))
    if 42 not in ids:
        ids[np.searchsorted(ids, 42) % persons] = 42
    born = np.datetime64("1935-01-01", "D") + rng.integers(0, 70 * 365, persons)
    start = np.datetime64("2005-01-01", "D") + rng.integers(0, 10 * 365, persons)
    end = np.minimum(start + rng.integers(3 * 365, 15 * 365, persons), _LAST_DAY)
    gender = rng.choice([MALE, FEMALE], persons)
    return Cohort(ids.astype(np.int64), gender.astype(np.int64), born, start, end)


def person_table(cohort: Cohort) -> pl.DataFrame:
    """OMOP ``person``; ``person_source_value`` holds what looks like a hospital number."""
    born = pl.Series("born", cohort.born)
    frame = pl.DataFrame({"person_id": cohort.person_id, "gender_concept_id": cohort.gender})
    return frame.with_columns(
        year_of_birth=born.dt.year().cast(pl.Int64),
        month_of_birth=born.dt.month().cast(pl.Int64),
        day_of_birth=born.dt.day().cast(pl.Int64),
        birth_datetime=born.cast(pl.Datetime("us")),
        race_concept_id=pl.lit(0, pl.Int64),
        ethnicity_concept_id=pl.lit(0, pl.Int64),
        location_id=pl.lit(None, pl.Int64),
        provider_id=pl.lit(None, pl.Int64),
        care_site_id=pl.lit(None, pl.Int64),
        person_source_value=pl.format("MRN-{}", pl.col("person_id").cast(pl.String).str.zfill(8)),
        gender_source_value=pl.when(pl.col("gender_concept_id") == MALE)
        .then(pl.lit("M"))
        .otherwise(pl.lit("F")),
        gender_source_concept_id=pl.lit(0, pl.Int64),
        race_source_value=pl.lit(None, pl.String),
        race_source_concept_id=pl.lit(0, pl.Int64),
        ethnicity_source_value=pl.lit(None, pl.String),
        ethnicity_source_concept_id=pl.lit(0, pl.Int64),
    )


def observation_period_table(cohort: Cohort) -> pl.DataFrame:
    """OMOP ``observation_period``: one a person, within which all events fall."""
    return pl.DataFrame(
        {
            "observation_period_id": np.arange(1, len(cohort.person_id) + 1),
            "person_id": cohort.person_id,
            "observation_period_start_date": cohort.observed_from,
            "observation_period_end_date": cohort.observed_until,
        }
    ).with_columns(period_type_concept_id=pl.lit(ELECTRONIC_RECORD, pl.Int64))


def condition_table(
    cohort: Cohort, copies: npt.NDArray[np.int64], rng: np.random.Generator
) -> pl.DataFrame:
    """OMOP ``condition_occurrence``.

    Args:
        cohort: the persons.
        copies: copies of the planted allele each of them carries, 0 where nobody knows.
        rng: randomness.
    """
    concepts = of_domain("Condition")
    share = _shares(concepts, len(cohort.person_id))
    planted = [c.concept_id for c in concepts].index(CORONARY_ARTERIOSCLEROSIS)
    odds = share[:, planted] / (1 - share[:, planted]) * np.exp(LOG_ODDS_PER_COPY * copies)
    share[:, planted] = odds / (1 + odds)
    person, concept, day = _events(cohort, share, 0.6, rng)
    n = len(person)
    ids = np.array([c.concept_id for c in concepts])[concept]
    ids[rng.random(n) < _UNMAPPED] = 0
    ends = day + rng.integers(0, 40, n)
    frame = pl.DataFrame(
        {
            "condition_occurrence_id": 1_000_001 + np.arange(n),
            "person_id": cohort.person_id[person],
            "condition_concept_id": ids,
            "condition_start_date": day,
            "condition_start_datetime": day.astype("datetime64[us]"),
            "condition_end_date": ends,
            "condition_end_datetime": ends.astype("datetime64[us]"),
        }
    )
    ended = pl.Series(rng.random(n) < 0.7)
    return frame.with_columns(
        condition_end_date=pl.when(ended).then("condition_end_date"),
        condition_end_datetime=pl.when(ended).then("condition_end_datetime"),
        condition_type_concept_id=pl.lit(ELECTRONIC_RECORD, pl.Int64),
        condition_status_concept_id=pl.lit(0, pl.Int64),
        stop_reason=pl.lit(None, pl.String),
        provider_id=pl.lit(None, pl.Int64),
        visit_occurrence_id=pl.lit(None, pl.Int64),
        visit_detail_id=pl.lit(None, pl.Int64),
        condition_source_value=_awkward_text(ids),
        condition_source_concept_id=pl.lit(0, pl.Int64),
        condition_status_source_value=pl.lit(None, pl.String),
    )


def measurement_table(cohort: Cohort, rng: np.random.Generator) -> pl.DataFrame:
    """OMOP ``measurement``; a third of the glucose values are in mmol/L, the others in mg/dL."""
    concepts = of_domain("Measurement")
    person, concept, day = _events(cohort, _shares(concepts, len(cohort.person_id)), 4.0, rng)
    n = len(person)
    ids = np.array([c.concept_id for c in concepts])[concept]
    units = np.array([c.unit for c in concepts])[concept]
    means = np.array([c.mean for c in concepts])[concept]
    values = means + np.array([c.sd for c in concepts])[concept] * rng.standard_normal(n)
    molar = (ids == GLUCOSE) & (rng.random(n) < 1 / 3)
    units[molar] = MMOL_PER_L
    values[molar] /= _GLUCOSE_MG_PER_MMOL
    known = pl.Series(rng.random(n) >= _WITHOUT_VALUE)
    moments = day.astype("datetime64[m]") + rng.integers(6 * 60, 20 * 60, n)
    frame = pl.DataFrame(
        {
            "measurement_id": 5_000_001 + np.arange(n),
            "person_id": cohort.person_id[person],
            "measurement_concept_id": ids,
            "measurement_date": day,
            "measurement_datetime": moments.astype("datetime64[us]"),
        }
    )
    return frame.with_columns(
        measurement_time=pl.lit(None, pl.String),
        measurement_type_concept_id=pl.lit(ELECTRONIC_RECORD, pl.Int64),
        operator_concept_id=pl.lit(0, pl.Int64),
        value_as_number=pl.when(known).then(pl.Series(np.round(values, 1))),
        value_as_concept_id=pl.lit(None, pl.Int64),
        unit_concept_id=pl.when(known).then(pl.Series(units)),
        range_low=pl.lit(None, pl.Float64),
        range_high=pl.lit(None, pl.Float64),
        provider_id=pl.lit(None, pl.Int64),
        visit_occurrence_id=pl.lit(None, pl.Int64),
        visit_detail_id=pl.lit(None, pl.Int64),
        measurement_source_value=_awkward_text(ids),
        measurement_source_concept_id=pl.lit(0, pl.Int64),
        unit_source_value=pl.lit(None, pl.String),
        unit_source_concept_id=pl.lit(0, pl.Int64),
        value_source_value=pl.lit(None, pl.String),
        measurement_event_id=pl.lit(None, pl.Int64),
        meas_event_field_concept_id=pl.lit(None, pl.Int64),
    )


def _shares(concepts: list[Concept], persons: int) -> npt.NDArray[np.float64]:
    """Probability that a person ever has a concept, shape (persons, concepts)."""
    return np.tile(np.array([c.share for c in concepts]), (persons, 1))


def _events(
    cohort: Cohort, share: npt.NDArray[np.float64], repeats: float, rng: np.random.Generator
) -> tuple[Ints, Ints, Days]:
    """Person index, concept index and day of every event, in the order of days.

    Whoever has a concept has it once, and ``repeats`` more times on average.
    """
    counts = (rng.random(share.shape) < share) * (1 + rng.poisson(repeats, share.shape))
    person, concept = np.divmod(np.repeat(np.arange(counts.size), counts.ravel()), share.shape[1])
    span = (cohort.observed_until - cohort.observed_from).astype(np.int64)[person]
    day = cohort.observed_from[person] + (rng.random(len(person)) * (span + 1)).astype(np.int64)
    order = np.lexsort((concept, person, day))
    return person[order], concept[order], day[order]


def _awkward_text(ids: Ints) -> pl.Series:
    """Source values that a CSV reader can stumble over: commas, quotes, a line break."""
    spelled = {
        TYPE_2_DIABETES: 'Diabetes, "type 2"',
        CORONARY_ARTERIOSCLEROSIS: "Coronary\narteriosclerosis",
        GLUCOSE: "Glucose, serum",
    }
    values = pl.Series(ids)
    return values.replace_strict(spelled, default="local code " + values.cast(pl.String))
