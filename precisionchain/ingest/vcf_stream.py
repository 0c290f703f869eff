"""The records of a text file as blocks of indexed lines, each checked; and what a pass has found.

One pass does everything that does not need the meaning of genotypes: it decompresses, digests,
counts lines and columns, and sees that positions are in order. Who reads the blocks may make calls
of them on the way (`vcf_text`), or only ask for the `Scan` at the end.

The file is decompressed in pieces that fit into a processor's cache; what is kept of their lines
(`vcf_lines`) is gathered over many pieces, since each block has costs of its own.
"""

from __future__ import annotations

import hashlib
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.ingest import vcf_bytes
from precisionchain.ingest.vcf_bytes import LineBytes, compression_of
from precisionchain.ingest.vcf_file import Scan, Tally, VcfFile
from precisionchain.ingest.vcf_header import parse_header
from precisionchain.ingest.vcf_lines import (
    BAD_FORMAT,
    EMPTY,
    HAS_NUL,
    N_FIELDS,
    NO_POSITION,
    OTHER,
    read_lines,
)
from precisionchain.ingest.vcf_lint import (
    RecordLint,
    Warned,
    header_warnings,
    undeclared_contigs,
)
from precisionchain.schemas.genome import fold_chrom

_CONTIG = re.compile(rb"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")
_LEAST_LINE: Final = 32  # bytes of a line with nine columns and a few calls, about


KEPT_CHUNKS: Final = 4
"""Text of a block of lines, in pieces: where calls are packed, that of many more is kept."""

KEPT_CALLS: Final = 16 * 2**20
"""Packed calls of a block of lines, at most, if that is a line."""


@dataclass(frozen=True, slots=True)
class Lines:
    """Some records, indexed. The arrays are the owner's, who may write to them.

    Attributes:
        text: uint8 [bytes], the lines, without the calls that are packed; see
            `vcf_lines.read_lines`.
        first_record: number of the first of them in the file.
        fields: int32 [lines, N_FIELDS], places in the text.
        positions: int64 [lines].
        forms: uint8 [lines]; where not ``OTHER``, ``codes`` and ``missing`` hold the calls.
        gaps: bool [lines], whether packed calls are missing.
        codes: uint8 [lines, ceil(samples / 4)].
        missing: uint8 [lines, ceil(samples / 8)].
        contigs: where a contig begins: line, and canonical name.
    """

    text: npt.NDArray[np.uint8]
    first_record: int
    fields: npt.NDArray[np.int32]
    positions: npt.NDArray[np.int64]
    forms: npt.NDArray[np.uint8]
    gaps: npt.NDArray[np.bool_]
    codes: npt.NDArray[np.uint8]
    missing: npt.NDArray[np.uint8]
    contigs: list[tuple[int, str]]

    def between(self, begin: int, end: int) -> Lines:
        """Return some of the lines, without their contigs."""
        some = slice(begin, end)
        return Lines(
            text=self.text,
            first_record=self.first_record + begin,
            fields=self.fields[some],
            positions=self.positions[some],
            forms=self.forms[some],
            gaps=self.gaps[some],
            codes=self.codes[some],
            missing=self.missing[some],
            contigs=[],
        )


