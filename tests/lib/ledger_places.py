"""The ledgers a spec test runs on, each as a *place* that several sites open and a test damages.

To run every spec on one more kind of ledger, write its place and add it to ``PLACES``.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Callable, Iterator, Mapping
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Protocol

from precisionchain.ledger.base import Ledger
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.signing import Signer
from tests.lib.memory_ledger import MemoryLedger


class LedgerPlace(Protocol):
    """Where one network's ledger is."""

    def open(self, signer: Signer) -> Ledger:
        """Open the ledger for a site that signs with this key; the first opening makes it."""
        ...

    def flip(self, position: int) -> None:
        """Change the last byte of the body of the item at a position, behind the ledger's back."""
        ...

    def drop(self, position: int) -> None:
        """Take the item at a position away, behind the ledger's back."""
        ...


class _Shared(MemoryLedger):
    """A memory ledger that outlives those who close it."""

    def close(self) -> None:
        """Stay: the next one to open it finds it here."""


class MemoryPlace:
    """A ledger in plain lists."""

    def __init__(self, _folder: Path) -> None:
        self._ledger = _Shared()

    def open(self, signer: Signer) -> Ledger:
        return self._ledger

    def flip(self, position: int) -> None:
        time, stream, keys, stored = self._ledger._rows[position]
        self._ledger._rows[position] = (time, stream, keys, _flipped(stored))

    def drop(self, position: int) -> None:
        time, stream, keys, _ = self._ledger._rows[position]
        self._ledger._rows[position] = (time, stream, keys, b"")  # positions stay as they are


class EmbeddedPlace:
    """A ledger in one SQLite file, ``ledger.sqlite`` in a folder."""

    def __init__(self, folder: Path) -> None:
        self.path = folder / "ledger.sqlite"

    def open(self, signer: Signer) -> Ledger:
        if not self.path.exists():
            return EmbeddedLedger.create(self.path, signer)
        return EmbeddedLedger(self.path, signer)

    def flip(self, position: int) -> None:
        with self._unguarded() as database:
            query = "select stored from items where position = ?"
            (stored,) = database.execute(query, (position,)).fetchone()
            change = "update items set stored = ? where position = ?"
            database.execute(change, (_flipped(stored), position))

    def drop(self, position: int) -> None:
        with self._unguarded() as database:
            database.execute("delete from items where position = ?", (position,))
            database.execute("delete from item_keys where position = ?", (position,))

    @contextmanager
    def _unguarded(self) -> Iterator[sqlite3.Connection]:
        """Open the file without its triggers; they are back afterwards."""
        with closing(sqlite3.connect(self.path, isolation_level=None)) as database:
            database.execute("begin")
            guards = database.execute(
                "select name, sql from sqlite_schema where type = 'trigger'"
            ).fetchall()
            for name, _ in guards:
                database.execute(f"drop trigger {name}")
            yield database
            for _, text in guards:
                database.execute(text)
            database.execute("commit")


PLACES: Mapping[str, Callable[[Path], LedgerPlace]] = {
    "memory": MemoryPlace,
    "embedded": EmbeddedPlace,
}


def _flipped(stored: bytes) -> bytes:
    """Change the last byte: of a batch item's body, or of a single item's signature."""
    return stored[:-1] + bytes((stored[-1] ^ 1,))
