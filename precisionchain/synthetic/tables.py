"""What all OMOP tables here have in common: columns, types, keys, and what may leave a site."""

from __future__ import annotations

from collections.abc import Mapping

import polars as pl

from precisionchain.schemas.omop import TABLES

EVENT_CONCEPT: Mapping[str, str] = {
    "death": "cause_concept_id",
    "visit_occurrence": "visit_concept_id",
    "visit_detail": "visit_detail_concept_id",
    "condition_occurrence": "condition_concept_id",
    "drug_exposure": "drug_concept_id",
    "procedure_occurrence": "procedure_concept_id",
    "device_exposure": "device_concept_id",
    "measurement": "measurement_concept_id",
    "observation": "observation_concept_id",
}
"""Tables of events, and the column that says what an event is."""

KEYS: Mapping[str, str | None] = {
    "location": "location_id",
    "care_site": "care_site_id",
    "provider": "provider_id",
    "person": "person_id",
    "observation_period": "observation_period_id",
    "death": None,
    "visit_occurrence": "visit_occurrence_id",
    "visit_detail": "visit_detail_id",
    "condition_occurrence": "condition_occurrence_id",
    "drug_exposure": "drug_exposure_id",
    "procedure_occurrence": "procedure_occurrence_id",
    "device_exposure": "device_exposure_id",
    "measurement": "measurement_id",
    "observation": "observation_id",
    "condition_era": "condition_era_id",
    "drug_era": "drug_era_id",
}
"""The tables that are written, and the primary key of each."""

SITE_TABLES = ("location", "care_site", "provider")
"""Tables whose rows belong to no person."""

# Numbers that point at staff or at a place.
_KEPT_AT_HOME = ("provider_id", "latitude", "longitude")
_TYPES: Mapping[str, pl.DataType] = {
    "BIGINT": pl.Int64(),
    "DOUBLE": pl.Float64(),
    "DATE": pl.Date(),
    "TIMESTAMP": pl.Datetime("us"),
    "VARCHAR": pl.String(),
}


def complete(name: str, frame: pl.DataFrame) -> pl.DataFrame:
    """Put columns into the order and types of CDM 5.4; those that are absent become null."""
    types = {f.name: _TYPES[f.lexical.sql_type] for f in TABLES[name].fields}
    return frame.select(
        (pl.col(column) if column in frame.columns else pl.lit(None)).cast(dtype).alias(column)
        for column, dtype in types.items()
    )


def published(table: pl.DataFrame) -> pl.DataFrame:
    """The columns that may leave the site: no text, nothing that points at staff or a place."""
    return table.select(
        column
        for column, dtype in table.schema.items()
        if dtype != pl.String and column not in _KEPT_AT_HOME
    )
