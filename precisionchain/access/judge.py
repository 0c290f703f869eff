"""What readers of the access log count: each entry judged, each request paired with its outcome.

An entry counts when its signature is that of the user it names, at its place on the ledger, and
when it follows from its question (``docs/reference/access-log.md``). Whoever reads the log, from
the ledger or through the index, puts its entries through `Judge`, in order of position.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from dataclasses import dataclass, field, replace
from datetime import datetime
from itertools import islice

from precisionchain.access.entries import (
    Failed,
    Outcome,
    Refused,
    Request,
    Result,
    outcome_batch,
    question_key,
    request_batch,
    user_key,
)
from precisionchain.access.entry_bodies import (
    ResultPart,
    Stored,
    decode,
    join_result,
    reopened,
)
from precisionchain.access.log_keys import log_key_of
from precisionchain.access.sealing import LOG_KEY_KIND, Keyring
from precisionchain.errors import CodecError
from precisionchain.ledger.base import Ledger, LedgerItem
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import User
from precisionchain.ledger.signing import is_signed
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.items import Item, ItemClass
from precisionchain.schemas.roles import may
from precisionchain.schemas.streams import ACCESS

ANSWERED, REFUSED, FAILED, MAY_HAVE_SEEN = "answered", "refused", "failed", "may have seen"
NOT_PERMITTED = "not permitted"
"""Answered past the gate: the user had no role for the operation where the result stands."""

_CHUNK = 256
"""Entries whose signatures are checked together, while those before them are judged."""
_THREADS = 2


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
    def sealed(self) -> bool:
        """Whether this site's keys do not open all that was asked and shown."""
        shut = isinstance(self.outcome, Result) and bool(self.outcome.sealed)
        return shut or self.request.question is None

    @property
    def question_text(self) -> str | None:
        """The question as JSON text; None where it is sealed."""
        if self.request.question is None:
            return None
        return canonical_json(dict(self.request.question)).decode()


@dataclass(slots=True)
class Waiting:
    """A question whose outcome has not come: where its request stands, and the parts that have.

    ``places`` are (stream, position) of the request and of the parts, in order: from these items
    alone a later reader can go on. ``item`` is the request as it was signed: a result may bring the
    key that opens it.
    """

    question: Question
    item: Item
    places: list[tuple[str, int]]
    parts: list[ResultPart] = field(default_factory=list)


class Judge:
    """Takes the entries of the log in order of position and tells which count.

    Args:
        membership: who had which key and roles, at every position that is judged.
        keyring: what the reader can open. What it cannot open is judged all the same.
    """

    def __init__(self, membership: Membership, keyring: Keyring) -> None:
        self._membership, self._keyring = membership, keyring
        self._waiting: dict[tuple[bytes, str], Waiting] = {}

    def waiting(self) -> Iterator[Waiting]:
        """Yield the questions without an outcome, oldest first."""
        yield from self._waiting.values()

    def take(self, found: LedgerItem, *, signed: bool | None = None) -> Question | None:
        """Return the question that an item completes, if any.

        Args:
            found: the next item.
            signed: whether it is signed, where that was checked already (`checked`).

        Raises:
            CodecError: the item is not to be counted, and why.
        """
        item = found.item
        if item.payload.kind == LOG_KEY_KIND:
            log_key_of(found, self._membership, signed=signed)
            return None
        registered = self._membership.user_at(found)
        stored = decode(item, self._keyring, registered.encryption_key if registered else None)
        name = (item.publisher, stored.question_id)
        place = (item.stream, found.position)
        if isinstance(stored, Request):
            batch = request_batch(stored.question_id)
            asking = self._judged(found, stored, stored.user, batch, signed)
            asked = Question(found.position, found.time, asking.site, stored)
            self._waiting[name] = Waiting(asked, item, [place])
            return None
        if name not in self._waiting:
            raise CodecError("an outcome of a question that was not asked, or has its outcome")
        waiting = self._waiting[name]
        part = stored.part if isinstance(stored, ResultPart) else 0
        batch = outcome_batch(stored.question_id, part)
        asker = waiting.question.request.user
        user = self._judged(found, stored, asker, batch, signed)
        outcome = _completed(waiting, stored)
        if outcome is None:
            waiting.places.append(place)
            return None
        del self._waiting[name]
        request = waiting.question.request
        if isinstance(stored, ResultPart) and stored.granted is not None:
            request = reopened(waiting.item, stored.granted)
        return replace(
            waiting.question,
            request=request,
            outcome=outcome,
            outcome_entry=found.position,
            outcome_time=found.time,
            permitted=not isinstance(outcome, Result) or may(request.operation, user.roles),
        )

    def _judged(
        self, found: LedgerItem, stored: Stored, user: str, batch: bytes, signed: bool | None
    ) -> User:
        """Return the user an entry names, whose signature it must be."""
        item = found.item
        registered = self._membership.user_at(found)
        if registered is None or registered.name != user:
            raise CodecError("an entry by a key that is not registered for the user it names")
        if signed is None:
            signed = is_signed(item, self._membership.network)
        if not signed or item.item_class is not ItemClass.SINGLE:
            raise CodecError("an entry that its user has not signed")
        if (item.batch_id, item.ordinal) != (batch, 0):
            raise CodecError("an entry whose batch id does not follow from its question")
        if set(item.keys) != {user_key(user), question_key(stored.question_id)}:
            raise CodecError("an entry under keys of another user or question")
        return registered


def _completed(asked: Waiting, stored: Stored) -> Outcome | None:
    """Return the outcome that an entry completes; None while parts are missing."""
    if isinstance(stored, Refused | Failed):
        return stored
    if not isinstance(stored, ResultPart):
        raise CodecError("a request twice")
    if stored.parts == 1:
        return join_result([stored])
    asked.parts.append(stored)
    return join_result(asked.parts) if len(asked.parts) == stored.parts else None


# ----------------------------------------------------------------------------------------- reading


def items_up_to(ledger: Ledger, last: int, *, after: int = -1) -> Iterator[LedgerItem]:
    """Yield the items of all buckets by position, up to a position the ledger had already.

    Without that bound an outcome could be seen whose request was not yet there when the other
    bucket was listed.
    """
    for found in family_items(ledger, ACCESS, after=after):
        if found.position > last:
            return
        yield found


def checked(items: Iterable[LedgerItem], network: bytes) -> Iterator[tuple[LedgerItem, bool]]:
    """Yield items with whether they are signed, checked ahead in threads.

    Two thirds of the time of a check are spent in a library that lets other threads run.
    """
    left = iter(items)
    with ThreadPoolExecutor(_THREADS) as pool:

        def begin() -> tuple[list[LedgerItem], list[Future[list[bool]]]]:
            chunk = list(islice(left, _CHUNK))
            halves = (chunk[: len(chunk) // 2], chunk[len(chunk) // 2 :])
            return chunk, [pool.submit(_all_signed, half, network) for half in halves]

        ahead = begin()
        while ahead[0]:
            chunk, answers = ahead
            ahead = begin()
            signed = [one for answer in answers for one in answer.result()]
            yield from zip(chunk, signed, strict=True)


def _all_signed(items: list[LedgerItem], network: bytes) -> list[bool]:
    return [is_signed(found.item, network) for found in items]
