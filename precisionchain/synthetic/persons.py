"""Persons of a site, when they were under observation, and who died."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.synthetic.concepts import ELECTRONIC_RECORD, FEMALE, MALE
from precisionchain.synthetic.pedigree import MALE_SEX, Flags, Ints
from precisionchain.synthetic.roster import Days, Roster
from precisionchain.synthetic.tables import complete

CARE_SITES = 5  # wards and practices of a site, numbered from 1
PROVIDERS = 20
_DEATHS_A_DECADE = 0.035  # share who died, a decade of age beyond 30
_LAST_DAY = np.datetime64("2024-12-31", "D")
_RACES = (8527, 8516, 8515)  # by population, where it has most of the ancestry
_OTHER_RACE, _NOT_HISPANIC = 8522, 38003564


@dataclass(frozen=True, slots=True)
class Observed:
    """When the persons of a roster were under observation; one entry a person.

    Args:
        start, end: first and last day.
        died: whether the last day is that of death.
    """

    start: Days
    end: Days
    died: Flags


def observe(roster: Roster, rng: np.random.Generator) -> Observed:
    """Observation periods of three years and more, after birth; some end with death."""
    n = len(roster)
    start = np.datetime64("2005-01-01", "D") + rng.integers(0, 10 * 365, n)
    start = np.maximum(start, roster.born + 1)
    end = np.minimum(start + rng.integers(3 * 365, 15 * 365, n), _LAST_DAY)
    decades = (end - roster.born).astype(np.int64) / 3652.5 - 3
    return Observed(start, end, rng.random(n) < np.maximum(decades, 0) * _DEATHS_A_DECADE)


def person_table(
    roster: Roster, ancestry: npt.NDArray[np.float64], rng: np.random.Generator
) -> pl.DataFrame:
    """OMOP ``person``; ``person_source_value`` holds what looks like a hospital number."""
    born = pl.Series("born", roster.born)
    male = pl.Series(roster.sex == MALE_SEX)
    most = ancestry.argmax(axis=1)
    race = np.where(ancestry.max(axis=1) > 0.75, np.array(_RACES)[most], _OTHER_RACE)
    frame = pl.DataFrame({"person_id": roster.person_id, "race_concept_id": race})
    frame = frame.with_columns(
        gender_concept_id=pl.when(male).then(MALE).otherwise(FEMALE),
        year_of_birth=born.dt.year(),
        month_of_birth=born.dt.month(),
        day_of_birth=born.dt.day(),
        birth_datetime=born.cast(pl.Datetime("us")),
        ethnicity_concept_id=pl.lit(_NOT_HISPANIC),
        location_id=pl.Series(rng.integers(1, CARE_SITES + 1, len(roster))),
        care_site_id=pl.Series(rng.integers(1, CARE_SITES + 1, len(roster))),
        provider_id=pl.Series(rng.integers(1, PROVIDERS + 1, len(roster))),
        person_source_value=pl.format("MRN-{}", pl.col("person_id").cast(pl.String).str.zfill(8)),
        gender_source_value=pl.when(male).then(pl.lit("M")).otherwise(pl.lit("F")),
        gender_source_concept_id=pl.lit(0),
        race_source_concept_id=pl.lit(0),
        ethnicity_source_concept_id=pl.lit(0),
    )
    return complete("person", frame)


def observation_period_table(roster: Roster, observed: Observed) -> pl.DataFrame:
    """OMOP ``observation_period``: one a person, within which all events fall."""
    frame = pl.DataFrame(
        {
            "observation_period_id": np.arange(1, len(roster) + 1),
            "person_id": roster.person_id,
            "observation_period_start_date": observed.start,
            "observation_period_end_date": observed.end,
        }
    ).with_columns(period_type_concept_id=pl.lit(ELECTRONIC_RECORD))
    return complete("observation_period", frame)


def death_table(roster: Roster, observed: Observed, causes: Ints) -> pl.DataFrame:
    """OMOP ``death``, on the last day of observation.

    Args:
        roster: the persons.
        observed: who died, and when.
        causes: concept by person, 0 where it is not known.
    """
    frame = pl.DataFrame(
        {
            "person_id": roster.person_id[observed.died],
            "death_date": observed.end[observed.died],
            "death_datetime": observed.end[observed.died].astype("datetime64[us]"),
            "cause_concept_id": causes[observed.died],
        }
    ).with_columns(
        death_type_concept_id=pl.lit(ELECTRONIC_RECORD),
        cause_concept_id=pl.when(pl.col("cause_concept_id") > 0).then("cause_concept_id"),
    )
    return complete("death", frame)
