"""A job whose ledger or outbox is cut off at any frame is finished by the next one, exactly once.

A power cut leaves a file as it was last copied into, and a log that ends anywhere; a flipped byte
ends it there. Whatever is left of a publication then, the next job makes it whole.
"""

from __future__ import annotations

import random
import shutil
import sqlite3
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pyarrow as pa
import pytest

from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.outbox import Outbox
from precisionchain.ledger.base import Ledger, Limits
from precisionchain.ledger.batches import sealed_items, seals
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.embedded_file import PAGE_BYTES
from precisionchain.schemas.items import SEAL_ORDINAL
from precisionchain.schemas.payloads import table_payload
from tests.lib.batches import (
    FAMILIES,
    NETWORK,
    SIGNER,
    SMALL_PUBLISHES,
    STREAMS,
    Job,
    drafts,
    entitled,
    parameters,
    unsealed,
)

SMALL_STREAMS = parameters(max_stream_items=3)
WAL_HEAD, FRAME = 32, 24 + PAGE_BYTES
ITEMS = 12


class FewAtATime(EmbeddedLedger):
    """Takes three items a transaction, so that a batch takes several."""

    @property
    def limits(self) -> Limits:
        return SMALL_PUBLISHES


def check_whole(ledger: Ledger) -> None:
    """Check that the one batch is there, once, as its drafts were."""
    (seal,) = seals(ledger, entitled)
    found = sorted(sealed_items(ledger, seal, NETWORK), key=lambda item: item.ordinal)
    assert [item.payload.body for item in found] == [draft.payload.body for draft in drafts()]
    names = Counter((placed.item.batch_id, placed.item.ordinal) for placed in ledger.items())
    assert set(names.values()) == {1}
    assert len(names) == ITEMS + 2  # and a leaf page and the seal
    assert list(ledger.findings()) == []


class Left:
    """What a power cut leaves of a site: the ledger's file and log, and the outbox, still full."""

    def __init__(self, folder: Path) -> None:
        self.folder = folder / "left"
        self.folder.mkdir()
        working = folder / "working"
        working.mkdir()
        with closing(FewAtATime.create(working / "ledger.sqlite", SIGNER)) as ledger:
            ledger.create_streams(STREAMS)
        with closing(FewAtATime(working / "ledger.sqlite", SIGNER)) as ledger:
            job = Job(working / "outbox.sqlite", ledger, SMALL_STREAMS)
            self.batch = job.fill(unsealed()).batch_id
            shutil.copy(working / "outbox.sqlite", self.folder / "outbox.sqlite")
            job.send()
            for name in ("ledger.sqlite", "ledger.sqlite-wal"):
                shutil.copy(working / name, self.folder / name)
        self.log = (self.folder / "ledger.sqlite-wal").read_bytes()
        self.frames = (len(self.log) - WAL_HEAD) // FRAME
        self._tried = folder / "tried"

    def resumed(self, log: bytes) -> int:
        """Resume the job on another log; return how many items the log had kept."""
        shutil.rmtree(self._tried, ignore_errors=True)
        shutil.copytree(self.folder, self._tried)
        (self._tried / "ledger.sqlite-wal").write_bytes(log)
        with closing(FewAtATime(self._tried / "ledger.sqlite", SIGNER)) as ledger:
            there = ledger.ordinals(SIGNER.public_key, self.batch)
            sealed = list(seals(ledger, entitled))
            assert bool(sealed) == (SEAL_ORDINAL in there)
            if sealed:
                check_whole(ledger)
            (sent,) = Job(self._tried / "outbox.sqlite", ledger, SMALL_STREAMS).send()
            assert sent.new_items == ITEMS + 2 - len(there)
            check_whole(ledger)
            assert Job(self._tried / "outbox.sqlite", ledger, SMALL_STREAMS).send() == []
        return len(there)


@pytest.fixture
def left(tmp_path: Path) -> Left:
    return Left(tmp_path)


