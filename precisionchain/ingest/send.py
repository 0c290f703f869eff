"""Sending a frozen batch: exactly once, whatever was sent before.

Order: data -> counts -> mapping -> leaf pages -> manifest. What a crash leaves: before the
manifest, items no reader takes, because nothing seals them; after it, a sealed batch and a frozen
copy in the outbox, which the next job finds to be all on the ledger and forgets.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass, field, replace

from precisionchain.errors import StreamExistsError
from precisionchain.ingest.outbox import FrozenBatch, Outbox
from precisionchain.ingest.report import Advance
from precisionchain.ledger.base import Ledger, in_chunks, settle, stored_size
from precisionchain.ledger.buckets import Router
from precisionchain.schemas.items import SEAL_ORDINAL, Item
from precisionchain.schemas.parameters import NetworkParameters


@dataclass(frozen=True, slots=True)
class Published:
    """What one publication did. ``new_items`` is 0 where everything was on the ledger already.

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
    """
    there = ledger.ordinals(publisher, batch.batch_id)
    sent = new = 0
    if SEAL_ORDINAL not in there:
        router = Router(
            ledger.streams(),
            code=code,
            max_items=parameters.max_stream_items,
            max_bytes=parameters.max_stream_bytes,
        )
        placed = _placed(outbox, ledger, batch, there, router)
        for chunk in in_chunks(placed, ledger.limits):
            new += ledger.publish(ledger.prepare(chunk)).new
            sent += sum(stored_size(item) for item in chunk)
            if advance:
                advance(sent, batch.stored_bytes)
    settle(ledger, publisher, batch.batch_id, batch.items)  # a chain may still drop what waits
    outbox.forget(batch.batch_id)
    return Published(batch.batch_id.hex(), batch.source, batch.items, new, batch.stored_bytes)


def _placed(
    outbox: Outbox, ledger: Ledger, batch: FrozenBatch, there: frozenset[int], router: Router
) -> Iterator[Item]:
    for family, item in outbox.items(batch.batch_id, without=there):
        stream, is_new = router.place(family, stored_size(item))
        if is_new:
            with suppress(StreamExistsError):  # another job of this site made it and was killed
                ledger.create_stream(stream)
        yield replace(item, stream=stream)
