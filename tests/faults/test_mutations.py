"""Whatever is changed in a ledger, by whoever lacks the keys, is found and located.

Ten thousand flips and every change of every kind of item are in ``tests/validation``; here are some
of each. See ``tests/lib/complete_ledger.py`` for which checks run.
"""

from __future__ import annotations

import random
from pathlib import Path

import pytest

from precisionchain.ledger.signing import Signer
from tests.lib.byte_flips import Flips, WalFlips
from tests.lib.complete_ledger import CompleteLedger, checks, complete_ledger
from tests.lib.forged_ledger import Forged
from tests.lib.mutation_runs import run_mutations

STRANGER = Signer(bytes([9]) * 32)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> CompleteLedger:
    return complete_ledger(tmp_path_factory.mktemp("complete"))


def test_the_ledger_holds_every_kind_and_nothing_is_found(ledger: CompleteLedger) -> None:
    assert ledger.kinds >= {
        *("parameters", "member", "user", "revocation", "manifest", "leaves", "access"),
        *("clinical", "map-concept", "map-person", "checkpoint", "maf-checkpoint", "assay"),
        *("variant-block", "counts", "map-variant", "map-sample", "excluded"),
    }
    assert list(checks(ledger.path, ledger.kept)) == []


def test_taking_apart_and_writing_again_changes_nothing(
    ledger: CompleteLedger, tmp_path: Path
) -> None:
    path = tmp_path / "ledger.sqlite"
    Forged.read(ledger.path).write(path, None)
    assert list(checks(path, ledger.kept)) == []


def test_some_flips_of_every_kind_of_page(ledger: CompleteLedger, tmp_path: Path) -> None:
    flips = Flips(ledger, tmp_path)
    flips.run(150, random.Random())
    assert flips.missed == []
    assert flips.not_located == []
    assert flips.found > 50, "most flips must matter, or this test shows nothing"


def test_some_flips_of_the_log(ledger: CompleteLedger, tmp_path: Path) -> None:
    flips = WalFlips(ledger, tmp_path)
    flips.run(20, random.Random())
    assert flips.missed == []
    assert flips.not_located == []
    assert flips.found > 5


@pytest.mark.parametrize("by", ["nobody", "stranger", "member"])
def test_some_changes_of_each_sort(ledger: CompleteLedger, tmp_path: Path, by: str) -> None:
    signer = {"nobody": None, "stranger": STRANGER, "member": ledger.signer_b}[by]
    totals = run_mutations(ledger, tmp_path, signer, random.Random(), at_most=10)
    assert totals.missed == []
    assert totals.not_located == []
    assert totals.tried >= 9
