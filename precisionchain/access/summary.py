"""How much each institution asks, and how much its data are asked about, by period (F53).

The log is read once. What was shown is counted as distinct persons and alleles, whatever the number
of answers that showed them.
"""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from datetime import UTC, date, datetime, timedelta
from typing import Any, Final

import polars as pl

from precisionchain.access.entries import Result
from precisionchain.access.log import ANSWERED, NOT_PERMITTED, Question
from precisionchain.access.postings import ALLELE_SCHEMA
from precisionchain.errors import UsageError
from precisionchain.ledger.records import Member, counts

OWN_USE, USE_BY_OTHERS = "own use", "use by others"
PERIODS: Final = ("day", "week", "month", "year")

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
_GROUP: Final[dict[str, Any]] = {
    "period": pl.Date,
    "operation": pl.String,
    "user_site": pl.String,
    "status": pl.String,
}
_ASKED: Final[dict[str, Any]] = {"group": pl.Int64, "user": pl.String, "rows": pl.Int64}
_TOUCHED: Final[dict[str, Any]] = {"group": pl.Int64, "site": pl.String, "user": pl.String}
_PERSON: Final[dict[str, Any]] = {"group": pl.Int64, "site": pl.String, "person_id": pl.Int64}
_ALLELE: Final[dict[str, Any]] = {"group": pl.Int64, **ALLELE_SCHEMA}
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
_PENDING: Final = 2_000_000
"""Persons or alleles that are held with repeats before repeats are dropped."""


def summarise(
    questions: Iterable[Question],
    members: Iterable[Member],
    *,
    period: str = "month",
    site: str | None = None,
    since: date | None = None,
    until: date | None = None,
) -> pl.DataFrame:
    """Return the frame ``summary`` of ``docs/reference/access-log.md``.

    Args:
        questions: the log, in any order.
        members: every institution ever admitted: an unresolved request may have shown any other's.
        period: one of `PERIODS`, in UTC; weeks begin on Monday.
        site: of this institution only.
        since: questions whose last entry the ledger took on this day, UTC, or later.
        until: or earlier, inclusive.

    Raises:
        UsageError: no such period.
    """
    counted = _Counted(required_period(period), tuple(members))
    for question in questions:
        day = _day(question)
        if (since is None or day >= since) and (until is None or day <= until):
            counted.take(question, day)
    frame = counted.frame()
    return frame if site is None else frame.filter(pl.col("site") == site)


def required_period(text: str) -> str:
    """Return a period's name.

    Raises:
        UsageError: there is none of that name.
    """
    if text not in PERIODS:
        raise UsageError("not a period", hint=f"one of {', '.join(PERIODS)}")
    return text


def period_start(day: date, period: str) -> date:
    """Return the first day of the period that a day lies in."""
    match period:
        case "week":
            return day - timedelta(days=day.weekday())
        case "month":
            return day.replace(day=1)
        case "year":
            return day.replace(month=1, day=1)
    return day


def _day(question: Question) -> date:
    """The day of the question's last entry: when its answer was shown, where it was."""
    taken: datetime = question.outcome_time or question.time
    return taken.astimezone(UTC).date()


@dataclass(slots=True)
class _Distinct:
    """Distinct rows that come in pieces with repeats; holds at most twice what there are, or so.

    Args:
        columns: of the rows.
    """

    columns: dict[str, Any]
    _pieces: list[pl.DataFrame] = field(default_factory=list)
    _held: int = 0
    _most: int = field(default_factory=lambda: _PENDING)

    def add(self, piece: pl.DataFrame) -> None:
        """Take rows."""
        self._pieces.append(piece)
        self._held += piece.height
        if self._held > self._most:
            self._held = self.rows().height
            self._most = 2 * self._held + _PENDING

    def rows(self) -> pl.DataFrame:
        """Return the distinct rows so far."""
        self._pieces = [pl.concat([pl.DataFrame(schema=self.columns), *self._pieces]).unique()]
        return self._pieces[0]


