"""The index of the access log as files: derived, private, and of one history only."""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precisionchain.access.evaluated import evaluated_value
from precisionchain.access.index.runs import block_keys, keys_of, runs_of
from precisionchain.access.search import AuditSearch
from precisionchain.errors import IntegrityError, PrecisionChainError
from precisionchain.ledger.changes import Declaration, change_item
from precisionchain.ledger.embedded import EmbeddedLedger
from tests.lib.audited_network import AuditedNetwork, key
from tests.lib.generated_log import GeneratedLog
from tests.lib.log_comparison import compare
from tests.lib.memory_ledger import MemoryLedger


@pytest.fixture
def log() -> GeneratedLog:
    made = GeneratedLog(MemoryLedger(), 0, persons=60, most=60, chunk=10)
    made.ledger = MemoryLedger(clock=made.clock)
    made.found()
    made.go_on(120)
    return made


def search(log: GeneratedLog, folder: Path | None, said: list[str] | None = None) -> AuditSearch:
    say = None if said is None else said.append
    keys = log.net.keyring()
    return AuditSearch(log.ledger, log.net.membership(), folder, keys, progress=say)


def catalogue(folder: Path) -> dict[str, Any]:
    members: dict[str, Any] = json.loads((folder / "catalogue.json").read_text())
    return members


# ------------------------------------------------------------------------------------------- blocks


def test_every_number_of_a_run_lies_in_exactly_one_of_its_blocks() -> None:
    rng = np.random.default_rng(3)
    for _ in range(200):
        start, length = int(rng.integers(0, 300)), int(rng.integers(1, 200))
        keys, runs = block_keys(np.array([5]), np.array([start]), np.array([length]))
        assert set(runs.tolist()) == {0}
        assert len(keys) == len(set(keys.tolist())) <= 2 * max(1, length.bit_length())
        for number in range(start - 3, start + length + 3):
            if number >= 0:
                inside = start <= number < start + length
                assert len(set(keys.tolist()) & set(keys_of(5, number).tolist())) == inside
    assert not set(keys_of(4, 7).tolist()) & set(keys_of(5, 7).tolist())


def test_runs_are_of_consecutive_numbers_of_one_owner() -> None:
    numbers, owners = np.array([1, 2, 3, 7, 8, 9, 10]), np.array([0, 0, 0, 0, 1, 1, 1])
    _, starts, lengths = runs_of(numbers, owners)
    assert list(zip(starts.tolist(), lengths.tolist(), strict=True)) == [(1, 3), (7, 1), (8, 3)]


# --------------------------------------------------------------------------------------- the folder


def test_the_folder_is_its_owner_s_alone_and_can_be_deleted(
    log: GeneratedLog, tmp_path: Path
) -> None:
    folder = tmp_path / "replica" / "access"
    before = search(log, folder).entries()
    assert {path.stat().st_mode & 0o777 for path in (folder, *folder.parents[:1])} == {0o700}
    segments = [path for path in folder.iterdir() if path.is_dir()]
    assert segments
    assert all(path.stat().st_mode & 0o077 == 0 for path in segments)
    shutil.rmtree(folder)
    assert search(log, folder).entries().equals(before)


def test_few_entries_are_not_written(log: GeneratedLog, tmp_path: Path) -> None:
    search(log, tmp_path / "index").entries()
    before = catalogue(tmp_path / "index")
    log.go_on(10)
    compare(log, search(log, tmp_path / "index"), users=2)
    assert catalogue(tmp_path / "index") == before
    log.go_on(60)
    compare(log, search(log, tmp_path / "index"), users=2)
    assert catalogue(tmp_path / "index") != before


def test_segments_stay_few(tmp_path: Path, log: GeneratedLog) -> None:
    for _ in range(12):
        log.go_on(40)
        search(log, tmp_path / "index").entries()
    assert len(catalogue(tmp_path / "index")["segments"]) <= 4
    compare(log, search(log, tmp_path / "index"), users=2)


@pytest.mark.parametrize("damage", ["format", "text", "network"])
def test_a_catalogue_that_is_not_ours_is_made_again(
    log: GeneratedLog, tmp_path: Path, damage: str
) -> None:
    search(log, tmp_path).entries()
    path = tmp_path / "catalogue.json"
    members = catalogue(tmp_path)
    changed: dict[str, Any] = {"format": 99} if damage == "format" else {"network": "00" * 32}
    path.write_text("{" if damage == "text" else json.dumps(members | changed))
    compare(log, search(log, tmp_path), users=2)


def test_a_changed_page_is_an_error(log: GeneratedLog, tmp_path: Path) -> None:
    """Never another answer."""
    before = search(log, tmp_path).who_saw("A:7")
    (segment,) = [path for path in tmp_path.iterdir() if path.is_dir()]
    path = segment / "blocks.parquet"
    content = bytearray(path.read_bytes())
    wrong = 0
    for at in range(4, len(content) - 8, 101):
        content[at] ^= 0x10
        path.write_bytes(bytes(content))
        try:
            assert search(log, tmp_path).who_saw("A:7").equals(before)
        except PrecisionChainError:
            wrong += 1
        content[at] ^= 0x10
    assert wrong > 5


