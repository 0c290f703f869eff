"""Searches of the access log: what has a user seen, and who has seen a person or a variant.

Exact: every answer's persons and variants are on the ledger as lists. What nobody can know, whether
the answer of an unresolved request was seen, is flagged, never left out.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import date, datetime
from typing import Any, TypeAlias

import polars as pl

from precisionchain.access import postings
from precisionchain.access.entries import Request, Result
from precisionchain.access.log import ANSWERED, MAY_HAVE_SEEN, NOT_PERMITTED, AccessLog, Question
from precisionchain.access.summary import summarise
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.membership import Membership
from precisionchain.schemas.person import Person
from precisionchain.schemas.variant import Variant

_SEEN = (ANSWERED, NOT_PERMITTED, MAY_HAVE_SEEN)
RETURNED, CONTRIBUTED = "returned", "contributed"

_ASKED: dict[str, Any] = {
    "entry": pl.Int64,
    "time": pl.Datetime("us", "UTC"),
    "user": pl.String,
    "site": pl.String,
    "operation": pl.String,
    "data": pl.String,
    "question": pl.String,
    "purpose": pl.String,
    "status": pl.String,
    "question_id": pl.String,
}
SEEN_BY_COLUMNS: dict[str, Any] = {
    **_ASKED,
    "rows": pl.Int64,
    "persons_returned": pl.List(pl.String),
    "persons_contributed": pl.List(pl.String),
    "variants_returned": pl.List(pl.String),
}
WHO_SAW_COLUMNS: dict[str, Any] = {**_ASKED, "how": pl.String}


Subject: TypeAlias = Person | Variant


class AuditSearch:
    """Answers questions about questions; each reads the whole log.

    Args:
        ledger: read only.
        membership: who has which key.
    """

    def __init__(self, ledger: Ledger, membership: Membership) -> None:
        self._log = AccessLog(ledger, membership)
        self._membership = membership

    def entries(
        self,
        *,
        user: str | None = None,
        since: datetime | None = None,
        until: datetime | None = None,
        operation: str | None = None,
    ) -> pl.DataFrame:
        """Return entries, oldest first; see `AccessLog.entries`."""
        return self._log.entries(user=user, since=since, until=until, operation=operation)

    def seen_by(self, user: str) -> pl.DataFrame:
        """Return what a user has seen or may have seen, a row a question, oldest first.

        Refused and failed questions showed nothing and are not listed.
        """
        rows = [
            (*_asked(question), *_shown(question))
            for question in self._log.questions()
            if question.request.user == user and question.status in _SEEN
        ]
        return pl.DataFrame(rows, schema=SEEN_BY_COLUMNS, orient="row").sort("entry")

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
        how_of = _how_of(subject)
        rows = []
        for question in self._log.questions():
            if isinstance(question.outcome, Result):
                how = how_of(question.outcome)
                if how is not None:
                    rows.append((*_asked(question), how))
            elif question.outcome is None and _could_show(question, subject):
                rows.append((*_asked(question), None))
        return pl.DataFrame(rows, schema=WHO_SAW_COLUMNS, orient="row").sort("entry")

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
            self._log.questions(),
            self._membership.members(),
            period=period,
            site=site,
            since=since,
            until=until,
        )


def parse_subject(text: str) -> Subject:
    """Return the person or variant that a text names.

    Raises:
        UsageError: it names neither.
    """
    return Person.parse(text) if text.count(":") < 2 else Variant.parse(text)


def _how_of(subject: Subject) -> Callable[[Result], str | None]:
    """Return the question to put to each result: how does it show the subject, if at all."""
    if isinstance(subject, Person):

        def of_person(result: Result) -> str | None:
            if postings.holds(result.returned, subject.site, subject.person_id):
                return RETURNED
            contributed = postings.holds(result.contributed, subject.site, subject.person_id)
            return CONTRIBUTED if contributed else None

        return of_person

    spellings = {
        (variant.chrom, variant.pos, variant.ref, variant.alt)
        for variant in (subject, subject.trimmed())
    }

    def of_variant(result: Result) -> str | None:
        found = any(postings.holds_allele(result.variants, *allele) for allele in spellings)
        return RETURNED if found else None

    return of_variant


def _could_show(question: Question, subject: Subject) -> bool:
    """Whether an unresolved request could have shown the subject, by the kind of data it named.

    The access log shows nobody's record; staging is the own site's.
    """
    data = set(question.request.data.split("+"))
    if "genetic" in data:
        return True
    if isinstance(subject, Variant):
        return "staging" in data
    return "clinical" in data or ("staging" in data and subject.site == question.site)


def _asked(question: Question) -> tuple[Any, ...]:
    """The members of `_ASKED`: where the entry that says so stands, and what was asked."""
    request: Request = question.request
    resolved = question.outcome_entry is not None
    return (
        question.outcome_entry if resolved else question.entry,
        question.outcome_time if resolved else question.time,
        request.user,
        question.site,
        request.operation,
        request.data,
        question.question_text,
        request.purpose,
        question.status,
        request.question_id,
    )


def _shown(question: Question) -> tuple[int | None, Any, Any, Any]:
    outcome = question.outcome
    if not isinstance(outcome, Result):
        return None, None, None, None
    return (
        outcome.rows,
        _written(outcome.returned),
        _written(outcome.contributed),
        postings.allele_texts(outcome.variants),
    )


def _written(persons: postings.Persons) -> Sequence[str]:
    return [f"{site}:{person_id}" for site, ids in persons.items() for person_id in ids.tolist()]
