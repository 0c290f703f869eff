"""The embedded ledger: the contract of ``base`` on one SQLite file. Tables: ``embedded.sql``.

Write-ahead log with ``synchronous=FULL``: a publish is one transaction, on disk when it returns.
Everything slow (hashing, building rows) happens before the write lock is taken, and the log is
copied into the file after it is released, so that another program's small publish (an access entry)
waits for one transaction at most.

What a crash can leave: a publish whole or absent (SQLite discards an unfinished transaction when
the file is next opened), and a log not yet copied, which is copied later.
"""

from __future__ import annotations

import sqlite3
import threading
import time
from collections.abc import Callable, Collection, Iterator, Mapping, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import Final

from precisionchain.errors import (
    CodecError,
    LedgerUnavailableError,
    StreamExistsError,
    UnknownStreamError,
)
from precisionchain.ledger import embedded_file
from precisionchain.ledger.base import (
    Finding,
    Head,
    LedgerItem,
    Limits,
    Prepared,
    Receipt,
    StreamState,
    Writer,
)
from precisionchain.ledger.blocks import (
    NO_BLOCK,
    from_microseconds,
    stream_leaf,
)
from precisionchain.ledger.embedded_file import WAIT_SECONDS, ledger_errors
from precisionchain.ledger.embedded_rows import KeyNames, Row, append_block, append_rows, rows_there
from precisionchain.ledger.embedded_states import StreamStates
from precisionchain.ledger.publish_rules import checked_items, checked_name
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.items import Item, parse_item

LIMITS: Final = Limits(max_items_per_publish=125, max_publish_bytes=1024**2)
"""What a transaction of some 10 ms takes, half of it the disk's: another program's access entry
waits for it. Four times as much in one loads no faster, and holds the lock five times as long."""
CHECKPOINT_BYTES = 1024**2
"""How much this program may add to the log before it copies the log into the file: the disk writes
that much at once, and whoever commits then waits for the disk."""
_SMALL_PUBLISH_BYTES = 32 * 1024
"""What the smallest publish adds to the log: the pages of every table and index it touches."""
_PAGE_BYTES = 16 * 1024**2
"""About how many stored bytes one round of reading holds in memory."""
_RETRY_SECONDS = 0.0005


