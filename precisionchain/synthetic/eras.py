"""Eras, as OHDSI derives them: events of one concept with at most 30 days between them are one era.

Definitions: the Common Data Model's ``condition_era`` and ``drug_era``
(https://ohdsi.github.io/CommonDataModel/cdm54.html). Drugs are taken together by ingredient.
"""

from __future__ import annotations

import polars as pl

from precisionchain.synthetic.concepts import of_domain
from precisionchain.synthetic.drugs import ingredient_of
from precisionchain.synthetic.tables import complete

PERSISTENCE_DAYS = 30


def condition_eras(conditions: pl.DataFrame) -> pl.DataFrame:
    """OMOP ``condition_era`` from accepted conditions; concept 0 makes none.

    A condition without an end lasts a day, until the day after its start.
    """
    start = pl.col("condition_start_date")
    spans = conditions.filter(pl.col("condition_concept_id") != 0).select(
        "person_id",
        concept="condition_concept_id",
        start=start,
        end=pl.coalesce("condition_end_date", start.dt.offset_by("1d")),
    )
    eras = _joined(spans).select(
        condition_era_id=pl.int_range(1, pl.len() + 1),
        person_id="person_id",
        condition_concept_id="concept",
        condition_era_start_date="start",
        condition_era_end_date="end",
        condition_occurrence_count="count",
    )
    return complete("condition_era", eras)


def drug_eras(exposures: pl.DataFrame) -> pl.DataFrame:
    """OMOP ``drug_era`` by ingredient; ``gap_days`` are days of the era without the drug."""
    ingredients = {c.concept_id: ingredient_of(c) for c in of_domain("Drug")}
    spans = exposures.select(
        "person_id",
        concept=pl.col("drug_concept_id").replace_strict(ingredients, return_dtype=pl.Int64),
        start="drug_exposure_start_date",
        end="drug_exposure_end_date",
    )
    eras = _joined(spans).select(
        drug_era_id=pl.int_range(1, pl.len() + 1),
        person_id="person_id",
        drug_concept_id="concept",
        drug_era_start_date="start",
        drug_era_end_date="end",
        drug_exposure_count="count",
        gap_days="gap_days",
    )
    return complete("drug_era", eras)


def _joined(spans: pl.DataFrame) -> pl.DataFrame:
    """Join spans (person_id, concept, start, end) that are at most 30 days apart.

    Returns:
        person_id, concept, start, end, count, gap_days; by person, concept and start.
    """
    group = ["person_id", "concept"]
    before = pl.col("end").cum_max().shift(1).over(group)
    ordered = spans.sort(*group, "start", "end").with_columns(before=before)
    gap = (pl.col("start") - pl.col("before")).dt.total_days()
    numbered = ordered.with_columns(gap=gap, new=(gap > PERSISTENCE_DAYS).fill_null(value=True))
    era = pl.col("new").cast(pl.Int64).cum_sum().over(group)
    without = pl.when(~pl.col("new") & (pl.col("gap") > 1)).then(pl.col("gap") - 1).otherwise(0)
    return (
        numbered.with_columns(era=era, without=without)
        .group_by(*group, "era", maintain_order=True)
        .agg(
            start=pl.col("start").min(),
            end=pl.col("end").max(),
            count=pl.len(),
            gap_days=pl.col("without").sum(),
        )
    )
