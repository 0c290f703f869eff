"""The embedded ledger keeps the contract, and says what is wrong with a file it is given."""

from __future__ import annotations

import shutil
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, suppress
from datetime import UTC, datetime, timedelta
from pathlib import Path

import pytest

from precisionchain.errors import LedgerError, LedgerFormatError, LedgerUnavailableError
from precisionchain.ledger import embedded_file
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.embedded_file import (
    APPLICATION_ID,
    create_file,
    file_system_in,
    open_file,
)
from precisionchain.ledger.signing import Signer
from tests.contract.ledger_contract import (
    BATCH_2,
    SITE_B,
    A,
    B,
    LedgerContract,
    contents,
    item,
    publish,
)

SIGNER = Signer(bytes(32))
TABLES = ("streams", "publishers", "batches", "key_names", "items", "item_keys", "blocks")


class TestEmbeddedLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        with closing(EmbeddedLedger.create(tmp_path / "ledger.sqlite", SIGNER)) as ledger:
            yield ledger

    def another(self, ledger: Ledger) -> Ledger:
        assert isinstance(ledger, EmbeddedLedger)
        return EmbeddedLedger(ledger.path, Signer(bytes([7]) * 32))


@pytest.fixture
def path(tmp_path: Path) -> Path:
    """A closed ledger with two streams and four items in two publishes."""
    path = tmp_path / "ledger.sqlite"
    with closing(EmbeddedLedger.create(path, SIGNER)) as ledger:
        ledger.create_streams([A, B])
        publish(ledger, item(0, A, "c:1", "c:2"), item(1, B, "c:1"))
        publish(ledger, item(0, A, "p:1", publisher=SITE_B), item(2, A, batch=BATCH_2))
    return path


# ------------------------------------------------------------------------------------- the file


def test_a_ledger_is_one_file_that_reads_back(path: Path) -> None:
    assert [entry.name for entry in path.parent.iterdir()] == ["ledger.sqlite"]
    with closing(EmbeddedLedger(path, SIGNER)) as ledger:
        assert [one.ordinal for one in contents(ledger)] == [0, 1, 0, 2]


def test_a_ledger_is_never_created_over_another(path: Path) -> None:
    before = path.read_bytes()

    with pytest.raises(LedgerUnavailableError, match="already"):
        EmbeddedLedger.create(path, SIGNER)
    assert path.read_bytes() == before
    assert [entry.name for entry in path.parent.iterdir()] == ["ledger.sqlite"]


def test_creating_in_a_folder_that_is_not_there(tmp_path: Path) -> None:
    with pytest.raises(LedgerUnavailableError):
        EmbeddedLedger.create(tmp_path / "nowhere" / "ledger.sqlite", SIGNER)


def _sqlite(path: Path, *statements: str) -> None:
    with closing(sqlite3.connect(path)) as connection:
        for statement in statements:
            connection.execute(statement)
        connection.commit()


def _make_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _make_other(path: Path) -> None:
    path.unlink()
    _sqlite(path, "CREATE TABLE items (a)")


def _cut(path: Path, size: int) -> None:
    path.write_bytes(path.read_bytes()[:size])


