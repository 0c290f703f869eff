"""What one program knows of a MultiChain, in a SQLite file of the site folder (its own, no ledger).

Rows are derived from final blocks only, a block a transaction, so a killed program leaves whole
blocks. The file may be deleted while nothing is being published: it is derived again. Beside it
stand the transactions this site signed and that are not final yet: those are written here before
they are sent, so that a restart knows what may have landed.
"""

from __future__ import annotations

import json
import sqlite3
import threading
from collections.abc import Collection, Iterable, Iterator, Sequence
from contextlib import contextmanager
from importlib import resources
from pathlib import Path
from typing import Any

from precisionchain.errors import LedgerFormatError, LedgerUnavailableError
from precisionchain.ledger.base import StreamState
from precisionchain.ledger.multichain_rows import (
    IndexRow,
    Name,
    SignedItem,
    Transaction,
    first_position,
    position_of,
)
from precisionchain.schemas.items import Item

INDEX_FORMAT = 1
ITEM, NO_ITEM, REPEATED = 0, 1, 2
_PAGE = 1000
_WAIT_SECONDS = 30.0
_COLUMNS = "position, txid, stream, keys, address, size, state, publisher, batch, ordinal, small"


class ChainIndex:
    """The file; several programs and threads may use it at the same time.

    Args:
        path: the file, made when absent; None keeps everything in memory.
        genesis: hash of the chain's first block.
        depth: how many blocks make an item final; rows of another depth are derived again.
    """

    def __init__(self, path: Path | None, genesis: bytes, depth: int) -> None:
        self._lock = threading.RLock()
        self._place = "memory" if path is None else str(path)
        try:
            self._connection = sqlite3.connect(
                ":memory:" if path is None else path,
                timeout=_WAIT_SECONDS,
                isolation_level=None,
                check_same_thread=False,
            )
            self._connection.execute("PRAGMA journal_mode = WAL")
            self._connection.execute("PRAGMA synchronous = FULL")
        except sqlite3.Error as error:
            raise self._error(error) from error
        if path is not None:
            path.chmod(0o600)
        with self.writing() as database:
            made = database.execute("SELECT 1 FROM sqlite_schema WHERE name = 'chain'").fetchone()
            if not made:
                for statement in _schema():
                    database.execute(statement)
                database.execute("INSERT INTO chain VALUES (?, ?)", (genesis, depth))
                database.execute(f"PRAGMA user_version = {INDEX_FORMAT}")
            (version,) = database.execute("PRAGMA user_version").fetchone()
            if version != INDEX_FORMAT:
                raise LedgerFormatError(
                    f"the index of the chain is of format {version}, not {INDEX_FORMAT}",
                    where=self._place,
                    hint="delete it while nothing is being published: it is derived again",
                )
            known, old_depth = database.execute("SELECT genesis, depth FROM chain").fetchone()
            if known != genesis:
                raise LedgerFormatError(
                    "the node is of another chain than this site's index",
                    where=self._place,
                    hint="correct ledger = in precisionchain.toml, or the node's address",
                )
            if old_depth != depth:
                self._forget_from(database, 0)
                database.execute("UPDATE chain SET depth = ?", (depth,))

    def _error(self, error: sqlite3.Error) -> LedgerUnavailableError:
        closed = isinstance(error, sqlite3.ProgrammingError)
        reason = "the ledger is closed" if closed else f"its local index cannot be used: {error}"
        return LedgerUnavailableError(
            reason, where=self._place, hint="if it is damaged, delete it: it is derived again"
        )

    @contextmanager
    def reading(self) -> Iterator[sqlite3.Connection]:
        """Hold the connection; errors of SQLite become the ledger's."""
        with self._lock:
            try:
                yield self._connection
            except sqlite3.Error as error:
                raise self._error(error) from error

    @contextmanager
    def writing(self) -> Iterator[sqlite3.Connection]:
        """Hold one transaction: all of it, or nothing."""
        with self.reading() as database:
            database.execute("BEGIN IMMEDIATE")
            try:
                yield database
                database.execute("COMMIT")
            except BaseException:
                if database.in_transaction:
                    database.execute("ROLLBACK")
                raise

    def close(self) -> None:
        """Close the file."""
        with self._lock:
            self._connection.close()

    # -------------------------------------------------------------------------------------- blocks

    def last_block(self) -> tuple[int, bytes] | None:
        """Return height and hash of the newest block that is derived."""
        with self.reading() as database:
            row = database.execute(
                "SELECT height, hash FROM blocks ORDER BY height DESC LIMIT 1"
            ).fetchone()
        return (row[0], row[1]) if row else None

    def block_hash(self, height: int) -> bytes | None:
        """Return the hash of a derived block."""
        with self.reading() as database:
            row = database.execute("SELECT hash FROM blocks WHERE height = ?", (height,)).fetchone()
        return row[0] if row else None

    def forget_from(self, height: int) -> None:
        """Drop blocks at and above a height: the chain has others there now."""
        with self.writing() as database:
            self._forget_from(database, height)

    @staticmethod
    def _forget_from(database: sqlite3.Connection, height: int) -> None:
        first = first_position(height)
        for table in ("items", "item_keys", "spent"):
            database.execute(f"DELETE FROM {table} WHERE position >= ?", (first,))
        database.execute("DELETE FROM blocks WHERE height >= ?", (height,))

    def add_block(
        self,
        height: int,
        block_hash: bytes,
        time: int,
        transactions: Iterable[tuple[int, Transaction]],
    ) -> bool:
        """Add the next block; return False where another program was quicker.

        Args:
            height: one more than the newest, or any when there is none.
            block_hash: 32 bytes.
            time: seconds since 1970, UTC; times do not go back from block to block.
            transactions: with their index in the block.
        """
        with self.writing() as database:
            last = database.execute(
                "SELECT height, time FROM blocks ORDER BY height DESC LIMIT 1"
            ).fetchone()
            if last is not None and last[0] + 1 != height:
                return False
            latest = max(time, last[1]) if last else time
            database.execute("INSERT INTO blocks VALUES (?, ?, ?)", (height, block_hash, latest))
            for index, transaction in transactions:
                _add_transaction(database, height, index, transaction)
            return True

    # --------------------------------------------------------------------------------------- items

    def newest_position(self) -> int:
        """Return the position of the newest item, -1 without any."""
        with self.reading() as database:
            (newest,) = database.execute("SELECT coalesce(max(position), -1) FROM items").fetchone()
        return int(newest)

    def rows(
        self,
        stream: str | None,
        key: str | None,
        after: int,
        last: int,
        *,
        ordinal: int | None = None,
    ) -> Iterator[tuple[IndexRow, int]]:
        """Yield items of ours in order with the time of their block, a page at a time."""
        source, chosen = "items AS i", "i"
        wanted = "" if stream is None else "AND i.stream = :stream"
        if key is not None:
            source = "item_keys AS k JOIN items AS i ON i.position = k.position"
            chosen, wanted = "k", "AND k.stream = :stream AND k.key = :key"
        if ordinal is not None:
            wanted += " AND i.ordinal = :ordinal"
        columns = ", ".join(f"i.{name}" for name in _COLUMNS.split(", "))
        query = (
            f"SELECT {columns}, b.time FROM {source}"
            " JOIN blocks AS b ON b.height = i.position >> 36"
            f" WHERE {chosen}.position > :after AND {chosen}.position <= :last AND i.state = {ITEM}"
            f" {wanted} ORDER BY {chosen}.position LIMIT {_PAGE}"
        )
        bound = {"stream": stream, "key": key, "ordinal": ordinal, "after": after, "last": last}
        while True:
            with self.reading() as database:
                found = database.execute(query, bound).fetchall()
            for row in found:
                yield IndexRow.of(row[:-1]), row[-1]
            if len(found) < _PAGE:
                return
            bound["after"] = found[-1][0]

    def odd_rows(self) -> Iterator[IndexRow]:
        """Yield what is no item of ours, or an item once more."""
        with self.reading() as database:
            found = database.execute(
                f"SELECT {_COLUMNS} FROM items WHERE state <> {ITEM} ORDER BY position"
            ).fetchall()
        yield from (IndexRow.of(row) for row in found)

    def states(self) -> dict[str, StreamState]:
        """Return how full streams with final items are."""
        with self.reading() as database:
            rows = database.execute("SELECT stream, count(*), sum(size) FROM items GROUP BY stream")
            return {name: StreamState(items, size) for name, items, size in rows}

    def named(self, names: Collection[Name]) -> dict[Name, list[tuple[int, bytes, str]]]:
        """Return position, digest and address of the final items under each name, in order."""
        found: dict[Name, list[tuple[int, bytes, str]]] = {}
        batches = {(name.publisher, name.batch) for name in names}
        with self.reading() as database:
            for publisher, batch in batches:
                rows = database.execute(
                    "SELECT ordinal, position, digest, address FROM items"
                    " WHERE batch = ? AND publisher = ? ORDER BY position",
                    (batch, publisher),
                )
                for ordinal, *place in rows:
                    name = Name(publisher, batch, ordinal)
                    if name in names:
                        found.setdefault(name, []).append((place[0], place[1], place[2]))
        return found

    def ordinals(self, publisher: bytes, batch: bytes) -> dict[int, set[str]]:
        """Return the final ordinals of a batch, with the addresses that wrote them."""
        found: dict[int, set[str]] = {}
        with self.reading() as database:
            rows = database.execute(
                "SELECT ordinal, address FROM items WHERE batch = ? AND publisher = ?",
                (batch, publisher),
            )
            for ordinal, address in rows:
                found.setdefault(ordinal, set()).add(address)
        return found

    def positions(self, txid: bytes) -> list[int]:
        """Return the positions of a final transaction's items, in order."""
        with self.reading() as database:
            rows = database.execute(
                "SELECT position FROM items WHERE txid = ? ORDER BY position", (txid,)
            ).fetchall()
        return [position for (position,) in rows]

    def contents(self, txid: bytes) -> dict[int, tuple[str, bytes]]:
        """Return stream and digest of a final transaction's items, by position."""
        query = "SELECT position, stream, digest FROM items WHERE txid = ?"
        with self.reading() as database:
            found = database.execute(query, (txid,)).fetchall()
        return {position: (stream, digest) for position, stream, digest in found}

    def is_spent(self, outputs: Iterable[tuple[bytes, int]]) -> bool:
        """Return whether a final transaction spent one of these outputs."""
        query = "SELECT 1 FROM spent WHERE txid = ? AND vout = ?"
        with self.reading() as database:
            return any(database.execute(query, output).fetchone() for output in outputs)

    # ------------------------------------------------------------------------- what was signed here

    def sign(
        self, txid: bytes, raw: bytes, address: str, items: Sequence[tuple[Item, bytes]]
    ) -> None:
        """Keep an address' transaction, with its items and their digests, before it is sent."""
        with self.writing() as database:
            database.execute("INSERT INTO signed VALUES (?, ?)", (txid, raw))
            database.executemany(
                "INSERT INTO signed_items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
                [
                    (
                        *(txid, nth, *_columns(Name.of(item)), item.stream),
                        *(len(item.stored), digest, address),
                    )
                    for nth, (item, digest) in enumerate(items)
                ],
            )

    def drop_signed(self, txids: Iterable[bytes]) -> None:
        """Forget transactions that are final, or dead."""
        with self.writing() as database:
            for txid in txids:
                database.execute("DELETE FROM signed WHERE txid = ?", (txid,))
                database.execute("DELETE FROM signed_items WHERE txid = ?", (txid,))

    def signed_bytes(self, txid: bytes) -> bytes:
        """Return a signed transaction."""
        with self.reading() as database:
            query = "SELECT bytes FROM signed WHERE txid = ?"
            (raw,) = database.execute(query, (txid,)).fetchone()
        return bytes(raw)

    def signed_with(self, names: Collection[Name]) -> list[bytes]:
        """Return the transactions that are kept and hold an item of one of these names."""
        query = "SELECT txid FROM signed_items WHERE batch = ? AND publisher = ? AND ordinal = ?"
        found: dict[bytes, None] = {}
        with self.reading() as database:
            for name in names:
                rows = database.execute(query, (name.batch, name.publisher, name.ordinal))
                found.update((txid, None) for (txid,) in rows)
        return list(found)

    def signed_items(self, txid: bytes | None = None) -> dict[bytes, list[SignedItem]]:
        """Return the items of one transaction, or of all that are kept, in order."""
        found: dict[bytes, list[SignedItem]] = {}
        with self.reading() as database:
            rows = database.execute(
                "SELECT txid, nth, publisher, batch, ordinal, stream, size, digest, address"
                " FROM signed_items WHERE ?1 IS NULL OR txid = ?1 ORDER BY txid, nth",
                (txid,),
            )
            for signed, nth, publisher, batch, ordinal, *rest in rows:
                name = Name(publisher, batch, ordinal)
                found.setdefault(signed, []).append(SignedItem(signed, nth, name, *rest))
        return found


