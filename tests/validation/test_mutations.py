"""Ten thousand flipped bits and every change of every kind of item: all found, all located.

Run in process by the checks of ``tests/lib/complete_ledger.py`` on a small ledger with items of
every kind. The totals are printed.
"""

from __future__ import annotations

import random
import sys
from pathlib import Path

import pytest

from precisionchain.ledger.signing import Signer
from tests.lib.byte_flips import Flips, WalFlips
from tests.lib.complete_ledger import CompleteLedger, complete_ledger
from tests.lib.mutation_runs import run_mutations

pytestmark = pytest.mark.validation

FLIPS, LOG_FLIPS = 9_500, 500
STRANGER = Signer(bytes([9]) * 32)


@pytest.fixture(scope="module")
def ledger(tmp_path_factory: pytest.TempPathFactory) -> CompleteLedger:
    return complete_ledger(tmp_path_factory.mktemp("complete"))


def test_every_flip_of_the_file_is_found_or_changes_no_row(
    ledger: CompleteLedger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flips = Flips(ledger, tmp_path)
    flips.run(FLIPS, random.Random())
    with capsys.disabled():
        sys.stdout.write(f"\n{flips.line()}\n")
    assert flips.missed == []
    assert flips.not_located == []


def test_every_flip_of_the_log_is_found_or_changes_no_row(
    ledger: CompleteLedger, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    flips = WalFlips(ledger, tmp_path)
    flips.run(LOG_FLIPS, random.Random())
    with capsys.disabled():
        sys.stdout.write(
            f"\nlog: {flips.tried} flips, {flips.found} found, {flips.harmless} changed no row\n"
        )
    assert flips.missed == []
    assert flips.not_located == []


@pytest.mark.parametrize("by", ["nobody", "stranger", "member"])
def test_every_change_is_found_where_it_begins(
    ledger: CompleteLedger, tmp_path: Path, by: str, capsys: pytest.CaptureFixture[str]
) -> None:
    signer = {"nobody": None, "stranger": STRANGER, "member": ledger.signer_b}[by]
    totals = run_mutations(ledger, tmp_path, signer, random.Random())
    with capsys.disabled():
        sys.stdout.write(f"\nblocks signed by {by}: {totals.line()}\n")
    assert totals.missed == []
    assert totals.not_located == []
