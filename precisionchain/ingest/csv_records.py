"""A CSV file as bytes and records: opened, digested, counted, and rewritten where it must be.

The count is independent of DuckDB, which must agree with it. DuckDB reads a file as it stands only
if every record is well formed and all lines end alike; else it is given a copy of the file with
one line ending, in which a record that cannot be parsed stands as a record of empty cells. So
DuckDB never has to guess, and the number of its row is the number of the record.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnreadableFileError
from precisionchain.ingest.csv_kernel import (
    BLANK_LINES,
    BREAKS,
    CR,
    CRLF,
    ENCODING,
    FAULTS,
    LF,
    LINE,
    QUOTED_BREAKS,
    QUOTING,
    RAGGED,
    TOO_LONG,
    split_records,
    write_records,
)

Int64s = npt.NDArray[np.int64]

FAULT_RULES = {ENCODING: "encoding", QUOTING: "quoting", RAGGED: "ragged", TOO_LONG: "too_long"}

LONGEST_RECORD = 2_000_000
"""Bytes; DuckDB's own limit is a little above it."""

LONGEST_WAIT = 16 << 20
"""Bytes without the end of a record after which the file is refused: a quotation mark is open."""

_CHUNK = 4 << 20
_RECORDS = 1 << 18
_COMPRESSIONS = {
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"\xfd7zXZ": "xz",
}


@dataclass(frozen=True, slots=True)
class Layout:
    """How a file is laid out, as its header tells.

    Args:
        delimiter: ``,`` or tab.
        quoting: whether quotation marks quote.
        fields: of the header.
        header_bytes: length of the header with its line ending, byte-order mark included.
        header_lines: lines it takes; 0 where there is none.
        header_ending: what ends it.
    """

    delimiter: str
    quoting: bool
    fields: int
    header_bytes: int
    header_lines: int
    header_ending: str


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds.

    Args:
        sha256: of the decompressed bytes, hex.
        size: of them.
        records: after the header; empty lines are none.
        faulty: number (from 1), line and faults of the records that cannot be parsed: [n, 3].
        lines: [m, 2] record and line wherever the line is not the one after the last record's.
        newline: what DuckDB is told lines end with; None when it must be given a copy.
    """

    sha256: str
    size: int
    records: int
    faulty: Int64s
    lines: Int64s
    newline: str | None


@dataclass(frozen=True, slots=True)
class _Chunk:
    """Some records of a buffer, and the line of its first byte (from 1)."""

    data: npt.NDArray[np.uint8]
    found: Int64s
    line: int


@contextmanager
def decompressed(path: Path, *, may_be_empty: bool = False) -> Iterator[IO[bytes]]:
    """Open a plain or gzip file, told by its first bytes.

    Raises:
        UnreadableFileError: absent, empty unless it may be, truncated, or compressed otherwise.
    """
    try:
        with path.open("rb") as plain:
            magic = plain.read(6)
            plain.seek(0)
            if magic.startswith(b"\x1f\x8b"):
                with gzip.GzipFile(fileobj=plain) as file:
                    yield file  # type: ignore[misc]  # a GzipFile reads as any binary file does
            else:
                if magic or not may_be_empty:
                    _refuse_other_formats(path, magic)
                yield plain
    except (EOFError, zlib.error, gzip.BadGzipFile) as error:
        raise UnreadableFileError(
            "the gzip stream is truncated or damaged", where=path.name, hint="fetch the file again"
        ) from error
    except OSError as error:
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or type(error).__name__}", where=str(path)
        ) from error


def is_gzip(path: Path) -> bool:
    """Whether a file is compressed with gzip."""
    with path.open("rb") as file:
        return file.read(2) == b"\x1f\x8b"


def scan(path: Path, layout: Layout) -> Scan:
    """Digest a file and find its records.

    Raises:
        UnreadableFileError: truncated, or a quotation mark stays open.
    """
    seen = _Seen()
    for chunk in _chunks(path, layout, seen):
        _note(seen, chunk)
    return Scan(
        sha256=seen.digest.hexdigest(),
        size=seen.size,
        records=seen.records,
        faulty=np.concatenate([np.zeros((0, 3), np.int64), *seen.faulty]),
        lines=np.concatenate([np.zeros((0, 2), np.int64), *seen.breakpoints]),
        newline=_newline(seen, layout),
    )


def rewrite(path: Path, layout: Layout, target: Path) -> None:
    """Write a file's records without its header, each ended by LF, faulty ones as empty cells."""
    empty = layout.delimiter * (layout.fields - 1) or '""'
    instead = np.frombuffer(empty.encode(), np.uint8)
    with target.open("wb") as copy:
        for chunk in _chunks(path, layout, _Seen()):
            faulty = np.count_nonzero(chunk.found[:, FAULTS])
            room = chunk.data.size + len(chunk.found) + faulty * instead.size
            out = np.empty(room, np.uint8)
            used = write_records(chunk.data, chunk.found, instead, out)
            copy.write(out[:used].data)


