"""Whatever is changed in a ledger file behind the ledger's back is found, and found where it is.

The guards are taken away for the change and put back after it, as someone would who knows them.
"""

from __future__ import annotations

import random
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path

import pytest

from precisionchain.ledger.audit_bytes import audit
from precisionchain.ledger.base import Finding, Head
from precisionchain.ledger.blocks import sign_block
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.embedded_file import schema_text
from precisionchain.ledger.signing import Signer
from tests.contract.ledger_contract import BATCH_2, SITE_B, A, B, C, item, publish

SIGNER, STRANGER = Signer(bytes(32)), Signer(bytes([9]) * 32)
TABLES = ("streams", "publishers", "batches", "key_names", "items", "item_keys", "blocks")


@pytest.fixture(scope="module")
def original(tmp_path_factory: pytest.TempPathFactory) -> tuple[bytes, list[Head]]:
    """A closed ledger: blocks 0 (streams), 1-3 (four items each, one of several pages), 4 (one)."""
    path = tmp_path_factory.mktemp("original") / "ledger.sqlite"
    with closing(EmbeddedLedger.create(path, SIGNER)) as ledger:
        ledger.create_streams([A, B])
        heads = [ledger.head()]
        for start in (0, 4, 8):
            publish(
                ledger,
                item(start, A, "c:1", "p:1"),
                item(start + 1, A, "c:1", body=bytes(range(256)) * 40),
                item(start + 2, B, "c:1", "c:2", batch=BATCH_2),
                item(start + 3, A, publisher=SITE_B),
            )
            heads.append(ledger.head())
        publish(ledger, item(12, B, "c:2", "p:7"))
        ledger.create_stream(C)
        heads.append(ledger.head())
    return path.read_bytes(), heads


@pytest.fixture
def path(original: tuple[bytes, list[Head]], tmp_path: Path) -> Path:
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(original[0])
    return path


@contextmanager
def unguarded(path: Path) -> Iterator[sqlite3.Connection]:
    """Open the file without its triggers; they are back afterwards."""
    with closing(sqlite3.connect(path, isolation_level=None)) as connection:
        connection.execute("BEGIN")
        guards = connection.execute(
            "SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'"
        ).fetchall()
        for name, _ in guards:
            connection.execute(f"DROP TRIGGER {name}")
        yield connection
        for _, text in guards:
            connection.execute(text)
        connection.execute("COMMIT")


def found(path: Path) -> list[Finding]:
    return list(audit(path))


def places(findings: list[Finding]) -> set[tuple[str, int | None]]:
    """Each finding's check with its position, or its block where it has no position."""
    return {(f.check, f.block if f.position is None else f.position) for f in findings}


def test_an_untouched_ledger_has_no_findings(path: Path) -> None:
    assert found(path) == []
    with unguarded(path):
        pass
    assert found(path) == []


def _execute(*statements: str) -> Callable[[sqlite3.Connection], None]:
    def change(connection: sqlite3.Connection) -> None:
        for statement in statements:
            connection.execute(statement)

    return change


def _swap(connection: sqlite3.Connection) -> None:
    """Exchange the places of two whole items of one stream."""
    rows = connection.execute("SELECT * FROM items WHERE position IN (4, 5)").fetchall()
    connection.execute("DELETE FROM items WHERE position IN (4, 5)")
    for row, position, other in zip(rows, (5, 4), reversed(rows), strict=True):
        sizes = other[5:7]
        connection.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (position, *row[1:5], *sizes, *row[7:]),
        )
    connection.execute("DELETE FROM item_keys WHERE position IN (4, 5)")
    connection.execute("INSERT INTO item_keys VALUES (1, 1, 4), (1, 1, 5), (1, 2, 5)")


def _flip(position: int, at: int) -> Callable[[sqlite3.Connection], None]:
    def change(connection: sqlite3.Connection) -> None:
        (stored,) = connection.execute(
            "SELECT stored FROM items WHERE position = ?", (position,)
        ).fetchone()
        changed = bytearray(stored)
        changed[at] ^= 1
        connection.execute(
            "UPDATE items SET stored = ? WHERE position = ?", (bytes(changed), position)
        )

    return change


def _sign_again(connection: sqlite3.Connection) -> None:
    """A stranger takes a block over, header and all."""
    digest, _ = connection.execute("SELECT digest, root FROM blocks WHERE block = 2").fetchone()
    connection.execute(
        "UPDATE blocks SET writer = ?, signature = ? WHERE block = 2",
        (STRANGER.public_key, sign_block(digest, STRANGER)),
    )


REPLAY = (
    "INSERT INTO items SELECT 13, 4, stream, batch, ordinal + 50, 8, stream_bytes, keys, stored"
    " FROM items WHERE position = 4"
)

