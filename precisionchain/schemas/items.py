"""Items: what a ledger stores, byte for byte. Normative text: ``docs/reference/streams.md``.

An item is published to a stream under typed keys. Its stored bytes are a *frame* (a fixed header,
then the body) and, for single items, the publisher's Ed25519 signature::

    "PCI1" | class u8 | codec u8 | kind u8+ascii | publisher 32 | batch 32 | ordinal u32
           | key id u8+bytes | nonce u8+bytes | body ...            [ signature 64 ]

Integers are little-endian. The same bytes are stored by every ledger.
"""

from __future__ import annotations

import enum
import struct
from collections.abc import Iterable
from dataclasses import dataclass, replace
from functools import lru_cache
from hashlib import sha256

from precisionchain.errors import CodecError, LimitError
from precisionchain.schemas.merkle import leaf_hash
from precisionchain.schemas.streams import MAX_KEY_BYTES, StreamName

FORMAT = 1
MAGIC = b"PCI1"
SEAL_ORDINAL = 0xFFFF_FFFF
"""The ordinal of a batch's manifest; its presence seals the batch."""
SIGNATURE_BYTES = 64
_SHARED_KEYS = 512
"""Lists of keys that are remembered with what was made of them: the person blocks of a group have
the same 256 keys, and each is put into three trees of hashes and taken out of the ledger twice."""
_LEAF_LABEL = b"precisionchain leaf 1\x00"
_SIGN_LABEL = b"precisionchain signature 1\x00"


class ItemClass(enum.IntEnum):
    """Batch items exist for readers once their batch is sealed; single items when signed."""

    BATCH = 0
    SINGLE = 1


class Codec(enum.IntEnum):
    """How a body is encoded."""

    JSON = 0
    """Canonical JSON, UTF-8."""
    JSON_ZSTD = 1
    """Canonical JSON, one zstd frame."""
    ARROW = 2
    """Arrow IPC stream of one table, compressed with zstd (`columns.to_body`)."""
    RAW = 3
    """Bytes whose layout the kind says (leaf pages)."""


@dataclass(frozen=True, slots=True)
class Payload:
    """A body with what a reader needs to decode it.

    ``kind`` names the schema (``clinical``, ``variant-block``, ``manifest`` ...; at most 32 ASCII
    bytes). An empty ``key_id`` means that the body is in clear.
    """

    kind: str
    codec: Codec
    body: bytes
    key_id: bytes = b""
    nonce: bytes = b""


@dataclass(frozen=True, slots=True)
class Item:
    """One item, placed or about to be placed.

    ``stream`` is the bucket (``CONDITION_436670_1``); ``keys`` are distinct and sorted;
    ``publisher`` is the member's or user's 32-byte Ed25519 public key; (publisher, batch_id,
    ordinal) is unique on a ledger; ``signature`` is empty for batch items, whose manifest is
    signed for them.
    """

    stream: str
    keys: tuple[str, ...]
    item_class: ItemClass
    publisher: bytes
    batch_id: bytes
    ordinal: int
    payload: Payload
    signature: bytes = b""

    @property
    def frame(self) -> bytes:
        """The header and body: what the leaf covers."""
        payload, kind = self.payload, self.payload.kind.encode("ascii")
        return b"".join(
            (
                MAGIC,
                bytes((self.item_class, payload.codec, len(kind))),
                kind,
                self.publisher,
                self.batch_id,
                struct.pack("<I", self.ordinal),
                _short(payload.key_id),
                _short(payload.nonce),
                payload.body,
            )
        )

    @property
    def stored(self) -> bytes:
        """The bytes a ledger keeps: the frame, and a single item's signature."""
        return self.frame + self.signature

    def leaf(self, network: bytes) -> bytes:
        """Return the item's 32-byte leaf hash in a network.

        It covers the stream's family, not its bucket: buckets are placement, so that the same
        batch has the same root wherever its items found room.
        """
        return leaf_of(network, StreamName.parse(self.stream).family, self.keys, self.frame)

    def signed_text(self, network: bytes) -> bytes:
        """Return the bytes a single item's signature is made over."""
        return _SIGN_LABEL + self.leaf(network)

    def with_signature(self, signature: bytes) -> Item:
        """Return the item with its signature."""
        return replace(self, signature=signature)


def parse_item(stream: str, keys: Iterable[str], stored: bytes) -> Item:
    """Return the item whose stored bytes these are; the signature is not checked here.

    Raises:
        CodecError: the bytes are no item of this format.
    """
    where = f"stream {stream}"
    try:
        if stored[:4] != MAGIC:
            raise CodecError("not a PrecisionChain item of format 1", where=where)
        item_class, codec, kind_length = ItemClass(stored[4]), Codec(stored[5]), stored[6]
        at = 7 + kind_length
        kind = stored[7:at].decode("ascii")
        publisher, batch_id = stored[at : at + 32], stored[at + 32 : at + 64]
        (ordinal,) = struct.unpack_from("<I", stored, at + 64)
        key_id, at = _read_short(stored, at + 68)
        nonce, at = _read_short(stored, at)
        end = len(stored) - (SIGNATURE_BYTES if item_class is ItemClass.SINGLE else 0)
        if at > end:
            raise CodecError("the item ends inside its header", where=where)
    except (ValueError, IndexError, struct.error, UnicodeDecodeError) as error:
        raise CodecError("the item's header cannot be read", where=where) from error
    payload = Payload(kind, codec, bytes(stored[at:end]), key_id, nonce)
    return Item(
        stream, tuple(keys), item_class, publisher, batch_id, ordinal, payload, stored[end:]
    )


def leaf_of(network: bytes, family: str, keys: Iterable[str], frame: bytes) -> bytes:
    """Return the leaf hash: every part prefixed by its length, so no two inputs share a text."""
    keys = tuple(keys)
    named = _joined((network, family.encode())) + _joined_keys(keys)
    count = struct.pack("<I", 2 + len(keys))
    return leaf_hash(_LEAF_LABEL + count + named + sha256(frame).digest())


def checked_keys(keys: Iterable[str]) -> tuple[str, ...]:
    """Return keys sorted and distinct.

    Raises:
        LimitError: a key is empty, "*" (which MultiChain reads as "all") or over 256 bytes.
    """
    return _checked(tuple(keys))


@lru_cache(maxsize=_SHARED_KEYS)
def _checked(keys: tuple[str, ...]) -> tuple[str, ...]:
    distinct = tuple(sorted(set(keys)))
    for key in distinct:
        if not key or key == "*" or len(key.encode()) > MAX_KEY_BYTES:
            raise LimitError(f"a key of {len(key.encode())} bytes cannot be stored")
    return distinct


@lru_cache(maxsize=_SHARED_KEYS)
def _joined_keys(keys: tuple[str, ...]) -> bytes:
    return _joined([key.encode() for key in keys])


def _joined(parts: Iterable[bytes]) -> bytes:
    """Return parts, each after its length."""
    return b"".join([struct.pack("<I", len(part)) + part for part in parts])


def _short(part: bytes) -> bytes:
    if len(part) > 255:
        raise LimitError("key id or nonce over 255 bytes")
    return bytes((len(part),)) + part


def _read_short(stored: bytes, at: int) -> tuple[bytes, int]:
    end = at + 1 + stored[at]
    if end > len(stored):
        raise CodecError("the item ends inside its header")
    return bytes(stored[at + 1 : end]), end
