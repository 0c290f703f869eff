"""One pass over the bytes of a VCF or BCF file before htslib sees it.

htslib takes a record with too many columns without a word, lets a position overflow, and cyvcf2
crashes the interpreter on an empty line; neither knows line numbers. This pass counts and checks
every record for itself, finds where each contig lies, and digests the records. Staging later
requires that the reader saw as many records as were counted here.
"""

from __future__ import annotations

import hashlib
import re
import struct
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnreadableFileError, VcfFormatError
from precisionchain.ingest.bcf_names import BcfNames
from precisionchain.ingest.vcf_bytes import Compression, compression_of, decompressed
from precisionchain.ingest.vcf_header import Header, parse_header
from precisionchain.ingest.vcf_lines import (
    BAD_FORMAT,
    EMPTY,
    HAS_NUL,
    NO_POSITION,
    index_bcf,
    index_lines,
)
from precisionchain.ingest.vcf_lint import (
    RecordLint,
    Warned,
    header_warnings,
    undeclared_contigs,
)
from precisionchain.schemas.genome import MAX_POSITION, fold_chrom

_CONTIG = re.compile(rb"[0-9A-Za-z!#$%&+./:;?@^_|~-][0-9A-Za-z!#$%&*+./:;=?@^_|~-]*")
_MAX_HEADER: Final = 256 * 2**20
_BCF_MAGIC = b"BCF\x02"


@dataclass(frozen=True, slots=True)
class Segment:
    """The records of one contig, which must be sorted and lie together.

    ``chrom`` is canonical, ``name`` as written; ``first_record`` counts from 0 within the file.
    """

    chrom: str
    name: str
    first_record: int
    records: int
    first_pos: int
    last_pos: int


@dataclass(frozen=True, slots=True)
class Scan:
    """What one pass found.

    Attributes:
        digest: SHA-256 (hex) of the decompressed records and the ``#CHROM`` line; not of the
            ``##`` lines, and not of how the file was compressed.
        size: decompressed bytes.
        warnings: what is not as the specification asks, and taken all the same.
    """

    path: Path
    kind: Literal["vcf", "bcf"]
    compression: Compression
    header: Header
    records: int
    size: int
    digest: str
    segments: tuple[Segment, ...]
    warnings: tuple[Warned, ...] = ()

    def line_of(self, record: int) -> int:
        """Return the 1-based line of a record; in a BCF file, its 1-based number."""
        return record + 1 + (self.header.columns_line if self.kind == "vcf" else 0)

    def where(self, record: int) -> str:
        """Return file and line of a record, for messages."""
        noun = "" if self.kind == "vcf" else "record "
        return f"{self.path}:{noun}{self.line_of(record)}"


def scan(path: Path) -> Scan:
    """Read a file to its end and check everything that does not need its genotypes.

    Raises:
        UnreadableFileError: absent, truncated, damaged, or compressed in a way VCF never is.
        VcfFormatError: not VCF or BCF; a ragged line, a malformed position, records out of order.
        SampleMapError: a sample has two columns.
    """
    compression = compression_of(path)
    chunks = decompressed(path, compression)
    head = b""
    while len(head) < len(_BCF_MAGIC) and (chunk := next(chunks, b"")):
        head += chunk
    if head.startswith(_BCF_MAGIC):
        return _scan_bcf(path, compression, head, chunks)
    return _scan_vcf(path, compression, head, chunks)


