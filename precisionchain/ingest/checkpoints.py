"""MAF checkpoints: the folded counter by frequency range, published by a site beside its batches.

They are derived: outside of every batch's root, and never trusted without a recount. A checkpoint's
item id follows from the batches it was folded from, so publishing it again publishes nothing. Its
first item is sent last: where it stands, all of them do, and a publication that a killed job left
unfinished stays due.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from hashlib import sha256
from itertools import chain

from precisionchain.ingest.publish import Publisher
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.buckets import Router
from precisionchain.ledger.publish_rules import in_chunks, stored_size
from precisionchain.ledger.signing import single_item
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.checkpoints import checkpoint_payloads, named_batches
from precisionchain.replica.taken_over import VCF
from precisionchain.schemas.genetic_payloads import COMPLETING, read_checkpoint
from precisionchain.schemas.items import Item
from precisionchain.schemas.streams import StreamName, frequency_family

GROWTH = 1.1
"""A checkpoint is due when the persons with genotypes have grown by a tenth since the last one."""


def checkpoint_due(publisher: Publisher, snapshot: Snapshot) -> bool:
    """Return whether enough persons came since this site's last checkpoint, or there is none."""
    persons: Counter[str] = Counter()
    for batch in snapshot.catalogue.batches:
        if batch.kind == VCF:
            persons[batch.batch] += batch.persons
    if not persons:
        return False
    edges = publisher.parameters.maf_edges
    last: tuple[str, ...] = ()
    for found in family_items(publisher.ledger, frequency_family(edges[0], edges[1])):
        own = found.item.publisher == publisher.signer.public_key
        if own and found.item.ordinal == COMPLETING and publisher.entitled(found):
            last = read_checkpoint(found.item.payload)[1]
    before = sum(persons[batch] for batch in last)
    return sum(persons.values()) >= GROWTH * max(before, 1)


def publish_checkpoints(publisher: Publisher, snapshot: Snapshot) -> int:
    """Publish the folded counter of a generation; return how many items were new.

    Raises:
        LedgerUnavailableError: the ledger gave no answer; call again.
    """
    router = Router(
        publisher.ledger.streams(),
        code=publisher.code,
        max_items=publisher.parameters.max_stream_items,
        max_bytes=publisher.parameters.max_stream_bytes,
    )
    new = 0
    for chunk in in_chunks(_items(publisher, snapshot, router), publisher.ledger.limits):
        new += publisher.ledger.publish(publisher.ledger.prepare(chunk)).new
    return new


def _items(publisher: Publisher, snapshot: Snapshot, router: Router) -> Iterator[Item]:
    folded = "\n".join(named_batches(snapshot))
    origin = sha256(b"precisionchain maf checkpoint 1\x00" + folded.encode()).digest()
    there = publisher.ledger.ordinals(publisher.signer.public_key, origin)
    payloads = checkpoint_payloads(snapshot, publisher.parameters.maf_edges)
    numbered = enumerate(payloads)
    first = next(numbered)  # every range has a payload
    for ordinal, (family, payload) in chain(numbered, [first]):
        if ordinal in there:
            continue
        item = single_item(
            str(StreamName(family)),
            (f"m:{origin.hex()[:32]}",),
            payload,
            signer=publisher.signer,
            network=publisher.network,
            batch_id=origin,
            ordinal=ordinal,
        )
        stream, is_new = router.place(family, stored_size(item))
        if is_new:
            publisher.ledger.create_stream(stream)
        yield replace(item, stream=stream)
