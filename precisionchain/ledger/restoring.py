"""Putting a backup of an embedded ledger in its place, without losing what others saw.

A backup is compared with everything this site knows of the history: members' checkpoints and the
log tree kept in its folder, the head its replica was made from, and the present file where it can
be read. One that contradicts any of them is a fork and is refused; an older one is taken only by
somebody who names how many positions are lost.
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Sequence
from contextlib import closing, suppress
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from precisionchain.errors import IntegrityError, LedgerError, SiteError, UnreadableFileError
from precisionchain.ledger.base import Head
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.log_tree import LogTree
from precisionchain.ledger.new_file import place_new
from precisionchain.ledger.signing import Signer

_SIDECARS = ("", "-wal", "-shm")
_ASK = "ask another member for a newer copy of the ledger"


@dataclass(frozen=True, slots=True)
class Witnessed:
    """A block that the history contained: who says so, and which."""

    who: str
    head: Head


@dataclass(frozen=True, slots=True)
class Restored:
    """What became of a restore.

    ``position`` is the newest of the restored ledger, ``lost`` how many known positions it lacks,
    ``aside`` where the ledger before lies now, None where there was none.
    """

    position: int
    lost: int
    aside: Path | None


def copy_of(backup: Path, ledger: Path) -> Path:
    """Copy a backup, with what its write-ahead log holds, beside a ledger; return the copy.

    Raises:
        UnreadableFileError: it cannot be read.
        SiteError: it is the ledger itself, or cannot be copied there.
    """
    if not backup.is_file():
        raise UnreadableFileError("there is no such backup", where=str(backup))
    if ledger.exists() and backup.samefile(ledger):
        raise SiteError("that is the ledger itself, and no backup of it", where=str(backup))
    copy = ledger.with_name(f".{ledger.name}.{os.getpid()}.restore")
    copy.unlink(missing_ok=True)
    try:
        with (
            closing(sqlite3.connect(f"{backup.absolute().as_uri()}?mode=ro", uri=True)) as source,
            closing(sqlite3.connect(copy)) as target,
        ):
            source.backup(target)
        with copy.open("rb") as written:
            os.fsync(written.fileno())
    except sqlite3.Error as error:
        copy.unlink(missing_ok=True)
        raise UnreadableFileError(
            f"the backup cannot be read: {error}", where=str(backup)
        ) from error
    except OSError as error:
        copy.unlink(missing_ok=True)
        raise SiteError(
            f"the backup cannot be copied: {error.strerror}", where=str(copy)
        ) from error
    return copy


def lost_positions(
    backup: EmbeddedLedger, network: bytes, witnesses: Sequence[Witnessed], kept: LogTree | None
) -> int:
    """Return how many positions that are known here a backup does not have.

    Args:
        backup: opened; a copy.
        network: 32-byte network id.
        witnesses: blocks that the history contained.
        kept: the log tree of the ledger as this site last saw it.

    Raises:
        IntegrityError: the backup is damaged, or is of another history than a witness saw.
    """
    found = next(backup.findings(), None)
    if found is not None:
        raise IntegrityError(f"the backup is damaged: {found.message}", hint=_ASK)
    own = backup.head()
    newest = own.position
    for witness in witnesses:
        if backup.extends(witness.head):
            continue
        if witness.head.position <= own.position:
            raise IntegrityError(
                f"the backup is of another history than {witness.who} saw at position"
                f" {witness.head.position}: a fork, which is never restored",
                hint=_ASK,
            )
        newest = max(newest, witness.head.position)
    if kept is not None:
        tree = LogTree(network).catch_up(backup)
        size = min(tree.size, kept.size)
        if tree.tree.root(size) != kept.tree.root(size):
            raise IntegrityError(
                f"the first {size} items of the backup are not those that this site has seen: a"
                " fork, which is never restored",
                hint=_ASK,
            )
    return newest - own.position


def put_in_place(copy: Path, ledger: Path) -> Path | None:
    """Give a copy the name of the ledger; keep what was there aside, and return where.

    Raises:
        SiteError: the folder cannot be written; then what was there is there still.
    """
    aside = None
    try:
        if ledger.exists():
            aside = set_aside(ledger)
            for suffix in _SIDECARS[1:]:
                with suppress(FileNotFoundError):
                    Path(f"{ledger}{suffix}").rename(f"{aside}{suffix}")
        place_new(copy, ledger)
        copy.unlink()
    except OSError as error:
        raise SiteError(
            f"the ledger cannot be put in place: {error.strerror}", where=str(ledger)
        ) from error
    return aside


def set_aside(path: Path) -> Path:
    """Give a file or folder a name that says when it was put aside; return it."""
    stamp = datetime.now(UTC).strftime("%Y%m%dT%H%M%S")
    for number in range(1000):
        aside = path.with_name(f"{path.name}.before-restore-{stamp}-{number}")
        if not aside.exists():
            path.rename(aside)
            return aside
    raise FileExistsError(path)


def present_head(path: Path, signer: Signer) -> Head | None:
    """Return the head of the ledger as it is; None where it is gone or cannot be read."""
    try:
        with closing(EmbeddedLedger(path, signer)) as ledger:
            return None if next(ledger.findings(), None) else ledger.head()
    except (LedgerError, OSError):
        return None
