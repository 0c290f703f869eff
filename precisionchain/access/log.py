"""The access log as honest readers see it: entries in order, judged, request paired with outcome.

An entry counts when its signature is that of the user it names, at its place on the ledger, and
when it follows from its question (``docs/reference/access-log.md``). Anything else is ignored here
and told by ``findings``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field, replace
from datetime import UTC, datetime
from typing import Any

import polars as pl

from precisionchain.access import postings
from precisionchain.access.entries import (
    Failed,
    Outcome,
    Refused,
    Request,
    Result,
    ResultPart,
    Stored,
    decode,
    join_result,
    outcome_batch,
    question_key,
    request_batch,
    user_key,
)
from precisionchain.errors import CodecError, IntegrityError
from precisionchain.ledger.base import Finding, Ledger, LedgerItem
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import NETWORK_STREAM, User
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.items import ItemClass
from precisionchain.schemas.roles import may
from precisionchain.schemas.streams import ACCESS

ANSWERED, REFUSED, FAILED, MAY_HAVE_SEEN = "answered", "refused", "failed", "may have seen"
NOT_PERMITTED = "not permitted"
"""Answered past the gate: the user had no role for the operation where the result stands."""

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


@dataclass(frozen=True, slots=True)
class Question:
    """A request with what became of it.

    ``site`` is the user's; ``entry`` and ``time`` say where the request stands, ``outcome_entry``
    and ``outcome_time`` the last item of the outcome, None where there is no complete one.
    ``permitted`` is whether the user had the role for it.
    """

    entry: int
    time: datetime
    site: str
    request: Request
    outcome: Outcome | None = None
    outcome_entry: int | None = None
    outcome_time: datetime | None = None
    permitted: bool = True

    @property
    def status(self) -> str:
        """Answered, refused or failed; without an outcome the user may have seen the answer."""
        match self.outcome:
            case Result():
                return ANSWERED if self.permitted else NOT_PERMITTED
            case Refused():
                return REFUSED
            case Failed():
                return FAILED
        return MAY_HAVE_SEEN

    @property
    def question_text(self) -> str:
        """The question as JSON text."""
        return canonical_json(dict(self.request.question)).decode()


@dataclass(slots=True)
class _Open:
    """A question whose outcome has not come, with the parts that have."""

    question: Question
    parts: list[ResultPart] = field(default_factory=list)


class AccessLog:
    """Reads the log from the ledger each time it is asked; holds nothing.

    Args:
        ledger: read only.
        membership: says which network this is. Who has which key is read again each time: users
            may have been registered since it was folded, and their entries count.
    """

    def __init__(self, ledger: Ledger, membership: Membership) -> None:
        self._ledger, self._membership = ledger, membership

    def questions(self) -> Iterator[Question]:
        """Yield questions as their outcomes come, then those without one, oldest first."""
        yield from self._questions([])

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong with the log: entries that were ignored, and why."""
        found: list[Finding] = []
        for _ in self._questions(found):
            pass
        yield from found

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
        rows = [
            row
            for question in self.questions()
            if user in (None, question.request.user)
            and operation in (None, question.request.operation)
            for row in _rows(question)
        ]
        frame = pl.DataFrame(rows, schema=ENTRY_COLUMNS, orient="row").sort("entry")
        if since is not None:
            frame = frame.filter(pl.col("time") >= _utc(since))
        return frame if until is None else frame.filter(pl.col("time") <= _utc(until))

    # ------------------------------------------------------------------------------------- judging

    def _questions(self, findings: list[Finding]) -> Iterator[Question]:
        waiting: dict[tuple[bytes, str], _Open] = {}
        self._membership = self._newest_membership()
        for found in self._in_order():
            try:
                question = self._next(found, waiting)
            except CodecError as error:
                stream = found.item.stream
                findings.append(Finding("access", error.message, stream, found.position))
                continue
            if question is not None:
                if not question.permitted:
                    findings.append(_past_the_gate(question, found))
                yield question
        for unresolved in waiting.values():
            yield unresolved.question

    def _newest_membership(self) -> Membership:
        newest = Membership.fold(self._ledger.items(NETWORK_STREAM))
        if newest.network != self._membership.network:
            raise IntegrityError(
                "the ledger is of another network than it was", hint="run `precisionchain verify`"
            )
        return newest

    def _next(self, found: LedgerItem, waiting: dict[tuple[bytes, str], _Open]) -> Question | None:
        """Return the question that an item completes, if any.

        Raises:
            CodecError: the item is not to be counted, and why.
        """
        item = found.item
        stored = decode(item)
        name = (item.publisher, stored.question_id)
        if isinstance(stored, Request):
            asking = self._judged(found, stored, stored.user, request_batch(stored.question_id))
            waiting[name] = _Open(Question(found.position, found.time, asking.site, stored))
            return None
        if name not in waiting:
            raise CodecError("an outcome of a question that was not asked, or has its outcome")
        asked = waiting[name]
        part = stored.part if isinstance(stored, ResultPart) else 0
        batch = outcome_batch(stored.question_id, part)
        user = self._judged(found, stored, asked.question.request.user, batch)
        outcome = _completed(asked, stored)
        if outcome is None:
            return None
        del waiting[name]
        return replace(
            asked.question,
            outcome=outcome,
            outcome_entry=found.position,
            outcome_time=found.time,
            permitted=not isinstance(outcome, Result)
            or may(asked.question.request.operation, user.roles),
        )

    def _judged(self, found: LedgerItem, stored: Stored, user: str, batch: bytes) -> User:
        """Return the user an entry names, whose signature it must be."""
        item = found.item
        registered = self._membership.user_at(found)
        if registered is None or registered.name != user:
            raise CodecError("an entry by a key that is not registered for the user it names")
        if item.item_class is not ItemClass.SINGLE or not self._membership.is_entitled(found):
            raise CodecError("an entry that its user has not signed")
        if (item.batch_id, item.ordinal) != (batch, 0):
            raise CodecError("an entry whose batch id does not follow from its question")
        if set(item.keys) != {user_key(user), question_key(stored.question_id)}:
            raise CodecError("an entry under keys of another user or question")
        return registered

    def _in_order(self) -> Iterator[LedgerItem]:
        """Yield the items of all buckets by position, up to the head as it is now.

        Without that bound an outcome could be seen whose request was not yet there when the other
        bucket was listed.
        """
        last = self._ledger.head().position
        for found in family_items(self._ledger, ACCESS):
            if found.position > last:
                return
            yield found


