"""Places that are none, of another source, or listed already change nothing, and are found."""

from __future__ import annotations

from collections import Counter
from pathlib import Path

import polars as pl

from precisionchain.ledger.batches import seals
from precisionchain.replica.catalogue import read_snapshot
from precisionchain.replica.sync import sync
from precisionchain.verification.corrections import check_corrections
from tests.lib.batches import NETWORK
from tests.lib.drafted_history import DOMAIN, PERSONS, History, Sealed, entitled, site_of
from tests.lib.memory_ledger import MemoryLedger

FIRST = Sealed("A", "ehr", ((DOMAIN, ((1, 7, 10), (2, 8, 10))), (PERSONS, ((1, 7, 10),))))
OTHER = Sealed("A", "registry", ((DOMAIN, ((3, 9, 10),)),))
FOREIGN = Sealed("B", "ehr", ((DOMAIN, ((4, 7, 10),)),))
NEW = (DOMAIN, ((5, 7, 10),))
WRONG = Sealed(
    "A",
    "ehr",
    (NEW,),
    (
        *((0, 0, 1), (0, 1, 0)),  # right
        *((0, 0, 2), (0, 7, 0), (0, 2, 0)),  # no such row, no such item
        *((1, 0, 0), (2, 0, 0), (3, 0, 0), (9, 0, 0)),  # of others, its own, of nobody
    ),
)
AGAIN = Sealed("A", "ehr", (NEW,), ((0, 0, 1), (3, 0, 0)))


def test_what_is_wrong_is_told_by_batch_and_what_is_right_counts(tmp_path: Path) -> None:
    ledger = MemoryLedger()
    sealed = History((FIRST, OTHER, FOREIGN, WRONG, AGAIN)).write(ledger, tmp_path)
    root = tmp_path / "replica"
    sync(ledger, root, network=NETWORK, entitled=entitled, site_of=site_of)
    snapshot = read_snapshot(root, NETWORK)
    answering = snapshot.path(DOMAIN)
    assert answering is not None
    left = pl.read_parquet(answering)["condition_occurrence_id"].to_list()
    assert Counter(left) == Counter([1, 3, 4, 5])
    assert snapshot.path(PERSONS) is None
    found = check_corrections(ledger, list(seals(ledger, entitled)), NETWORK, snapshot)
    wrong, again = (f"batch {sealed[number][0][:16]} lists" for number in (3, 4))
    assert sorted(finding.message for finding in found.findings) == sorted(
        [
            f"{wrong} 3 places in which there is no row",
            f"{wrong} 4 places of batches that are none before it of its source",
            f"{again} 1 places that are listed already",
        ]
    )