class TextStream:
    """A text file being read.

    Attributes:
        file: the file and its header.
    """

    def __init__(self, path: Path, *, scanned: bool = False) -> None:
        """Open a file and read its header.

        Args:
            path: the file.
            scanned: whether the file has been scanned before: then `scan` gives no digest and no
                warnings.

        Raises:
            UnreadableFileError: it cannot be read, is truncated or damaged.
            VcfFormatError, SampleMapError: see `vcf_header.parse_header`.
        """
        self._bytes = LineBytes(path, compression_of(path))
        try:
            raw = self._bytes.header()
            header = parse_header(raw, str(path))
        except BaseException:
            self.close()
            raise
        self.file = VcfFile(path, "vcf", self._bytes.compression, header)
        columns = raw.rstrip(b"\r\n").rpartition(b"\n")[2].rstrip(b"\r")
        self._digest = _Digest(columns) if not scanned else None
        self._size = len(raw)
        self._tally = Tally(self.file)
        self._lint = None if scanned else RecordLint(header.meta)
        self._checks = _Checks(self._tally)

    def close(self) -> None:
        """Close the file."""
        self._bytes.stream.close()

    @property
    def progress(self) -> tuple[int, int]:
        """Bytes of the file read, and its size."""
        return self._bytes.stream.taken, self._bytes.stream.size

    def lines(self) -> Iterator[Lines]:
        """Yield all records.

        Raises:
            UnreadableFileError: the file is truncated or damaged.
            VcfFormatError: a ragged line, a malformed position, records out of order.
        """
        held = _Held.of(self.file)
        for block in self._bytes.whole_lines():
            self._size += len(block)
            text, at = np.frombuffer(block, np.uint8), 0
            while at < len(text):
                if held.n and not held.has_room(len(text) - at):
                    yield from self._checked(held)
                    held = _Held.of(self.file)
                at = held.read(text, at, self._checks.contig)
        yield from self._checked(held)

    def _checked(self, held: _Held) -> Iterator[Lines]:
        """Yield the lines, checked, if there are records among them."""
        first = self._tally.records
        contigs = self._checks.check(held)
        some = held.lines(first, self._tally.records - first, contigs)
        if self._lint:
            self._lint.check(some.text, some.fields[:, 0].astype(np.int64))
        if self._digest:
            self._digest.add(some)
        if len(some.positions):
            yield some

    def scan(self) -> Scan:
        """Return what the pass has found, after the last of `lines`."""
        file = self.file
        return Scan(
            path=file.path,
            kind=file.kind,
            compression=file.compression,
            header=file.header,
            records=self._tally.records,
            size=self._size,
            digest=self._digest.hexdigest() if self._digest else "",
            segments=tuple(self._tally.segments),
            warnings=self._warnings(self._lint) if self._lint else (),
        )

    def _warnings(self, lint: RecordLint) -> tuple[Warned, ...]:
        header = self.file.header
        first = header.columns_line + 1
        used = ((one.name, first + one.first_record) for one in self._tally.segments)
        found = header_warnings(header.meta) + undeclared_contigs(header.contigs, used)
        return (*found, *lint.warnings(first))


class _Digest:
    """The digest of a file's records; docs/reference/vcf-staging.md says of what.

    Args:
        columns: the ``#CHROM`` line.
    """

    def __init__(self, columns: bytes) -> None:
        self._columns = columns
        self._text, self._codes, self._missing = (hashlib.sha256() for _ in range(3))

    def add(self, lines: Lines) -> None:
        """Add the records that follow those of the call before."""
        packed = lines.forms != OTHER
        codes = lines.codes if packed.all() else lines.codes[packed]
        self._text.update(lines.text.data)
        self._codes.update(codes.reshape(-1).data)
        self._missing.update(lines.missing[lines.gaps].reshape(-1).data)

    def hexdigest(self) -> str:
        """Return the digest of all that was added."""
        parts = (one.digest() for one in (self._text, self._codes, self._missing))
        return hashlib.sha256(b"".join((self._columns, b"\n", *parts))).hexdigest()


