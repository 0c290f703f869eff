"""The gate: the one way to read. Not logged, not answered.

::

    REQUEST entry, durable  ->  evaluate  ->  RESULT | REFUSED | FAILED entry, durable  ->  answer

A question that the user has no role for is REFUSED without being evaluated (``schemas.roles``).
Nothing is read before the request is on the ledger, and nothing is released before the result is.
Whatever breaks off in between leaves a request without outcome, which readers of the log take as
"may have seen".
"""

from __future__ import annotations

import hmac
import time
from collections.abc import Callable, Mapping, Sequence
from datetime import UTC, datetime
from functools import partial
from hashlib import sha256
from typing import Any, TypeVar

from precisionchain.access.entries import (
    DATA_KINDS,
    Failed,
    Outcome,
    Refused,
    Request,
    Result,
    new_question_id,
    outcome_batch,
    question_key,
    request_batch,
    user_key,
)
from precisionchain.access.entry_bodies import Sealing, encode_outcome, encode_request
from precisionchain.access.evaluated import Evaluated
from precisionchain.access.log_keys import log_key_item, sealing_now
from precisionchain.access.place import AccessStreams
from precisionchain.access.postings import persons
from precisionchain.errors import (
    AccessRefusedError,
    LedgerUnavailableError,
    PrecisionChainError,
    UsageError,
)
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.publish_rules import in_chunks
from precisionchain.ledger.records import User
from precisionchain.ledger.signing import Signer, single_item
from precisionchain.ledger.standing import require_role, user_now
from precisionchain.schemas.items import Item, Payload

T = TypeVar("T")

PAUSES = (0.02, 0.1, 0.4)
"""Seconds before each repetition of a write that failed or was not answered."""
STAGING = "staging"
_SALT_LABEL = b"precisionchain answer salt 1\x00"


