"""Persons as rows of the OMOP CDM's COHORT table.

``subject_id`` is a person's id at one site, and the table has no column for a site: an answer is of
one site. A member belongs to the cohort from when to when? Where the persons come with an
``index_date``: from that day to the end of the observation period it lies in, or to their
``end_date`` where there is one. Else for as long as
they are observed: from the start of their first observation period to the end of their last one.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import polars as pl

from precisionchain.access.digest import frame_digest
from precisionchain.access.evaluated import Evaluated
from precisionchain.access.postings import persons as logged_persons
from precisionchain.errors import UsageError
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.streams import person_family

_PERSON_VIEW: Final = person_family(1).rpartition("_")[0] + "_"
_PERIODS: Final = {
    "person_id": pl.Int64,
    "observation_period_start_date": pl.Date,
    "observation_period_end_date": pl.Date,
}


@dataclass(frozen=True, slots=True)
class _Asked:
    site: str
    persons: pl.DataFrame


def cohort_rows(
    snapshot: Snapshot,
    persons: pl.DataFrame,
    definition_id: int,
    *,
    site: str | None = None,
    skip_unobserved: bool = False,
) -> Evaluated[pl.DataFrame]:
    """Return the COHORT rows of the persons of one site, by subject, and what they show.

    Args:
        snapshot: the generation to read.
        persons: ``site`` and ``person_id``, and perhaps ``index_date`` and ``end_date`` (null:
            none).
        definition_id: the cohort's number where the rows are going.
        site: whose persons; may be left out where all are of one site.
        skip_unobserved: leave out who has no observation period (or none that the index date lies
            in), instead of refusing.

    Raises:
        UsageError: the persons are of several sites, or some were not observed.
    """
    asked = _of_one_site(persons, site)
    rows = _dated(asked.persons, _periods(snapshot, asked))
    unobserved = asked.persons.height - rows.height
    if unobserved and not skip_unobserved:
        raise UsageError(
            f"{unobserved} of the {asked.persons.height} persons have no observation period to "
            "take the cohort's dates from",
            hint="leave them out with --skip-unobserved",
        )
    answer = rows.select(
        pl.lit(definition_id, pl.Int64).alias("cohort_definition_id"),
        pl.col("person_id").alias("subject_id"),
        pl.col("start").alias("cohort_start_date"),
        pl.col("end").alias("cohort_end_date"),
    )
    shown = logged_persons({asked.site: rows["person_id"].to_numpy()})
    return Evaluated(answer, answer.height, frame_digest(answer), shown)


def _of_one_site(persons: pl.DataFrame, site: str | None) -> _Asked:
    by_site = persons.group_by("site").len().sort("site")
    if site is None and by_site.height > 1:
        counted = ", ".join(f"{name} ({count})" for name, count in by_site.iter_rows())
        raise UsageError(
            f"the cohort has persons of sites {counted}, and COHORT rows have no site",
            hint="export one site's at a time with --site",
        )
    chosen = site or (by_site["site"][0] if by_site.height else "")
    dates = [
        (pl.col(name) if name in persons.columns else pl.lit(None)).cast(pl.Date).alias(name)
        for name in ("index_date", "end_date")
    ]
    mine = persons.filter(pl.col("site") == chosen)
    return _Asked(chosen, mine.select("person_id", *dates).unique())


def _periods(snapshot: Snapshot, asked: _Asked) -> pl.DataFrame:
    """Return person_id, first and last of the persons' observation periods."""
    parts = [pl.DataFrame(schema=_PERIODS)]
    for name, path in snapshot.paths(_PERSON_VIEW).items():
        if name.endswith("/observation_period"):
            rows = pl.scan_parquet(path).filter(pl.col("site") == asked.site).select(*_PERIODS)
            parts.append(rows.collect())
    return (
        pl.concat(parts)
        .join(asked.persons, on="person_id", how="semi")
        .drop_nulls()
        .rename(dict(zip(_PERIODS, ("person_id", "first", "last"), strict=True)))
    )


def _dated(persons: pl.DataFrame, periods: pl.DataFrame) -> pl.DataFrame:
    """Return person_id, start and end of those who have them, by person."""
    index = pl.col("index_date")
    holds = index.is_null() | index.is_between(pl.col("first"), pl.col("last"))
    return (
        persons.join(periods, on="person_id")
        .filter(holds)
        .group_by("person_id", "index_date", "end_date")
        .agg(pl.col("first").min(), pl.col("last").max())
        .select(
            "person_id",
            pl.coalesce("index_date", "first").alias("start"),
            pl.coalesce("end_date", "last").alias("end"),
        )
        .sort("person_id", "start", "end")
    )
