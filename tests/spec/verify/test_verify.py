"""``verify``: a whole network passes; whatever is damaged fails, and is found where it is."""

from __future__ import annotations

import shutil
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import polars as pl
import pytest

from precisionchain.errors import IntegrityError
from precisionchain.ledger.base import LedgerItem
from precisionchain.ledger.checkpoints import SignedCheckpoint
from precisionchain.ledger.kept_checkpoints import KeptCheckpoints, require_remembered
from precisionchain.schemas.parameters import DEFAULT_MAF_EDGES
from precisionchain.verify import Check
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.ledger_places import EmbeddedPlace
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.spec.conftest import Build

TABLES = """
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 8      | 20      | 2015-01-02
    """


def filled(build: Build) -> BuiltNetwork:
    network = build()
    network.site("A").ingest(TABLES)
    network.site("A").domain(10)
    return network


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    """A network that tests leave as it was."""
    return filled(build)


@pytest.fixture
def own_network(build: Build) -> BuiltNetwork:
    """A network for one test, to be damaged."""
    return filled(build)


@contextmanager
def flipped(network: BuiltNetwork, position: int) -> Iterator[None]:
    """A byte is another one for a while."""
    network.place.flip(position)
    try:
        yield
    finally:
        network.place.flip(position)


def failed(site: BuiltSite) -> dict[str, Check]:
    return {check.name: check for check in site.site.verify() if not check.ok}


def item_of(network: BuiltNetwork, wanted: Callable[[LedgerItem], bool]) -> LedgerItem:
    ledger = network.ledger()
    (found,) = [item for item in ledger.items() if wanted(item)]
    ledger.close()
    return found


def of_stream(stream: str, kind: str = "") -> Callable[[LedgerItem], bool]:
    return lambda found: found.item.stream == stream and kind in ("", found.item.payload.kind)


def test_a_whole_network_passes_every_check(build: Build) -> None:
    network = build()
    network.site("A").ingest(TABLES)
    network.site("A").ingest(TABLES, source="practice")
    network.site("B").ingest(TABLES)
    for name in ("A", "B"):
        network.site(name).domain(10)
        checks = network.site(name).site.verify()
        assert all(check.ok and not check.findings for check in checks), [c.line() for c in checks]
        examined = {check.name: check.examined for check in checks}
        for check in (
            "bytes",
            "history",
            "signatures",
            "access-log",
            "batches",
            "strays",
            "replica",
        ):
            assert examined[check] > 0, check


@pytest.mark.parametrize(
    ("stream", "kind", "check"),
    [
        ("CONDITION_0_1", "clinical", "batches"),
        ("MAP_PERSON_1", "map-person", "batches"),
        ("BATCH_1", "manifest", "signatures"),
        ("NETWORK_1", "user", "signatures"),
    ],
)
def test_a_flipped_byte_is_found_where_it_is(
    network: BuiltNetwork, stream: str, kind: str, check: str
) -> None:
    found = item_of(network, of_stream(stream, kind))
    with flipped(network, found.position):
        assert check in failed(network.site())
        lines = "\n".join(each.line() for each in network.site().site.verify())
    assert f"stream {stream}, position {found.position}" in lines


def test_a_flipped_leaf_page_is_found_by_its_batch(network: BuiltNetwork) -> None:
    page = item_of(network, of_stream("BATCH_1", "leaves"))
    with flipped(network, page.position):
        checks = failed(network.site())
    assert page.item.batch_id.hex()[:16] in checks["batches"].line()


def test_a_dropped_item_is_found_where_it_was(own_network: BuiltNetwork) -> None:
    found = item_of(own_network, of_stream("CONDITION_0_1"))
    own_network.place.drop(found.position)
    checks = failed(own_network.site())
    assert {"bytes", "batches"} <= set(checks), checks
    assert f"position {found.position}" in checks["bytes"].line()
    assert found.item.batch_id.hex()[:16] in checks["batches"].line()


def test_a_flipped_access_entry_is_found_where_it_is(network: BuiltNetwork) -> None:
    ledger = network.ledger()
    first = next(ledger.items("ACCESS_1"))
    ledger.close()
    with flipped(network, first.position):
        checks = failed(network.site())
    assert "signatures" in checks
    assert f"stream ACCESS_1, position {first.position}" in checks["signatures"].line()


def test_a_batch_without_its_seal_is_no_batch(own_network: BuiltNetwork) -> None:
    """Its items are strays: told, ignored by readers, and the replica holds what no one sealed."""
    seal = item_of(own_network, of_stream("BATCH_1", "manifest"))
    own_network.place.drop(seal.position)
    checks = failed(own_network.site())
    assert "bytes" in checks
    assert "replica" in checks
    assert seal.item.batch_id.hex()[:16] in checks["replica"].line()


def test_a_missing_file_of_the_replica_is_named(own_network: BuiltNetwork) -> None:
    site = own_network.site()
    (file,) = site.folder.replica.glob("batches/*/CONDITION_0/condition_occurrence.parquet")
    file.unlink()
    checks = failed(site)
    assert list(checks) == ["replica"]
    assert "CONDITION_0/condition_occurrence" in checks["replica"].line()