BAD_FILES: dict[str, tuple[Callable[[Path], object], type[LedgerError], str]] = {
    "absent": (lambda path: path.unlink(), LedgerUnavailableError, "No such file"),
    "a folder": (_make_folder, LedgerFormatError, "not a file"),
    "empty": (lambda path: path.write_bytes(b""), LedgerFormatError, "not a PrecisionChain"),
    "text": (lambda path: path.write_text("hello " * 1000), LedgerFormatError, "no ledger"),
    "header cut": (lambda path: _cut(path, 50), LedgerFormatError, "not a PrecisionChain"),
    "a page cut": (lambda path: _cut(path, -4096), LedgerFormatError, "cut short"),
    "half": (
        lambda path: _cut(path, path.stat().st_size // 2),
        LedgerFormatError,
        "cut short",
    ),
    "a byte cut": (lambda path: _cut(path, -1), LedgerFormatError, "cut short"),
    "a page left": (lambda path: _cut(path, 4096), LedgerFormatError, "cut short"),
    "another application's": (
        lambda path: _sqlite(path, "PRAGMA application_id = 0x0f055112"),
        LedgerFormatError,
        "not a PrecisionChain",
    ),
    "no application's": (
        _make_other,
        LedgerFormatError,
        "not a PrecisionChain",
    ),
    "a later format": (
        lambda path: _sqlite(path, "PRAGMA user_version = 2"),
        LedgerFormatError,
        "format 2, this release reads format 1",
    ),
}


@pytest.mark.parametrize("name", BAD_FILES)
@pytest.mark.parametrize("signer", [SIGNER, None], ids=["writing", "reading"])
def test_a_file_that_is_no_ledger_is_named(path: Path, name: str, signer: Signer | None) -> None:
    spoil, error, message = BAD_FILES[name]
    spoil(path)

    with pytest.raises(error, match=message) as caught:
        EmbeddedLedger(path, signer)
    assert caught.value.exit_code == 7
    assert str(path) in str(caught.value)


def test_numbers_in_the_header_tell_what_the_file_is(path: Path) -> None:
    header = path.read_bytes()[:100]

    assert header[68:72] == b"PCL1" == APPLICATION_ID.to_bytes(4, "big")
    assert int.from_bytes(header[60:64], "big") == 1


def test_a_damaged_page_is_told_when_it_is_met(path: Path) -> None:
    content = bytearray(path.read_bytes())
    content[4096:] = bytes(len(content) - 4096)
    path.write_bytes(content)

    with (
        pytest.raises(LedgerFormatError, match="verify"),
        closing(EmbeddedLedger(path, SIGNER)) as ledger,
    ):
        contents(ledger)


# ---------------------------------------------------------------------------- rights and places


@pytest.mark.parametrize("mode", [0o444, 0o400])
def test_a_read_only_file_takes_no_writer_but_readers(path: Path, mode: int) -> None:
    path.chmod(mode)

    with pytest.raises(LedgerUnavailableError, match="read-only"):
        EmbeddedLedger(path, SIGNER)
    with closing(EmbeddedLedger(path)) as ledger:
        assert len(contents(ledger)) == 4


def test_a_read_only_folder_takes_no_writer_but_readers(path: Path) -> None:
    path.parent.chmod(0o555)
    try:
        with pytest.raises(LedgerUnavailableError, match="folder is read-only"):
            EmbeddedLedger(path, SIGNER)
        with closing(EmbeddedLedger(path)) as ledger:
            assert len(contents(ledger)) == 4
            assert list(ledger.findings()) == []
    finally:
        path.parent.chmod(0o755)


def test_without_a_signer_the_ledger_is_only_read(path: Path) -> None:
    before = path.read_bytes()
    with closing(EmbeddedLedger(path)) as ledger:
        prepared = ledger.prepare([item(9)])
        with pytest.raises(LedgerUnavailableError, match="reading only"):
            ledger.publish(prepared)
        with pytest.raises(LedgerUnavailableError, match="reading only"):
            ledger.create_stream("NEW_1")
        assert len(contents(ledger)) == 4
    assert path.read_bytes() == before


def test_a_reader_sees_what_a_writer_adds(path: Path) -> None:
    with closing(EmbeddedLedger(path)) as reader, closing(EmbeddedLedger(path, SIGNER)) as writer:
        assert len(contents(reader)) == 4
        writer.create_stream("NEW_1")
        publish(writer, item(9, "NEW_1"))

        assert contents(reader)[4:] == [item(9, "NEW_1")]
        assert reader.head() == writer.head()


def test_a_held_write_lock_is_waited_for_and_then_told(path: Path) -> None:
    with (
        closing(EmbeddedLedger(path, SIGNER, wait=0.2)) as ledger,
        closing(sqlite3.connect(path, isolation_level=None)) as other,
    ):
        other.execute("BEGIN IMMEDIATE")
        with pytest.raises(LedgerUnavailableError, match="write lock"):
            publish(ledger, item(9))
        assert len(contents(ledger)) == 4, "readers never wait"
        other.execute("ROLLBACK")
        publish(ledger, item(9))
        assert len(contents(ledger)) == 5


def test_no_space_left_is_told_and_nothing_is_half_there(path: Path) -> None:
    with closing(EmbeddedLedger(path, SIGNER)) as ledger:
        (pages,) = ledger._connection.execute("PRAGMA page_count").fetchone()
        ledger._connection.execute(f"PRAGMA max_page_count = {pages + 3}")
        head = ledger.head()
        with pytest.raises(LedgerUnavailableError, match="no space"):
            publish(ledger, item(8, A, "new:1"), item(9, A, "new:2", body=bytes(100_000)))
        assert ledger.head() == head
        assert len(contents(ledger)) == 4

        ledger._connection.execute("PRAGMA max_page_count = 1000000")
        publish(ledger, item(8, A, "new:1"), item(9, A, "new:2", body=bytes(100_000)))
        assert len(list(ledger.items(A, "new:2"))) == 1
        assert list(ledger.findings()) == []


def test_a_ledger_moved_away_while_open_takes_nothing_more(path: Path, tmp_path: Path) -> None:
    with closing(EmbeddedLedger(path, SIGNER)) as ledger:
        path.rename(tmp_path / "moved.sqlite")
        with pytest.raises(LedgerUnavailableError, match="moved or replaced"):
            publish(ledger, item(9))
        shutil.copy(tmp_path / "moved.sqlite", path)
        with pytest.raises(LedgerUnavailableError, match="moved or replaced"):
            publish(ledger, item(9))


MOUNTS = """\
/dev/vda / ext4 rw,relatime 0 0
server:/export /data nfs4 rw 0 0
/dev/vdb /data/local xfs rw 0 0
//nas/share /mnt/my\\040share cifs rw 0 0
tmpfs /datastore tmpfs rw 0 0
malformed
overlay /data/local/over overlay rw 0 0
none /data/local/over ext4 rw 0 0
"""


@pytest.mark.parametrize(
    ("folder", "kind"),
    [
        ("/home/site", "ext4"),
        ("/data", "nfs4"),
        ("/data/site", "nfs4"),
        ("/data/local/site", "xfs"),
        ("/data/locality", "nfs4"),
        ("/datastore/x", "tmpfs"),
        ("/mnt/my share/site", "cifs"),
        ("/data/local/over/x", "ext4"),
    ],
)
def test_the_file_system_is_that_of_the_deepest_mount(folder: str, kind: str) -> None:
    assert file_system_in(MOUNTS, Path(folder)) == kind


@pytest.mark.parametrize("kind", ["nfs", "nfs4", "cifs", "smb3", "fuse.sshfs"])
def test_network_file_systems_are_refused(path: Path, tmp_path: Path, kind: str) -> None:
    with pytest.raises(LedgerUnavailableError, match=f"network file system .{kind}."):
        open_file(path, writable=True, file_system_of=lambda folder: kind)
    with pytest.raises(LedgerUnavailableError, match=f"network file system .{kind}."):
        create_file(tmp_path / "new.sqlite", file_system_of=lambda folder: kind)
    assert not (tmp_path / "new.sqlite").exists()


def test_local_file_systems_are_taken(path: Path) -> None:
    open_file(path, writable=True, file_system_of=lambda folder: "ext4").close()
    open_file(path, writable=True, file_system_of=lambda folder: "").close()
    assert embedded_file.mounted_file_system(path) not in embedded_file.NETWORK_FILE_SYSTEMS


def test_a_name_that_needs_quoting_in_a_url(tmp_path: Path) -> None:
    path = tmp_path / "a b?c#d%20.sqlite"
    with closing(EmbeddedLedger.create(path, SIGNER)) as ledger:
        ledger.create_stream(A)
        publish(ledger, item(0))

    assert [entry.name for entry in tmp_path.iterdir()] == [path.name]
    with closing(EmbeddedLedger(path)) as ledger:
        assert contents(ledger) == [item(0)]


# ------------------------------------------------------------------------------------------ time


def test_a_clock_that_goes_back_does_not_turn_time_back(path: Path) -> None:
    noon = datetime(2120, 5, 1, 12, tzinfo=UTC)
    clock = iter([noon, noon - timedelta(hours=1), noon + timedelta(microseconds=1)])
    with closing(EmbeddedLedger(path, SIGNER, clock=lambda: next(clock))) as ledger:
        for ordinal in (10, 11, 12):
            publish(ledger, item(ordinal))
        times = [found.time for found in ledger.items(after=3)]

        assert times == [noon, noon, noon + timedelta(microseconds=1)]
        assert list(ledger.findings()) == []


# ---------------------------------------------------------------------------------------- guards


@pytest.mark.parametrize("recursive", ["ON", "OFF"])
@pytest.mark.parametrize("table", TABLES)
def test_guards_refuse_to_change_what_is_there(path: Path, table: str, recursive: str) -> None:
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute(f"PRAGMA recursive_triggers = {recursive}")
        columns = [row[1] for row in connection.execute(f"PRAGMA table_info({table})")]
        before = connection.execute(f"SELECT * FROM {table}").fetchall()
        marks = ", ".join("?" * len(columns))
        statements = [f"UPDATE {table} SET {column} = {column}" for column in columns]
        statements.append(f"DELETE FROM {table}")
        for statement in statements:
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(statement)
        for row in before:
            for verb in ("INSERT", "INSERT OR REPLACE", "INSERT OR IGNORE", "REPLACE"):
                with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                    connection.execute(f"{verb} INTO {table} VALUES ({marks})", row)

        assert connection.execute(f"SELECT * FROM {table}").fetchall() == before


def test_guards_refuse_to_replace_through_another_unique_column(path: Path) -> None:
    """The row would be new by its first column, and replace one by its second."""
    key = SIGNER.public_key
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        (position,) = connection.execute("SELECT max(position) + 1 FROM items").fetchone()
        (block,) = connection.execute("SELECT max(block) + 1 FROM blocks").fetchone()
        taken = connection.execute("SELECT public_key FROM publishers").fetchone()[0]
        for statement, values in (
            ("streams VALUES (3, ?, ?)", ("x", A.casefold())),
            ("publishers VALUES (3, ?)", (taken,)),
            ("key_names VALUES (4, ?)", ("c:1",)),
            ("items VALUES (?, ?, 1, 0, 0, 9, 9, ?, ?)", (position, block, b"", key)),
            ("items VALUES (?, ?, 1, 9, 9, 9, 9, ?, ?)", (position, block - 1, b"", key)),
            ("item_keys VALUES (2, 2, 0)", ()),
        ):
            with pytest.raises(sqlite3.IntegrityError, match="append-only"):
                connection.execute(f"INSERT OR REPLACE INTO {statement}", values)


def test_guards_do_not_stand_in_our_own_way_after_an_error(path: Path) -> None:
    with closing(EmbeddedLedger(path, SIGNER)) as ledger:
        for ordinal in range(20, 26):
            with suppress(LedgerError):
                publish(ledger, item(ordinal, A, f"k:{ordinal}"), item(0, A, body=b"conflict"))
            publish(ledger, item(ordinal, A, f"k:{ordinal}", "c:1"))

        assert len(contents(ledger)) == 10
        assert list(ledger.findings()) == []
