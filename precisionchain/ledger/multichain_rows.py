"""From a decoded transaction of a MultiChain to what it holds of ours. No I/O.

A position is ``height << 36 | index of the transaction in its block << 16 | output``, so chain
order is the order of positions, and a position tells where its item is.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Any, Final

from precisionchain.errors import CodecError, LedgerFormatError
from precisionchain.schemas.items import Item, parse_item

NO_KEY: Final = ""
"""Stands for no key: MultiChain items have at least one, and no key of ours is empty."""
SMALL_BYTES: Final = 4096
"""Up to this size an item's bytes are kept in the local index."""
_HEIGHT_SHIFT, _TX_SHIFT = 36, 16


def position_of(height: int, index: int, vout: int) -> int:
    """Return the position of an output."""
    return height << _HEIGHT_SHIFT | index << _TX_SHIFT | vout


def first_position(height: int) -> int:
    """Return the position that everything in a block, and nothing before it, is at or above."""
    return height << _HEIGHT_SHIFT


def height_of(position: int) -> int:
    """Return the height of the block a position is in."""
    return position >> _HEIGHT_SHIFT


def vout_of(position: int) -> int:
    """Return the output a position is."""
    return position & ((1 << _TX_SHIFT) - 1)


@dataclass(frozen=True, slots=True)
class Name:
    """What an item is known by: publisher and batch of 32 bytes each, and its ordinal."""

    publisher: bytes
    batch: bytes
    ordinal: int

    @classmethod
    def of(cls, item: Item) -> Name:
        """Return an item's name."""
        return cls(item.publisher, item.batch_id, item.ordinal)


@dataclass(frozen=True, slots=True)
class Written:
    """One stream item of a transaction; ``name`` is None where the bytes are no item of ours.

    ``digest`` covers stream, keys and stored bytes; ``small`` holds the bytes up to
    ``SMALL_BYTES``.
    """

    vout: int
    stream: str
    keys: tuple[str, ...]
    address: str
    size: int
    digest: bytes
    name: Name | None
    small: bytes | None


@dataclass(frozen=True, slots=True)
class Transaction:
    """What a transaction writes, and the outputs (txid, vout) it spends.

    ``spends`` is None where only what was signed here is known, not what the node decodes.
    """

    txid: bytes
    written: tuple[Written, ...]
    spends: tuple[tuple[bytes, int], ...] | None


def read_transaction(decoded: Mapping[str, Any]) -> Transaction:
    """Return what the node's decoding of a transaction says.

    Raises:
        LedgerFormatError: it is not of the form MultiChain 2 gives.
    """
    try:
        spends = tuple(
            (bytes.fromhex(spent["txid"]), int(spent["vout"]))
            for spent in decoded["vin"]
            if "txid" in spent
        )
        written = tuple(_written(decoded["vout"]))
        return Transaction(bytes.fromhex(decoded["txid"]), written, spends)
    except (KeyError, TypeError, ValueError, IndexError) as error:
        raise LedgerFormatError(
            "the node decodes a transaction in a way this release does not know",
            hint="use MultiChain 2.3",
        ) from error


def _written(outputs: list[Mapping[str, Any]]) -> Iterator[Written]:
    for output in outputs:
        for entry in output.get("items", ()):
            if entry.get("type") != "stream":
                continue
            stored = _stored(entry, output["scriptPubKey"]["hex"])
            keys = tuple(key for key in entry["keys"] if key != NO_KEY)
            address = entry["publishers"][0] if len(entry["publishers"]) == 1 else ""
            name, stream = None, entry["name"]
            if stored is not None:
                try:
                    name = Name.of(parse_item(stream, keys, stored))
                except CodecError:
                    name = None
            stored = stored or b""
            yield Written(
                output["n"],
                stream,
                keys,
                address,
                len(stored),
                content_digest(stream, keys, stored),
                name,
                stored if len(stored) <= SMALL_BYTES else None,
            )


def _stored(entry: Mapping[str, Any], script: str) -> bytes | None:
    """Return an item's bytes, which end its output's script; None for off-chain, text and JSON."""
    found = entry["data"]
    if entry["offchain"]:
        return None
    if isinstance(found, str):
        return bytes.fromhex(found)
    if found.get("format") != "raw":
        return None
    size = int(found["size"])
    return bytes.fromhex(script[len(script) - 2 * size :]) if size else b""


def output_scripts(raw: bytes) -> list[bytes]:
    """Return the scripts of a transaction's outputs, in order; the framing is Bitcoin's.

    Raises:
        LedgerFormatError: it ends too soon.
    """
    try:
        count, at = _varint(raw, 4)
        for _ in range(count):
            length, at = _varint(raw, at + 36)
            at += length + 4
        scripts = []
        count, at = _varint(raw, at)
        for _ in range(count):
            length, at = _varint(raw, at + 8)
            scripts.append(raw[at : at + length])
            at += length
    except IndexError as error:
        raise LedgerFormatError("the node gives a transaction cut short") from error
    return scripts


def _varint(raw: bytes, at: int) -> tuple[int, int]:
    """Return a length as Bitcoin writes it, and where it ends."""
    size = {0xFD: 2, 0xFE: 4, 0xFF: 8}.get(raw[at])
    if size is None:
        return raw[at], at + 1
    return int.from_bytes(raw[at + 1 : at + 1 + size], "little"), at + 1 + size


def content_digest(stream: str, keys: tuple[str, ...], stored: bytes) -> bytes:
    """Return what two items must share to be the same item under one name."""
    digest = sha256()
    for part in (stream.encode(), *(key.encode() for key in keys), stored):
        digest.update(len(part).to_bytes(8, "little"))
        digest.update(part)
    return digest.digest()


@dataclass(frozen=True, slots=True)
class IndexRow:
    """An item where it stands; ``keys`` as written, ``small`` its bytes where they are few."""

    position: int
    txid: str
    stream: str
    keys: tuple[str, ...]
    address: str
    size: int
    state: int
    name: Name | None
    small: bytes | None

    @classmethod
    def of(cls, row: Sequence[Any]) -> IndexRow:
        """Return a row of the table."""
        position, txid, stream, keys, address, size, state, publisher, batch, ordinal, small = row
        name = None if batch is None else Name(publisher, batch, ordinal)
        texts = tuple(json.loads(keys))
        return cls(position, txid.hex(), stream, texts, address, size, state, name, small)


@dataclass(frozen=True, slots=True)
class SignedItem:
    """An item of a transaction signed here."""

    txid: bytes
    nth: int
    name: Name
    stream: str
    size: int
    digest: bytes
    address: str
