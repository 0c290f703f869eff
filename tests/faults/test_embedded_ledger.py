"""Killed programs, cut logs, full disks and crowds leave an embedded ledger whole.

``work`` and ``found_networks`` run in programs of their own, which are killed.
"""

from __future__ import annotations

import random
import resource
import shutil
import signal
import subprocess
import sys
import time
from contextlib import closing
from dataclasses import replace
from pathlib import Path
from threading import Thread

import pytest

from precisionchain.errors import LedgerFormatError, LedgerUnavailableError
from precisionchain.ledger.base import Head
from precisionchain.ledger.embedded import LIMITS, EmbeddedLedger
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.opening import create_network, open_ledger
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.items import Item
from tests.contract.ledger_contract import A, B, contents, item, publish

ROOT = Path(__file__).resolve().parents[2]
SIGNER = Signer(bytes(32))
ROUNDS = 20


def chunk(number: int) -> list[Item]:
    """A publish whose every item tells which publish it was of, small ones and large ones."""
    rng = random.Random(number)
    batch = number.to_bytes(32, "big")
    sizes = [rng.choice([10, 1000, 20_000, 90_000]) for _ in range(rng.randrange(1, 12))]
    return [
        item(n, rng.choice([A, B]), f"p:{rng.randrange(50)}", batch=batch, body=rng.randbytes(size))
        for n, size in enumerate(sizes)
    ]


def work(path: str, first: int) -> None:
    """Publish chunk after chunk, saying each one's number once its publish has returned."""
    ledger = EmbeddedLedger(Path(path), SIGNER)
    for number in range(first, first + 100_000):
        publish(ledger, *chunk(number))
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()


def found_networks(folder: str) -> None:
    """Create network after network."""
    for number in range(100_000):
        sys.stdout.write(f"{number}\n")
        sys.stdout.flush()
        _found(Path(folder) / f"{number}.sqlite")


def _found(path: Path) -> bytes:
    return create_network(
        f"embedded:{path}",
        b'{"format":1}',
        signer=SIGNER,
        site="A",
        code="a0",
        user="admin@A",
        user_keys=Signer(bytes([1]) * 32).public,
        streams=["NETWORK_1", "BATCH_1", "ACCESS_1"],
    )


def start(function: str, *arguments: object) -> subprocess.Popen[str]:
    call = f"from tests.faults.test_embedded_ledger import {function} as f; f(*{arguments!r})"
    return subprocess.Popen(
        [sys.executable, "-c", call], cwd=ROOT, stdout=subprocess.PIPE, text=True
    )


def killed_after(program: subprocess.Popen[str], lines: int, seconds: float) -> list[int]:
    """Let a program say so many lines and run on a little, kill it; return all that it said."""
    assert program.stdout is not None
    said = [program.stdout.readline() for _ in range(lines)]
    time.sleep(seconds)
    program.send_signal(signal.SIGKILL)
    said += program.stdout.readlines()
    program.stdout.close()
    assert program.wait() == -signal.SIGKILL
    return [int(line) for line in said if line.endswith("\n")]


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    with closing(EmbeddedLedger.create(path, SIGNER)) as ledger:
        ledger.create_streams([A, B])
    return path


# ------------------------------------------------------------------------------------------- kills


@pytest.mark.slow
def test_a_kill_loses_nothing_acknowledged_and_leaves_nothing_half(path: Path) -> None:
    rng = random.Random()
    there = 0
    for _ in range(ROUNDS):
        program = start("work", str(path), there)
        acknowledged = killed_after(program, rng.randrange(1, 8), rng.random() * 0.03)
        with closing(EmbeddedLedger(path, SIGNER)) as ledger:
            found = contents(ledger)
            landed = int.from_bytes(found[-1].batch_id, "big") + 1

            assert landed - 1 in {acknowledged[-1], acknowledged[-1] + 1}
            assert found == [one for number in range(landed) for one in chunk(number)]
            assert ledger.publish(ledger.prepare(chunk(landed - 1))).new == 0
        there = landed
    with closing(EmbeddedLedger(path)) as ledger:
        assert list(ledger.findings()) == []


