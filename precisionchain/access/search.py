"""Searches of the access log: what has a user seen, and who has seen a person or a variant.

Exact: every answer's persons and variants are on the ledger as lists. What nobody can know, whether
the answer of an unresolved request was seen, is flagged, never left out. All read the index.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import Any, TypeAlias

import polars as pl

from precisionchain.access.alerts import Rules, find_alerts
from precisionchain.access.index.holdings import Holdings
from precisionchain.access.index.segment import CONTRIBUTED as RESTS_ON
from precisionchain.access.index.segment import QUESTION_SCHEMA
from precisionchain.access.index.segment import RETURNED as SHOWN
from precisionchain.access.index.store import open_index
from precisionchain.access.judge import (
    ANSWERED,
    FAILED,
    MAY_HAVE_SEEN,
    NOT_PERMITTED,
    REFUSED,
)
from precisionchain.access.sealing import Keyring
from precisionchain.access.summary import summarise
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.membership import Membership
from precisionchain.schemas.person import Person
from precisionchain.schemas.variant import Variant

_SEEN = (ANSWERED, NOT_PERMITTED, MAY_HAVE_SEEN)
RETURNED, CONTRIBUTED = "returned", "contributed"

_OUTCOME = ("rows", "n_persons_returned", "n_persons_contributed", "n_variants_returned")
_KIND_OF = {ANSWERED: "result", NOT_PERMITTED: "result", REFUSED: "refused", FAILED: "failed"}
ENTRY_COLUMNS: dict[str, Any] = {
    "entry": pl.Int64,
    "time": pl.Datetime("us", "UTC"),
    "user": pl.String,
    "site": pl.String,
    "kind": pl.String,
    "operation": pl.String,
    "data": pl.String,
    "question": pl.String,
    "purpose": pl.String,
    "position": pl.Int64,
    "status": pl.String,
    "rows": pl.Int64,
    "n_persons_returned": pl.Int64,
    "n_persons_contributed": pl.Int64,
    "n_variants_returned": pl.Int64,
    "error": pl.String,
    "digest": pl.String,
    "question_id": pl.String,
}
_ASKED = (
    *("entry", "time", "user", "site", "operation", "data", "question", "purpose", "status"),
    "question_id",
)
_ASKED_COLUMNS = {name: QUESTION_SCHEMA[name] for name in _ASKED}
SEEN_BY_COLUMNS: dict[str, Any] = {
    **_ASKED_COLUMNS,
    "rows": pl.Int64,
    "persons_returned": pl.List(pl.String),
    "persons_contributed": pl.List(pl.String),
    "variants_returned": pl.List(pl.String),
}
WHO_SAW_COLUMNS: dict[str, Any] = {**_ASKED_COLUMNS, "how": pl.String}

Subject: TypeAlias = Person | Variant


class AuditSearch:
    """Answers questions about questions, from the index of the log as it is when first asked.

    Args:
        ledger: read only.
        membership: who has which key.
        folder: where the index is kept; without one it is made in memory each time.
        keyring: what can be opened; without one nothing that is sealed.
        progress: called with a line now and then, where there is much to index.
    """

    def __init__(
        self,
        ledger: Ledger,
        membership: Membership,
        folder: Path | None = None,
        keyring: Keyring | None = None,
        *,
        progress: Callable[[str], None] | None = None,
    ) -> None:
        self._ledger, self._membership, self._keyring = ledger, membership, keyring
        self._folder, self._progress = folder, progress

    @cached_property
    def _holdings(self) -> Holdings:
        return Holdings(
            open_index(
                self._ledger,
                self._membership,
                self._folder,
                self._keyring,
                progress=self._progress,
            )
        )

    @property
    def sealed(self) -> int:
        """How many questions this site's keys do not wholly open; what is shut is in no answer."""
        return self._holdings.sealed

    def entries(
        self,
        *,
        user: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        operation: str | None = None,
    ) -> pl.DataFrame:
        """Return one row an entry, oldest first; columns in ``docs/reference/access-log.md``.

        Args:
            user: entries of this user only.
            since: entries the ledger took at this time or later; UTC where it has no zone.
            until: or earlier, inclusive.
            operation: entries of this operation only.
        """
        questions = self._holdings.questions
        for column, wanted in (("user", user), ("operation", operation)):
            if wanted is not None:
                questions = questions.filter(pl.col(column) == wanted)
        columns = list(ENTRY_COLUMNS)
        unknown = [
            pl.lit(None, ENTRY_COLUMNS[name]).alias(name) for name in (*_OUTCOME, "error", "digest")
        ]
        requests = questions.with_columns(pl.lit("request").alias("kind"), *unknown)
        outcomes = questions.filter(pl.col("outcome_entry").is_not_null()).with_columns(
            pl.col("outcome_entry").alias("entry"),
            pl.col("outcome_time").alias("time"),
            pl.col("status").replace_strict(_KIND_OF, return_dtype=pl.String).alias("kind"),
        )
        frame = pl.concat([requests.select(columns), outcomes.select(columns)]).sort("entry")
        if since is not None:
            frame = frame.filter(pl.col("time") >= _utc(since))
        return frame if until is None else frame.filter(pl.col("time") <= _utc(until))

    def seen_by(self, user: str) -> pl.DataFrame:
        """Return what a user has seen or may have seen, a row a question, oldest first.

        Refused and failed questions showed nothing and are not listed.
        """
        holdings = self._holdings
        chosen = pl.col("user") == user, pl.col("status").is_in(_SEEN)
        questions = _as_asked(holdings.questions.filter(*chosen)).sort("entry")
        rows = questions["row"].to_numpy()
        known = (questions["outcome_entry"].is_not_null() & ~questions["sealed"]).to_numpy()
        listed = questions.with_columns(
            persons_returned=holdings.persons_of(SHOWN, rows, known),
            persons_contributed=holdings.persons_of(RESTS_ON, rows, known),
            variants_returned=holdings.variants_of(rows, known),
        )
        return listed.select(list(SEEN_BY_COLUMNS))

    def who_saw(self, subject: str | Subject) -> pl.DataFrame:
        """Return the questions that returned a person or a variant, or rest on the person.

        Unresolved requests that could have shown the subject are among them, as "may have seen".

        Args:
            subject: a person (``A:42``) or a variant (``9:22098574:A:G``).

        Raises:
            UsageError: it is neither.
        """
        if isinstance(subject, str):
            subject = parse_subject(subject)
        holdings = self._holdings
        if isinstance(subject, Person):
            by_kind = holdings.rows_with_person(subject)
            rows = {RETURNED: by_kind[SHOWN], CONTRIBUTED: by_kind[RESTS_ON]}
        else:
            rows = {RETURNED: holdings.rows_with_variant([subject, subject.trimmed()])}
        how = pl.concat(
            [
                pl.DataFrame({"row": found}).select("row", pl.lit(name).alias("how"))
                for name, found in rows.items()
            ]
        ).unique("row", keep="first", maintain_order=True)
        questions = holdings.questions
        resolved = how.join(questions, on="row", how="left")
        unresolved = questions.filter(
            pl.col("status") == MAY_HAVE_SEEN, _could_show(subject)
        ).with_columns(pl.lit(None, pl.String).alias("how"))
        columns = list(WHO_SAW_COLUMNS)
        both = pl.concat([_as_asked(some).select(columns) for some in (resolved, unresolved)])
        return both.sort("entry")

    def summary(
        self,
        *,
        period: str = "month",
        site: str | None = None,
        since: date | None = None,
        until: date | None = None,
    ) -> pl.DataFrame:
        """Return what each institution asked and how its data were used; see `summarise`."""
        return summarise(
            self._holdings,
            self._membership.members(),
            period=period,
            site=site,
            since=since,
            until=until,
        )

    def alerts(
        self,
        rules: Rules,
        persons: Mapping[str, int],
        *,
        since: date | None = None,
        until: date | None = None,
    ) -> pl.DataFrame:
        """Return what breaks the rules; see `find_alerts`."""
        return find_alerts(self._holdings, rules, persons, since=since, until=until)


def parse_subject(text: str) -> Subject:
    """Return the person or variant that a text names.

    Raises:
        UsageError: it names neither.
    """
    return Person.parse(text) if text.count(":") < 2 else Variant.parse(text)


def _could_show(subject: Subject) -> pl.Expr:
    """Whether an unresolved request could have shown the subject, by the kind of data it named.

    The access log shows nobody's record; staging is the own site's.
    """
    data = pl.col("data").str.split("+")
    if isinstance(subject, Variant):
        return data.list.contains("genetic") | data.list.contains("staging")
    own = data.list.contains("staging") & (pl.col("site") == subject.site)
    return data.list.contains("genetic") | data.list.contains("clinical") | own


def _as_asked(questions: pl.DataFrame) -> pl.DataFrame:
    """Put the entry that says so, where it has one its outcome, as a question's entry and time."""
    return questions.with_columns(
        pl.coalesce("outcome_entry", "entry").alias("entry"),
        pl.coalesce("outcome_time", "time").alias("time"),
    )


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time
