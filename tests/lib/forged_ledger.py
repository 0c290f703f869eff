"""A ledger file taken apart into blocks and written again, changed, by somebody with some keys.

Everything that follows from the items is made anew, as whoever writes the file can: positions,
running sizes, numbers, the index by key, the roots, the chain. Only signatures take a key.
"""

from __future__ import annotations

import sqlite3
from collections import defaultdict
from collections.abc import Callable
from contextlib import closing
from dataclasses import dataclass, field, replace
from pathlib import Path

from precisionchain.ledger.blocks import NO_BLOCK, Block, item_leaf, sign_block, stream_leaf
from precisionchain.ledger.embedded_file import create_file
from precisionchain.ledger.embedded_rows import pack_keys, unpack_keys
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.items import Item, parse_item
from precisionchain.schemas.merkle import merkle_root


@dataclass(frozen=True, slots=True)
class Stored:
    """An item as a ledger stores it."""

    stream: str
    keys: tuple[str, ...]
    stored: bytes

    @property
    def item(self) -> Item:
        return parse_item(self.stream, self.keys, self.stored)

    @classmethod
    def of(cls, item: Item) -> Stored:
        return cls(item.stream, item.keys, item.stored)


@dataclass(slots=True)
class ForgedBlock:
    """A block: what it added, and what its writer signed of it."""

    streams: list[str]
    items: list[Stored]
    time: int
    writer: bytes
    signature: bytes
    digest: bytes


@dataclass(slots=True)
class Forged:
    """A whole ledger as blocks."""

    blocks: list[ForgedBlock] = field(default_factory=list)

    @classmethod
    def read(cls, path: Path) -> Forged:
        """Take a ledger file apart."""
        with closing(sqlite3.connect(f"file:{path}?mode=ro", uri=True)) as file:
            names = [name for (name,) in file.execute("SELECT name FROM streams ORDER BY stream")]
            keys = dict(file.execute("SELECT key, name FROM key_names"))
            of_block: dict[int, list[Stored]] = defaultdict(list)
            for block, stream, packed, stored in file.execute(
                "SELECT block, stream, keys, stored FROM items ORDER BY position"
            ):
                named = tuple(keys[number] for number in unpack_keys(packed))
                of_block[block].append(Stored(names[stream - 1], named, stored))
            made, blocks = 0, []
            for block, streams, time, writer, digest, signature in file.execute(
                "SELECT block, streams, time, writer, digest, signature FROM blocks ORDER BY block"
            ):
                new, made = names[made:streams], streams
                blocks.append(ForgedBlock(new, of_block[block], time, writer, signature, digest))
        return cls(blocks)

    def places(self) -> list[tuple[int, int]]:
        """Return (block, index in it) of each item, by position."""
        return [
            (number, index)
            for number, block in enumerate(self.blocks)
            for index in range(len(block.items))
        ]

    def at(self, position: int) -> Stored:
        """Return the item at a position."""
        number, index = self.places()[position]
        return self.blocks[number].items[index]

    def change(self, position: int, change: Callable[[Stored], Stored]) -> None:
        """Put another item in the place of one."""
        number, index = self.places()[position]
        self.blocks[number].items[index] = change(self.blocks[number].items[index])

    def put(self, position: int, item: Item) -> None:
        """Put an item in the place of one."""
        self.change(position, lambda _: Stored.of(item))

    def write(self, path: Path, signer: Signer | None) -> None:
        """Write the file; blocks that are not what was signed are signed by ``signer``.

        Without one they keep the writer and signature that they had.
        """
        create_file(path)
        with closing(sqlite3.connect(path, isolation_level=None)) as file:
            file.execute("BEGIN")
            guards = file.execute("SELECT name, sql FROM sqlite_schema WHERE type = 'trigger'")
            guards_then = guards.fetchall()
            for name, _ in guards_then:
                file.execute(f"DROP TRIGGER {name}")
            _Writer(file).write(self.blocks, signer)
            for _, text in guards_then:
                file.execute(text)
            file.execute("COMMIT")
            file.execute("PRAGMA wal_checkpoint(TRUNCATE)").fetchone()


class _Writer:
    def __init__(self, file: sqlite3.Connection) -> None:
        self._file = file
        self._streams: dict[str, int] = {}
        self._publishers: dict[bytes, int] = {}
        self._batches: dict[tuple[bytes, int], int] = {}
        self._keys: dict[str, int] = {}
        self._sizes: dict[int, tuple[int, int]] = defaultdict(lambda: (0, 0))
        self._position = 0

    def write(self, blocks: list[ForgedBlock], signer: Signer | None) -> None:
        previous, earliest = NO_BLOCK.digest, 0
        for number, block in enumerate(blocks):
            for name in block.streams:
                self._streams[name] = len(self._streams) + 1
                row = (self._streams[name], name, name.casefold())
                self._file.execute("INSERT INTO streams VALUES (?, ?, ?)", row)
            for stored in block.items:
                self._item(number, stored)
            leaves = [stream_leaf(name) for name in block.streams]
            leaves += [item_leaf(one.stream, one.keys, one.stored) for one in block.items]
            root, last = merkle_root(leaves), self._position - 1
            earliest = max(block.time, earliest)
            header = Block(number, last, len(self._streams), earliest, previous, root, block.writer)
            signature = block.signature
            if header.digest != block.digest and signer is not None:
                header = replace(header, writer=signer.public_key)
                signature = sign_block(header.digest, signer)
            previous = header.digest
            self._file.execute(
                "INSERT INTO blocks VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
                (
                    *(number, last, len(self._streams), earliest, root, header.writer, previous),
                    signature,
                ),
            )

    def _item(self, block: int, stored: Stored) -> None:
        item, at = stored.item, self._position
        stream = self._streams[stored.stream]
        if item.publisher not in self._publishers:
            self._publishers[item.publisher] = len(self._publishers) + 1
            row = (self._publishers[item.publisher], item.publisher)
            self._file.execute("INSERT INTO publishers VALUES (?, ?)", row)
        batch = (item.batch_id, self._publishers[item.publisher])
        if batch not in self._batches:
            self._batches[batch] = at
            self._file.execute("INSERT INTO batches VALUES (?, ?, ?)", (*batch, at))
        for key in stored.keys:
            if key not in self._keys:
                self._keys[key] = len(self._keys) + 1
                self._file.execute("INSERT INTO key_names VALUES (?, ?)", (self._keys[key], key))
        numbers = [self._keys[key] for key in stored.keys]
        items, total = self._sizes[stream]
        self._sizes[stream] = (items + 1, total + len(stored.stored))
        self._file.execute(
            "INSERT INTO items VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)",
            (
                *(at, block, stream, self._batches[batch], item.ordinal, *self._sizes[stream]),
                pack_keys(numbers),
                stored.stored,
            ),
        )
        self._file.executemany(
            "INSERT INTO item_keys VALUES (?, ?, ?)", [(stream, number, at) for number in numbers]
        )
        self._position += 1
