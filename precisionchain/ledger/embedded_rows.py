"""Rows of the embedded ledger: what is written for an item, inside a transaction that is open."""

from __future__ import annotations

import json
import sqlite3
import struct
from collections import defaultdict
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from datetime import datetime

from precisionchain.errors import ConflictError
from precisionchain.ledger.blocks import (
    NO_BLOCK,
    Block,
    item_leaf,
    sign_block,
    to_microseconds,
)
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.items import Item
from precisionchain.schemas.merkle import merkle_root

_REMEMBERED = 1 << 17
_REMEMBERED_LISTS = 1 << 9


@dataclass(frozen=True, slots=True)
class Row:
    """An item with what a row needs of it, made before the write lock is taken."""

    item: Item
    stream: int
    stored: bytes
    leaf: bytes

    @classmethod
    def of(cls, item: Item, stream: int) -> Row:
        """Return an item's row; ``stream`` is the stream's number."""
        stored = item.stored
        return cls(item, stream, stored, item_leaf(item.stream, item.keys, stored))


class KeyNames:
    """Numbers of keys, remembered; bounded, and only of what is committed or being written."""

    def __init__(self) -> None:
        self._numbers: dict[str, int] = {}
        self._names: dict[int, str] = {}
        self._lists: dict[bytes, tuple[str, ...]] = {}

    def forget(self) -> None:
        """Drop everything: after a transaction that was taken back."""
        self._numbers.clear()
        self._names.clear()
        self._lists.clear()

    def number(self, connection: sqlite3.Connection, name: str) -> int | None:
        """Return a key's number, None when no item carries it."""
        found = connection.execute("SELECT key FROM key_names WHERE name = ?", (name,)).fetchone()
        return found[0] if found else None

    def learn(self, connection: sqlite3.Connection, names: Iterable[str]) -> list[str]:
        """Look up keys not yet known; return those that have no number."""
        if len(self._numbers) > _REMEMBERED:
            self.forget()
        missing = [name for name in dict.fromkeys(names) if name not in self._numbers]
        for start in range(0, len(missing), 500):
            some = missing[start : start + 500]
            marks = ",".join("?" * len(some))
            self._numbers.update(
                connection.execute(f"SELECT name, key FROM key_names WHERE name IN ({marks})", some)
            )
        return [name for name in missing if name not in self._numbers]

    def numbers(self, connection: sqlite3.Connection, names: Sequence[str]) -> dict[str, int]:
        """Return the numbers of keys, numbering new ones; needs the write lock."""
        new = self.learn(connection, names)
        (last,) = connection.execute("SELECT coalesce(max(key), 0) FROM key_names").fetchone()
        rows = list(enumerate(new, start=last + 1))
        connection.executemany("INSERT INTO key_names VALUES (?, ?)", rows)
        self._numbers.update((name, key) for key, name in rows)
        return self._numbers

    def names(self, connection: sqlite3.Connection, packed: bytes) -> tuple[str, ...]:
        """Return the keys whose numbers a row packs; numbers nobody gave are left out."""
        if packed in self._lists:
            return self._lists[packed]
        if len(self._names) > _REMEMBERED:
            self._names.clear()
        if len(self._lists) > _REMEMBERED_LISTS:
            self._lists.clear()
        numbers = unpack_keys(packed)
        missing = [number for number in numbers if number not in self._names]
        if missing:
            query = "SELECT key, name FROM key_names WHERE key IN (SELECT value FROM json_each(?))"
            self._names.update(connection.execute(query, (json.dumps(missing),)))
        names = tuple(self._names[number] for number in numbers if number in self._names)
        if len(names) == len(numbers):
            self._lists[packed] = names
        return names


def pack_keys(numbers: Sequence[int]) -> bytes:
    """Return numbers of keys as u32, little-endian."""
    return struct.pack(f"<{len(numbers)}I", *numbers)


def unpack_keys(packed: bytes) -> tuple[int, ...]:
    """Return the numbers that ``pack_keys`` packed; a rest of 1 to 3 bytes is left out."""
    return struct.unpack_from(f"<{len(packed) // 4}I", packed)


# ---------------------------------------------------------------------------- inside a transaction


def rows_there(
    connection: sqlite3.Connection, rows: Sequence[Row], key_names: KeyNames
) -> list[int | None]:
    """Return each row's position on the ledger, None for a row that is not there.

    Raises:
        ConflictError: another item has the row's publisher, batch and ordinal.
    """
    ordinals: dict[tuple[bytes, bytes], list[int]] = defaultdict(list)
    for row in rows:
        ordinals[row.item.publisher, row.item.batch_id].append(row.item.ordinal)
    there: dict[tuple[bytes, bytes, int], int] = {}
    for (publisher, batch_id), wanted in ordinals.items():
        found = connection.execute(
            "SELECT ordinal, position FROM publishers JOIN batches USING (publisher)"
            " JOIN items USING (batch) WHERE public_key = ? AND batch_id = ?"
            " AND ordinal IN (SELECT value FROM json_each(?))",
            (publisher, batch_id, json.dumps(wanted)),
        )
        there.update(((publisher, batch_id, ordinal), position) for ordinal, position in found)
    positions = []
    for row in rows:
        position = there.get((row.item.publisher, row.item.batch_id, row.item.ordinal))
        if position is not None:
            _require_same(connection, row, position, key_names)
        positions.append(position)
    return positions


