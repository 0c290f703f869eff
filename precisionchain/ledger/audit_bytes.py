"""Re-derive what an embedded ledger maintains from its bytes: the findings of the contract.

In this order, each finding naming block, position or stream:

* ``schema``: tables, indexes and guards are those of ``embedded.sql``; the log is a WAL
* ``file``: SQLite's own check of pages, b-trees, types and unique indexes
* ``stream``, ``batch``, ``publisher``, ``key``: numbers run without gaps, nothing unused, and the
  names are in the form the contract says
* ``position``: items and blocks are numbered without gaps, and each item is in its block
* ``item``: the stored bytes are an item, and its columns say what the bytes say
* ``size``: the running sizes of streams
* ``root``: each block's root follows from the streams and items it added
* ``chain``: each block's digest follows from its header and the block before it; time goes forward
* ``signature``: each block is signed by its writer
* ``index``: the index by key holds every key of every item, and nothing else

Rows are read through a read-only connection in one snapshot, so others may go on writing.
"""

from __future__ import annotations

import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import numpy as np
import numpy.typing as npt

from precisionchain.errors import CodecError, LedgerError
from precisionchain.ledger.base import Finding
from precisionchain.ledger.blocks import (
    NO_BLOCK,
    Block,
    block_is_signed,
    item_leaf,
    stream_leaf,
)
from precisionchain.ledger.embedded_file import ledger_errors, open_file, schema_text
from precisionchain.ledger.embedded_rows import unpack_keys
from precisionchain.schemas.items import Item, parse_item
from precisionchain.schemas.merkle import merkle_root

Numbers = npt.NDArray[np.int64]
_ENTRIES_AT_ONCE = 65_536
TABLES = ("streams", "publishers", "batches", "key_names", "items", "item_keys", "blocks")


def audit(path: Path) -> Iterator[Finding]:
    """Yield what is wrong with the ledger file at a path; a file that cannot be read at all too."""
    try:
        with closing(open_file(path, writable=False)) as connection:
            # Damaged text is a finding, not a failure to read the rest.
            connection.text_factory = _text
            connection.execute("BEGIN")  # one snapshot
            try:
                with ledger_errors(path):
                    yield from _check_schema(connection)
                    yield from _Audit(connection).findings()
            except (TypeError, ValueError, AttributeError, OverflowError, struct.error):
                # SQLite hands out what a damaged row header says: NULL or text for a number.
                yield Finding("file", "the rest cannot be read: a row's columns have wrong types")
    except LedgerError as error:
        yield Finding("file", error.message)
        yield from _unreadable(path)


def _unreadable(path: Path) -> Iterator[Finding]:
    """Name the tables of a damaged file that are not whole, with SQLite's own words."""
    if not path.is_file():
        return
    uri = f"file:{quote(str(path.absolute()))}?mode=ro"
    for table in ("sqlite_schema", *TABLES):
        try:
            with closing(sqlite3.connect(uri, uri=True)) as file:
                file.text_factory = bytes
                for _ in file.execute(f"SELECT * FROM {table}"):
                    pass
                (said,) = file.execute(f"PRAGMA integrity_check('{table}')").fetchone()
                if said != b"ok":
                    yield Finding("file", f"table {table} or an index of it: {_text(said)}")
        except (sqlite3.Error, ValueError, OverflowError) as error:
            if getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite3.SQLITE_NOTADB:
                return
            yield Finding("file", f"table {table} or an index of it cannot be read to its end")


def _text(stored: bytes) -> str:
    try:
        return stored.decode()
    except UnicodeDecodeError:
        return f"(not UTF-8: {stored.hex()})"


def _check_schema(connection: sqlite3.Connection) -> Iterator[Finding]:
    query = "SELECT type, name, tbl_name, sql, rootpage > 0 FROM sqlite_schema"
    with closing(sqlite3.connect(":memory:")) as model:
        model.executescript(schema_text())
        expected = set(model.execute(query))
    actual = set(connection.execute(query))
    for kind, name, *_ in sorted(expected - actual, key=str):
        yield Finding("schema", f"{kind} {name} is missing or changed")
    for kind, name, *_ in sorted(actual - expected, key=str):
        yield Finding("schema", f"{kind} {name} is not of this format")
    for pragma, wanted in (("journal_mode", "wal"), ("encoding", "UTF-8")):
        (value,) = connection.execute(f"PRAGMA {pragma}").fetchone()
        if value != wanted:
            yield Finding("schema", f"{pragma} is {value}, not {wanted}")
    for (line,) in connection.execute("PRAGMA integrity_check"):
        if line != "ok":
            yield Finding("file", f"SQLite: {line}")