def test_checkpoints_that_name_another_site_s_newer_batch_are_recounted(build: Build) -> None:
    network = build()
    first, second = network.site("A"), network.site("B")
    genotypes = """
        place | ref | alt | 1   | 2
        9:100 | A   | G   | 0/1 | 0/0
        """
    ingest_genotypes(first, genotypes, source="one")
    before = first.site.sync().position
    ingest_genotypes(second, genotypes, source="two")
    checks = {check.name: check for check in first.site.verify()}
    assert [name for name, check in checks.items() if not check.ok] == []
    assert checks["maf-checkpoints"].examined == 2 * (len(DEFAULT_MAF_EDGES) - 1)
    ledger = network.ledger()
    assert ledger.head().position > before
    ledger.close()


def replica_files(site: BuiltSite) -> list[Path]:
    return sorted(path for path in site.folder.replica.rglob("*.parquet"))


def test_every_file_of_the_replica_is_compared_with_what_sync_wrote(build: Build) -> None:
    site = filled(build).site("A")
    files = replica_files(site)
    assert len(files) > 3
    for path in files:
        content = path.read_bytes()
        changed = bytearray(content)
        changed[len(changed) // 2] ^= 1
        path.write_bytes(changed)
        (message,) = (finding.message for finding in failed(site)["replica"].findings)
        assert str(path.relative_to(site.folder.replica)) in message
        path.unlink()
        assert "missing" in failed(site)["replica"].findings[0].message
        path.write_bytes(content)
    assert failed(site) == {}


def test_digests_that_are_gone_or_edited_are_noticed(build: Build) -> None:
    site = filled(build).site("A")
    (listed,) = (site.folder.replica / "digests").iterdir()
    listed.write_bytes(listed.read_bytes().replace(b"a", b"b", 1))
    assert "digests" in failed(site)["replica"].findings[0].message
    listed.unlink()
    assert "digests" in failed(site)["replica"].findings[0].message


def test_a_question_that_meets_a_cut_off_file_says_what_to_do(build: Build) -> None:
    site = build().site("A")
    site.ingest(TABLES)
    site.site.sync()
    for path in replica_files(site):
        path.write_bytes(path.read_bytes()[:100])
    with pytest.raises(IntegrityError, match="damaged") as raised:
        site.domain(20)
    assert raised.value.hint is not None
    assert "sync" in raised.value.hint
    shutil.rmtree(site.folder.replica)
    assert site.domain(20).height == 1


# ------------------------------------------------------------------------- members' checkpoints


def compared(site: BuiltSite) -> str:
    (check,) = [check for check in site.site.verify() if check.name == "checkpoints"]
    assert check.ok, check.line()
    return check.note


def test_verify_says_what_it_compared_with(build: Build) -> None:
    network = build()
    a, b = network.site("A"), network.site("B")
    a.ingest(TABLES)
    assert compared(a) == "tail truncation not checkable: no other member's checkpoint is kept here"
    b.ingest(TABLES)
    a.site.sync()
    (said,) = a.site.checkpoints().filter(pl.col("site") == "B").iter_rows(named=True)
    when = said["time"].isoformat(sep=" ", timespec="seconds").removesuffix("+00:00")
    assert compared(a) == (
        f"compared with 1 member's checkpoint, newest {when} UTC, position {said['position']}"
    )


def test_a_ledger_cut_off_is_refused_by_every_question_and_told_by_verify(
    tmp_path: Path,
) -> None:
    """The replica, which remembers too, is gone: what members signed is left."""
    place = EmbeddedPlace(tmp_path)
    network = BuiltNetwork(tmp_path, place)
    a, b = network.site("A"), network.site("B")
    a.ingest(TABLES)
    earlier = closed_bytes(place)
    b.ingest(TABLES)
    line = b.site.checkpoint()
    a.site.add_checkpoints([line])
    shutil.rmtree(a.folder.replica)
    for name in ("-wal", "-shm"):
        place.path.with_name(place.path.name + name).unlink(missing_ok=True)
    place.path.write_bytes(earlier)
    position = SignedCheckpoint.parse(line).checkpoint.position
    for ask in (a.site.sync, lambda: a.domain(10), a.site.checkpoint):
        with pytest.raises(IntegrityError, match="rewritten, forked or cut off"):
            ask()
    checks = failed(a)
    assert list(checks) == ["checkpoints"]
    messages = [finding.message for finding in checks["checkpoints"].findings]
    assert any(f"site B's of position {position}" in message for message in messages)
    with closing(network.ledger()) as ledger:
        gone = ledger.head().position + 1
    assert gone in {finding.position for finding in checks["checkpoints"].findings}


def test_a_point_query_is_not_slowed_by_many_checkpoints(own_network: BuiltNetwork) -> None:
    """Comparing with twenty members takes less than a millisecond."""
    site = own_network.site("A")
    site.site.checkpoint()
    with closing(own_network.ledger()) as ledger:
        kept = KeptCheckpoints(site.folder.checkpoints, own_network.id)
        said = kept.all()[0].checkpoint
        for number in range(20):
            kept.keep(SignedCheckpoint.make(said.by(f"M{number}"), site.signer))
        require_remembered(ledger, kept)
        took = []
        for _ in range(30):
            started = time.perf_counter()
            require_remembered(ledger, kept)
            took.append(time.perf_counter() - started)
    assert sorted(took)[len(took) // 2] < 0.001 * 5, "five times what it may take, for slow days"


def closed_bytes(place: EmbeddedPlace) -> bytes:
    with closing(sqlite3.connect(place.path)) as file:
        file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()
    return place.path.read_bytes()
