"""Proofs that need no ledger to be checked: that an item is in it, that it only grew.

A proof is one JSON value (``docs/reference/streams.md``, section 8). It carries the checkpoint it
was made for, but whoever checks it decides which checkpoint to trust: one kept from a member, or
from several that signed the same.
"""

from __future__ import annotations

import re
import struct
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any

from precisionchain.errors import CodecError, IntegrityError, UsageError
from precisionchain.ledger.base import LedgerItem
from precisionchain.ledger.blocks import to_microseconds
from precisionchain.ledger.checkpoints import Checkpoint, SignedCheckpoint
from precisionchain.ledger.log_tree import LogTree, log_leaf
from precisionchain.schemas.merkle import is_consistent, is_included

FORMAT = 1
_HASH = re.compile(r"[0-9a-f]{64}")
_SIGNATURE = re.compile(r"([0-9a-f]{128})?")
_INCLUSION = frozenset(
    {
        *("format", "kind", "index", "size", "position", "time", "stream", "leaf", "signature"),
        *("path", "checkpoint"),
    }
)
_CONSISTENCY = frozenset({"format", "kind", "path", "earlier", "checkpoint"})


@dataclass(frozen=True, slots=True)
class Included:
    """What an inclusion proof proves: an item with this 32-byte leaf stands there, since then."""

    position: int
    time: datetime
    stream: str
    leaf: bytes


# ---------------------------------------------------------------------------------------- making


def prove_inclusion(tree: LogTree, found: LedgerItem, signed: SignedCheckpoint) -> dict[str, Any]:
    """Return the proof that an item is in the ledger that a checkpoint is of.

    Args:
        tree: the ledger's log tree, with which the checkpoint agrees.
        found: the item.
        signed: the checkpoint.

    Raises:
        UsageError: the item came after the checkpoint.
    """
    said, index = signed.checkpoint, tree.index_of(found.position)
    if index is None or index >= said.size:
        raise UsageError(
            f"position {found.position} came after the checkpoint of {said}",
            hint="make a newer one: precisionchain checkpoint",
        )
    return {
        "format": FORMAT,
        "kind": "inclusion",
        "index": index,
        "size": said.size,
        "position": found.position,
        "time": found.time.isoformat(timespec="microseconds"),
        "stream": found.item.stream,
        "leaf": found.item.leaf(tree.network).hex(),
        "signature": found.item.signature.hex(),
        "path": [node.hex() for node in tree.tree.inclusion(index, said.size)],
        "checkpoint": str(signed),
    }


def prove_consistency(
    tree: LogTree, earlier: SignedCheckpoint, later: SignedCheckpoint
) -> dict[str, Any]:
    """Return the proof that the ledger of a checkpoint begins with that of an earlier one.

    Args:
        tree: the ledger's log tree, with which both agree.
        earlier: of as many items, or fewer.
        later: the other.

    Raises:
        UsageError: the earlier one is of more items.
    """
    first, second = earlier.checkpoint.size, later.checkpoint.size
    if first > second:
        raise UsageError(
            f"the checkpoint of {earlier.checkpoint} is later than that of {later.checkpoint}"
        )
    return {
        "format": FORMAT,
        "kind": "consistency",
        "path": [node.hex() for node in tree.tree.consistency(first, second)],
        "earlier": str(earlier),
        "checkpoint": str(later),
    }


# -------------------------------------------------------------------------------------- checking


def check_inclusion(proof: Mapping[str, Any], checkpoint: str | SignedCheckpoint) -> Included:
    """Check a proof that an item is in the ledger that a trusted checkpoint is of.

    Args:
        proof: as ``precisionchain prove`` wrote it, read as JSON.
        checkpoint: the one to trust, or its line; of as many items as the proof is for.

    Raises:
        IntegrityError: the proof does not hold, or is none.
    """
    said = _trusted(checkpoint)
    _require_members(proof, "inclusion", _INCLUSION)
    try:
        time = datetime.fromisoformat(proof["time"])
        numbers = [proof[name] for name in ("index", "size", "position")]
        if not all(type(number) is int for number in numbers) or time.tzinfo is None:
            raise CodecError(_NO_PROOF)
        if not _SIGNATURE.fullmatch(proof["signature"]):
            raise CodecError(_NO_PROOF)
        leaf, stream = _hash(proof["leaf"]), proof["stream"]
        hashed = log_leaf(
            proof["position"],
            to_microseconds(time),
            stream,
            leaf,
            bytes.fromhex(proof["signature"]),
        )
        path = [_hash(node) for node in proof["path"]]
    except (TypeError, ValueError, AttributeError, OverflowError, struct.error) as error:
        raise CodecError(_NO_PROOF) from error
    if proof["size"] != said.size:
        raise IntegrityError(
            f"the proof is for {proof['size']} items, the checkpoint of {said} for {said.size}",
            hint="check it against the checkpoint it was made for",
        )
    if not is_included(hashed, proof["index"], said.size, path, said.root):
        raise IntegrityError(
            f"the proof does not hold: what it says of position {proof['position']} is not in the"
            f" ledger of the checkpoint of {said}"
        )
    return Included(proof["position"], time, stream, leaf)


def check_consistency(
    proof: Mapping[str, Any], earlier: str | SignedCheckpoint, later: str | SignedCheckpoint
) -> None:
    """Check a proof that the ledger of a checkpoint begins with that of an earlier one.

    Args:
        proof: as ``precisionchain prove --since`` wrote it, read as JSON.
        earlier: the checkpoint that was kept, or its line.
        later: the other one, or its line.

    Raises:
        IntegrityError: the proof does not hold, or is none.
    """
    first, second = _trusted(earlier), _trusted(later)
    _require_members(proof, "consistency", _CONSISTENCY)
    try:
        path = [_hash(node) for node in proof["path"]]
    except (TypeError, ValueError) as error:
        raise CodecError(_NO_PROOF) from error
    if first.network != second.network:
        raise IntegrityError("the two checkpoints are of different networks")
    if not is_consistent(first.size, first.root, second.size, second.root, path):
        raise IntegrityError(
            f"the proof does not hold: the ledger of the checkpoint of {second} does not begin"
            f" with that of {first}"
        )


_NO_PROOF = "this is no proof of format 1, or it is damaged"


def _trusted(checkpoint: str | SignedCheckpoint) -> Checkpoint:
    if isinstance(checkpoint, str):
        return SignedCheckpoint.parse(checkpoint).checkpoint
    checkpoint.require_signature()
    return checkpoint.checkpoint


def _require_members(proof: Mapping[str, Any], kind: str, names: frozenset[str]) -> None:
    if proof.get("kind") in ("inclusion", "consistency") and proof["kind"] != kind:
        raise CodecError(f"this is a proof of {proof['kind']}, not of {kind}")
    if set(proof) != names or proof["kind"] != kind or proof["format"] != FORMAT:
        raise CodecError(_NO_PROOF)


def _hash(text: Any) -> bytes:
    if not isinstance(text, str) or not _HASH.fullmatch(text):
        raise CodecError(_NO_PROOF)
    return bytes.fromhex(text)
