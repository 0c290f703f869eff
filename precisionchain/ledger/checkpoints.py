r"""Checkpoints: a member's signed word on what a ledger held, kept by others outside of it.

A checkpoint says of the first ``size`` items what their log tree's root is, where the newest stands
and which block they end with. It follows from the ledger and the site alone, so a member makes the
same one again, and a member that signs another's (size, root) has checked it: a co-signature.

::

    body      = canonical JSON {block, digest, network, position, root, site, size, time}
    signature = Ed25519("precisionchain checkpoint 1\0" | body), by the member's site key
    line      = pcpoint1.SITE.<base64url, no padding: key 32 | signature 64 | body>.<checksum>

Normative text: ``docs/reference/streams.md``, section 8.
"""

from __future__ import annotations

import base64
import binascii
import re
from dataclasses import dataclass, replace
from datetime import datetime
from hashlib import sha256
from typing import Any

from precisionchain.errors import CodecError
from precisionchain.ledger.base import Head, LedgerItem
from precisionchain.ledger.records import SITE_NAME
from precisionchain.ledger.signing import Signer, single_item, verify_signature
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.items import Item
from precisionchain.schemas.json_payloads import value_payload
from precisionchain.schemas.streams import CHECKPOINT, StreamName

KIND = "checkpoint"
_LABEL = b"precisionchain checkpoint 1\x00"
_ITEM_LABEL = b"precisionchain checkpoint item 1\x00"
_VERSION = "pcpoint1"
_MEMBERS = frozenset({"block", "digest", "network", "position", "root", "site", "size", "time"})
_HASH = re.compile(r"[0-9a-f]{64}")
_ASK_AGAIN = "ask its site for `precisionchain checkpoint`, and copy the whole line"


@dataclass(frozen=True, slots=True)
class Checkpoint:
    """What one site says a ledger held.

    ``size`` items with the tree hash ``root``; the newest at ``position``, taken at ``time``; the
    ledger's own ``block`` and its 32-byte ``digest`` right after it.
    """

    network: bytes
    size: int
    root: bytes
    position: int
    block: int
    digest: bytes
    time: datetime
    site: str

    @property
    def head(self) -> Head:
        """The ledger's block that a history with these items contains."""
        return Head(self.position, self.block, self.digest)

    def body(self) -> bytes:
        """Return the canonical JSON that is signed."""
        return canonical_json(self._value())

    def by(self, site: str) -> Checkpoint:
        """Return what another site says when it says the same."""
        return replace(self, site=site)

    def agrees(self, other: Checkpoint) -> bool:
        """Return whether two sites say the same."""
        return self.by(other.site) == other

    def _value(self) -> dict[str, Any]:
        return {
            "block": self.block,
            "digest": self.digest.hex(),
            "network": self.network.hex(),
            "position": self.position,
            "root": self.root.hex(),
            "site": self.site,
            "size": self.size,
            "time": self.time.isoformat(timespec="microseconds"),
        }

    def __str__(self) -> str:
        return f"site {self.site}'s of position {self.position} ({self.root.hex()[:16]})"


@dataclass(frozen=True, slots=True)
class SignedCheckpoint:
    """A checkpoint with the site key that signed it (32 bytes) and the signature (64)."""

    checkpoint: Checkpoint
    public_key: bytes
    signature: bytes

    @classmethod
    def make(cls, checkpoint: Checkpoint, signer: Signer) -> SignedCheckpoint:
        """Return a checkpoint signed by its site."""
        return cls(checkpoint, signer.public_key, signer.sign(_LABEL + checkpoint.body()))

    @classmethod
    def parse(cls, line: str) -> SignedCheckpoint:
        """Read a checkpoint's line; white space around it does not count.

        Raises:
            CodecError: it is none, damaged, of another version, or not signed by its key.
        """
        version, _, rest = line.strip().partition(".")
        parts = rest.split(".")
        if not version.startswith("pcpoint"):
            raise CodecError("this is no checkpoint", hint=_ASK_AGAIN)
        if version != _VERSION:
            raise CodecError("the checkpoint is of another version", hint="use the same release")
        if len(parts) != 3 or _checksum(parts[0], parts[1]) != parts[2]:
            raise CodecError("the checkpoint is damaged or cut short", hint=_ASK_AGAIN)
        stored = _decoded(parts[1])
        signed = cls(_read(stored[96:]), stored[:32], stored[32:96])
        if signed.checkpoint.site != parts[0]:
            raise CodecError("the checkpoint is of another site than its line says")
        signed.require_signature()
        return signed

    def require_signature(self) -> None:
        """Check the signature.

        Raises:
            CodecError: it is not this key's.
        """
        text = _LABEL + self.checkpoint.body()
        if not verify_signature(self.public_key, self.signature, text):
            raise CodecError(
                f"{self.checkpoint} is not signed by the key it names",
                hint="somebody changed it: ask its site for another",
            )

    def __str__(self) -> str:
        """Return the one line that is handed over."""
        stored = self.public_key + self.signature + self.checkpoint.body()
        coded, site = base64.urlsafe_b64encode(stored).decode().rstrip("="), self.checkpoint.site
        return f"{_VERSION}.{site}.{coded}.{_checksum(site, coded)}"