@dataclass(slots=True)
class _Counted:
    """Questions counted by group: their period, operation, the users' institution, status.

    ``asked`` holds a row a question, ``touched`` a row a question and other institution whose
    persons its answer showed, rested on, or may have shown.
    """

    period: str
    members: tuple[Member, ...]
    groups: dict[tuple[date, str, str, str], int] = field(default_factory=dict)
    asked: list[tuple[int, str, int | None]] = field(default_factory=list)
    touched: list[tuple[int, str, str]] = field(default_factory=list)
    returned: _Distinct = field(default_factory=lambda: _Distinct(_PERSON))
    contributed: _Distinct = field(default_factory=lambda: _Distinct(_PERSON))
    variants: _Distinct = field(default_factory=lambda: _Distinct(_ALLELE))

    def take(self, question: Question, day: date) -> None:
        """Count a question."""
        request, outcome = question.request, question.outcome
        name = (
            period_start(day, self.period),
            request.operation,
            question.site,
            question.status,
        )
        group = self.groups.setdefault(name, len(self.groups))
        others: set[str] = set()
        if isinstance(outcome, Result):
            self.asked.append((group, request.user, outcome.rows))
            others = outcome.returned.keys() | outcome.contributed.keys()
            for persons, distinct in (
                (outcome.returned, self.returned),
                (outcome.contributed, self.contributed),
            ):
                for site, ids in persons.items():
                    distinct.add(_of_group(group, pl.DataFrame({"person_id": ids}), site))
            if outcome.variants.height:
                self.variants.add(_of_group(group, outcome.variants))
        else:
            self.asked.append((group, request.user, None))
            if outcome is None and _RECORDS & set(request.data.split("+")):
                here = (question.entry, question.time)
                others = {member.site for member in self.members if counts(member, *here)}
        self.touched.extend((group, site, request.user) for site in others - {question.site})

    def frame(self) -> pl.DataFrame:
        """Return the counts, of own use and of use by others."""
        groups = pl.DataFrame(list(self.groups), schema=_GROUP, orient="row")
        groups = groups.with_columns(pl.int_range(pl.len(), dtype=pl.Int64).alias("group"))
        asked = pl.DataFrame(self.asked, schema=_ASKED, orient="row")
        touched = pl.DataFrame(self.touched, schema=_TOUCHED, orient="row")
        own = groups.join(
            asked.group_by("group").agg(*_QUESTIONS, pl.col("rows").sum()), on="group"
        )
        own = own.with_columns(
            pl.lit(OWN_USE).alias("kind"),
            pl.col("user_site").alias("site"),
            pl.when(_SHOWN).then("rows").alias("rows"),
        )
        by_others = groups.join(touched.group_by("group", "site").agg(*_QUESTIONS), on="group")
        by_others = by_others.with_columns(pl.lit(USE_BY_OTHERS).alias("kind"))
        own = _with_count(own, ("group",), self.variants.rows(), "n_variants_returned")
        for column, distinct in (
            ("n_persons_returned", self.returned),
            ("n_persons_contributed", self.contributed),
        ):
            persons = distinct.rows()
            own = _with_count(own, ("group",), persons, column)
            by_others = _with_count(by_others, ("group", "site"), persons, column)
        together = pl.concat([own, by_others], how="diagonal")
        columns = [pl.col(name).cast(dtype) for name, dtype in SUMMARY_COLUMNS.items()]
        return together.select(columns).sort(_ORDER)


def _with_count(
    counted: pl.DataFrame, place: tuple[str, ...], distinct: pl.DataFrame, column: str
) -> pl.DataFrame:
    """Add how many distinct rows lie in each place; null where no answer is on the log."""
    found = distinct.group_by(place).agg(pl.len().alias(column))
    joined = counted.join(found, on=place, how="left")
    return joined.with_columns(pl.when(_SHOWN).then(pl.col(column).fill_null(0)).alias(column))


def _of_group(group: int, rows: pl.DataFrame, site: str | None = None) -> pl.DataFrame:
    """Put a group, and a person's institution, before rows."""
    place = [pl.lit(group, pl.Int64).alias("group")]
    if site is not None:
        place.append(pl.lit(site).alias("site"))
    return rows.select(*place, pl.all())
