"""Everything a ledger file holds, decompressed, found without knowing how it is laid out.

A payload may be JSON in zstd, an Arrow stream whose buffers are zstd frames, or raw bytes with
zstd inside. So each value of each table of the SQLite file is searched for zstd frames, and what
they hold is searched again.
"""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa

_ZSTD = b"\x28\xb5\x2f\xfd"
_DEEPEST = 4


def values(ledger: Path) -> Iterator[bytes]:
    """Every text and blob of every table, as stored."""
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        tables = database.execute("select name from sqlite_master where type = 'table'").fetchall()
        for (table,) in tables:
            for row in database.execute(f'select * from "{table}"'):
                for value in row:
                    if isinstance(value, str):
                        yield value.encode()
                    elif isinstance(value, bytes):
                        yield value
    database.close()


def layers(stored: bytes, depth: int = 0) -> Iterator[bytes]:
    """The bytes themselves, and what each zstd frame in them holds, and so on."""
    yield stored
    at = stored.find(_ZSTD)
    while at >= 0 and depth < _DEEPEST:
        end = frame_end(stored, at)
        if end is not None:
            held = _decompress(stored[at:end])
            if held is not None:
                yield from layers(held, depth + 1)
        at = stored.find(_ZSTD, at + 4)


def everything(ledger: Path) -> Iterator[bytes]:
    """Every value of the ledger in every layer."""
    for value in values(ledger):
        yield from layers(value)


def items_in(ledger: Path) -> int:
    """How many items the ledger file holds.

    Not counted are log keys, which a user's first question brings, and members' checkpoints, which
    follow every publication.
    """
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        count = database.execute(
            "select count(*) from items join streams using (stream)"
            " where instr(stored, cast('log-key' as blob)) = 0 and name not like 'CHECKPOINT%'"
        ).fetchone()[0]
    database.close()
    return int(count)


def frame_end(stored: bytes, at: int) -> int | None:
    """Return where the zstd frame that begins at ``at`` ends, None where it is none (RFC 8878)."""
    descriptor_at = at + 4
    if descriptor_at >= len(stored):
        return None
    descriptor = stored[descriptor_at]
    single = bool(descriptor & 0x20)
    sizes = {0: int(single), 1: 2, 2: 4, 3: 8}
    here = descriptor_at + 1 + (not single) + (0, 1, 2, 4)[descriptor & 3] + sizes[descriptor >> 6]
    while here + 3 <= len(stored):
        header = int.from_bytes(stored[here : here + 3], "little")
        last, kind, size = header & 1, (header >> 1) & 3, header >> 3
        if kind == 3:
            return None
        here += 3 + (1 if kind == 1 else size)
        if last:
            end = here + (4 if descriptor & 4 else 0)
            return end if end <= len(stored) else None
    return None


def _decompress(frame: bytes) -> bytes | None:
    try:
        with pa.CompressedInputStream(pa.BufferReader(frame), "zstd") as stream:
            return bytes(stream.read())
    except OSError:
        return None  # the four magic bytes occurred by chance
