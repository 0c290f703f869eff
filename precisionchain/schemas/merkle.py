"""Merkle tree hashes over ordered leaves, as RFC 9162 section 2.1 defines them.

The tree hash of no leaves is SHA-256 of nothing; a leaf is hashed with a 0x00 prefix and an inner
node with 0x01, so that neither can be taken for the other.
"""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256

HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    """Return the 32-byte hash of one leaf's bytes (RFC 9162, 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def merkle_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the tree hash of already hashed leaves, in order.

    Pairing neighbours level by level and carrying an odd last node up gives the same tree as the
    recursive split at the largest power of two in RFC 9162.
    """
    if not leaf_hashes:
        return sha256(b"").digest()
    level = list(leaf_hashes)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]
