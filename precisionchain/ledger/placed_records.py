"""Records of the NETWORK stream where they stand: what an item says by its own bytes. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Final

from precisionchain.ledger.base import LedgerItem
from precisionchain.ledger.changes import (
    Declaration,
    Grant,
    Revocation,
    Rotation,
    read_declaration,
    read_grant,
    read_revocation,
    read_rotation,
)
from precisionchain.ledger.records import BrokenRuleError, Member, User, read_member, read_user
from precisionchain.ledger.signing import is_signed
from precisionchain.schemas.items import Item

Record = Member | User | Grant | Revocation | Rotation | Declaration
_READERS: Final[Mapping[str, Callable[[LedgerItem], Record]]] = {
    "member": read_member,
    "user": read_user,
    "grant": lambda placed: read_grant(placed.item),
    "revocation": lambda placed: read_revocation(placed.item),
    "rotation": lambda placed: read_rotation(placed.item),
    "compromised": lambda placed: read_declaration(placed.item),
}


@dataclass(frozen=True, slots=True)
class Placed:
    """A record where it stands, or the rule that its bytes break."""

    at: LedgerItem
    record: Record | None = None
    broken: BrokenRuleError | None = None

    @property
    def position(self) -> int:
        """Where it stands."""
        return self.at.position

    @property
    def publisher(self) -> bytes:
        """The key that signed it."""
        return self.at.item.publisher


def placed_record(found: LedgerItem, network: bytes) -> Placed:
    """Return what an item after the parameters says, as far as its own bytes tell."""
    try:
        return Placed(found, _read(found, network))
    except BrokenRuleError as broken:
        return Placed(found, broken=broken)


def _read(found: LedgerItem, network: bytes) -> Record:
    item: Item = found.item
    if item.payload.kind == "parameters":
        raise BrokenRuleError("parameters", "a network has its parameters once")
    if not is_signed(item, network):
        raise BrokenRuleError("signature", "not signed by its publisher in this network")
    if item.payload.kind not in _READERS:
        raise BrokenRuleError("record", "a record of a kind this release does not know")
    return _READERS[item.payload.kind](found)
