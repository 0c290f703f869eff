r"""The log tree: one RFC 9162 tree over every final item of a ledger, in order of position.

A leaf pins what stands where, since when and in which stream. It is made of the item's own leaf, so
that whoever holds a proof learns no key and no byte of a body from it (``streams.md``, section 8)::

    log leaf = SHA-256(0x00 | "precisionchain log 1\0" | position i64 | time i64 | leaf 32
             | stream (u8 length, bytes) | signature (0 or 64 bytes))

Any ledger of the contract gives the same tree. Hashes once made are kept in a file of the site
folder; it is believed only as long as the ledger still holds the block it was made at.
"""

from __future__ import annotations

import json
import os
import struct
from array import array
from bisect import bisect_left, bisect_right
from dataclasses import dataclass, field
from hashlib import sha256
from pathlib import Path
from typing import Any, Self

from precisionchain.errors import IntegrityError
from precisionchain.ledger.base import Head, Ledger, LedgerItem
from precisionchain.ledger.blocks import NO_BLOCK, to_microseconds
from precisionchain.schemas.merkle import MerkleTree, leaf_hash

_LABEL = b"precisionchain log 1\x00"
_NUMBERS = struct.Struct("<qq")
_NAME = "log-tree"


def log_leaf(position: int, time: int, stream: str, leaf: bytes, signature: bytes) -> bytes:
    """Return the hash of an item's leaf in the log tree.

    Args:
        position: where it stands.
        time: when the ledger took it, microseconds since 1970, UTC.
        stream: the name of its stream, bucket included.
        leaf: its own 32-byte leaf (``Item.leaf``).
        signature: a single item's, 64 bytes; empty for batch items.
    """
    name = stream.encode()
    numbers = _NUMBERS.pack(position, time)
    return leaf_hash(b"".join((_LABEL, numbers, leaf, bytes((len(name),)), name, signature)))


def leaf_of_item(found: LedgerItem, network: bytes) -> bytes:
    """Return the hash of an item's leaf in the log tree of a network."""
    item, time = found.item, to_microseconds(found.time)
    return log_leaf(found.position, time, item.stream, item.leaf(network), item.signature)


@dataclass(slots=True)
class LogTree:
    """The log tree of a network up to some block.

    ``positions`` holds each leaf's; ``head`` is the block it was read up to.
    """

    network: bytes
    tree: MerkleTree = field(default_factory=MerkleTree)
    positions: array[int] = field(default_factory=lambda: array("q"))
    head: Head = NO_BLOCK

    @property
    def size(self) -> int:
        """How many items it holds."""
        return self.tree.size

    def catch_up(self, ledger: Ledger) -> Self:
        """Read what came since, up to the ledger's newest final block."""
        head = ledger.head()
        last = self.positions[-1] if self.positions else -1
        for found in ledger.items(after=last):
            if found.position > head.position:
                break
            self.add(found.position, leaf_of_item(found, self.network))
        self.head = head
        return self

    def add(self, position: int, leaf: bytes) -> None:
        """Add the next item's leaf hash."""
        self.tree.append(leaf)
        self.positions.append(position)

    def index_of(self, position: int) -> int | None:
        """Return which leaf the item at a position is, None where none stands there."""
        at = bisect_left(self.positions, position)
        there = at < self.size and self.positions[at] == position
        return at if there else None

    def size_at(self, position: int) -> int:
        """Return how many items stand up to a position."""
        return bisect_right(self.positions, position)


# ------------------------------------------------------------------------------- kept in a folder


def read_log_tree(folder: Path, ledger: Ledger, network: bytes) -> LogTree:
    """Return a ledger's log tree, from the hashes kept in a folder and what came since.

    Kept hashes that are damaged, or of another network, are made anew.

    Raises:
        IntegrityError: they are of a history that is no longer the ledger's: they are evidence.
    """
    kept = kept_log_tree(folder, network)
    if kept is None:
        return LogTree(network).catch_up(ledger)
    if not ledger.extends(kept.head):
        raise IntegrityError(
            "the ledger does not contain what this site has seen: rewritten, forked or cut off",
            where=f"position {kept.head.position}, block {kept.head.block}",
            hint="`precisionchain verify` says from where on; compare with another member",
        )
    return kept.catch_up(ledger)


def keep_log_tree(folder: Path, tree: LogTree) -> None:
    """Keep a tree's hashes in a folder, which exists; whole or not at all."""
    positions, nodes = tree.positions.tobytes(), tree.tree.nodes
    said: dict[str, Any] = {
        "network": tree.network.hex(),
        "size": tree.size,
        "position": tree.head.position,
        "block": tree.head.block,
        "digest": tree.head.digest.hex(),
    }
    said["sha256"] = _sha256(said, positions + nodes)
    partial = folder / f".{_NAME}.{os.getpid()}.partial"
    descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
    with os.fdopen(descriptor, "wb") as sink:
        sink.write(json.dumps(said, sort_keys=True).encode() + b"\n")
        sink.write(positions)
        sink.write(nodes)
    partial.replace(folder / _NAME)


def kept_log_tree(folder: Path, network: bytes) -> LogTree | None:
    """Return the log tree whose hashes are kept in a folder, None where they are absent or damaged.

    It is what the ledger was, whatever it is now.
    """
    try:
        line, _, rest = (folder / _NAME).read_bytes().partition(b"\n")
        said = json.loads(line)
        size, split = said["size"], 8 * said["size"]
        head = Head(said["position"], said["block"], bytes.fromhex(said["digest"]))
        if said["network"] == network.hex() and said.pop("sha256") == _sha256(said, rest):
            positions = array("q", rest[:split])
            return LogTree(network, MerkleTree(rest[split:], size), positions, head)
    except (OSError, ValueError, KeyError, TypeError):
        pass  # absent or damaged: only time is lost
    return None


def _sha256(said: dict[str, Any], rest: bytes) -> str:
    return sha256(json.dumps(said, sort_keys=True).encode() + rest).hexdigest()
