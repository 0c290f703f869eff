"""Every change of a ledger tried, and whether it was found, and where."""

from __future__ import annotations

import random
import sqlite3
from dataclasses import dataclass, field
from pathlib import Path

from precisionchain.ledger.base import Finding
from precisionchain.ledger.signing import Signer
from tests.lib.complete_ledger import CompleteLedger, checks
from tests.lib.forged_ledger import Forged
from tests.lib.mutations import Mutation, block_mutations, forks, item_mutations, second_seal


@dataclass
class Totals:
    """What became of the changes: names of those missed; those not located where they begin."""

    tried: int = 0
    found: int = 0
    exactly: int = 0
    impossible: int = 0
    without_checkpoints: int = 0
    missed: list[str] = field(default_factory=list)
    not_located: list[str] = field(default_factory=list)

    def line(self) -> str:
        """Return the totals as one line."""
        return (
            f"{self.tried} tried, {self.found} found, {self.exactly} at the very position or"
            f" block, {self.without_checkpoints} also without any checkpoint;"
            f" {self.impossible} that no file can hold"
        )


def run_mutations(
    ledger: CompleteLedger,
    folder: Path,
    signer: Signer | None,
    rng: random.Random,
    at_most: int | None = None,
) -> Totals:
    """Try changes by somebody who signs blocks with ``signer``, or with nothing.

    Without a member's key everything but a cut-off tail must be found without checkpoints, too.
    """
    original, network = Forged.read(ledger.path), ledger.kept.network
    member = ledger.signer_b
    tried = [
        *item_mutations(original, member, network, rng),
        *block_mutations(original, rng),
        *forks(original, member, network),
    ]
    if at_most is not None:
        rng.shuffle(tried)
        tried = tried[:at_most]
    if signer is member:
        tried.append(second_seal(original, member, network))
    totals = Totals()
    path = folder / "ledger.sqlite"
    for mutation in tried:
        for old in folder.glob("ledger.sqlite*"):
            old.unlink()
        forged = Forged.read(ledger.path)
        mutation.apply(forged)
        try:
            forged.write(path, signer)
        except sqlite3.IntegrityError:  # two items of one name: the file's own index forbids it
            totals.impossible += 1
            continue
        findings = list(checks(path, ledger.kept))
        totals.tried += 1
        if not findings:
            totals.missed.append(mutation.name)
            continue
        totals.found += 1
        alone = any(True for _ in checks(path, None))
        totals.without_checkpoints += alone
        if not alone and signer is not member and not mutation.name.startswith("cut off"):
            totals.missed.append(f"{mutation.name} (without checkpoints)")
        if is_there(mutation, findings):
            totals.exactly += 1
        else:
            totals.not_located.append(mutation.name)
    return totals


def is_there(mutation: Mutation, findings: list[Finding]) -> bool:
    """Whether a finding names the first position, or the first block, that a change touches."""
    return any(
        finding.position == mutation.position or finding.block == mutation.block
        for finding in findings
    )
