"""One pass over a ledger's items: what every later check needs of them, as columns.

No body is kept but those of manifests and leaf pages, which are small; so memory is about 100 bytes
an item. Each stored byte is hashed once for its leaf, which the log tree, the sealed leaves and the
strays are then compared by.
"""

from __future__ import annotations

from array import array
from collections.abc import Iterator
from dataclasses import dataclass, field
from hashlib import sha256

import numpy as np
import numpy.typing as npt

from precisionchain.errors import CodecError
from precisionchain.ledger.base import Ledger, LedgerItem
from precisionchain.ledger.batches import Entitled, Seal, site_key
from precisionchain.ledger.blocks import to_microseconds
from precisionchain.ledger.log_tree import LogTree, log_leaf
from precisionchain.schemas.items import SEAL_ORDINAL, ItemClass
from precisionchain.schemas.manifest import Manifest
from precisionchain.schemas.merkle import HASH_BYTES
from precisionchain.schemas.streams import ACCESS, BATCH, NETWORK, family_of

Leaves = npt.NDArray[np.void]
"""32-byte hashes as one comparable value each."""
LEAF = np.dtype((np.void, HASH_BYTES))

BatchName = tuple[bytes, bytes]
"""(publisher, batch id)."""


@dataclass(slots=True)
class BatchItems:
    """The batch items of one (publisher, batch) but leaf pages, in order of position."""

    positions: array[int] = field(default_factory=lambda: array("q"))
    ordinals: array[int] = field(default_factory=lambda: array("q"))
    streams: array[int] = field(default_factory=lambda: array("q"))
    leaves: bytearray = field(default_factory=bytearray)

    def hashes(self) -> Leaves:
        """Return the items' leaves."""
        return np.frombuffer(bytes(self.leaves), LEAF)


@dataclass(slots=True)
class LedgerScan:
    """What one pass saw. ``stream_names`` are numbered as ``BatchItems.streams`` has them."""

    network: bytes
    log: LogTree
    stream_names: list[str] = field(default_factory=list)
    batches: dict[BatchName, BatchItems] = field(default_factory=dict)
    manifests: list[LedgerItem] = field(default_factory=list)
    pages: dict[BatchName, dict[bytes, bytes]] = field(default_factory=dict)
    elsewhere: list[LedgerItem] = field(default_factory=list)
    stored_bytes: int = 0

    def seals(self, entitled: Entitled) -> Iterator[tuple[LedgerItem, Seal]]:
        """Yield the valid seals in order, each with its item."""
        for found in self.manifests:
            item = found.item
            if not entitled(found):
                continue
            try:
                manifest = Manifest.from_body(item.payload.body)
            except CodecError:
                continue
            if manifest.batch_id == item.batch_id:
                site = site_key(entitled, item.publisher)
                yield found, Seal(found.position, found.time, site, manifest, item.publisher)

    def batch_items(self) -> int:
        """Return how many batch items there are, leaf pages left out."""
        return sum(len(items.positions) for items in self.batches.values())


def scan_ledger(ledger: Ledger, network: bytes) -> LedgerScan:
    """Read every item up to the ledger's newest block, once."""
    head = ledger.head()
    scan = LedgerScan(network, LogTree(network))
    numbers: dict[str, tuple[int, str]] = {}
    for found in ledger.items():
        if found.position > head.position:
            break
        item = found.item
        if item.stream not in numbers:
            numbers[item.stream] = (len(scan.stream_names), family_of(item.stream))
            scan.stream_names.append(item.stream)
        number, family = numbers[item.stream]
        leaf, time = item.leaf(network), to_microseconds(found.time)
        scan.log.add(
            found.position, log_leaf(found.position, time, item.stream, leaf, item.signature)
        )
        scan.stored_bytes += len(item.payload.body)
        name = (item.publisher, item.batch_id)
        if item.item_class is ItemClass.SINGLE:
            if family == BATCH:
                if item.ordinal == SEAL_ORDINAL:
                    scan.manifests.append(found)
                else:
                    scan.elsewhere.append(found)
        elif item.payload.kind == "leaves" and family == BATCH:
            body = item.payload.body
            scan.pages.setdefault(name, {}).setdefault(sha256(body).digest(), body)
        elif family in (NETWORK, ACCESS):
            scan.elsewhere.append(found)
        else:
            items = scan.batches.setdefault(name, BatchItems())
            items.positions.append(found.position)
            items.ordinals.append(item.ordinal)
            items.streams.append(number)
            items.leaves += leaf
    scan.log.head = head
    return scan
