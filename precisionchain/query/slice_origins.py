"""Who says what in the vocabulary slices, and who is taken where they contradict each other."""

from __future__ import annotations

import re
from collections.abc import Mapping
from datetime import date
from typing import Final

import polars as pl

from precisionchain.replica.catalogue import SealedBatch, Snapshot

SAID_BY: Final = {
    "batch": pl.String,
    "site": pl.String,
    "source": pl.String,
    "release": pl.String,
    "counts": pl.Boolean,
    "rank": pl.Int64,
}
"""What is known of a batch that says something; of two, that of the lower rank is taken."""
_WHOLE_RELEASE: Final = "None"
_DATED: Final = re.compile(r"([0-9]{1,2})-([A-Z]{3})-([0-9]{2}|[0-9]{4})(?![0-9])")
_MONTHS: Final = (
    *("JAN", "FEB", "MAR", "APR", "MAY", "JUN"),
    *("JUL", "AUG", "SEP", "OCT", "NOV", "DEC"),
)


def release_date(release: str | None) -> date | None:
    """Return the day in the name of a release, as ``v5.0 29-AUG-24``; None where it has none."""
    found = _DATED.search((release or "").upper())
    if found is None or found[2] not in _MONTHS:
        return None
    year = int(found[3]) + (2000 if len(found[3]) == 2 else 0)
    try:
        return date(year, _MONTHS.index(found[2]) + 1, int(found[1]))
    except ValueError:
        return None


def said_by(snapshot: Snapshot, releases: pl.DataFrame, batches: set[str]) -> pl.DataFrame:
    """Return who says what some batches say, ranked: the lower is taken before the higher.

    Batches that count go before withdrawn ones; then the newest release, by the day in its name and
    with one before without; then the source whose newest batch was sealed last; then the newest
    batch.
    """
    catalogue = snapshot.catalogue
    counting = {one.batch for one in catalogue.batches}
    sealed = {one.batch: one for one in catalogue.sealed if one.batch in batches}
    newest: dict[tuple[str, str], int] = {}
    for one in catalogue.batches:
        if one.kind == "omop":
            key = (one.site, one.source)
            newest[key] = max(newest.get(key, -1), one.position)
    stated = _stated_releases(releases, sealed, counting)
    rows = []
    for batch, one in sealed.items():
        key = (one.site, one.source)
        release = stated.get(key)
        day = release_date(release)
        order = (
            batch not in counting,
            day is None,
            -(day or date.min).toordinal(),
            -newest.get(key, -1),
            -one.position,
        )
        rows.append((order, batch, one.site, one.source, release, batch in counting))
    ranked = [(*row, rank) for rank, (_, *row) in enumerate(sorted(rows, key=lambda row: row[0]))]
    return pl.DataFrame(ranked, schema=SAID_BY, orient="row")


def _stated_releases(
    releases: pl.DataFrame, sealed: Mapping[str, SealedBatch], counting: set[str]
) -> dict[tuple[str, str], str | None]:
    """Return by site and source the release that the newest batch states, counting ones first."""
    whole = releases.filter(pl.col("vocabulary_id") == _WHOLE_RELEASE)
    rows = list(whole.select("batch", "vocabulary_version").iter_rows())
    rows.sort(key=lambda row: (row[0] in counting, sealed[row[0]].position))
    return {(sealed[batch].site, sealed[batch].source): version for batch, version in rows}
