"""The access log as it stands on the ledger: every entry judged anew, and what is wrong with it.

What counts is told by ``access.judge``. Searches go through the index (``access.index``), which is
made from the same judgements; this reads everything and holds nothing, for ``verify``.
"""

from __future__ import annotations

from collections.abc import Iterator

from precisionchain.access.judge import Judge, Question, checked, items_up_to
from precisionchain.access.log_keys import learn_log_keys
from precisionchain.access.sealing import Keyring
from precisionchain.errors import CodecError, IntegrityError
from precisionchain.ledger.base import Finding, Ledger, LedgerItem
from precisionchain.ledger.membership import LiveMembership, Membership
from precisionchain.ledger.records import NETWORK_STREAM


class AccessLog:
    """Reads the log from the ledger each time it is asked; holds nothing.

    Args:
        ledger: read only.
        membership: says which network this is. Who has which key is read again each time: users
            may have been registered since it was folded, and their entries count.
        keyring: what can be opened; without one nothing that is sealed.
    """

    def __init__(
        self, ledger: Ledger, membership: Membership, keyring: Keyring | None = None
    ) -> None:
        self._ledger, self._membership = ledger, membership
        self._keyring = keyring or Keyring()

    def questions(self) -> Iterator[Question]:
        """Yield questions as their outcomes come, then those without one, oldest first."""
        yield from self._questions([])

    def findings(self) -> Iterator[Finding]:
        """Yield what is wrong with the log: entries that were ignored, and why."""
        found: list[Finding] = []
        for _ in self._questions(found):
            pass
        yield from found

    def _questions(self, findings: list[Finding]) -> Iterator[Question]:
        last = self._ledger.head().position
        membership = newest_membership(self._ledger, self._membership)
        learn_log_keys(self._ledger, membership.network, self._keyring)
        judge = Judge(membership, self._keyring)
        for found, signed in checked(items_up_to(self._ledger, last), membership.network):
            try:
                question = judge.take(found, signed=signed)
            except CodecError as error:
                stream = found.item.stream
                findings.append(Finding("access", error.message, stream, found.position))
                continue
            if question is not None:
                if not question.permitted:
                    findings.append(_past_the_gate(question, found))
                yield question
        for waiting in judge.waiting():
            yield waiting.question


def newest_membership(ledger: Ledger, membership: Membership) -> Membership:
    """Return who has which key as the ledger says now, to judge entries up to a head taken before.

    Raises:
        IntegrityError: the ledger is of another network than the membership.
    """
    if isinstance(membership, LiveMembership):
        membership.catch_up()
        return membership
    newest = Membership.fold(ledger.items(NETWORK_STREAM))
    if newest.network != membership.network:
        raise IntegrityError(
            "the ledger is of another network than it was", hint="run `precisionchain verify`"
        )
    return newest


def _past_the_gate(question: Question, found: LedgerItem) -> Finding:
    request = question.request
    message = f"{request.user} had no role for {request.operation[:32]!r}, and it was answered"
    return Finding("access", message, found.item.stream, found.position)