# ----------------------------------------------------------------------------------- on the ledger


def checkpoint_item(signed: SignedCheckpoint, signer: Signer) -> Item:
    """Return a checkpoint as its site publishes it; the same one again is the same item."""
    said = signed.checkpoint
    body = {"checkpoint": parse_canonical(said.body()), "signature": signed.signature.hex()}
    return single_item(
        str(StreamName(CHECKPOINT)),
        (f"member:{said.site}",),
        value_payload(KIND, body),
        signer=signer,
        network=said.network,
        batch_id=item_id(said),
    )


def item_id(said: Checkpoint) -> bytes:
    """Return the batch id under which a site publishes a checkpoint."""
    return sha256(_ITEM_LABEL + said.body()).digest()


def published_checkpoint(found: LedgerItem, newer_than: int = -1) -> SignedCheckpoint | None:
    """Return the checkpoint that an item holds; None where it knows no more than so many items.

    Signatures cost more than all else, and of most checkpoints there is a newer one.

    Raises:
        CodecError: it holds none, or not one signed by the item's publisher.
    """
    item = found.item
    try:
        body = parse_canonical(item.payload.body)
        if item.payload.kind != KIND or set(body) != {"checkpoint", "signature"}:
            raise CodecError("an item that holds no checkpoint")
        said = _read(canonical_json(body["checkpoint"]))
        if said.size <= newer_than:
            return None
        signed = SignedCheckpoint(said, item.publisher, bytes.fromhex(body["signature"]))
    except (TypeError, ValueError) as error:
        raise CodecError("an item that holds no checkpoint") from error
    signed.require_signature()
    return signed


# ----------------------------------------------------------------------------------------- internal


def _read(body: bytes) -> Checkpoint:
    """Return the checkpoint of a canonical body.

    Raises:
        CodecError: it is none.
    """
    value = parse_canonical(body)
    if not isinstance(value, dict) or set(value) != _MEMBERS:
        raise CodecError("a checkpoint with other members than it must have")
    try:
        time = datetime.fromisoformat(value["time"])
        hashes = [value[name] for name in ("network", "root", "digest")]
        numbers = [value[name] for name in ("size", "position", "block")]
        right = (
            all(_HASH.fullmatch(each) for each in hashes)
            and all(type(each) is int and 0 <= each < 2**63 for each in numbers)
            and 0 < value["size"] <= value["position"] + 1
            and SITE_NAME.fullmatch(value["site"])
        )
        network, root, digest = (bytes.fromhex(each) for each in hashes)
    except (TypeError, ValueError) as error:
        raise CodecError("a checkpoint that cannot be read") from error
    said = Checkpoint(
        network, numbers[0], root, numbers[1], numbers[2], digest, time, value["site"]
    )
    if not right or time.tzinfo is None or said.body() != body:
        raise CodecError("a checkpoint that cannot be read")
    return said


def _checksum(site: str, coded: str) -> str:
    return sha256(f"{_VERSION}.{site}.{coded}".encode()).hexdigest()[:8]


def _decoded(coded: str) -> bytes:
    try:
        return base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError) as error:
        raise CodecError("the checkpoint is damaged or cut short", hint=_ASK_AGAIN) from error