class EmbeddedLedger:
    """One SQLite file.

    Args:
        path: the ledger file, made by ``EmbeddedLedger.create``.
        signer: signs the blocks this program writes; without one the ledger is opened for reading,
            which needs no right to write the file.
        clock: gives the time that blocks are stamped with.
        wait: how many seconds a write waits for others before it gives up.
    """

    def __init__(
        self,
        path: Path,
        signer: Signer | None = None,
        *,
        clock: Callable[[], datetime] = lambda: datetime.now(UTC),
        wait: float = WAIT_SECONDS,
    ) -> None:
        self.path = path
        self._signer = signer
        self._clock = clock
        self._wait = wait
        self._lock = threading.RLock()
        self._connection = embedded_file.open_file(path, writable=signer is not None)
        self._inode = path.stat().st_ino
        self._key_names = KeyNames()
        self._stream_numbers: dict[str, int] = {}
        self._listed = StreamStates((), self._states)
        self._unchecked_bytes = 0

    @classmethod
    def create(cls, path: Path, signer: Signer) -> EmbeddedLedger:
        """Create an empty ledger file and open it; the errors are those of ``create_file``."""
        embedded_file.create_file(path)
        return cls(path, signer)

    @property
    def limits(self) -> Limits:
        """See `LIMITS`."""
        return LIMITS

    # ------------------------------------------------------------------------------------- streams

    def create_stream(self, name: str) -> None:
        """See ``Ledger.create_stream``."""
        self.create_streams([name])

    def create_streams(self, names: Sequence[str]) -> None:
        """See ``Ledger.create_streams``; one block commits to all of them."""
        for name in names:
            checked_name(name, self.limits)
        leaves = [stream_leaf(name) for name in names]
        if not names:
            return
        with self._writing() as (connection, signer):
            taken = {folded for (folded,) in connection.execute("SELECT folded FROM streams")}
            first = len(taken) + 1
            for name in names:
                if name.casefold() in taken:
                    raise StreamExistsError(f"stream {name} exists already", where=str(self.path))
                taken.add(name.casefold())
            connection.executemany(
                "INSERT INTO streams VALUES (?, ?, ?)",
                [(first + at, name, name.casefold()) for at, name in enumerate(names)],
            )
            append_block(connection, signer, leaves, self._clock())

    def streams(self) -> Mapping[str, StreamState]:
        """See ``Ledger.streams``."""
        with self._reading() as connection:
            self._learn_streams(connection)
            if len(self._listed) < len(self._stream_numbers):
                self._listed = StreamStates(tuple(self._stream_numbers), self._states)
            return self._listed

    def _states(self, name: str | None) -> dict[str, StreamState]:
        """Return how full streams are: the one, or all."""
        chosen = "" if name is None else "WHERE streams.stream = :stream"
        bound = {} if name is None else {"stream": self._stream_numbers[name]}
        newest = "SELECT max(position) FROM items WHERE stream = streams.stream"
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT name, coalesce(stream_items, 0), coalesce(stream_bytes, 0) FROM streams"
                f" LEFT JOIN items ON position = ({newest}) {chosen} ORDER BY streams.stream",
                bound,
            ).fetchall()
        return {name: StreamState(items, stored) for name, items, stored in rows}

    def _learn_streams(self, connection: sqlite3.Connection) -> None:
        """Remember streams made since; none is ever removed, and their numbers have no gaps."""
        new = "SELECT name, stream FROM streams WHERE stream > ? ORDER BY stream"
        self._stream_numbers.update(connection.execute(new, (len(self._stream_numbers),)))

    def _numbers(self, names: set[str]) -> dict[str, int]:
        """Return the streams' numbers."""
        if not names <= self._stream_numbers.keys():
            with self._reading() as connection:
                self._learn_streams(connection)
        for name in names:
            if name not in self._stream_numbers:
                raise UnknownStreamError(f"no stream {name}", where=str(self.path))
        return {name: self._stream_numbers[name] for name in names}

    # --------------------------------------------------------------------------------------- write

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See ``Ledger.prepare``."""
        checked = checked_items(items, self.limits)
        self._numbers({item.stream for item in checked})
        return Prepared(checked)

    def publish(self, prepared: Prepared) -> Receipt:
        """See ``Ledger.publish``; one block commits to all new items."""
        numbers = self._numbers({item.stream for item in prepared.items})
        rows = [Row.of(item, numbers[item.stream]) for item in prepared.items]
        if not rows:
            return Receipt((), 0)
        with self._reading() as connection:
            self._key_names.learn(connection, [key for row in rows for key in row.item.keys])
        with self._writing() as (connection, signer):
            there = rows_there(connection, rows, self._key_names)
            fresh = [row for row, position in zip(rows, there, strict=True) if position is None]
            if fresh:
                first = append_rows(connection, fresh, self._key_names)
                append_block(connection, signer, [row.leaf for row in fresh], self._clock())
        new = iter(range(first, first + len(fresh))) if fresh else iter(())
        positions = tuple(next(new) if position is None else position for position in there)
        self._copy_log(_SMALL_PUBLISH_BYTES + sum(len(row.stored) for row in fresh))
        return Receipt(positions, len(fresh))

    @contextmanager
    def _writing(self) -> Iterator[tuple[sqlite3.Connection, Signer]]:
        """Hold the write lock over one transaction; any error takes all of it back."""
        if self._signer is None:
            raise LedgerUnavailableError(
                "the ledger was opened for reading only", where=str(self.path)
            )
        with self._lock, ledger_errors(self.path):
            connection = self._connection
            self._take_write_lock(connection)
            try:
                yield connection, self._signer
                connection.execute("COMMIT")
            except BaseException:
                self._key_names.forget()
                if connection.in_transaction:
                    connection.execute("ROLLBACK")
                raise

    def _take_write_lock(self, connection: sqlite3.Connection) -> None:
        """BEGIN IMMEDIATE, retried often: SQLite's own waiting sleeps up to 100 ms a time."""
        try:
            replaced = self.path.stat().st_ino != self._inode
        except OSError:
            replaced = True
        if replaced:
            raise LedgerUnavailableError(
                "the ledger file was moved or replaced while open", where=str(self.path)
            )
        give_up = time.monotonic() + self._wait
        connection.execute("PRAGMA busy_timeout = 0")
        try:
            while True:
                try:
                    connection.execute("BEGIN IMMEDIATE")
                    return
                except sqlite3.OperationalError as error:
                    busy = error.sqlite_errorcode & 0xFF == sqlite3.SQLITE_BUSY
                    if not busy or time.monotonic() > give_up:
                        raise
                time.sleep(_RETRY_SECONDS)
        finally:
            connection.execute(f"PRAGMA busy_timeout = {int(self._wait * 1000)}")

    def _copy_log(self, added: int) -> None:
        """Copy the log into the file now and then: no lock is held that others would wait for."""
        with self._lock:
            self._unchecked_bytes += added
            if self._unchecked_bytes >= CHECKPOINT_BYTES:
                self._unchecked_bytes = 0
                with ledger_errors(self.path):
                    self._connection.execute("PRAGMA wal_checkpoint(PASSIVE)").fetchone()

    # ---------------------------------------------------------------------------------------- read

    @contextmanager
    def _reading(self) -> Iterator[sqlite3.Connection]:
        with self._lock, ledger_errors(self.path):
            yield self._connection

    def items(
        self,
        stream: str | None = None,
        key: str | None = None,
        *,
        ordinal: int | None = None,
        after: int = -1,
        limit: int | None = None,
    ) -> Iterator[LedgerItem]:
        """See ``Ledger.items``. No transaction stays open between two items."""
        if key is not None and stream is None:
            raise ValueError("a key is looked up in a stream")
        bound = {"after": after, "last": self.head().position}
        if stream is not None:
            bound["stream"] = self._numbers({stream})[stream]
        if key is not None:
            with self._reading() as connection:
                number = self._key_names.number(connection, key)
            if number is None:
                return iter(())
            bound["key"] = number
        if ordinal is not None:
            bound["ordinal"] = ordinal
        return self._items(_item_query(bound.keys()), bound, limit)

    def _items(self, query: str, bound: dict[str, int], limit: int | None) -> Iterator[LedgerItem]:
        rows = 16
        while limit is None or limit > 0:
            with self._reading() as connection:
                found = connection.execute(query, {**bound, "rows": rows}).fetchall()
                texts = [self._key_names.names(connection, row[3]) for row in found]
            for (position, taken, name, _, stored), keys in zip(found, texts, strict=True):
                try:
                    item = parse_item(name, keys, stored)
                except CodecError:
                    continue
                yield LedgerItem(position, from_microseconds(taken), item)
                if limit is not None:
                    limit -= 1
                    if limit == 0:
                        return
            if len(found) < rows:
                return
            bound["after"] = found[-1][0]
            average = sum(len(row[4]) for row in found) // len(found) + 1
            rows = min(4096, max(8, _PAGE_BYTES // average))

    def ordinals(self, publisher: bytes, batch_id: bytes, *, final: bool = False) -> frozenset[int]:
        """See ``Ledger.ordinals``; what landed is final here."""
        del final
        with self._reading() as connection:
            rows = connection.execute(
                "SELECT ordinal FROM publishers JOIN batches USING (publisher)"
                " JOIN items USING (batch) WHERE public_key = ? AND batch_id = ?",
                (publisher, batch_id),
            ).fetchall()
        return frozenset(ordinal for (ordinal,) in rows)

    def head(self) -> Head:
        """See ``Ledger.head``."""
        with self._reading() as connection:
            row = connection.execute(
                "SELECT last, block, digest FROM blocks ORDER BY block DESC LIMIT 1"
            ).fetchone()
        return Head(*row) if row else NO_BLOCK

    def extends(self, head: Head) -> bool:
        """See ``Ledger.extends``."""
        if head == NO_BLOCK:
            return True
        with self._reading() as connection:
            row = connection.execute(
                "SELECT last, block, digest FROM blocks WHERE block = ?", (head.block,)
            ).fetchone()
        return bool(row) and Head(*row) == head

    def writers(self) -> Iterator[Writer]:
        """See ``Ledger.writers``."""
        after, position, rows = -1, -1, 4096
        query = (
            "SELECT block, last, time, writer FROM blocks WHERE block > ? ORDER BY block LIMIT ?"
        )
        while True:
            with self._reading() as connection:
                found = connection.execute(query, (after, rows)).fetchall()
            for block, last, taken, public_key in found:
                yield Writer(block, position, from_microseconds(taken), public_key)
                after, position = block, last
            if len(found) < rows:
                return

    def findings(self) -> Iterator[Finding]:
        """See ``Ledger.findings``; reads through a connection of its own."""
        from precisionchain.ledger import audit_bytes  # its columns are NumPy's

        return audit_bytes.audit(self.path)

    def addresses(self) -> Mapping[str, str]:
        """See ``Ledger.addresses``: whoever can write the file can write."""
        return {}

    def admit(self, addresses: Mapping[str, str], *, admin: bool = False) -> None:
        """See ``Ledger.admit``: nothing to do."""

    def dismiss(self, addresses: Mapping[str, str]) -> None:
        """See ``Ledger.dismiss``: nothing to do."""

    def close(self) -> None:
        """See ``Ledger.close``."""
        with self._lock:
            self._connection.close()


def _item_query(bound: Collection[str]) -> str:
    if "key" in bound:
        chosen, rows = "k", "item_keys AS k JOIN items AS i ON i.position = k.position"
        wanted = "AND k.stream = :stream AND k.key = :key"
    elif "stream" in bound:
        chosen, rows, wanted = "i", "items AS i", "AND i.stream = :stream"
    else:
        chosen, rows, wanted = "i", "items AS i", ""
    if "ordinal" in bound:
        wanted += " AND i.ordinal = :ordinal"  # read off a row without its bytes, which come last
    return (
        f"SELECT i.position, b.time, s.name, i.keys, i.stored FROM {rows}"
        " JOIN blocks AS b ON b.block = i.block JOIN streams AS s ON s.stream = i.stream"
        f" WHERE {chosen}.position > :after AND {chosen}.position <= :last {wanted}"
        f" ORDER BY {chosen}.position LIMIT :rows"
    )