@dataclass(slots=True, eq=False)
class _Held:
    """Lines that are gathered, of which the first ``n`` are there; arrays as `Lines` has them."""

    samples: int
    text: npt.NDArray[np.uint8]
    fields: npt.NDArray[np.int32]
    tabs: npt.NDArray[np.int64]
    positions: npt.NDArray[np.int64]
    changes: npt.NDArray[np.bool_]
    forms: npt.NDArray[np.uint8]
    gaps: npt.NDArray[np.bool_]
    codes: npt.NDArray[np.uint8]
    missing: npt.NDArray[np.uint8]
    n: int = 0

    @classmethod
    def of(cls, file: VcfFile) -> _Held:
        """Return room for lines of a file."""
        samples = len(file.header.samples)
        size = KEPT_CHUNKS * vcf_bytes.CHUNK_BYTES
        room = max(1, min(size // _LEAST_LINE, KEPT_CALLS // max(1, samples)))
        return cls(
            samples=samples,
            text=np.empty(size, np.uint8),
            fields=np.empty((room, N_FIELDS), np.int32),
            tabs=np.empty(room, np.int64),
            positions=np.empty(room, np.int64),
            changes=np.empty(room, np.bool_),
            forms=np.empty(room, np.uint8),
            gaps=np.empty(room, np.bool_),
            codes=np.empty((room, -(-samples // 4)), np.uint8),
            missing=np.empty((room, -(-samples // 8)), np.uint8),
        )

    @property
    def size(self) -> int:
        """Bytes of text."""
        return int(self.fields[self.n - 1, N_FIELDS - 1]) + 1 if self.n else 0

    def has_room(self, size: int) -> bool:
        """Whether a line, and as much text, can be added."""
        return self.n < len(self.forms) and self.size + size <= len(self.text)

    def read(self, text: npt.NDArray[np.uint8], at: int, contig: bytes) -> int:
        """Add the lines of a text from a place on; return the place of those that are too many.

        Args:
            text: uint8 [bytes], ending with a newline.
            at: where a line begins.
            contig: the first column of the line above the first one.
        """
        if self.size + len(text) - at > len(self.text):  # lines longer than all we hold
            self.text = np.empty(len(text) - at, np.uint8)
        above = np.frombuffer(contig, np.uint8)
        index = (self.fields, self.tabs, self.positions, self.changes)
        calls = (self.forms, self.gaps, self.codes, self.missing)
        self.n, at = read_lines(text, at, self.samples, above, self.text, self.n, *index, *calls)
        return at

    def lines(self, first: int, n: int, contigs: list[tuple[int, str]]) -> Lines:
        """Return the first ``n`` lines, the first of which is record ``first`` of the file."""
        return Lines(
            text=self.text[: self.fields[n, 0] if n < self.n else self.size],
            first_record=first,
            fields=self.fields[:n],
            positions=self.positions[:n],
            forms=self.forms[:n],
            gaps=self.gaps[:n],
            codes=self.codes[:n],
            missing=self.missing[:n],
            contigs=contigs,
        )


@dataclass(slots=True)
class _Checks:
    """Checks of a text file's records, block by block."""

    tally: Tally
    contig: bytes = b""
    empty_at: int | None = None

    def check(self, held: _Held) -> list[tuple[int, str]]:
        """Check and count lines; return where contigs begin, by canonical name."""
        n = self._trailing(held.tabs[: held.n])
        fields, positions = held.fields[:n], held.positions[:n]
        self._refuse_malformed(held.text, fields, held.tabs[:n], positions)
        contigs = []
        for i in np.flatnonzero(held.changes[:n]).tolist():
            self.contig = held.text[fields[i, 0] : fields[i, 1] - 1].tobytes()
            contigs.append((i, self._name(i)))
        self.tally.add(contigs, positions, n)
        return [(i, fold_chrom(name)) for i, name in contigs]

    def _trailing(self, tabs: npt.NDArray[np.int64]) -> int:
        """Return the number of lines before those, empty, that end the file."""
        empty = tabs == EMPTY
        if self.empty_at is not None and not empty.all():
            self.tally.refuse(self.empty_at, "an empty line among the records")
        if not empty.any():
            return len(tabs)
        first = int(np.argmax(empty))
        if not empty[first:].all():
            self.tally.refuse(self.tally.records + first, "an empty line among the records")
        if self.empty_at is None:
            self.empty_at = self.tally.records + first
        return first

    def _refuse_malformed(
        self,
        text: npt.NDArray[np.uint8],
        fields: npt.NDArray[np.int32],
        tabs: npt.NDArray[np.int64],
        positions: npt.NDArray[np.int64],
    ) -> None:
        expected = self.tally.file.header.n_columns - 1
        bad = np.flatnonzero((tabs != expected) | (positions == NO_POSITION))
        if not len(bad):
            return
        i = int(bad[0])
        record = self.tally.records + i
        if text[fields[i, 0]] == ord("#"):
            self.tally.refuse(record, "a header line among the records")
        if tabs[i] == HAS_NUL:
            self.tally.refuse(record, "a NUL byte: the file is not text")
        if tabs[i] == BAD_FORMAT:
            self.tally.refuse(
                record, "FORMAT is not a list of keys with colons between them, GT at most once"
            )
        if tabs[i] != expected:
            self.tally.refuse(
                record, f"has {tabs[i] + 1} columns, the #CHROM line has {expected + 1}"
            )
        self.tally.refuse(record, "POS is not an integer from 0 to 2147483647")

    def _name(self, i: int) -> str:
        if not _CONTIG.fullmatch(self.contig):
            self.tally.refuse(self.tally.records + i, "CHROM is not a contig name")
        return self.contig.decode("ascii")
