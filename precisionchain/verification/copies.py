"""The replica against the ledger: the head it remembers, its batches, its files."""

from __future__ import annotations

from precisionchain.errors import IntegrityError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Seal, heads
from precisionchain.ledger.chains import chains
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.digests import damage, read_digests
from precisionchain.replica.history import require_same_history
from precisionchain.replica.reading import REBUILD
from precisionchain.verification.check import Check


def check_history(ledger: Ledger, snapshot: Snapshot) -> Check:
    """Check the history against the head that the last sync remembered."""
    check = Check("history", 0 if snapshot.catalogue.head is None else 1)
    try:
        require_same_history(ledger, snapshot)
    except IntegrityError as error:
        check.find(str(error))
    return check


def check_replica(sealed: list[Seal], snapshot: Snapshot) -> Check:
    """Check that the replica answers from exactly the batches that count up to its position, and
    from the files that sync wrote.
    """
    check = Check("replica")
    known = [seal for seal in sealed if seal.position <= snapshot.catalogue.position]
    current, held = current_batches(known, snapshot), held_batches(snapshot)
    check.examined = len(current)
    for batch in sorted(current - held):
        check.find(f"batch {batch[:16]} is sealed and not in the replica")
    for batch in sorted(held - current):
        check.find(f"batch {batch[:16]} is in the replica and not current on the ledger")
    digests = read_digests(snapshot)
    if digests is None and held:
        check.find(f"the digests of its files are missing or damaged; {REBUILD}")
    check.examined += len(digests or {})
    for message in damage(snapshot, digests or {}) if digests else ():
        check.find(f"{message}; {REBUILD}")
    return check


def current_batches(sealed: list[Seal], snapshot: Snapshot) -> set[str]:
    """Return the batches that a generation is made of: whole chains, or their newest alone."""
    if snapshot.catalogue.sealed:
        return {seal.manifest.batch for chain in chains(sealed).values() for seal in chain}
    return {seal.manifest.batch for seal in heads(sealed).values()}


def held_batches(snapshot: Snapshot) -> set[str]:
    """Return the batches that a generation is made of."""
    return {one.batch for one in snapshot.catalogue.sealed or snapshot.catalogue.batches}