def test_a_job_is_finished_from_a_log_that_ends_after_any_frame(left: Left) -> None:
    kept = [left.resumed(left.log[: WAL_HEAD + FRAME * k]) for k in range(left.frames + 1)]
    assert left.frames > 40
    assert kept == sorted(kept)
    assert kept[-1] == ITEMS + 2
    assert {0, 3, 6, 9, 12} <= set(kept)  # three items a transaction


def test_a_job_is_finished_from_a_log_that_ends_inside_a_frame(left: Left) -> None:
    rng = random.Random()
    for k in range(left.frames):
        inside = rng.choice([1, 8, 23, 24, 25, FRAME - 1, rng.randrange(1, FRAME)])
        left.resumed(left.log[: WAL_HEAD + FRAME * k + inside])
    for inside in (1, 4, 31):
        assert left.resumed(left.log[:inside]) == 0


def test_a_job_is_finished_from_a_log_with_a_flipped_byte_in_any_frame(left: Left) -> None:
    rng = random.Random()
    for k in range(left.frames):
        changed = bytearray(left.log)
        changed[WAL_HEAD + FRAME * k + rng.randrange(FRAME)] ^= rng.randrange(1, 256)
        left.resumed(bytes(changed))


# ---------------------------------------------------------------------------------- the outbox


def large_drafts(filling: Path, copies: Path) -> Iterator[Draft]:
    """Yield drafts whose bytes do not fit the outbox's cache; copy its files before each."""
    rng = random.Random(1)
    noise = pa.table({"value": [rng.randbytes(8).hex() for _ in range(3000)]})
    payload = table_payload("clinical", noise, table="measurement")
    for number in range(ITEMS):
        copy = copies / str(number)
        copy.mkdir(parents=True)
        for path in filling.parent.glob(f"{filling.name}*"):
            shutil.copy(path, copy / path.name)
        yield Draft(FAMILIES[number % len(FAMILIES)], (), payload)


def test_an_outbox_that_was_cut_while_it_filled_is_emptied_and_filled_again(tmp_path: Path) -> None:
    path, copies = tmp_path / "outbox.sqlite", tmp_path / "copies"
    with closing(Outbox(path)) as outbox:
        outbox._connection.execute("pragma cache_size = 2")  # so that pages go out before the end
        outbox.fill(large_drafts(path, copies), unsealed(), signer=SIGNER, network=NETWORK)
    left = list(copies.iterdir())
    assert sum((copy / f"{path.name}-journal").exists() for copy in left) > ITEMS / 2
    for copy in left:
        with closing(FewAtATime.create(copy / "ledger.sqlite", SIGNER)) as ledger:
            ledger.create_streams(STREAMS)
            job = Job(copy / path.name, ledger, SMALL_STREAMS)
            assert job.send() == []
            job.fill(unsealed())
            job.send()
            check_whole(ledger)


def test_an_outbox_that_was_cut_while_it_forgot_is_sent_again_and_forgotten(tmp_path: Path) -> None:
    """What a transaction changes goes to the journal first, which may end anywhere."""
    path = tmp_path / "outbox.sqlite"
    with closing(FewAtATime.create(tmp_path / "ledger.sqlite", SIGNER)) as ledger:
        ledger.create_streams(STREAMS)
        job = Job(path, ledger, SMALL_STREAMS)
        job.fill(unsealed())
        frozen = path.read_bytes()
        with closing(sqlite3.connect(path, isolation_level=None)) as forgetting:
            forgetting.execute("begin")
            forgetting.execute("delete from item")
            forgetting.execute("delete from batch")
            journal = Path(f"{path}-journal").read_bytes()
        assert len(journal) > PAGE_BYTES
        rng = random.Random()
        new = []
        for cut in (0, 8, 28, 512, len(journal), *(rng.randrange(len(journal)) for _ in range(9))):
            path.write_bytes(frozen)
            Path(f"{path}-journal").write_bytes(journal[:cut])
            (sent,) = job.send()
            new.append(sent.new_items)
            check_whole(ledger)
            assert job.send() == []
    assert new == [ITEMS + 2] + [0] * (len(new) - 1)