def _columns(name: Name) -> tuple[bytes, bytes, int]:
    return name.publisher, name.batch, name.ordinal


def _add_transaction(
    database: sqlite3.Connection, height: int, index: int, transaction: Transaction
) -> None:
    for item in transaction.written:
        position = position_of(height, index, item.vout)
        name: tuple[Any, ...] = (None, None, None)
        state = NO_ITEM
        if item.name is not None:
            name = _columns(item.name)
            repeated = database.execute(
                "SELECT 1 FROM items WHERE publisher = ? AND batch = ? AND ordinal = ?"
                " AND digest = ? LIMIT 1",
                (*name, item.digest),
            ).fetchone()
            state = REPEATED if repeated else ITEM
        keys = json.dumps(item.keys, ensure_ascii=False)
        database.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(position, transaction.txid, item.stream, keys, item.address, item.size),
                *(item.digest, state, *name, item.small),
            ),
        )
        database.executemany(
            "INSERT OR IGNORE INTO item_keys VALUES (?, ?, ?)",
            [(item.stream, key, position) for key in item.keys],
        )
    place = position_of(height, index, 0)
    database.executemany(
        "INSERT OR IGNORE INTO spent VALUES (?, ?, ?)",
        [(txid, vout, place) for txid, vout in transaction.spends or ()],
    )


def _schema() -> list[str]:
    text = resources.files("precisionchain.ledger").joinpath("multichain_index.sql").read_text()
    lines = (line.partition("--")[0] for line in text.splitlines())
    return [statement for statement in "\n".join(lines).split(";") if statement.strip()]