def test_a_kill_while_a_network_is_made_leaves_it_whole_or_absent(tmp_path: Path) -> None:
    rng = random.Random()
    for attempt in range(4):
        folder = tmp_path / str(attempt)
        folder.mkdir()
        begun = killed_after(start("found_networks", str(folder)), 3, rng.random() * 0.02)
        for number in begun:
            path = folder / f"{number}.sqlite"
            if number == begun[-1] and not path.exists():
                _found(path)
            with closing(open_ledger(f"embedded:{path}")) as ledger:
                membership = Membership.fold(ledger.items("NETWORK_1"))
                assert [user.name for user in membership.users()] == ["admin@A"]
                assert membership.findings == []
                assert list(ledger.findings()) == []


# ------------------------------------------------------------------------------------- the log, cut

Published = tuple[Path, list[list[Item]], list[Head]]


@pytest.fixture
def uncopied(path: Path, tmp_path: Path) -> Published:
    """A ledger file and log as a power cut leaves them, what was published, and the heads."""
    chunks = [
        [replace(one, payload=replace(one.payload, body=one.payload.body[:9000])) for one in some]
        for some in map(chunk, range(6))
    ]
    copy = tmp_path / "copy" / "ledger.sqlite"
    copy.parent.mkdir()
    with closing(EmbeddedLedger(path, SIGNER)) as ledger:
        heads = [ledger.head()]
        for some in chunks:
            publish(ledger, *some)
            heads.append(ledger.head())
        shutil.copy(path, copy)
        shutil.copy(f"{path}-wal", f"{copy}-wal")
    return copy, chunks, heads


def opens_to_a_prefix(path: Path, log: bytes, published: Published, folder: Path) -> int:
    """Open the file with another log; return how many publishes are there, all of them whole."""
    copy = folder / "ledger.sqlite"
    for old in folder.glob("ledger.sqlite*"):
        old.unlink()
    shutil.copy(path, copy)
    Path(f"{copy}-wal").write_bytes(log)
    _, chunks, heads = published
    with closing(EmbeddedLedger(copy, SIGNER)) as ledger:
        there = heads.index(ledger.head())
        assert contents(ledger) == [one for some in chunks[:there] for one in some]
        assert [ledger.extends(head) for head in heads] == [n <= there for n in range(len(heads))]
        assert list(ledger.findings()) == []
        publish(ledger, *(one for some in chunks for one in some))
        assert len(contents(ledger)) == sum(map(len, chunks))
    return there


def test_a_log_cut_anywhere_opens_to_a_prefix(uncopied: Published, tmp_path: Path) -> None:
    path, chunks, _ = uncopied
    log = Path(f"{path}-wal").read_bytes()
    frame = 24 + 4096
    cuts = {0, 32, len(log), *range(32, len(log), frame)}
    cuts |= {cut + inside for cut in sorted(cuts)[::7] for inside in (1, 24, 2000)}
    folder = tmp_path / "cut"
    folder.mkdir()
    seen = [opens_to_a_prefix(path, log[:cut], uncopied, folder) for cut in sorted(cuts)]

    assert seen == sorted(seen)
    assert set(seen) == set(range(len(chunks) + 1))


def test_a_log_with_a_flipped_bit_opens_to_a_prefix(uncopied: Published, tmp_path: Path) -> None:
    path, chunks, _ = uncopied
    log = Path(f"{path}-wal").read_bytes()
    folder = tmp_path / "flipped"
    folder.mkdir()
    rng = random.Random(3)
    for _ in range(40):
        changed = bytearray(log)
        changed[rng.randrange(len(log))] ^= 1 << rng.randrange(8)
        assert opens_to_a_prefix(path, bytes(changed), uncopied, folder) <= len(chunks)


