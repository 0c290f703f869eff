"""Sealed batches as readers see them: seals, heads, and a batch's items checked leaf by leaf."""

from __future__ import annotations

import heapq
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import datetime
from functools import lru_cache
from hashlib import sha256

from precisionchain.errors import CodecError, IntegrityError
from precisionchain.ledger.base import Ledger, LedgerItem
from precisionchain.schemas.items import SEAL_ORDINAL, Item, ItemClass
from precisionchain.schemas.manifest import NO_PARENT, Manifest, leaves_of_pages
from precisionchain.schemas.merkle import merkle_root
from precisionchain.schemas.streams import BATCH, StreamName, batch_key

Entitled = Callable[[LedgerItem], bool]
"""Whether a single item is signed by someone who could say it at that position."""


@dataclass(frozen=True, slots=True)
class Entitlement:
    """The same from a membership, which also knows which keys have been one site's."""

    judge: Entitled
    first_key: Callable[[bytes], bytes]

    def __call__(self, placed: LedgerItem) -> bool:
        """Return whether the item is signed by someone who could say it."""
        return self.judge(placed)


def site_key(entitled: Entitled, public_key: bytes) -> bytes:
    """Return the key that a site is known by, whichever of its keys this one is: its first."""
    return entitled.first_key(public_key) if isinstance(entitled, Entitlement) else public_key


_VERIFY = "run `precisionchain verify`"


@dataclass(frozen=True, slots=True)
class Seal:
    """A valid manifest where it stands.

    ``publisher`` is the key that the site is known by, its first; ``signed_by`` that which signed,
    where that is another: once a site has a new key.
    """

    position: int
    time: datetime
    publisher: bytes
    manifest: Manifest
    signed_by: bytes = b""

    @property
    def key(self) -> bytes:
        """The key under which the batch's items stand."""
        return self.signed_by or self.publisher


def streams_of(ledger: Ledger) -> Mapping[str, list[str]]:
    """Return every family's streams (buckets), in the order of creation."""
    families: dict[str, list[str]] = defaultdict(list)
    for name in ledger.streams():
        families[StreamName.parse(name).family].append(name)
    return families


def buckets_of(ledger: Ledger, family: str) -> list[str]:
    """Return a family's streams, in the order of creation."""
    return list(_buckets(tuple(ledger.streams()), family))


@lru_cache(maxsize=32)
def _buckets(names: tuple[str, ...], family: str) -> tuple[str, ...]:
    """Each question asks for the same of a thousand streams, and hardly ever is one made."""
    return tuple(
        name
        for name in names
        if name.startswith(family) and StreamName.parse(name).family == family
    )


def family_items(
    ledger: Ledger,
    family: str,
    key: str | None = None,
    *,
    ordinal: int | None = None,
    after: int = -1,
) -> Iterator[LedgerItem]:
    """Yield the items of all buckets of a family in order of position."""
    buckets = [
        ledger.items(name, key, ordinal=ordinal, after=after) for name in buckets_of(ledger, family)
    ]
    yield from heapq.merge(*buckets, key=lambda found: found.position)


def is_sealed_since(ledger: Ledger, after: int, incomplete: Iterable[str] = ()) -> bool:
    """Return whether a reader that knows all up to a position may learn of a batch by reading on.

    Leaf pages of a batch that is not sealed yet say nothing; what says something is a manifest,
    valid or not, and what came late under the key of a batch that was sealed without it.

    Args:
        ledger: read only.
        after: what the reader knows.
        incomplete: the ids, in hex, of batches that were sealed but not whole by then.
    """
    news = [family_items(ledger, BATCH, ordinal=SEAL_ORDINAL, after=after)]
    news += [
        family_items(ledger, BATCH, batch_key(bytes.fromhex(batch)), after=after)
        for batch in incomplete
    ]
    return any(next(found, None) is not None for found in news)


def seals(ledger: Ledger, entitled: Entitled, *, after: int = -1) -> Iterator[Seal]:
    """Yield the valid seals after a position, in order.

    A manifest that is not signed by a member, or that contradicts its own item, is no seal.
    """
    for found in family_items(ledger, BATCH, ordinal=SEAL_ORDINAL, after=after):
        item = found.item
        if item.ordinal != SEAL_ORDINAL or item.item_class is not ItemClass.SINGLE:
            continue
        if not entitled(found):
            continue
        try:
            manifest = Manifest.from_body(item.payload.body)
        except CodecError:
            continue  # reported by verify, which reads every manifest again
        if manifest.batch_id == item.batch_id:
            site = site_key(entitled, item.publisher)
            yield Seal(found.position, found.time, site, manifest, item.publisher)


def heads(sealed: Iterable[Seal]) -> dict[tuple[bytes, str], Seal]:
    """Return the head of each (publisher, source): the last seal that follows the head before it.

    Two seals with one parent would be a fork by one site; the first keeps its place.
    """
    newest: dict[tuple[bytes, str], Seal] = {}
    for seal in sealed:
        place = (seal.publisher, seal.manifest.source)
        before = newest[place].manifest.batch_id if place in newest else NO_PARENT
        if seal.manifest.parent_id == before:
            newest[place] = seal
    return newest


def sealed_leaves(ledger: Ledger, seal: Seal) -> list[bytes]:
    """Return the leaves a seal commits to, read from its pages and checked against its root.

    Raises:
        IntegrityError: a page is missing, or pages and root disagree.
    """
    manifest = seal.manifest
    where = f"batch {manifest.batch[:16]}"
    wanted = {bytes.fromhex(digest): index for index, digest in enumerate(manifest.pages)}
    bodies: dict[int, bytes] = {}
    for found in family_items(ledger, BATCH, batch_key(manifest.batch_id)):
        item = found.item
        index = wanted.get(sha256(item.payload.body).digest())
        if index is not None and item.publisher == seal.key:
            bodies.setdefault(index, item.payload.body)
    if len(bodies) < len(wanted):
        raise IntegrityError("a leaf page is missing", where=where, hint=_VERIFY)
    leaves = leaves_of_pages([bodies[index] for index in sorted(bodies)])
    if len(leaves) != manifest.items or merkle_root(leaves).hex() != manifest.root:
        raise IntegrityError("the leaves do not give the sealed root", where=where, hint=_VERIFY)
    return leaves


def sealed_items(ledger: Ledger, seal: Seal, network: bytes) -> Iterator[Item]:
    """Yield a batch's items, family by family, each checked against its sealed leaf.

    Items under the batch's key that the seal does not commit to are strays and left out.

    Raises:
        IntegrityError: after the last item, where an ordinal has no item with its leaf.
    """
    leaves = sealed_leaves(ledger, seal)
    missing = set(range(len(leaves)))
    buckets = streams_of(ledger)
    key = batch_key(seal.manifest.batch_id)
    for family in dict.fromkeys(family for family, _ in seal.manifest.families):
        for stream in buckets.get(family, []):
            for found in ledger.items(stream, key):
                item = found.item
                if (
                    item.ordinal in missing
                    and item.publisher == seal.key
                    and item.batch_id == seal.manifest.batch_id
                    and item.leaf(network) == leaves[item.ordinal]
                ):
                    missing.discard(item.ordinal)
                    yield item
    if missing:
        families = list(seal.manifest.family_of_ordinal())
        places = sorted({families[ordinal] for ordinal in missing})
        named = ", ".join(places[:3]) + (", ..." if len(places) > 3 else "")
        raise IntegrityError(
            f"{len(missing)} of {len(leaves)} sealed items are not on the ledger ({named})",
            where=f"batch {seal.manifest.batch[:16]}",
            hint=_VERIFY,
        )