# --------------------------------------------------------------------------------- history, rights


def test_a_ledger_of_another_history_is_refused(written: GeneratedLog, tmp_path: Path) -> None:
    """A copy of the ledger goes on by itself, and its log is longer."""
    written.ledger.close()
    shutil.copy(tmp_path / "ledger.sqlite", tmp_path / "copy.sqlite")
    again = EmbeddedLedger(tmp_path / "ledger.sqlite", key("A"), clock=written.clock)
    written.ledger = written.net.ledger = again
    copied = EmbeddedLedger(tmp_path / "copy.sqlite", key("A"))
    written.go_on(10)
    search(written, tmp_path / "index").entries()
    written.ledger.close()
    written.ledger = written.net.ledger = copied
    written.go_on(60)
    with pytest.raises(IntegrityError, match="not the one the index"):
        search(written, tmp_path / "index").entries()
    assert search(written, tmp_path / "another").entries().height > 200


def test_a_removal_changes_nothing_that_was_indexed(log: GeneratedLog, tmp_path: Path) -> None:
    said: list[str] = []
    search(log, tmp_path).entries()
    before = catalogue(tmp_path)
    log.net.remove_user("user7@C")
    assert search(log, tmp_path, said).entries().equals(search(log, None).entries())
    assert said == []
    assert catalogue(tmp_path) == before


def test_a_record_that_looks_back_has_the_log_judged_again(
    log: GeneratedLog, tmp_path: Path
) -> None:
    """A site's key was stolen: the users made with it since then never were."""
    net = log.net
    said: list[str] = []
    net.add_user("late@B")
    log.users.append("late@B")
    net.gate("late@B").ask("maf", "genetic", {"number": 7_777}, lambda: evaluated_value(1))
    log.go_on(60)
    folder = tmp_path / "index"
    assert search(log, folder).entries(user="late@B").height == 2
    since = net.membership().current_user("late@B", log.now)
    assert since is not None
    said_by = key("A")
    number = net.membership().next_number("B")
    declared = Declaration("B", number, key("B").public_key, since.since)
    net.publish(change_item(declared, said_by, net.network))
    assert search(log, folder, said).entries(user="late@B").height == 0
    assert any("indexed anew" in line for line in said)
    assert search(log, folder).entries().equals(search(log, None).entries())


# ------------------------------------------------------------------------- readers and builders


_READER = """
import sys
from pathlib import Path
from precisionchain.access.index import store
from precisionchain.access.sealing import Keyring
from tests.lib.audited_network import key
from precisionchain.access.search import AuditSearch
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.membership import LiveMembership

store.TAIL = 4
ledger = EmbeddedLedger(Path(sys.argv[1]))
membership = LiveMembership(ledger)
for _ in range(6):
    found = AuditSearch(ledger, membership, Path(sys.argv[2]), Keyring([key("A")], ["A"]))
    entries = found.entries()
    assert entries["entry"].is_unique().all() and entries.height > 100
    assert found.seen_by("user1@A").height and found.who_saw("A:7").height
"""


@pytest.fixture
def written(tmp_path: Path) -> Iterator[GeneratedLog]:
    EmbeddedLedger.create(tmp_path / "ledger.sqlite", key("A")).close()
    log = GeneratedLog(MemoryLedger(), 0, persons=60, most=60, chunk=10)
    log.ledger = EmbeddedLedger(tmp_path / "ledger.sqlite", key("A"), clock=log.clock)
    log.found()
    log.go_on(100)
    yield log
    log.ledger.close()


def test_readers_and_builders_do_not_disturb_each_other(
    written: GeneratedLog, tmp_path: Path
) -> None:
    places = [str(tmp_path / name) for name in ("ledger.sqlite", "index")]
    command = [sys.executable, "-c", _READER, *places]
    jobs = [subprocess.Popen(command, stderr=subprocess.PIPE) for _ in range(3)]
    for _ in range(20):
        written.go_on(10)
        time.sleep(0.1)
    assert [job.communicate()[1] for job in jobs] == [b""] * 3
    assert [job.returncode for job in jobs] == [0] * 3
    compare(written, search(written, tmp_path / "index"), users=2)


def test_an_index_is_of_the_ledger_it_is_asked_for() -> None:
    first, second = AuditedNetwork(), AuditedNetwork()
    first.add_user("ada@A")
    second.add_user("bob@B")
    first.gate("ada@A").ask(
        "maf", "genetic", {}, lambda: evaluated_value(1, contributed={"A": [1]})
    )
    second.gate("bob@B").ask(
        "maf", "genetic", {}, lambda: evaluated_value(1, contributed={"B": [1]})
    )
    for net, site, other in ((first, "A", "B"), (second, "B", "A")):
        found = AuditSearch(net.ledger, net.membership(), None, net.keyring())
        assert found.who_saw(f"{site}:1").height == 1
        assert found.who_saw(f"{other}:1").height == 0
        assert found.seen_by(f"{'ada' if site == 'A' else 'bob'}@{site}").height == 1
