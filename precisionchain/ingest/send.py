"""Sending a frozen batch: exactly once, whatever was sent before.

Order: data -> counts -> mapping -> leaf pages -> manifest. What a crash leaves: before the
manifest, items no reader takes, because nothing seals them; after it, a sealed batch and a frozen
copy in the outbox, which the next job finds to be all on the ledger and forgets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import suppress
from dataclasses import dataclass, field, replace
from hashlib import sha256

from precisionchain.errors import ConflictError, StreamExistsError
from precisionchain.ingest.outbox import FrozenBatch, Outbox
from precisionchain.ingest.report import Advance
from precisionchain.ledger.base import Ledger, settle
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.buckets import Router
from precisionchain.ledger.publish_rules import in_chunks, stored_size
from precisionchain.schemas.items import SEAL_ORDINAL, Item
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.streams import batch_key


@dataclass(frozen=True, slots=True)
class Published:
    """What one publication did. ``new_items`` is 0 where everything was on the ledger already.

    ``batch`` is the head where nothing was sealed, and empty where its source has none.
    ``changes``: rows by table and fate, where the batch follows another.
    """

    batch: str
    source: str
    items: int
    new_items: int
    stored_bytes: int
    changes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)


def send_batch(
    outbox: Outbox,
    ledger: Ledger,
    batch: FrozenBatch,
    *,
    publisher: bytes,
    code: str,
    parameters: NetworkParameters,
    advance: Advance | None = None,
) -> Published:
    """Send what the ledger does not have of a frozen batch, its manifest last, and forget it.

    Raises:
        LedgerUnavailableError: the ledger gave no answer, or not everything is final after a long
            wait; call again, nothing is sent twice.
        ConflictError: somebody else took a place of the batch, so that it can never be whole; it is
            forgotten and not sealed.
    """
    there = ledger.ordinals(publisher, batch.batch_id)
    # What waits for its block comes from our own addresses, and cannot be read back before.
    _require_own(outbox, ledger, batch, ledger.ordinals(publisher, batch.batch_id, final=True))
    sent = new = 0
    if SEAL_ORDINAL not in there:
        router = Router(
            ledger.streams(),
            code=code,
            max_items=parameters.max_stream_items,
            max_bytes=parameters.max_stream_bytes,
        )
        opened: list[str] = []
        placed = _placed(outbox, batch, there, router, opened)
        for chunk in in_chunks(placed, ledger.limits):
            if opened:
                _create(ledger, opened)
                opened.clear()
            new += ledger.publish(ledger.prepare(chunk)).new
            sent += sum(stored_size(item) for item in chunk)
            if advance:
                advance(sent, batch.stored_bytes)
    settle(ledger, publisher, batch.batch_id, batch.items)  # a chain may still drop what waits
    outbox.forget(batch.batch_id)
    return Published(batch.batch_id.hex(), batch.source, batch.items, new, batch.stored_bytes)


def _require_own(outbox: Outbox, ledger: Ledger, batch: FrozenBatch, final: frozenset[int]) -> None:
    """Check that what is there of a batch is what was frozen, byte by byte, in a stream of its own.

    Whoever can write a ledger's file can write in any publisher's name: only seals are signed.
    """
    if not final:
        return
    frozen: dict[tuple[str, int], bytes] = {}
    kept = outbox.items(batch.batch_id, without=frozenset())
    for family, item in kept:
        if item.ordinal in final:
            frozen[family, item.ordinal] = sha256(item.stored).digest()
    for family in {family for family, _ in frozen}:
        for found in family_items(ledger, family, batch_key(batch.batch_id)):
            place = (family, found.item.ordinal)
            if frozen.get(place) == sha256(found.item.stored).digest():
                del frozen[place]
    if frozen:
        family, ordinal = min(frozen, key=lambda place: place[1])
        outbox.forget(batch.batch_id)
        raise ConflictError(
            "somebody else's item stands where one of this batch belongs: it cannot be sealed",
            where=f"{family}, ordinal {ordinal}, batch {batch.batch_id.hex()[:16]}",
            hint="`precisionchain verify` says who wrote what; a later export is another batch",
        )


def _placed(
    outbox: Outbox,
    batch: FrozenBatch,
    there: frozenset[int],
    router: Router,
    opened: list[str],
) -> Iterator[Item]:
    """Yield the items in their streams, and append those that are to be created to a list."""
    for family, item in outbox.items(batch.batch_id, without=there):
        stream, is_new = router.place(family, stored_size(item))
        if is_new:
            opened.append(stream)
        yield replace(item, stream=stream)


def _create(ledger: Ledger, streams: Sequence[str]) -> None:
    """Create streams at once, unless another job of this site made some and was killed."""
    try:
        ledger.create_streams(streams)
    except StreamExistsError:
        for stream in streams:
            with suppress(StreamExistsError):
                ledger.create_stream(stream)
