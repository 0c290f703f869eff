"""Changes of a ledger, each with the first position and block it touches."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import partial
from hashlib import sha256

from precisionchain.ledger.signing import Signer
from precisionchain.schemas.items import SEAL_ORDINAL, ItemClass, Payload
from precisionchain.schemas.manifest import Manifest, batch_id_of, leaf_pages
from precisionchain.schemas.merkle import merkle_root
from precisionchain.schemas.streams import batch_key
from tests.lib.forged_ledger import Forged, ForgedBlock, Stored


@dataclass(frozen=True, slots=True)
class Mutation:
    """A change, and where it begins: the first position that holds something else, its block."""

    name: str
    position: int
    block: int
    apply: Callable[[Forged], None]


def item_mutations(
    ledger: Forged, member: Signer, network: bytes, rng: random.Random
) -> Iterator[Mutation]:
    """Yield one change of every sort for items of every kind; ``member`` re-signs as itself."""
    places = ledger.places()
    by_kind: dict[str, list[int]] = {}
    for position in range(1, len(places) - 1):
        by_kind.setdefault(ledger.at(position).item.payload.kind, []).append(position)
    streams = [name for block in ledger.blocks for name in block.streams]
    for kind, positions in sorted(by_kind.items()):
        at = rng.choice(positions)
        block = places[at][0]
        item = ledger.at(at).item

        def change(name: str, new: Callable[[Stored], Stored], at: int = at) -> Mutation:
            return Mutation(
                name, at, places[at][0], partial(Forged.change, position=at, change=new)
            )

        yield Mutation(f"drop a {kind}", at, block, partial(_drop, at=at))
        other = next(
            other for other in range(at + 1, len(places)) if ledger.at(other) != ledger.at(at)
        )
        exchange = partial(_exchange, at=at, other=other)
        yield Mutation(f"exchange a {kind} with a later item", at, block, exchange)
        yield Mutation(f"replay a {kind} at the end", at, block, partial(_to_the_end, at=at))
        elsewhere = rng.choice([name for name in streams if name != item.stream])
        yield change(f"a {kind} in another stream", partial(replace, stream=elsewhere))
        keys = tuple(sorted({*item.keys, "p:4711"}))
        yield change(f"a {kind} with another key", partial(replace, keys=keys))
        yield change(f"a byte of a {kind}", _flipped)
        by = partial(_signed_by, member=member, network=network)
        yield change(f"a {kind} signed by another member", by)


def block_mutations(ledger: Forged, rng: random.Random) -> Iterator[Mutation]:
    """Yield changes of blocks."""
    firsts = {block: at for at, (block, index) in reversed([*enumerate(ledger.places())])}
    with_items = sorted(firsts)
    for number in rng.sample(with_items[2:-2], min(5, len(with_items) - 4)):
        at = firsts[number]
        later = with_items[with_items.index(number) + 1]

        def drop(forged: Forged, number: int = number) -> None:
            del forged.blocks[number]

        def exchange(forged: Forged, number: int = number, later: int = later) -> None:
            one, two = forged.blocks[number], forged.blocks[later]
            one.items, two.items = two.items, one.items

        def join(forged: Forged, number: int = number, later: int = later) -> None:
            forged.blocks[number].items += forged.blocks[later].items
            forged.blocks[number].streams += forged.blocks[later].streams
            del forged.blocks[later]

        def older(forged: Forged, number: int = number) -> None:
            forged.blocks[number].time -= 1

        def cut(forged: Forged, number: int = number) -> None:
            del forged.blocks[number:]

        yield Mutation(f"drop block {number}", at, number, drop)
        yield Mutation(f"exchange blocks {number} and {later}", at, number, exchange)
        yield Mutation(f"join blocks {number} and {later}", firsts[later], number, join)
        yield Mutation(f"another time of block {number}", at, number, older)
        yield Mutation(f"cut off from block {number}", at, number, cut)


def forks(ledger: Forged, member: Signer, network: bytes) -> Iterator[Mutation]:
    """Yield histories that a member goes on with alone, or makes its own."""
    seals = [
        at
        for at in range(len(ledger.places()))
        if ledger.at(at).item.payload.kind == "manifest"
        and ledger.at(at).item.publisher != member.public_key
    ]
    for seal in seals:
        publisher = ledger.at(seal).item.publisher
        batch = ledger.at(seal).item.batch_id
        of_batch = [
            at for at in range(len(ledger.places())) if ledger.at(at).item.batch_id == batch
        ]
        first, block = of_batch[0], ledger.places()[of_batch[0]][0]

        def without(forged: Forged, batch: bytes = batch) -> None:
            for each in forged.blocks:
                each.items = [one for one in each.items if one.item.batch_id != batch]

        def alone(forged: Forged, after: int = block, publisher: bytes = publisher) -> None:
            for each in forged.blocks[after:]:
                each.items = [one for one in each.items if one.item.publisher != publisher]

        def taken(forged: Forged, seal: int = seal) -> None:
            _take_over(forged, seal, member, network)

        yield Mutation("a batch dropped with its seal", first, block, without)
        yield Mutation("a fork without the other member's later items", first, block, alone)
        yield Mutation("a batch published as the member's own", first, block, taken)


def second_seal(ledger: Forged, member: Signer, network: bytes) -> Mutation:
    """Return a second seal of the member's own newest source, after everything else: a fork."""
    at = max(
        at
        for at in range(len(ledger.places()))
        if ledger.at(at).item.payload.kind == "manifest"
        and ledger.at(at).item.publisher == member.public_key
    )
    manifest = Manifest.from_body(ledger.at(at).item.payload.body)
    source_id = sha256(b"another").digest()
    batch_id = batch_id_of(
        network, member.public_key, manifest.source, source_id, manifest.parent_id
    )
    again = manifest.model_copy(update={"batch": batch_id.hex(), "source_id": source_id.hex()})
    item = ledger.at(at).item
    body = replace(item.payload, body=again.body())
    new = replace(item, batch_id=batch_id, payload=body)
    signed = new.with_signature(member.sign(new.signed_text(network)))
    last = ledger.blocks[-1]

    def append(forged: Forged) -> None:
        block = ForgedBlock([], [Stored.of(signed)], last.time, member.public_key, b"", b"")
        forged.blocks.append(block)

    return Mutation(
        "a second seal of its own source", len(ledger.places()), len(ledger.blocks), append
    )