@dataclass(slots=True)
class _Tally:
    """Segments as they are found, chunk by chunk."""

    path: Path
    kind: Literal["vcf", "bcf"]
    columns_line: int
    records: int = 0
    segments: list[Segment] = field(default_factory=list)

    def refuse(self, record: int, message: str, hint: str | None = None) -> NoReturn:
        line = record + 1 + (self.columns_line if self.kind == "vcf" else 0)
        noun = "" if self.kind == "vcf" else "record "
        raise VcfFormatError(message, where=f"{self.path}:{noun}{line}", hint=hint)

    def add(
        self, starts: list[tuple[int, str]], positions: npt.NDArray[np.int64], total: int
    ) -> None:
        """Add ``total`` records; ``starts`` names where, among them, the contig changes."""
        edges = [*starts, (total, "")]
        if starts and starts[0][0] == 0:
            self._open(starts[0][1], self.records)
            edges = edges[1:]
        begin = 0
        for end, name in edges:
            self._extend(positions[begin:end], self.records + begin)
            if end < total:
                self._open(name, self.records + end)
            begin = end
        self.records += total

    def _open(self, name: str, record: int) -> None:
        chrom = fold_chrom(name)
        if any(segment.chrom == chrom for segment in self.segments):
            self.refuse(
                record,
                f"unsorted: contig {chrom} again, after another contig",
                hint="sort the file with `bcftools sort`",
            )
        self.segments.append(Segment(chrom, name, record, 0, 0, 0))

    def _extend(self, positions: npt.NDArray[np.int64], record: int) -> None:
        if not len(positions):
            return
        last = self.segments[-1]
        before = np.concatenate(([last.last_pos], positions[:-1]))
        back = np.flatnonzero(positions < before)
        if len(back):
            self.refuse(
                record + int(back[0]),
                "unsorted: the position is before that of the record above",
                hint="sort the file with `bcftools sort`",
            )
        first = last.first_pos if last.records else int(positions[0])
        self.segments[-1] = replace(
            last,
            records=last.records + len(positions),
            first_pos=first,
            last_pos=int(positions[-1]),
        )


def _scan_vcf(path: Path, compression: Compression, head: bytes, chunks: Iterator[bytes]) -> Scan:
    raw, rest = _split_header(head, chunks)
    header = parse_header(raw, str(path))
    columns = raw.rstrip(b"\r\n").rpartition(b"\n")[2].rstrip(b"\r")
    digest = hashlib.sha256(columns + b"\n")
    tally = _Tally(path, "vcf", header.columns_line)
    size = len(raw)
    lines = _Lines(header.n_columns - 1, tally, RecordLint(header.meta))
    for block in _whole_lines(rest, chunks):
        lines.check(block)
        digest.update(block)
        size += len(block)
    segments = tuple(tally.segments)
    return Scan(
        path,
        "vcf",
        compression,
        header,
        tally.records,
        size,
        digest.hexdigest(),
        segments,
        tuple(_warnings(header, segments, lines.lint)),
    )


def _warnings(header: Header, segments: tuple[Segment, ...], lint: RecordLint) -> list[Warned]:
    first = header.columns_line + 1
    used = ((segment.name, first + segment.first_record) for segment in segments)
    found = header_warnings(header.meta) + undeclared_contigs(header.contigs, used)
    return found + lint.warnings(first)


def _split_header(head: bytes, chunks: Iterator[bytes]) -> tuple[bytes, bytes]:
    """Return the lines to the end of ``#CHROM``, and what follows."""
    at = 0
    while True:
        end = head.find(b"\n", at)
        if end < 0:
            chunk = next(chunks, b"")
            if not chunk or len(head) > _MAX_HEADER or not head.startswith(b"#"):
                return head, b""
            head += chunk
        elif head.startswith(b"##", at):
            at = end + 1
        else:
            return head[: end + 1], head[end + 1 :]


def _whole_lines(rest: bytes, chunks: Iterator[bytes]) -> Iterator[bytes]:
    """Yield the records in blocks that end with a newline; one is added at the end if absent."""
    while True:
        end = rest.rfind(b"\n") + 1
        if end:
            yield rest[:end]
        chunk = next(chunks, b"")
        if not chunk:
            break
        rest = rest[end:] + chunk
    if len(rest) > end:
        yield rest[end:] + b"\n"


