"""Persons and records by concept within observation periods: what Achilles counts in its analyses
400 and 401 (conditions), 600 and 601 (procedures), 700 and 701 (drugs), 1800 and 1801
(measurements), and likewise of the other event tables.

A record counts where its start date lies in an observation period of its person, first and last
day included; it counts once, however many periods it lies in. A row without a main concept counts
as concept 0.
"""

from __future__ import annotations

from typing import Final

import polars as pl

from precisionchain.access.digest import frame_digest
from precisionchain.access.evaluated import Evaluated
from precisionchain.access.postings import no_alleles, persons
from precisionchain.errors import UsageError
from precisionchain.query.clinical import event_table
from precisionchain.query.frames import index_frame, rows_file
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.omop import Table
from precisionchain.schemas.streams import VOCABULARY

CONCEPT_COUNTS: Final = {
    "table": pl.String,
    "concept_id": pl.Int64,
    "concept_name": pl.String,
    "persons": pl.UInt32,
    "records": pl.UInt32,
}
"""Columns of an answer."""

PERSON_PREFIX: Final = "CLIN_PERSON_"
_COUNTED: Final = {
    "concept_id": pl.Int64,
    "site": pl.String,
    "person_id": pl.Int64,
    "records": pl.UInt32,
}
_PERIOD: Final = ("observation_period_start_date", "observation_period_end_date")


def counts_by_concept(
    snapshot: Snapshot, table: str, *, site: str | None = None
) -> Evaluated[pl.DataFrame]:
    """Return persons and records of each main concept of a table, most persons first.

    Args:
        snapshot: the generation to read.
        table: an event table, or its domain, that is no era.
        site: only persons of this site; None for the whole network.

    Raises:
        UsageError: no such table.
    """
    described = counted_table(table)
    parts = [pl.DataFrame(schema=_COUNTED)]
    suffix = f"/{described.name}"
    for name, path in snapshot.paths(PERSON_PREFIX).items():
        if name.endswith(suffix):
            periods = snapshot.path(f"{name.removesuffix(suffix)}/observation_period")
            if periods is not None:
                rows = _observed(rows_file(path), rows_file(periods), described)
                parts.append(rows.filter(_of(site)).collect())
    each = pl.concat(parts)
    counts = each.group_by("concept_id").agg(
        pl.len().alias("persons"), pl.col("records").sum().alias("records")
    )
    frame = (
        counts.join(_names(snapshot), on="concept_id", how="left")
        .with_columns(pl.lit(described.name).alias("table"))
        .sort("persons", "records", "concept_id", descending=[True, True, False])
        .select(pl.col(name).cast(kind) for name, kind in CONCEPT_COUNTS.items())
    )
    by_site = {
        str(key): rows["person_id"].unique().sort().to_numpy()
        for (key,), rows in each.group_by("site")
    }
    return Evaluated(frame, frame.height, frame_digest(frame), {}, persons(by_site), no_alleles())


def counted_table(text: str) -> Table:
    """Return the table that a text names, if records of it can be counted.

    Raises:
        UsageError: there is none, or its rows are derived eras.
    """
    table = event_table(text)
    if table.is_era:
        raise UsageError(
            f"rows of {table.name} are derived, and not counted",
            hint="name the table of the events themselves",
        )
    return table


def _observed(rows: pl.LazyFrame, periods: pl.LazyFrame, table: Table) -> pl.LazyFrame:
    """Return concept_id, site, person_id and the records that lie in a period of the person."""
    start, concept = str(table.start_date_column), str(table.concept_column)
    columns = rows.collect_schema().names()
    placed = pl.col(concept).fill_null(0) if concept in columns else pl.lit(0, pl.Int64)
    events = rows.select(
        pl.col("site").cast(pl.String), "person_id", placed.alias("concept_id"), start
    ).with_row_index("row")
    spans = periods.select(pl.col("site").cast(pl.String), "person_id", *_PERIOD)
    inside = pl.col(start).is_between(pl.col(_PERIOD[0]), pl.col(_PERIOD[1]))
    return (
        events.join(spans, on=["site", "person_id"])
        .filter(inside)
        .unique("row")
        .group_by("concept_id", "site", "person_id")
        .agg(pl.len().alias("records"))
        .cast(pl.Schema(_COUNTED))
        .select(*_COUNTED)
    )


def _of(site: str | None) -> pl.Expr:
    return pl.lit(value=True) if site is None else pl.col("site") == site


def _names(snapshot: Snapshot) -> pl.DataFrame:
    """Return concept_id, concept_name: of several names of one the first by letters."""
    slice_ = index_frame(snapshot, f"{VOCABULARY}/concept")
    if slice_ is None:
        return pl.DataFrame(schema={"concept_id": pl.Int64, "concept_name": pl.String})
    names = slice_.select(
        pl.col("concept_id").cast(pl.Int64), pl.col("concept_name").cast(pl.String)
    )
    return names.group_by("concept_id").agg(pl.col("concept_name").min())