class _BlockRow(NamedTuple):
    block: int
    last: int
    streams: int
    time: int
    root: bytes
    writer: bytes
    digest: bytes
    signature: bytes


class _ItemRow(NamedTuple):
    position: int
    block: int
    stream: int
    batch: int
    ordinal: int
    stream_items: int
    stream_bytes: int
    keys: bytes
    stored: bytes


class _Audit:
    """One pass over blocks and items in step; holds names and numbers, not items."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._streams: list[str] = []
        self._key_names: dict[int, str] = {}
        self._publishers: dict[bytes, int] = {}
        self._batches: dict[tuple[bytes, int], int] = {}
        self._sizes: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
        self._used_keys: set[int] = set()
        self._used_publishers: set[int] = set()
        self._first_items = 0
        self._due = _Entries()

    def findings(self) -> Iterator[Finding]:
        yield from self._read_streams()
        yield from self._read_publishers()
        yield from self._read_key_names()
        yield from self._walk()
        yield from self._check_index()
        yield from self._check_unused()

    # -------------------------------------------------------------------------------------- names

    def _read_streams(self) -> Iterator[Finding]:
        rows = self._connection.execute("SELECT stream, name, folded FROM streams ORDER BY stream")
        for expected, (stream, name, folded) in enumerate(rows, start=1):
            if stream != expected:
                yield Finding("stream", f"stream {stream} stands where {expected} is due", name)
            if folded != name.casefold():
                yield Finding("stream", "the case-folded name is not the name's", name)
            self._streams.append(name)

    def _read_publishers(self) -> Iterator[Finding]:
        rows = self._connection.execute("SELECT public_key, publisher FROM publishers")
        self._publishers = dict(rows)
        if sorted(self._publishers.values()) != list(range(1, len(self._publishers) + 1)):
            yield Finding("publisher", "publishers are not numbered without gaps")
        rows = self._connection.execute("SELECT batch_id, publisher, batch FROM batches")
        self._batches = {(batch_id, publisher): batch for batch_id, publisher, batch in rows}

    def _read_key_names(self) -> Iterator[Finding]:
        self._key_names = dict(self._connection.execute("SELECT key, name FROM key_names"))
        if sorted(self._key_names) != list(range(1, len(self._key_names) + 1)):
            yield Finding("key", "keys are not numbered without gaps")

    def _check_unused(self) -> Iterator[Finding]:
        for key in sorted(self._key_names.keys() - self._used_keys):
            yield Finding("key", f"key number {key} is carried by no item")
        for publisher in sorted(set(self._publishers.values()) - self._used_publishers):
            yield Finding("publisher", f"publisher {publisher} has published nothing")
        (batches,) = self._connection.execute("SELECT count(*) FROM batches").fetchone()
        if batches != self._first_items:
            yield Finding("batch", f"{batches} batches stand where {self._first_items} are due")

    def _check_index(self) -> Iterator[Finding]:
        """Compare the index by key with what the items carry, as columns."""
        there = _Entries()
        rows = self._connection.execute("SELECT stream, key, position FROM item_keys")
        while some := rows.fetchmany(_ENTRIES_AT_ONCE):
            there.add(np.array(some, np.int64))
        due, found = self._due.ordered(), there.ordered()
        if np.array_equal(due, found):
            return
        for stream, _, position in sorted(_only_in(due, found)):
            name = self._stream_name(stream)
            yield Finding("index", "the index by key lacks keys of this item", name, position)
        for stream, _, position in sorted(_only_in(found, due)):
            name = self._stream_name(stream)
            yield Finding("index", "an entry by key that no item has", name, position)

    # ----------------------------------------------------------------------------- blocks and items

    def _walk(self) -> Iterator[Finding]:
        items = _Peekable(
            map(_ItemRow._make, self._connection.execute("SELECT * FROM items ORDER BY position"))
        )
        before = _BlockRow(-1, -1, 0, 0, b"", b"", NO_BLOCK.digest, b"")
        for row in self._connection.execute("SELECT * FROM blocks ORDER BY block"):
            block = _BlockRow._make(row)
            yield from self._check_block(before, block, items)
            before = block
        while items.head is not None:
            yield from self._check_item(items.head, block=None)
            items.advance()
        if before.streams != len(self._streams):
            yield Finding(
                "stream", f"the last block knows {before.streams} streams", block=before.block
            )

    def _check_block(
        self, before: _BlockRow, block: _BlockRow, items: _Peekable
    ) -> Iterator[Finding]:
        at = block.block
        if at != before.block + 1:
            yield Finding("position", f"block {before.block + 1} is missing", block=at)
        leaves = [stream_leaf(name) for name in self._streams[before.streams : block.streams]]
        due = before.last + 1
        while items.head is not None and items.head.position <= block.last:
            if items.head.position != due:
                yield Finding("position", f"position {due} is missing", position=due, block=at)
            due = items.head.position + 1
            yield from self._check_item(items.head, at)
            if items.head.stream > block.streams:
                yield Finding("stream", "an item of a stream that was not there yet", block=at)
            leaves.append(self._leaf(items.head))
            items.advance()
        if due != block.last + 1:
            yield Finding("position", f"positions {due} to {block.last} are missing", block=at)
        if merkle_root(leaves) != block.root:
            yield Finding("root", "the root is not that of the block's streams and items", block=at)
        if block.time < before.time:
            yield Finding("chain", "the block is older than the one before it", block=at)
        header = Block(
            at, block.last, block.streams, block.time, before.digest, block.root, block.writer
        )
        if header.digest != block.digest:
            yield Finding("chain", "the digest does not follow from header and chain", block=at)
        if not block_is_signed(block.digest, block.writer, block.signature):
            yield Finding("signature", "the block is not signed by its writer", block=at)

    def _check_item(self, row: _ItemRow, block: int | None) -> Iterator[Finding]:
        stream, keys = self._stream_of(row), self._keys_of(row)

        def finding(check: str, message: str) -> Finding:
            return Finding(check, message, stream, row.position, row.block)

        if row.block != block:
            yield finding("position", "the item is in no block" if block is None else "wrong block")
        if len(unpack_keys(row.keys)) * 4 != len(row.keys) or list(keys) != sorted(set(keys)):
            yield finding("item", "its keys are not sorted and distinct")
        try:
            item = parse_item(stream, keys, row.stored)
        except CodecError as error:
            yield finding("item", error.message)
        else:
            if self._batch_of(item) != row.batch or row.ordinal != item.ordinal:
                yield finding("item", "publisher, batch or ordinal are not those of its bytes")
        self._first_items += row.batch == row.position
        count, total = self._sizes[row.stream]
        if (row.stream_items, row.stream_bytes) != (count + 1, total + len(row.stored)):
            yield finding("size", "the running size of its stream is wrong")
        self._sizes[row.stream] = (row.stream_items, row.stream_bytes)
        numbers = unpack_keys(row.keys)
        self._used_keys.update(numbers)
        self._due.add_item(row.stream, numbers, row.position)

    def _batch_of(self, item: Item) -> int | None:
        publisher = self._publishers.get(item.publisher)
        if publisher is None:
            return None
        self._used_publishers.add(publisher)
        return self._batches.get((item.batch_id, publisher))

    def _leaf(self, row: _ItemRow) -> bytes:
        return item_leaf(self._stream_of(row), self._keys_of(row), row.stored)

    def _stream_of(self, row: _ItemRow) -> str:
        return self._stream_name(row.stream)

    def _stream_name(self, stream: int) -> str:
        known = 0 < stream <= len(self._streams)
        return self._streams[stream - 1] if known else f"number {stream}"

    def _keys_of(self, row: _ItemRow) -> tuple[str, ...]:
        return tuple(self._key_names.get(number, "") for number in unpack_keys(row.keys))


class _Entries:
    """Entries of the index by key: (stream, key, position), gathered in pieces."""

    def __init__(self) -> None:
        self._pieces: list[Numbers] = []
        self._items: list[int] = []

    def add(self, entries: Numbers) -> None:
        """Add entries [n, 3]."""
        self._pieces.append(entries)

    def add_item(self, stream: int, keys: tuple[int, ...], position: int) -> None:
        """Add an item's entries."""
        for key in keys:
            self._items += (stream, key, position)
        if len(self._items) > 3 * _ENTRIES_AT_ONCE:
            self._gather()

    def ordered(self) -> Numbers:
        """Return all entries in ascending order."""
        self._gather()
        entries = np.concatenate(self._pieces) if self._pieces else np.zeros((0, 3), np.int64)
        return entries[np.lexsort(entries.T[::-1])]

    def _gather(self) -> None:
        if self._items:
            self._pieces.append(np.array(self._items, np.int64).reshape(-1, 3))
            self._items = []


def _only_in(one: Numbers, other: Numbers) -> set[tuple[int, int, int]]:
    """Return the entries of one that the other lacks."""
    return set(map(tuple, one.tolist())) - set(map(tuple, other.tolist()))


class _Peekable:
    """Rows of items with the next one in sight."""

    def __init__(self, rows: Iterator[_ItemRow]) -> None:
        self._rows = rows
        self.head = next(rows, None)

    def advance(self) -> None:
        self.head = next(self._rows, None)