@dataclass(slots=True)
class _Lines:
    """Checks of a text file's records, block by block."""

    tabs: int
    tally: _Tally
    lint: RecordLint
    contig: bytes = b""
    empty_at: int | None = None

    def check(self, block: bytes) -> None:
        text = np.frombuffer(block, dtype=np.uint8)
        n = block.count(b"\n")
        starts, tabs, positions = (np.empty(n, dtype=np.int64) for _ in range(3))
        changes = np.empty(n, dtype=np.bool_)
        index_lines(text, np.frombuffer(self.contig, np.uint8), starts, tabs, positions, changes)
        n = self._trailing(tabs)
        self._refuse_malformed(block, starts, tabs[:n], positions)
        contigs = []
        for i in np.flatnonzero(changes[:n]).tolist():
            self.contig = block[starts[i] : block.index(b"\t", starts[i])]
            contigs.append((i, self._name(i)))
        self.tally.add(contigs, positions[:n], n)
        self.lint.check(text, starts[:n])

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
        block: bytes,
        starts: npt.NDArray[np.int64],
        tabs: npt.NDArray[np.int64],
        positions: npt.NDArray[np.int64],
    ) -> None:
        bad = np.flatnonzero((tabs != self.tabs) | (positions[: len(tabs)] == NO_POSITION))
        if not len(bad):
            return
        i = int(bad[0])
        record = self.tally.records + i
        if block.startswith(b"#", starts[i]):
            self.tally.refuse(record, "a header line among the records")
        if tabs[i] == HAS_NUL:
            self.tally.refuse(record, "a NUL byte: the file is not text")
        if tabs[i] == BAD_FORMAT:
            self.tally.refuse(record, "FORMAT is not a list of keys with colons between them")
        if tabs[i] != self.tabs:
            self.tally.refuse(
                record, f"has {tabs[i] + 1} columns, the #CHROM line has {self.tabs + 1}"
            )
        self.tally.refuse(record, "POS is not an integer from 0 to 2147483647")

    def _name(self, i: int) -> str:
        if not _CONTIG.fullmatch(self.contig):
            self.tally.refuse(self.tally.records + i, "CHROM is not a contig name")
        return self.contig.decode("ascii")


def _scan_bcf(path: Path, compression: Compression, head: bytes, chunks: Iterator[bytes]) -> Scan:
    def fill(held: bytes, needed: int) -> bytes:
        while len(held) < needed:
            chunk = next(chunks, b"")
            if not chunk:
                raise UnreadableFileError("is a truncated BCF file", where=str(path))
            held += chunk
        return held

    head = fill(head, 9)
    (length,) = struct.unpack("<I", head[5:9])
    if length > _MAX_HEADER:
        raise VcfFormatError("the BCF header is not one", where=str(path))
    head = fill(head, 9 + length)
    raw, rest = head[9 : 9 + length], head[9 + length :]
    header = parse_header(raw, str(path))
    names = BcfNames.of(header, str(path)).contigs
    digest = hashlib.sha256("\n".join((*header.dictionary, *header.samples, "")).encode())
    tally = _Tally(path, "bcf", header.columns_line)
    size = 9 + length
    last = -1
    while True:
        contigs, positions = (np.empty(len(rest) // 32 + 1, dtype=np.int64) for _ in range(2))
        n, used = index_bcf(np.frombuffer(rest, dtype=np.uint8), contigs, positions)
        if n < 0:
            raise VcfFormatError("is not BCF from here on", where=f"{path}:byte {size + used}")
        if n:
            last = _add_bcf(tally, names, last, contigs[:n], positions[:n])
        digest.update(rest[:used])
        size += used
        chunk = next(chunks, b"")
        rest = rest[used:] + chunk
        if not chunk:
            break
    if rest:
        raise UnreadableFileError("is a truncated BCF file", where=str(path))
    segments = tuple(tally.segments)
    return Scan(
        path,
        "bcf",
        compression,
        header,
        tally.records,
        size,
        digest.hexdigest(),
        segments,
        tuple(header_warnings(header.meta)),
    )


def _add_bcf(
    tally: _Tally,
    names: Mapping[int, str],
    last: int,
    contigs: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
) -> int:
    """Add the records of one block; return the contig of the last one."""
    starts = []
    if len(beyond := np.flatnonzero(positions > MAX_POSITION)):
        tally.refuse(tally.records + int(beyond[0]), "POS is not an integer from 0 to 2147483647")
    changed = np.concatenate(([last], contigs[:-1])) != contigs
    for i in np.flatnonzero(changed).tolist():
        if int(contigs[i]) not in names:
            tally.refuse(tally.records + i, "CHROM is not in the header")
        starts.append((i, names[int(contigs[i])]))
    tally.add(starts, positions, len(positions))
    return int(contigs[-1])