def test_a_file_cut_short_is_told(path: Path) -> None:
    with closing(EmbeddedLedger(path, SIGNER)) as ledger:
        for number in range(5):
            publish(ledger, *chunk(number))
    size = path.stat().st_size
    content = path.read_bytes()
    for cut in (1, 4096, 5000, size // 3, size // 2):
        path.write_bytes(content[: size - cut])
        with pytest.raises(LedgerFormatError, match="cut short"):
            EmbeddedLedger(path, SIGNER)


# ---------------------------------------------------------------------------------------- full disk


def fill(path: str) -> None:
    """Publish until the system refuses to let the file grow, then with the limit lifted."""
    size = Path(path).stat().st_size
    resource.setrlimit(resource.RLIMIT_FSIZE, (size + 300_000, resource.RLIM_INFINITY))
    signal.signal(signal.SIGXFSZ, signal.SIG_IGN)
    with closing(EmbeddedLedger(Path(path), SIGNER)) as ledger:
        number = 0
        try:
            while True:
                publish(ledger, *chunk(number))
                number += 1
        except LedgerUnavailableError:
            assert len(contents(ledger)) == sum(len(chunk(n)) for n in range(number))
        resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY,) * 2)
        publish(ledger, *chunk(number))
    sys.stdout.write(f"{number}\n")


def test_a_full_disk_stops_a_publish_whole_and_room_lets_it_go_on(path: Path) -> None:
    program = start("fill", str(path))
    said, _ = program.communicate(timeout=60)
    assert program.returncode == 0
    with closing(EmbeddedLedger(path)) as ledger:
        expected = [one for number in range(int(said) + 1) for one in chunk(number)]
        assert contents(ledger) == expected
        assert list(ledger.findings()) == []


# ------------------------------------------------------------------------------------------ crowds


def load(path: str, seed: int) -> None:
    """Publish the same thirty chunks as everybody else, in an order of one's own."""
    numbers = list(range(30))
    random.Random(seed).shuffle(numbers)
    with closing(EmbeddedLedger(Path(path), Signer(bytes([seed]) * 32))) as ledger:
        for number in numbers:
            publish(ledger, *chunk(number))


def test_programs_that_publish_the_same_work_make_one_load(path: Path) -> None:
    programs = [start("load", str(path), seed) for seed in (1, 2, 3)]
    for program in programs:
        program.communicate(timeout=60)
        assert program.returncode == 0

    with closing(EmbeddedLedger(path)) as ledger:
        found = contents(ledger)
        starts = [int.from_bytes(one.batch_id, "big") for one in found if one.ordinal == 0]
        assert sorted(starts) == list(range(30))
        assert found == [one for number in starts for one in chunk(number)]
        assert list(ledger.findings()) == []


def test_a_small_publish_is_not_starved_by_a_large_job(path: Path) -> None:
    """Bounds are loose, for busy machines: what is held is that every wait ends soon."""
    stop = False
    size = LIMITS.max_publish_bytes // 3 - 400

    def bulk() -> None:
        with closing(EmbeddedLedger(path, SIGNER)) as ledger:
            number = 0
            while not stop:
                batch = (1 << 40 | number).to_bytes(32, "big")
                some = (item(n, B, batch=batch, body=bytes(size)) for n in range(3))
                publish(ledger, *some)
                number += 1

    thread = Thread(target=bulk)
    thread.start()
    waits = []
    try:
        with closing(EmbeddedLedger(path, SIGNER)) as ledger:
            for ordinal in range(40):
                began = time.monotonic()
                publish(ledger, item(ordinal))
                waits.append(time.monotonic() - began)
                time.sleep(0.01)
    finally:
        stop = True
        thread.join()

    assert max(waits) < 2
    assert sorted(waits)[len(waits) // 2] < 0.3
