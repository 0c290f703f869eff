"""Restoring a backup as it is typed: checked, never over what is there, and logged."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

import pytest

from tests.lib.omop_builder import write_omop
from tests.lib.typed_commands import refused, rows, run

OMOP = """
    condition_occurrence
    person | concept | start
    42     | 201826  | 2015-03-02
    """
A = ("-C", "site_a")


@pytest.fixture
def founded(tmp_path: Path) -> Path:
    run(tmp_path, "init", "site_a", "--site", "A", "--build", "GRCh37")
    run(tmp_path, *A, "user", "add", "ada", "--role", "auditor")
    return tmp_path


def backup(folder: Path, name: str) -> Path:
    """Copy the ledger as SQLite's own backup does."""
    path = folder / name
    with (
        closing(sqlite3.connect(folder / "site_a" / "ledger.sqlite")) as source,
        closing(sqlite3.connect(path)) as target,
    ):
        source.backup(target)
    return path


def ingest(folder: Path, name: str = "omop") -> None:
    write_omop(folder / name, OMOP)
    run(folder, *A, "ingest", "omop", name)


def ledgers(folder: Path) -> list[str]:
    return sorted(path.name for path in (folder / "site_a").glob("ledger.sqlite*"))


def last_operation(folder: Path) -> str:
    entries = rows(folder, *A, "--user", "ada", "audit", "entries")
    return [str(row["operation"]) for row in entries if row.get("operation") != "audit-entries"][-1]


def test_a_lost_file_comes_back_whole_and_the_restore_is_logged(founded: Path) -> None:
    ingest(founded)
    copy = backup(founded, "copy.sqlite")
    for path in (founded / "site_a").glob("ledger.sqlite*"):
        path.unlink()
    (done,) = rows(founded, *A, "restore", "copy.sqlite")
    assert (done["lost"], done.get("aside")) == (0, None)
    assert last_operation(founded) == "restore"
    run(founded, *A, "verify")
    assert copy.exists()
    assert [row["person_id"] for row in rows(founded, *A, "query", "domain", "201826")] == [42]


def test_an_older_backup_takes_the_number_of_what_is_lost(founded: Path) -> None:
    backup(founded, "old.sqlite")
    ingest(founded)
    rows(founded, *A, "query", "maf", "0-0.5")
    before = (founded / "site_a" / "ledger.sqlite").stat().st_ino
    line = refused(founded, 8, *A, "restore", "old.sqlite")
    lost = line.rpartition("--accept-loss ")[2].strip(" )")
    assert int(lost) > 3
    assert f"lacks {lost} that are known here" in line
    refused(founded, 8, *A, "restore", "old.sqlite", "--accept-loss", str(int(lost) - 1))
    assert (founded / "site_a" / "ledger.sqlite").stat().st_ino == before
    (done,) = rows(founded, *A, "restore", "old.sqlite", "--accept-loss", lost)
    assert done["lost"] == int(lost)
    kept = Path(done["aside"])
    assert (founded / "site_a" / kept.name).stat().st_ino == before
    assert "201826" in refused(founded, 2, *A, "query", "domain", "201826")
    ingest(founded, "again")
    run(founded, *A, "verify")


def test_what_is_lost_is_known_without_the_present_file_too(founded: Path) -> None:
    backup(founded, "old.sqlite")
    ingest(founded)
    (founded / "site_a" / "ledger.sqlite").write_bytes(b"burnt")
    for tail in ("-wal", "-shm"):
        (founded / "site_a" / f"ledger.sqlite{tail}").unlink(missing_ok=True)
    assert "that are known here" in refused(founded, 8, *A, "restore", "old.sqlite")


def test_another_history_is_never_restored(founded: Path) -> None:
    shutil.copytree(founded / "site_a", founded / "twin")
    ingest(founded)
    for number in range(30):
        run(founded, "-C", "twin", "user", "add", f"u{number}", "--role", "auditor")
    with (
        closing(sqlite3.connect(founded / "twin" / "ledger.sqlite")) as source,
        closing(sqlite3.connect(founded / "fork.sqlite")) as target,
    ):
        source.backup(target)
    names = ledgers(founded)
    for options in ((), ("--accept-loss", "5")):
        assert "a fork" in refused(founded, 8, *A, "restore", "fork.sqlite", *options)
    assert ledgers(founded) == names


def test_a_shorter_other_history_is_a_fork_too(founded: Path) -> None:
    shutil.copytree(founded / "site_a", founded / "twin")
    ingest(founded)
    run(founded, "-C", "twin", "user", "add", "bob", "--role", "auditor")
    shutil.copy(founded / "twin" / "ledger.sqlite", founded / "fork.sqlite")
    assert "a fork" in refused(founded, 8, *A, "restore", "twin/ledger.sqlite")


def test_what_cannot_be_restored_leaves_everything_as_it_was(founded: Path) -> None:
    ingest(founded)
    backup(founded, "copy.sqlite")
    names = ledgers(founded)
    (founded / "none.sqlite").write_bytes(b"no database" * 100)
    refused(founded, 3, *A, "restore", "site_a/ledger.sqlite")
    for name in ("none.sqlite", "absent.sqlite"):
        refused(founded, 4, *A, "restore", name)
    (founded / "empty.sqlite").touch()
    for name in ("empty.sqlite", "site_a/outbox.sqlite"):
        assert name in refused(founded, 7, *A, "restore", name)
    assert "takes the role admin" in refused(
        founded, 6, *A, "--user", "ada", "restore", "copy.sqlite"
    )
    with closing(sqlite3.connect(founded / "copy.sqlite")) as changed:
        (trigger,) = changed.execute(
            "select name from sqlite_master where type = 'trigger' and sql like '%update%' limit 1"
        ).fetchone()
        changed.execute(f"drop trigger {trigger}")
        changed.commit()
    assert "damaged" in refused(founded, 8, *A, "restore", "copy.sqlite")
    assert ledgers(founded) == names
    run(founded, *A, "verify")
