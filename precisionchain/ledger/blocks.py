r"""Blocks of the embedded ledger: what each publish signs, and how they are chained. No I/O.

A block commits to what one publish (or one creation of streams) added, to its writer, its time and
the block before it; so whoever remembers one digest can tell whether history was rewritten::

    header    = "precisionchain block 1\0" | number u64 | last i64 | streams u64 | time i64
              | previous 32 | root 32 | writer 32
    digest    = SHA-256(header)
    signature = Ed25519("precisionchain block signature 1\0" | digest), by the writer

Integers are little-endian. ``root`` is the RFC 9162 tree hash over the leaves of the new streams,
then of the new items, in order. Unlike an item's own leaf, a block's leaf covers the bucket and the
signature: it pins what is stored, the other one what is meant.
"""

from __future__ import annotations

import struct
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from hashlib import sha256

from precisionchain.ledger.base import Head
from precisionchain.ledger.signing import Signer, verify_signature
from precisionchain.schemas.items import leaf_of

_HEADER = struct.Struct("<QqQq")
_HEADER_LABEL = b"precisionchain block 1\x00"
_SIGNATURE_LABEL = b"precisionchain block signature 1\x00"
_STREAM_LABEL = b"precisionchain block stream 1"
_ITEM_LABEL = b"precisionchain block item 1"
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
NO_BLOCK = Head(-1, -1, bytes(32))
"""The head of an empty ledger; its digest is what the first block follows."""


@dataclass(frozen=True, slots=True)
class Block:
    """A block's header. ``last`` and ``streams`` are totals once the block is there.

    ``number`` counts from 0; ``last`` is the newest position, -1 when there is no item yet;
    ``time`` is in microseconds since 1970, UTC.
    """

    number: int
    last: int
    streams: int
    time: int
    previous: bytes
    root: bytes
    writer: bytes

    @property
    def digest(self) -> bytes:
        """The 32 bytes that the next block and a reader's checkpoint refer to."""
        numbers = _HEADER.pack(self.number, self.last, self.streams, self.time)
        return sha256(
            b"".join((_HEADER_LABEL, numbers, self.previous, self.root, self.writer))
        ).digest()


def sign_block(digest: bytes, signer: Signer) -> bytes:
    """Return a block's 64-byte signature."""
    return signer.sign(_SIGNATURE_LABEL + digest)


def block_is_signed(digest: bytes, writer: bytes, signature: bytes) -> bool:
    """Return whether the writer signed the block of this digest."""
    return verify_signature(writer, signature, _SIGNATURE_LABEL + digest)


def stream_leaf(name: str) -> bytes:
    """Return the leaf of a stream's creation."""
    return leaf_of(_STREAM_LABEL, name, (), b"")


def item_leaf(stream: str, keys: Iterable[str], stored: bytes) -> bytes:
    """Return the leaf of an item as it is stored."""
    return leaf_of(_ITEM_LABEL, stream, keys, stored)


def to_microseconds(time: datetime) -> int:
    """Return microseconds since 1970, UTC, of an aware datetime, exactly."""
    return (time - _EPOCH) // timedelta(microseconds=1)


def from_microseconds(time: int) -> datetime:
    """Return the UTC datetime; the inverse of ``to_microseconds``."""
    return _EPOCH + timedelta(microseconds=time)