# ------------------------------------------------------------------------------------ internal


@dataclass(slots=True)
class _Seen:
    """What a scan has gathered so far."""

    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    records: int = 0
    offset: int = -1  # of lines before records: never so, so that a file's first line is noted
    counts: Int64s = field(default_factory=lambda: np.zeros(6, np.int64))
    faulty: list[Int64s] = field(default_factory=list)
    breakpoints: list[Int64s] = field(default_factory=list)

    def take(self, read: bytes) -> bytes:
        """Note what was read, and return it."""
        self.digest.update(read)
        self.size += len(read)
        return read


def _chunks(path: Path, layout: Layout, seen: _Seen) -> Iterator[_Chunk]:
    """Yield a file's records; what is yielded is overwritten by the next."""
    found = np.empty((_RECORDS, 4), np.int64)
    dialect = np.array(
        [ord(layout.delimiter), layout.quoting, layout.fields, LONGEST_RECORD], np.int64
    )
    with decompressed(path, may_be_empty=not layout.header_lines) as file:
        seen.take(file.read(layout.header_bytes))
        line = layout.header_lines + 1
        held, final, stuck = b"", False, False
        while held or not final:
            if not final and (stuck or len(held) < _CHUNK):
                read = seen.take(file.read(_CHUNK))
                final = not read
                held += read
            data = np.frombuffer(held, np.uint8)
            seen.counts[BREAKS] = 0
            records, consumed = split_records(data, final, dialect, found, seen.counts)
            yield _Chunk(data, found[:records], line)
            seen.records += records
            line += int(seen.counts[BREAKS])
            held = held[consumed:]
            stuck = not consumed
            if stuck and len(held) > LONGEST_WAIT:
                raise UnreadableFileError(
                    f"a record has no end after {LONGEST_WAIT >> 20} MiB",
                    where=f"{path.name}, line {line}",
                    hint="a quotation mark opened there is not closed",
                )


def _note(seen: _Seen, chunk: _Chunk) -> None:
    records = np.arange(seen.records + 1, seen.records + 1 + len(chunk.found))
    lines, faults = chunk.found[:, LINE] + chunk.line, chunk.found[:, FAULTS]
    faulty = np.flatnonzero(faults)
    if faulty.size:
        seen.faulty.append(np.stack((records[faulty], lines[faulty], faults[faulty]), axis=1))
    offsets = lines - records
    moved = np.flatnonzero(np.diff(offsets, prepend=seen.offset))
    if moved.size:
        seen.breakpoints.append(np.stack((records[moved], lines[moved]), axis=1))
        seen.offset = int(offsets[-1])


def _newline(seen: _Seen, layout: Layout) -> str | None:
    counts = seen.counts
    if seen.faulty or counts[CR] or counts[BLANK_LINES] or layout.header_lines > 1:
        return None
    if not layout.header_lines and layout.header_bytes:  # a byte-order mark before the first row
        return None
    endings = ("\n", "\r\n") if not layout.header_lines else (layout.header_ending,)
    if not counts[CRLF] and "\n" in endings:
        return "\n"
    if not counts[LF] and not counts[QUOTED_BREAKS] and "\r\n" in endings:
        return "\r\n"
    return None


def _refuse_other_formats(path: Path, magic: bytes) -> None:
    if not magic:
        raise UnreadableFileError(
            "the file is empty", where=path.name, hint="a table without rows has its header"
        )
    if magic.startswith((b"\xff\xfe", b"\xfe\xff")):
        raise UnreadableFileError("the file is UTF-16", where=path.name, hint="save it as UTF-8")
    for start, name in _COMPRESSIONS.items():
        if magic.startswith(start):
            raise UnreadableFileError(
                f"the file is compressed with {name}",
                where=path.name,
                hint="unpack it, or use gzip",
            )