# name -> the change, and where it must be found: (check, position or else block)
CHANGES: dict[str, tuple[Callable[[sqlite3.Connection], None], set[tuple[str, int | None]]]] = {
    "a flipped bit in a body": (_flip(5, 900), {("root", 2)}),
    "a flipped bit in a header": (_flip(6, 0), {("root", 2), ("item", 6)}),
    "a flipped bit in a publisher": (_flip(6, 20), {("root", 2), ("item", 6)}),
    "a body cut": (
        _execute("UPDATE items SET stored = substr(stored, 1, 200) WHERE position = 5"),
        {("root", 2), ("size", 5)},
    ),
    "a dropped item": (
        _execute(
            "DELETE FROM items WHERE position = 5", "DELETE FROM item_keys WHERE position = 5"
        ),
        {("root", 2), ("position", 5), ("size", 7)},
    ),
    "a dropped last item": (
        _execute(
            "DELETE FROM items WHERE position = 12", "DELETE FROM item_keys WHERE position = 12"
        ),
        {("root", 4), ("position", 4), ("key", None)},
    ),
    "two items exchanged": (_swap, {("root", 2)}),
    "an item replayed": (_execute(REPLAY), {("position", 13), ("item", 13), ("index", 13)}),
    "an item moved to another stream": (
        _execute(
            "UPDATE items SET stream = 2 WHERE position = 4",
            "UPDATE item_keys SET stream = 2 WHERE position = 4",
        ),
        {("root", 2), ("size", 4)},
    ),
    "an item in another block": (
        _execute("UPDATE items SET block = 3 WHERE position = 5"),
        {("position", 5)},
    ),
    "an item under another ordinal": (
        _execute("UPDATE items SET ordinal = 77 WHERE position = 5"),
        {("item", 5)},
    ),
    "an item in another batch": (
        _execute("UPDATE items SET batch = 2 WHERE position = 5"),
        {("item", 5)},
    ),
    "another size": (
        _execute("UPDATE items SET stream_bytes = stream_bytes + 1 WHERE position = 5"),
        {("size", 5), ("size", 7)},
    ),
    "a key taken from an item": (
        _execute(
            "UPDATE items SET keys = substr(keys, 1, 4) WHERE position = 4",
            "DELETE FROM item_keys WHERE position = 4 AND key = 2",
        ),
        {("root", 2)},
    ),
    "a key renamed": (
        _execute("UPDATE key_names SET name = 'p:2' WHERE name = 'p:1'"),
        {("root", 1), ("root", 2), ("root", 3)},
    ),
    "a key nobody has": (
        _execute("INSERT INTO key_names VALUES (5, 'p:9')"),
        {("key", None)},
    ),
    "an index entry dropped": (
        _execute("DELETE FROM item_keys WHERE position = 6 AND key = 1"),
        {("index", 6)},
    ),
    "an index entry added": (
        _execute("INSERT INTO item_keys VALUES (1, 4, 6)"),
        {("index", 6)},
    ),
    "an index entry exchanged": (
        _execute("UPDATE item_keys SET key = 4 WHERE position = 5"),
        {("index", 5)},
    ),
    "a stream renamed": (
        _execute("UPDATE streams SET name = 'OTHER_1', folded = 'other_1' WHERE stream = 2"),
        {("root", 0), ("root", 1), ("root", 2), ("root", 3), ("root", 4)},
    ),
    "a stream's folded name": (
        _execute("UPDATE streams SET folded = 'x' WHERE stream = 2"),
        {("stream", None)},
    ),
    "a stream added": (
        _execute("INSERT INTO streams VALUES (4, 'NEW_1', 'new_1')"),
        {("stream", 5)},
    ),
    "a stream dropped": (
        _execute("DELETE FROM streams WHERE stream = 3"),
        {("root", 5), ("stream", 5)},
    ),
    "a publisher's key": (
        _execute("UPDATE publishers SET public_key = zeroblob(32) WHERE publisher = 2"),
        {("item", 3), ("item", 7), ("item", 11), ("publisher", None)},
    ),
    "a publisher nobody is": (
        _execute("INSERT INTO publishers VALUES (3, zeroblob(32))"),
        {("publisher", None)},
    ),
    "a batch's id": (
        _execute("UPDATE batches SET batch_id = zeroblob(32) WHERE batch = 2"),
        {("item", 2), ("item", 6), ("item", 10)},
    ),
    "a batch without items": (
        _execute("INSERT INTO batches VALUES (zeroblob(32), 1, 99)"),
        {("batch", None)},
    ),
    "a block's time": (
        _execute("UPDATE blocks SET time = time + 1 WHERE block = 2"),
        {("chain", 2)},
    ),
    "a block older than the one before it": (
        _execute("UPDATE blocks SET time = 5 WHERE block = 2"),
        {("chain", 2)},
    ),
    "a block's signature": (
        _execute("UPDATE blocks SET signature = zeroblob(64) WHERE block = 2"),
        {("signature", 2)},
    ),
    "a block another block's writer signs": (_sign_again, {("chain", 2)}),
    "a block's digest": (
        _execute("UPDATE blocks SET digest = zeroblob(32) WHERE block = 2"),
        {("chain", 2), ("chain", 3), ("signature", 2)},
    ),
    "a block dropped": (
        _execute("DELETE FROM blocks WHERE block = 2"),
        {("position", 3), ("chain", 3), ("root", 3)},
    ),
    "a block replayed": (
        _execute(
            "INSERT INTO blocks SELECT 6, last, streams, time, root, writer, digest, signature"
            " FROM blocks WHERE block = 5"
        ),
        {("chain", 6)},
    ),
    "a guard weakened": (
        _execute("CREATE TRIGGER items_late BEFORE INSERT ON items BEGIN SELECT 1; END"),
        {("schema", None)},
    ),
    "a table added": (_execute("CREATE TABLE more (a)"), {("schema", None)}),
    "an index dropped": (_execute("DROP INDEX items_by_stream"), {("schema", None)}),
}


