"""``verify``: everything the ledger and the replica claim, checked again from the bytes.

Each check says what it examined and every finding, located. What a clean run proves, and what it
cannot, is told in ``docs/explanation/trust.md`` and in the lines printed last.
"""

from __future__ import annotations

import time
from collections.abc import Callable

from precisionchain.errors import PrecisionChainError
from precisionchain.ledger.base import Finding, Ledger
from precisionchain.ledger.kept_checkpoints import KeptCheckpoints
from precisionchain.ledger.membership import Membership
from precisionchain.replica.catalogue import Snapshot
from precisionchain.verification.check import Check, summary
from precisionchain.verification.contents import check_contents
from precisionchain.verification.copies import check_history, check_replica
from precisionchain.verification.corrections import check_corrections
from precisionchain.verification.frequencies import check_frequencies
from precisionchain.verification.listed_sites import check_listed_sites
from precisionchain.verification.rights import (
    check_access,
    check_compromised,
    check_signatures,
    check_writers,
)
from precisionchain.verification.scan import scan_ledger
from precisionchain.verification.sealed import check_sealed, check_strays
from precisionchain.verification.seals import check_seals
from precisionchain.verification.witnesses import check_witnesses

__all__ = ["TRUST", "Check", "summary", "verify"]

TRUST = (
    "signatures show that no other member wrote these items; a history rewritten by whoever holds"
    " the keys, or a cut-off tail, shows only against checkpoints kept outside of the ledger: what"
    " came after them is not checkable here"
)


def verify(
    ledger: Ledger,
    *,
    membership: Membership,
    snapshot: Snapshot,
    kept: KeptCheckpoints | None = None,
    site: str = "",
    progress: Callable[[str], None] | None = None,
) -> list[Check]:
    """Run every check and return them all, failed ones with what they found.

    Args:
        ledger: read only.
        membership: who is who, folded from the same ledger.
        snapshot: the replica's newest generation.
        kept: the members' checkpoints that this site keeps.
        site: this site's name.
        progress: called with a line per check.
    """
    run = _Run(progress)
    entitled = membership.is_entitled
    run.step("bytes", lambda: _bytes(ledger))
    scan = scan_ledger(ledger, membership.network)
    run.read(scan.stored_bytes)
    placed = list(scan.seals(entitled))
    sealed = [seal for _, seal in placed]

    def batches() -> Check:
        check = Check("batches")
        complete = check_sealed(check, scan, placed)
        check_contents(check, ledger, sealed, complete)
        return check

    def strays() -> Check:
        check = Check("strays", advisory=True)
        check_strays(check, scan, placed)
        return check

    run.step("checkpoints", lambda: check_witnesses(ledger, membership, scan.log, kept, site))
    run.step("history", lambda: check_history(ledger, snapshot))
    run.step("writers", lambda: check_writers(ledger, membership))
    run.step("signatures", lambda: check_signatures(ledger, scan, membership))
    run.step("compromised-keys", lambda: check_compromised(ledger, scan, membership))
    run.step("access-log", lambda: check_access(ledger, membership))
    run.step("seals", lambda: check_seals(scan, entitled))
    run.step("batches", batches)
    run.step("strays", strays)
    run.step("replica", lambda: check_replica(sealed, snapshot))
    corrections = (ledger, sealed, membership.network, snapshot)
    run.step("listed-sites", lambda: check_listed_sites(snapshot))
    run.step("corrections", lambda: check_corrections(*corrections))
    run.step("maf-checkpoints", lambda: check_frequencies(ledger, membership, sealed, snapshot))
    return run.checks


class _Run:
    """Runs checks one after another; one that cannot be finished is a finding of its own."""

    def __init__(self, progress: Callable[[str], None] | None) -> None:
        self.checks: list[Check] = []
        self._progress, self._since = progress, time.perf_counter()

    def step(self, name: str, run: Callable[[], Check]) -> None:
        """Run one check."""
        try:
            check = run()
        except PrecisionChainError as error:
            check = Check(name, findings=[Finding("readable", str(error))])
        self.checks.append(check)
        self._count(check)
        if self._progress:
            self._progress(f"{check.name}: {check.examined} examined")

    def read(self, stored_bytes: int) -> None:
        """Add a pass over all items to the check before it."""
        self.checks[-1].stored_bytes = stored_bytes
        self._count(self.checks[-1])

    def _count(self, check: Check) -> None:
        now = time.perf_counter()
        check.seconds, self._since = check.seconds + now - self._since, now


def _bytes(ledger: Ledger) -> Check:
    check = Check("bytes", sum(state.items for state in ledger.streams().values()))
    check.findings.extend(ledger.findings())
    return check
