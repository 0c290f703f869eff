"""Corrections: counts against a recount of what counts, nobody's position twice, and no place of a
row listed that is none.
"""

from __future__ import annotations

from collections.abc import Sequence

from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Seal
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.genetic_checks import unnamed_overlaps, wrong_counts
from precisionchain.replica.reading import reading
from precisionchain.replica.resolve import OMOP
from precisionchain.replica.superseded_places import invalid_places
from precisionchain.replica.taken_over import VCF
from precisionchain.verification.check import Check


def check_corrections(
    ledger: Ledger, sealed: Sequence[Seal], network: bytes, snapshot: Snapshot
) -> Check:
    """Check the genetic batches that the replica holds, as far as they count now, and the places
    that clinical batches list as superseded.

    Args:
        ledger: read only.
        sealed: the valid seals, by position.
        network: 32-byte network id.
        snapshot: the replica's newest generation.
    """
    check = Check("corrections")
    check.examined = sum(batch.kind == VCF for batch in snapshot.catalogue.sealed)
    if check.examined:
        with reading(snapshot):
            for message in wrong_counts(ledger, sealed, network, snapshot):
                check.find(message)
            for message in unnamed_overlaps(snapshot):
                check.find(message)
    check.examined += sum(batch.kind == OMOP for batch in snapshot.catalogue.sealed)
    with reading(snapshot):
        for places in invalid_places(snapshot):
            check.find(str(places))
    return check