def _require_same(
    connection: sqlite3.Connection, row: Row, position: int, key_names: KeyNames
) -> None:
    stream, keys, stored = connection.execute(
        "SELECT stream, keys, stored FROM items WHERE position = ?", (position,)
    ).fetchone()
    known = key_names.names(connection, keys)
    if (stream, known, stored) != (row.stream, row.item.keys, row.stored):
        raise ConflictError(
            "another item has this publisher, batch and ordinal",
            where=f"stream {row.item.stream}, ordinal {row.item.ordinal}, position {position}",
        )


def append_rows(connection: sqlite3.Connection, rows: Sequence[Row], key_names: KeyNames) -> int:
    """Insert rows after the newest item, in order; return the first one's position."""
    first: int
    (first,) = connection.execute("SELECT coalesce(max(position), -1) + 1 FROM items").fetchone()
    (block,) = connection.execute("SELECT coalesce(max(block), -1) + 1 FROM blocks").fetchone()
    batches = _number_batches(connection, rows, first)
    numbers = key_names.numbers(connection, [key for row in rows for key in row.item.keys])
    totals = _Totals(connection)
    item_rows = []
    key_rows: list[tuple[int, int, int]] = []
    for position, row in enumerate(rows, start=first):
        item = row.item
        batch = batches[item.publisher, item.batch_id]
        keys = [numbers[key] for key in item.keys]
        sizes = totals.add(row.stream, len(row.stored))
        item_rows.append(
            (position, block, row.stream, batch, item.ordinal, *sizes, pack_keys(keys), row.stored)
        )
        key_rows.extend((row.stream, key, position) for key in keys)
    connection.executemany("INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)", item_rows)
    connection.executemany("INSERT INTO item_keys VALUES (?, ?, ?)", sorted(key_rows))
    return first


def _number_batches(
    connection: sqlite3.Connection, rows: Sequence[Row], first: int
) -> dict[tuple[bytes, bytes], int]:
    """Return the number of each row's batch; a new batch is numbered by its first position."""
    publishers = dict(connection.execute("SELECT public_key, publisher FROM publishers"))
    numbers: dict[tuple[bytes, bytes], int] = {}
    for position, row in enumerate(rows, start=first):
        publisher, batch_id = row.item.publisher, row.item.batch_id
        if publisher not in publishers:
            publishers[publisher] = len(publishers) + 1
            connection.execute(
                "INSERT INTO publishers VALUES (?, ?)", (publishers[publisher], publisher)
            )
        if (publisher, batch_id) not in numbers:
            name = (batch_id, publishers[publisher])
            known = connection.execute(
                "SELECT batch FROM batches WHERE batch_id = ? AND publisher = ?", name
            ).fetchone()
            if known is None:
                connection.execute("INSERT INTO batches VALUES (?, ?, ?)", (*name, position))
            numbers[publisher, batch_id] = known[0] if known else position
    return numbers


class _Totals:
    """Items and stored bytes of streams up to the row being written."""

    def __init__(self, connection: sqlite3.Connection) -> None:
        self._connection = connection
        self._sizes: dict[int, tuple[int, int]] = {}

    def add(self, stream: int, stored: int) -> tuple[int, int]:
        """Return a stream's totals with one more item."""
        if stream not in self._sizes:
            newest = self._connection.execute(
                "SELECT stream_items, stream_bytes FROM items WHERE stream = ?"
                " ORDER BY position DESC LIMIT 1",
                (stream,),
            ).fetchone()
            self._sizes[stream] = newest or (0, 0)
        items, total = self._sizes[stream]
        self._sizes[stream] = (items + 1, total + stored)
        return self._sizes[stream]


def append_block(
    connection: sqlite3.Connection, signer: Signer, leaves: Sequence[bytes], now: datetime
) -> None:
    """Close a publish with its signed block; a clock that went back does not turn time back."""
    number, previous, earliest = connection.execute(
        "SELECT block + 1, digest, time FROM blocks ORDER BY block DESC LIMIT 1"
    ).fetchone() or (0, NO_BLOCK.digest, 0)
    (last,) = connection.execute("SELECT coalesce(max(position), -1) FROM items").fetchone()
    (streams,) = connection.execute("SELECT coalesce(max(stream), 0) FROM streams").fetchone()
    time = max(to_microseconds(now), earliest)
    root = merkle_root(leaves)
    block = Block(number, last, streams, time, previous, root, signer.public_key)
    digest = block.digest
    connection.execute(
        "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
        (number, last, streams, time, root, signer.public_key, digest, sign_block(digest, signer)),
    )
