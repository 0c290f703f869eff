"""How many rows, and persons, have a concept as their main one."""

from __future__ import annotations

from typing import Any

import polars as pl

from precisionchain.query.concepts import placed_families
from precisionchain.query.frames import rows_file
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.omop import TABLES

_SCHEMA = {"concept_id": pl.Int64, "site": pl.String, "person_id": pl.Int64, "n": pl.Int64}


def with_counts(
    snapshot: Snapshot, concepts: pl.DataFrame
) -> tuple[pl.DataFrame, dict[str, list[int]]]:
    """Return concepts with ``rows`` and ``persons``, and the persons these rest on, by site.

    Counted are the rows of all event tables but eras whose main concept it is, without descendants.

    Args:
        snapshot: the generation that answers.
        concepts: with the column concept_id.
    """
    wanted = concepts["concept_id"].to_list()
    parts = [pl.DataFrame(schema=_SCHEMA)]
    for name, family in placed_families(snapshot, wanted).iter_rows():
        table, path = TABLES[name], snapshot.path(f"{family}/{name}")
        if path is None or table.is_era:
            continue
        rows = rows_file(path).select(
            pl.col(str(table.concept_column)).fill_null(0).alias("concept_id"),
            pl.col("site").cast(pl.String),
            "person_id",
        )
        of_them = rows.filter(pl.col("concept_id").is_in(wanted))
        by_person = of_them.group_by("concept_id", "site", "person_id")
        parts.append(by_person.agg(pl.len().cast(pl.Int64).alias("n")).collect())
    each = pl.concat(parts)
    counts = each.group_by("concept_id").agg(
        pl.col("n").sum().alias("rows"),
        pl.struct("site", "person_id").n_unique().cast(pl.Int64).alias("persons"),
    )
    counted = concepts.join(counts, on="concept_id", how="left", maintain_order="left")
    persons: dict[str, Any] = {
        str(site): rows["person_id"].unique().sort().to_list()
        for (site,), rows in each.group_by("site")
    }
    return counted.with_columns(pl.col("rows", "persons").fill_null(0)), persons