def _past_the_gate(question: Question, found: LedgerItem) -> Finding:
    request = question.request
    message = f"{request.user} had no role for {request.operation[:32]!r}, and it was answered"
    return Finding("access", message, found.item.stream, found.position)


def _utc(time: datetime) -> datetime:
    return time.replace(tzinfo=UTC) if time.tzinfo is None else time


def _completed(asked: _Open, stored: Stored) -> Outcome | None:
    """Return the outcome that an entry completes; None while parts are missing."""
    if isinstance(stored, Refused | Failed):
        return stored
    if not isinstance(stored, ResultPart):
        raise CodecError("a request twice")
    if stored.parts == 1:
        return join_result([stored])
    asked.parts.append(stored)
    return join_result(asked.parts) if len(asked.parts) == stored.parts else None


def _rows(question: Question) -> Iterator[tuple[Any, ...]]:
    request, outcome = question.request, question.outcome
    asked = (
        request.operation,
        request.data,
        question.question_text,
        request.purpose,
        request.position,
        question.status,
    )
    nothing = (None, None, None, None, None, None)
    who = (request.user, question.site)
    yield (question.entry, question.time, *who, "request", *asked, *nothing, request.question_id)
    shown: tuple[Any, ...] = nothing
    match outcome:
        case Result():
            counts = (postings.count(outcome.returned), postings.count(outcome.contributed))
            shown = (outcome.rows, *counts, outcome.variants.height, None, outcome.digest)
            kind = "result"
        case Refused() | Failed():
            shown = (None, None, None, None, outcome.error, None)
            kind = "refused" if isinstance(outcome, Refused) else "failed"
        case None:
            return
    where = (question.outcome_entry, question.outcome_time)
    yield (*where, *who, kind, *asked, *shown, request.question_id)
