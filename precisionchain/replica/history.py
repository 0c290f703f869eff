"""A generation remembers the ledger's newest block: a later history must still contain it."""

from __future__ import annotations

from precisionchain.errors import IntegrityError
from precisionchain.ledger.base import Ledger
from precisionchain.replica.catalogue import Snapshot


def require_same_history(ledger: Ledger, snapshot: Snapshot) -> None:
    """Check that the ledger still holds the history that a generation was made from.

    Raises:
        IntegrityError: it was rewritten, or its tail was cut off.
    """
    head = snapshot.catalogue.head
    if head is not None and not ledger.extends(head):
        raise IntegrityError(
            "the ledger's history is not the one this replica was made from: rewritten, or cut off",
            where=f"position {head.position}, block {head.block}",
            hint="compare with another member's ledger before you trust it; if a chain took another"
            " branch and theirs is the same, delete replica/ and sync: it is made again",
        )