class Gate:
    """Puts one user's questions on the ledger, and lets their answers through.

    Args:
        ledger: where entries go; its ``ACCESS`` streams.
        network: the 32-byte network id.
        user: the user's registered name.
        signer: the user's own key, never the site's.
        membership: the user must be registered in it with this key, because readers of the log
            ignore entries of anybody else; it says the user's roles.
        streams: where the next entry goes; None means bucket 1, however full.
        purpose: what the user asks for, unless a question says otherwise.
        clock: the current time, with zone.
        pauses: seconds before each repetition of an unanswered write.

    Raises:
        AccessRefusedError: the membership does not know the user by this key.
    """

    def __init__(
        self,
        ledger: Ledger,
        network: bytes,
        user: str,
        signer: Signer,
        *,
        membership: Membership,
        streams: AccessStreams | None = None,
        purpose: str | None = None,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        pauses: Sequence[float] = PAUSES,
    ) -> None:
        self._ledger, self._network, self._user, self._signer = ledger, network, user, signer
        self._membership, self._streams = membership, streams or AccessStreams(ledger)
        self._purpose, self._clock, self._pauses = purpose, clock, pauses
        self._log_key = b""
        """The id of the newest log key that is known to be on the ledger."""
        self._registered()

    def ask(
        self,
        operation: str,
        data: str,
        question: Mapping[str, Any],
        evaluate: Callable[[], Evaluated[T]],
        *,
        purpose: str | None = None,
        position: int | None = None,
    ) -> T:
        """Log a question, evaluate it, log what its answer shows, and return the answer.

        Args:
            operation: ``domain``, ``person``, ``variant``, ``maf``, ``sql``, ``who-saw`` ...
            data: which of `entries.DATA_KINDS` it may read, joined by ``+``.
            question: what is asked, as a JSON object; auditors, the user's site and sites whose
                persons the answer returns or rests on can read it.
            evaluate: reads and answers; called once, and only after the request is durable. Its
                value must be complete: a lazy one would read after the gate.
            purpose: what for; else the gate's.
            position: the ledger position that the answer is as of.

        Raises:
            LedgerUnavailableError: an entry could not be written; there is no answer.
            AccessRefusedError: the user is one no longer, or has no role for the operation.
            UsageError: an unknown kind of data; and whatever ``evaluate`` raises, after it is
                logged as refused (`AccessRefusedError`, `UsageError`) or failed.
        """
        if not set(data.split("+")) <= DATA_KINDS:
            raise UsageError(f"{data!r} is no kind of data", hint=", ".join(sorted(DATA_KINDS)))
        user = self._registered()
        sealing = sealing_now(self._membership, user, self._signer, self._clock())
        request = Request(
            new_question_id(),
            self._user,
            self._signer.public_key,
            self._clock(),
            operation,
            data,
            question,
            purpose or self._purpose,
            position,
        )
        self._log_request(request, sealing)
        try:
            require_role(user, operation)
            evaluated = evaluate()
            result = encode_outcome(self._result_of(request, evaluated), sealing)
        except (AccessRefusedError, UsageError) as error:
            refused = Refused(request.question_id, _class_of(error), _meaning_of(error))
            self._log_without_answer(refused, sealing, error)
            raise
        except BaseException as error:
            failed = Failed(request.question_id, _class_of(error))
            self._log_without_answer(failed, sealing, error)
            raise
        self._log_outcome(request.question_id, result)
        return evaluated.value

    def _registered(self) -> User:
        return user_now(self._membership, self._user, self._signer.public_key, self._clock())

    def _result_of(self, request: Request, evaluated: Evaluated[T]) -> Result:
        digest = evaluated.digest
        if STAGING in request.data.split("+"):
            digest = self._salted(request.question_id, digest)
        return Result(
            request.question_id,
            evaluated.rows,
            digest,
            persons(evaluated.persons_returned),
            persons(evaluated.persons_contributed),
            evaluated.variants_returned,
        )

    def _salted(self, question_id: str, digest: str) -> str:
        """Answers from staging hold what never leaves a site; a plain digest could be guessed.

        Ed25519 signatures are deterministic, so the user can give the salt to an auditor later.
        """
        salt = self._signer.sign(_SALT_LABEL + bytes.fromhex(question_id))
        return hmac.new(salt, bytes.fromhex(digest), sha256).hexdigest()

    # ------------------------------------------------------------------------------------- writing

    def _log_request(self, request: Request, sealing: Sealing) -> None:
        batch = request_batch(request.question_id)
        try:
            entry = (batch, encode_request(request, sealing))
            self._publish([entry], request.question_id, self._new_log_key(sealing))
            self._log_key = sealing.key.key_id
        except LedgerUnavailableError as error:
            raise _unlogged("the question could not be logged: not answered", error) from error

    def _log_outcome(self, question_id: str, payloads: Sequence[Payload]) -> None:
        batches = [
            (outcome_batch(question_id, part), payload) for part, payload in enumerate(payloads)
        ]
        try:
            self._publish(batches, question_id)
        except LedgerUnavailableError as error:
            raise _unlogged("the answer could not be logged: not released", error) from error

    def _new_log_key(self, sealing: Sealing) -> list[Item]:
        """Return the item that hands the log key to its readers, unless they have it."""
        if sealing.key.key_id == self._log_key:
            return []
        there = partial(self._ledger.ordinals, self._signer.public_key, sealing.key.batch_id)
        return [] if self._repeat(there) else [log_key_item(sealing, self._user, self._network)]

    def _log_without_answer(self, outcome: Outcome, sealing: Sealing, error: BaseException) -> None:
        """Nothing is released, so a log that cannot be written must not hide the first error."""
        try:
            self._log_outcome(outcome.question_id, encode_outcome(outcome, sealing))
        except PrecisionChainError as unlogged:
            error.add_note(f"its entry in the access log is missing: {unlogged}")

    def _publish(
        self,
        batches: Sequence[tuple[bytes, Payload]],
        question_id: str,
        before: Sequence[Item] = (),
    ) -> None:
        entries = [self._item(batch, payload, question_id) for batch, payload in batches]
        items = [*before, *entries]
        for chunk in in_chunks(items, self._ledger.limits):
            prepared = self._ledger.prepare(chunk)
            self._repeat(partial(self._ledger.publish, prepared))

    def _item(self, batch: bytes, payload: Payload, question_id: str) -> Item:
        stream = self._repeat(partial(self._streams.place, len(payload.body)))
        return single_item(
            stream,
            (user_key(self._user), question_key(question_id)),
            payload,
            signer=self._signer,
            network=self._network,
            batch_id=batch,
        )

    def _repeat(self, write: Callable[[], T]) -> T:
        """Repeat a write that was not done, or done but unanswered: the very same bytes."""
        for pause in self._pauses:
            try:
                return write()
            except LedgerUnavailableError:
                time.sleep(pause)
        return write()


def _unlogged(message: str, error: LedgerUnavailableError) -> LedgerUnavailableError:
    return LedgerUnavailableError(
        f"{message} ({error.message})", where=error.where, hint=error.hint
    )


def _class_of(error: BaseException) -> str:
    return type(error).__name__[:80]


def _meaning_of(error: PrecisionChainError) -> str:
    """What the error's class means: its own text could quote what was looked for."""
    return (type(error).__doc__ or "").strip().partition("\n")[0]
