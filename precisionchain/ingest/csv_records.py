"""A CSV file as bytes, records and cells: opened, digested and counted, in one pass.

Nothing is guessed: the separator is the header's, and what a record is stands in `csv_kernel`. The
line breaks that end records, end empty lines and stand in quotation marks must be as many as there
are in the file by another count.
"""

from __future__ import annotations

import gzip
import hashlib
import zlib
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnreadableFileError
from precisionchain.ingest.csv_kernel import (
    BREAKS,
    ENCODING,
    FAULTS,
    LINE,
    QUOTING,
    RAGGED,
    TOO_LONG,
    split_records,
)

Int64s = npt.NDArray[np.int64]

FAULT_RULES = {ENCODING: "encoding", QUOTING: "quoting", RAGGED: "ragged", TOO_LONG: "too_long"}

LONGEST_RECORD = 2_000_000
"""Bytes of a record."""

LONGEST_WAIT = 16 << 20
"""Bytes without the end of a record after which the file is refused: a quotation mark is open."""

_CHUNK = 4 << 20
_RECORDS = 1 << 16
_CELLS = 1 << 22
"""Of the records that are found at a time: where a file has many columns, these are fewer."""
_LINE_FEED = ord("\n")
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
    """

    delimiter: str
    quoting: bool
    fields: int
    header_bytes: int
    header_lines: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What a file holds.

    Args:
        sha256: of the decompressed bytes, hex.
        size: of them.
        records: after the header; empty lines are none.
        faulty: number (from 1), line and faults of the records that cannot be parsed: [n, 3].
        lines: [m, 2] record and line wherever the line is not the one after the last record's.
        last_line: of the file, counted from 1 with the header's; 0 of an empty one.
    """

    sha256: str
    size: int
    records: int
    faulty: Int64s
    lines: Int64s
    last_line: int


@dataclass(frozen=True, slots=True)
class Chunk:
    """Some records of a file.

    Args:
        data: a buffer.
        cells: [records, fields + 1] where in it cells begin, as of `csv_kernel.split_records`.
        faults: [records] bits, 0 where a record can be parsed.
    """

    data: npt.NDArray[np.uint8]
    cells: npt.NDArray[np.int32]
    faults: Int64s


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


def read_records(path: Path, layout: Layout, take: Callable[[Chunk], None]) -> Scan:
    """Digest a file and find its records.

    Args:
        path: the file.
        layout: of it.
        take: given the records in turn; what it is given is overwritten by the next.

    Raises:
        UnreadableFileError: truncated, or a quotation mark stays open.
    """
    seen = _Seen()
    with decompressed(path, may_be_empty=not layout.header_lines) as file:
        seen.take(file.read(layout.header_bytes))
        for chunk in _chunks(path, file, layout, seen):
            take(chunk)
    return Scan(
        sha256=seen.digest.hexdigest(),
        size=seen.size,
        records=seen.records,
        faulty=np.concatenate([np.zeros((0, 3), np.int64), *seen.faulty]),
        lines=np.concatenate([np.zeros((0, 2), np.int64), *seen.breakpoints]),
        last_line=layout.header_lines + seen.breaks + (not seen.ends_in_break),
    )


# ------------------------------------------------------------------------------------ internal


@dataclass(slots=True)
class _Seen:
    """What a scan has gathered so far."""

    digest: hashlib._Hash = field(default_factory=hashlib.sha256)
    size: int = 0
    records: int = 0
    breaks: int = 0
    last: bytes = b"\n"
    """The last byte behind the header, which itself ends in a line break or at the file's end."""
    offset: int = -1  # of lines before records: never so, so that a file's first line is noted
    counts: Int64s = field(default_factory=lambda: np.zeros(3, np.int64))
    faulty: list[Int64s] = field(default_factory=list)
    breakpoints: list[Int64s] = field(default_factory=list)

    def take(self, read: bytes) -> bytes:
        """Note what was read, and return it."""
        self.digest.update(read)
        self.size += len(read)
        return read

    def take_lines(self, read: bytes) -> bytes:
        """Likewise, of what stands behind the header, and count its line breaks."""
        self.breaks += int(np.count_nonzero(np.frombuffer(read, np.uint8) == _LINE_FEED))
        if b"\r" in read:
            self.breaks += read.count(b"\r") - read.count(b"\r\n")
        if read:
            self.breaks -= self.last == b"\r" and read.startswith(b"\n")
            self.last = read[-1:]
        return self.take(read)

    @property
    def ends_in_break(self) -> bool:
        """Whether the last line has an end."""
        return self.last in (b"\n", b"\r")

    def note(self, found: Int64s, line: int) -> None:
        """Note records, ``found`` as of `split_records`, in a buffer that begins on a line."""
        records = np.arange(self.records + 1, self.records + 1 + len(found))
        lines, faults = found[:, LINE] + line, found[:, FAULTS]
        faulty = np.flatnonzero(faults)
        if faulty.size:
            self.faulty.append(np.stack((records[faulty], lines[faulty], faults[faulty]), axis=1))
        offsets = lines - records
        moved = np.flatnonzero(np.diff(offsets, prepend=self.offset))
        if moved.size:
            self.breakpoints.append(np.stack((records[moved], lines[moved]), axis=1))
            self.offset = int(offsets[-1])
        self.records += len(found)


def _chunks(path: Path, file: IO[bytes], layout: Layout, seen: _Seen) -> Iterator[Chunk]:
    """Yield a file's records, the header behind it; what is yielded is overwritten by the next."""
    room = max(1, min(_RECORDS, _CELLS // (layout.fields + 1)))
    found = np.empty((room, 2), np.int64)
    cells = np.empty((room, layout.fields + 1), np.int32)
    dialect = np.array([ord(layout.delimiter), layout.quoting, LONGEST_RECORD], np.int64)
    line = layout.header_lines + 1
    data, final, stuck = np.empty(0, np.uint8), False, False
    while data.size or not final:
        if not final and (stuck or data.size < _CHUNK):
            read = seen.take_lines(file.read(_CHUNK))
            final = not read
            data = np.concatenate((data, np.frombuffer(read, np.uint8)))
        seen.counts[BREAKS] = 0
        records, consumed = split_records(data, final, dialect, found, cells, seen.counts)
        seen.note(found[:records], line)
        if records:
            yield Chunk(data, cells[:records], found[:records, FAULTS])
        line += int(seen.counts[BREAKS])
        data = data[consumed:]
        stuck = not consumed
        if stuck and data.size > LONGEST_WAIT:
            raise UnreadableFileError(
                f"a record has no end after {LONGEST_WAIT >> 20} MiB",
                where=f"{path.name}, line {line}",
                hint="a quotation mark opened there is not closed",
            )
    if line - layout.header_lines - 1 != seen.breaks:
        raise UnreadableFileError(
            f"{seen.breaks} line breaks, of which {line - layout.header_lines - 1} were read",
            where=path.name,
            hint="a fault of ours: please report it",
        )


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
