"""Searches of a generated log through the index on disk are exact, however it came about."""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.access.index import store
from precisionchain.access.search import AuditSearch
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.membership import LiveMembership
from tests.lib.audited_network import key
from tests.lib.generated_log import GeneratedLog
from tests.lib.log_comparison import compare
from tests.lib.memory_ledger import MemoryLedger


def test_searches_of_two_thousand_entries_are_exact(tmp_path: Path) -> None:
    EmbeddedLedger.create(tmp_path / "ledger.sqlite", key("A")).close()
    log = GeneratedLog(MemoryLedger(), 1_000, persons=400, most=400, chunk=10)
    log.ledger = EmbeddedLedger(tmp_path / "ledger.sqlite", key("A"), clock=log.clock)
    log.write()
    search = AuditSearch(
        log.ledger, LiveMembership(log.ledger), tmp_path / "index", log.net.keyring()
    )
    assert compare(log, search) > 500
    log.ledger.close()


@pytest.mark.parametrize("steps", [(400, 3, 300, 1, 1, 95), (20, 20, 20, 200, 20)])
def test_an_index_that_grew_step_by_step_is_exact(
    tmp_path: Path, steps: tuple[int, ...], monkeypatch: pytest.MonkeyPatch
) -> None:
    """In segments that are merged, with outcomes that come in a later step than their requests."""
    monkeypatch.setattr(store, "SEGMENT_WEIGHT", 12_000)
    monkeypatch.setattr(store, "_STRETCH", 30)
    log = GeneratedLog(MemoryLedger(), 0, persons=150, most=150, chunk=10)
    log.ledger = MemoryLedger(clock=log.clock)
    log.found()
    for questions in steps:
        log.go_on(questions)
        search = AuditSearch(
            log.ledger, log.net.membership(), tmp_path / "index", log.net.keyring()
        )
        assert search.entries().height == len(search.entries()["entry"].unique())
    compare(log, search, persons=5, variants=3)
    log.end()
    compare(
        log, AuditSearch(log.ledger, log.net.membership(), tmp_path / "index", log.net.keyring())
    )
    compare(
        log,
        AuditSearch(log.ledger, log.net.membership(), None, log.net.keyring()),
        persons=5,
        users=2,
    )
