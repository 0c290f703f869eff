"""How much each institution asks, and how much its data are asked about, by period (F53).

What was shown is counted as distinct persons and alleles, whatever the number of answers that
showed them.
"""

from __future__ import annotations

from collections.abc import Iterable
from concurrent.futures import ThreadPoolExecutor
from datetime import date
from typing import Any, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from precisionchain.access.index.holdings import Holdings
from precisionchain.access.index.segment import CONTRIBUTED, RETURNED, VARIANTS
from precisionchain.access.judge import ANSWERED, MAY_HAVE_SEEN, NOT_PERMITTED
from precisionchain.errors import UsageError
from precisionchain.ledger.records import Member, counts

OWN_USE, USE_BY_OTHERS = "own use", "use by others"
PERIODS: Final = {"day": "1d", "week": "1w", "month": "1mo", "year": "1y"}
"""Periods by name, as polars truncates to them; a week begins on Monday."""

SUMMARY_COLUMNS: Final[dict[str, Any]] = {
    "site": pl.String,
    "period": pl.Date,
    "kind": pl.String,
    "operation": pl.String,
    "user_site": pl.String,
    "status": pl.String,
    "n_questions": pl.Int64,
    "n_users": pl.Int64,
    "rows": pl.Int64,
    "n_persons_returned": pl.Int64,
    "n_persons_contributed": pl.Int64,
    "n_variants_returned": pl.Int64,
}
_GROUP: Final = ("period", "operation", "user_site", "status")
_QUESTIONS: Final = (
    pl.len().alias("n_questions"),
    pl.col("user").n_unique().alias("n_users"),
)
_SHOWN: Final = pl.col("status").is_in([ANSWERED, NOT_PERMITTED])
"""Whether an answer was given, and so is on the log."""
_ORDER: Final = ("site", "period", "kind", "operation", "user_site", "status")
_RECORDS: Final = frozenset({"clinical", "genetic"})
"""Kinds of data that an answer can show of other institutions: staging is the own site's, and the
log is nobody's record."""
_PERSONS: Final = {"n_persons_returned": RETURNED, "n_persons_contributed": CONTRIBUTED}


def summarise(
    holdings: Holdings,
    members: Iterable[Member],
    *,
    period: str = "month",
    site: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> pl.DataFrame:
    """Return the frame ``summary`` of ``docs/reference/access-log.md``.

    Args:
        holdings: the log's questions, and what they showed.
        members: every institution ever admitted: an unresolved request may have shown any other's.
        period: one of `PERIODS`, in UTC; weeks begin on Monday.
        site: of this institution only.
        since: questions whose last entry the ledger took on this day, UTC, or later.
        until: or earlier, inclusive.

    Raises:
        UsageError: no such period.
    """
    length = PERIODS[required_period(period)]
    day = pl.coalesce("outcome_time", "time").dt.date()
    asked = holdings.questions.with_columns(
        day.alias("day"), day.dt.truncate(length).alias("period"), pl.col("site").alias("user_site")
    )
    if since is not None:
        asked = asked.filter(pl.col("day") >= since)
    if until is not None:
        asked = asked.filter(pl.col("day") <= until)
    groups = asked.select(_GROUP).unique().sort(_GROUP).with_row_index("group")
    asked = asked.join(groups, on=list(_GROUP))
    touched = pl.concat([_touched(holdings, asked), _perhaps_touched(asked, tuple(members))])
    frame = _counted(holdings, groups, asked, touched)
    return frame if site is None else frame.filter(pl.col("site") == site)


def required_period(text: str) -> str:
    """Return a period's name.

    Raises:
        UsageError: there is none of that name.
    """
    if text not in PERIODS:
        raise UsageError("not a period", hint=f"one of {', '.join(PERIODS)}")
    return text


def _touched(holdings: Holdings, asked: pl.DataFrame) -> pl.DataFrame:
    """Return a row a question and other institution whose persons it showed, or rests on."""
    found = holdings.sites_touched(RETURNED, CONTRIBUTED).join(
        asked.select("row", "group", "user", "site"), on="row"
    )
    others = found.filter(pl.col("touched") != pl.col("site"))
    return others.select("group", "user", pl.col("touched").alias("site"))


def _perhaps_touched(asked: pl.DataFrame, members: tuple[Member, ...]) -> pl.DataFrame:
    """Return a row an unresolved request and other institution that was a member then."""
    could = pl.col("data").str.split("+").list.set_intersection(sorted(_RECORDS)).list.len() > 0
    unresolved = asked.filter(pl.col("status") == MAY_HAVE_SEEN, could)
    asked_for = ("group", "user", "site", "entry", "time")
    found = [
        (group, user, other)
        for group, user, site, entry, time in unresolved.select(asked_for).iter_rows()
        for other in {member.site for member in members if counts(member, entry, time)} - {site}
    ]
    schema: dict[str, Any] = {
        "group": asked.schema["group"],
        "user": pl.String,
        "site": pl.String,
    }
    columns = zip(*found, strict=True) if found else ((),) * len(schema)
    return pl.DataFrame(dict(zip(schema, columns, strict=True)), schema=schema)


def _counted(
    holdings: Holdings, groups: pl.DataFrame, asked: pl.DataFrame, touched: pl.DataFrame
) -> pl.DataFrame:
    """Return the counts, of own use and of use by others."""
    own = groups.join(asked.group_by("group").agg(*_QUESTIONS, pl.col("rows").sum()), on="group")
    own = own.with_columns(
        pl.lit(OWN_USE).alias("kind"),
        pl.col("user_site").alias("site"),
        pl.when(_SHOWN).then("rows").alias("rows"),
    )
    by_others = groups.join(touched.group_by("group", "site").agg(*_QUESTIONS), on="group")
    by_others = by_others.with_columns(pl.lit(USE_BY_OTHERS).alias("kind"))
    of_group = asked.select("row", "group")
    kinds = (*_PERSONS.values(), VARIANTS)
    with ThreadPoolExecutor(len(_PERSONS)) as pool:  # compiled loops, which do not wait for another
        counted = pool.map(
            lambda kind: holdings.count_distinct(kind, of_group, groups.height), kinds
        )
    *persons, variants = counted
    own = _with_count(own, variants.sum(axis=1)[own["group"]], "n_variants_returned")
    for column, found in zip(_PERSONS, persons, strict=True):
        own = _with_count(own, found.sum(axis=1)[own["group"]], column)
        by_others = _with_count(by_others, _at(found, holdings.sites, by_others), column)
    together = pl.concat([own, by_others], how="diagonal")
    columns = [pl.col(name).cast(dtype) for name, dtype in SUMMARY_COLUMNS.items()]
    return together.select(columns).sort(_ORDER)


def _at(found: NDArray[np.int64], sites: tuple[str, ...], lines: pl.DataFrame) -> NDArray[np.int64]:
    """Return the count of each line's group and site; nobody of some sites was ever shown."""
    with_none = np.hstack([found, np.zeros((found.shape[0], 1), np.int64)])
    places = {name: place for place, name in enumerate(sites)}
    columns = [places.get(site, len(sites)) for site in lines["site"].to_list()]
    found_there: NDArray[np.int64] = with_none[
        lines["group"].to_numpy(), np.array(columns, np.int64)
    ]
    return found_there


def _with_count(lines: pl.DataFrame, found: NDArray[np.int64], column: str) -> pl.DataFrame:
    """Add a count; null where no answer is on the log."""
    return lines.with_columns(pl.when(_SHOWN).then(pl.Series(found, dtype=pl.Int64)).alias(column))
