"""Alerts on misuse: rules over who asks how much, when, and how many persons of whom (F53).

Rules, defaults and what a row means: ``docs/reference/access-log.md``. A rule counts within
periods that follow each other without gaps (an hour, a day, a window of days), begun at midnight of
the rules' own offset from UTC, so that a count never depends on when it is asked for.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, fields, replace
from datetime import date, timedelta
from typing import Any, Final, Self

import polars as pl

from precisionchain.access.index.holdings import Holdings
from precisionchain.access.index.segment import RETURNED
from precisionchain.access.judge import ANSWERED, NOT_PERMITTED, REFUSED
from precisionchain.errors import UsageError

RATE, SHARE, OFF_HOURS, REFUSALS = "rate", "share", "off-hours", "refusals"
_TIME: Final = pl.Datetime("us", "UTC")
ALERT_COLUMNS: Final[dict[str, Any]] = {
    "rule": pl.String,
    "user": pl.String,
    "site": pl.String,
    "start": _TIME,
    "end": _TIME,
    "value": pl.Float64,
    "threshold": pl.Float64,
    "n_questions": pl.Int64,
}
_ORDER: Final = ("start", "rule", "user", "site")


@dataclass(frozen=True, slots=True)
class Rules:
    """When somebody's questions are worth a look. A value at its threshold is an alert.

    Args:
        questions_per_hour: questions of a user in an hour.
        share: persons of an institution that a user's answers returned within a window, as a part
            of those it has; over 0, at most 1.
        share_days: days of that window, at least 1.
        opens: the hour from which asking is usual, 0 to 23.
        closes: the hour from which it is not any more; before ``opens`` means after midnight, and
            the same as ``opens`` that every hour is usual.
        off_hours: questions of a user in a day outside these hours.
        refusals: refused questions of a user in a day.
        utc_offset: minutes that clocks are ahead of UTC, -1,439 to 1,439.

    Raises:
        UsageError: no such threshold, hour or offset.
    """

    questions_per_hour: int = 120
    share: float = 0.5
    share_days: int = 7
    opens: int = 6
    closes: int = 22
    off_hours: int = 20
    refusals: int = 10
    utc_offset: int = 0

    def __post_init__(self) -> None:
        whole = ("questions_per_hour", "share_days", "off_hours", "refusals")
        within = {
            **dict.fromkeys(whole, (1, 10**9)),
            "share_days": (1, 3_660),
            "opens": (0, 23),
            "closes": (0, 23),
            "utc_offset": (-1_439, 1_439),
        }
        for name, (least, most) in within.items():
            value = getattr(self, name)
            if type(value) is not int or not least <= value <= most:
                raise UsageError(f"{name} is a whole number from {least} to {most:,}")
        if type(self.share) not in (int, float) or not 0 < self.share <= 1:
            raise UsageError("share is a number over 0 and at most 1")

    @classmethod
    def names(cls) -> tuple[str, ...]:
        """Return the names of all settings."""
        return tuple(one.name for one in fields(cls))

    def but(self, settings: Mapping[str, Any]) -> Self:
        """Return the rules with other settings; those that are None stay.

        Raises:
            UsageError: a setting that there is not, or that cannot be.
        """
        unknown = sorted(settings.keys() - set(self.names()))
        if unknown:
            raise UsageError(
                f"no setting of alerts: {', '.join(unknown)}", hint=", ".join(self.names())
            )
        return replace(self, **{k: value for k, value in settings.items() if value is not None})


def find_alerts(
    holdings: Holdings,
    rules: Rules,
    persons: Mapping[str, int],
    *,
    since: date | None = None,
    until: date | None = None,
) -> pl.DataFrame:
    """Return the frame ``alerts`` of ``docs/reference/access-log.md``.

    Args:
        holdings: the log's questions, and what they showed.
        rules: thresholds, hours, and the offset of days.
        persons: how many persons each institution has; of others there is no share.
        since: periods that end after the beginning of this day, by the rules' offset.
        until: periods that begin on this day or earlier.
    """
    offset = timedelta(minutes=rules.utc_offset)
    local = (pl.col("time") + offset).dt.replace_time_zone(None)
    asked = holdings.questions.with_columns(local.alias("local"))
    parts = [
        _counted(asked, RATE, "1h", rules.questions_per_hour),
        _counted(_off_hours(asked, rules), OFF_HOURS, "1d", rules.off_hours),
        _counted(asked.filter(pl.col("status") == REFUSED), REFUSALS, "1d", rules.refusals),
        _shares(holdings, asked, rules, persons),
    ]
    found = pl.concat(parts)
    if since is not None:
        found = found.filter(pl.col("end") > pl.lit(since).cast(pl.Datetime("us")))
    if until is not None:
        found = found.filter(pl.col("start").dt.date() <= until)
    moments = [
        (pl.col(name) - offset).dt.replace_time_zone("UTC").alias(name) for name in ("start", "end")
    ]
    return found.with_columns(moments).cast(pl.Schema(ALERT_COLUMNS)).sort(_ORDER)


def _off_hours(asked: pl.DataFrame, rules: Rules) -> pl.DataFrame:
    """Return the questions that were asked when asking is not usual."""
    hour = pl.col("local").dt.hour()
    after, before = hour >= rules.opens, hour < rules.closes
    if rules.opens == rules.closes:
        return asked.clear()
    usual = after & before if rules.opens < rules.closes else after | before
    return asked.filter(~usual)


def _counted(asked: pl.DataFrame, rule: str, length: str, threshold: int) -> pl.DataFrame:
    """Return the users and periods with at least so many questions."""
    found = asked.group_by("user", "site", pl.col("local").dt.truncate(length).alias("start")).agg(
        pl.len().cast(pl.Int64).alias("n_questions")
    )
    found = found.filter(pl.col("n_questions") >= threshold)
    return _lines(
        found,
        rule,
        end=pl.col("start").dt.offset_by(length),
        value=pl.col("n_questions"),
        threshold=threshold,
    )


def _shares(
    holdings: Holdings, asked: pl.DataFrame, rules: Rules, persons: Mapping[str, int]
) -> pl.DataFrame:
    """Return the users, windows and institutions of whose persons so many were returned."""
    days = pl.col("local").dt.epoch("d").floordiv(rules.share_days) * rules.share_days
    start = days.cast(pl.Int32).cast(pl.Date).cast(pl.Datetime("us")).alias("start")
    answered = asked.filter(pl.col("status").is_in([ANSWERED, NOT_PERMITTED])).with_columns(start)
    groups = answered.select("user", "start").unique().sort("start", "user").with_row_index("group")
    of_group = answered.select("row", "user", "start").join(groups, on=["user", "start"])
    counts = holdings.count_distinct(RETURNED, of_group.select("row", "group"), groups.height)
    seen = pl.DataFrame(counts, schema=list(holdings.sites)).with_row_index("group")
    sizes = pl.DataFrame(
        {"site": list(persons), "size": list(persons.values())},
        schema={"site": pl.String, "size": pl.Int64},
    ).filter(pl.col("size") > 0)
    found = (
        seen.unpivot(index="group", variable_name="site", value_name="seen")
        .join(sizes, on="site")
        .with_columns((pl.col("seen") / pl.col("size")).alias("value"))
        .filter(pl.col("value") >= rules.share, pl.col("seen") > 0)
        .join(groups, on="group")
    )
    showed = holdings.sites_touched(RETURNED).rename({"touched": "site"})
    asked_of = of_group.select("row", "group").join(showed, on="row")
    n_questions = asked_of.group_by("group", "site").agg(
        pl.len().cast(pl.Int64).alias("n_questions")
    )
    return _lines(
        found.join(n_questions, on=["group", "site"]),
        SHARE,
        end=pl.col("start").dt.offset_by(f"{rules.share_days}d"),
        value=pl.col("value"),
        threshold=rules.share,
    )


def _lines(
    found: pl.DataFrame, rule: str, *, end: pl.Expr, value: pl.Expr, threshold: float
) -> pl.DataFrame:
    return found.select(
        pl.lit(rule).alias("rule"),
        "user",
        "site",
        "start",
        end.alias("end"),
        value.cast(pl.Float64).alias("value"),
        pl.lit(float(threshold)).alias("threshold"),
        "n_questions",
    )