# ----------------------------------------------------------------------------------- the changes


def _drop(forged: Forged, at: int) -> None:
    number, index = forged.places()[at]
    del forged.blocks[number].items[index]


def _exchange(forged: Forged, at: int, other: int) -> None:
    one, two = forged.at(at), forged.at(other)
    forged.put(at, two.item)
    forged.put(other, one.item)


def _to_the_end(forged: Forged, at: int) -> None:
    one = forged.at(at)
    _drop(forged, at)
    forged.blocks[-1].items.append(one)


def _flipped(one: Stored) -> Stored:
    """Change a byte in the middle of the body."""
    item = one.item
    body = bytearray(item.payload.body)
    body[len(body) // 2] ^= 1
    return Stored.of(replace(item, payload=replace(item.payload, body=bytes(body))))


def _signed_by(one: Stored, member: Signer, network: bytes) -> Stored:
    item = one.item
    new = replace(item, publisher=member.public_key)
    if item.publisher == member.public_key:
        new = replace(new, batch_id=sha256(item.batch_id).digest())
    if item.item_class is ItemClass.SINGLE:
        new = new.with_signature(member.sign(new.signed_text(network)))
    return Stored.of(new)


def _take_over(forged: Forged, seal: int, member: Signer, network: bytes) -> None:
    """Make a sealed batch the member's own: publisher, id, keys, leaves, pages, root, seal."""
    old = Manifest.from_body(forged.at(seal).item.payload.body)
    batch_id = batch_id_of(
        network,
        member.public_key,
        old.source,
        bytes.fromhex(old.source_id),
        bytes.fromhex(old.parent),
    )
    mine = [at for at in range(len(forged.places())) if forged.at(at).item.batch_id == old.batch_id]
    leaves: dict[int, bytes] = {}
    for at in mine:
        item = forged.at(at).item
        keys = {batch_key(batch_id) if key == batch_key(old.batch_id) else key for key in item.keys}
        new = replace(
            item,
            publisher=member.public_key,
            batch_id=batch_id,
            keys=tuple(sorted(keys)),
        )
        if item.ordinal < old.items:
            leaves[item.ordinal] = new.leaf(network)
        forged.put(at, new)
    ordered = [leaves[ordinal] for ordinal in range(old.items)]
    pages = leaf_pages(ordered)
    for at in mine:
        item = forged.at(at).item
        if old.items <= item.ordinal < SEAL_ORDINAL:
            body = replace(item.payload, body=pages[item.ordinal - old.items])
            forged.put(at, replace(item, payload=body))
    sealed = old.model_copy(
        update={
            "batch": batch_id.hex(),
            "root": merkle_root(ordered).hex(),
            "pages": tuple(sha256(page).hexdigest() for page in pages),
        }
    )
    item = forged.at(seal).item
    payload: Payload = replace(item.payload, body=sealed.body())
    new = replace(item, payload=payload)
    signed = new.with_signature(member.sign(new.signed_text(network)))
    forged.put(seal, signed)