@pytest.mark.parametrize("name", CHANGES)
def test_a_change_is_found_where_it_is(path: Path, name: str) -> None:
    change, expected = CHANGES[name]
    with unguarded(path) as connection:
        change(connection)

    assert expected <= places(found(path))


def test_a_missing_guard_is_named(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("DROP TRIGGER items_no_update")

    assert [f.message for f in found(path)] == ["trigger items_no_update is missing or changed"]


def test_a_log_that_is_no_wal_is_named(path: Path) -> None:
    with closing(sqlite3.connect(path)) as connection:
        connection.execute("PRAGMA journal_mode = DELETE")

    assert [f.check for f in found(path)] == ["schema"]


def test_a_file_that_is_no_ledger_is_one_finding(path: Path) -> None:
    path.write_bytes(b"hello")
    assert [f.check for f in found(path)] == ["file"]


def test_a_tail_cut_off_with_care_shows_only_to_who_remembers_a_head(
    path: Path, original: tuple[bytes, list[Head]]
) -> None:
    with unguarded(path) as connection:
        _execute(
            "DELETE FROM item_keys WHERE position = 12",
            "DELETE FROM key_names WHERE name = 'p:7'",
            "DELETE FROM items WHERE position = 12",
            "DELETE FROM streams WHERE stream = 3",
            "DELETE FROM blocks WHERE block >= 4",
        )(connection)

    assert found(path) == []
    with closing(EmbeddedLedger(path)) as ledger:
        assert [ledger.extends(head) for head in original[1]] == [True, True, True, True, False]


def test_a_history_written_anew_shows_only_to_who_remembers_a_head(
    tmp_path: Path, original: tuple[bytes, list[Head]]
) -> None:
    with closing(EmbeddedLedger.create(tmp_path / "new.sqlite", SIGNER)) as ledger:
        ledger.create_streams([A, B])
        publish(ledger, item(0, A, "c:1", "p:1", body=b"another"))

        assert list(ledger.findings()) == []
        assert not any(ledger.extends(head) for head in original[1])


# --------------------------------------------------------------------------------- any bit at all


def rows(path: Path) -> dict[str, list[object]] | None:
    """Every row of every table as plain SQLite reads them; None when it cannot."""
    try:
        with closing(sqlite3.connect(f"file:{path}?mode=ro&immutable=1", uri=True)) as connection:
            connection.text_factory = bytes
            return {
                table: connection.execute(f"SELECT * FROM {table}").fetchall()
                for table in (*TABLES, "sqlite_schema")
            }
    except (sqlite3.Error, ValueError, OverflowError):
        return None


def test_any_flipped_bit_is_found_unless_every_row_is_as_before(
    original: tuple[bytes, list[Head]], tmp_path: Path
) -> None:
    content, _ = original
    path = tmp_path / "ledger.sqlite"
    path.write_bytes(content)
    before = rows(path)
    assert before is not None
    rng = random.Random()
    used = [at for at in range(len(content)) if content[at]]
    missed, changed = [], 0
    for round_ in range(300):
        at = rng.choice(used) if round_ % 4 else rng.randrange(len(content))
        bit = 1 << rng.randrange(8)
        damaged = bytearray(content)
        damaged[at] ^= bit
        for old in tmp_path.iterdir():
            old.unlink()
        path.write_bytes(damaged)
        findings = found(path)
        path.write_bytes(damaged)
        same = rows(path) == before
        changed += not same
        if not findings and not same:
            missed.append((at, bit))

    assert missed == []
    assert changed > 100, "most flips must matter, or this test shows nothing"


def test_the_schema_text_is_what_a_ledger_holds(path: Path) -> None:
    with closing(sqlite3.connect(":memory:")) as model, closing(sqlite3.connect(path)) as ledger:
        model.executescript(schema_text())
        query = "SELECT type, name, sql FROM sqlite_schema ORDER BY name"
        assert model.execute(query).fetchall() == ledger.execute(query).fetchall()
