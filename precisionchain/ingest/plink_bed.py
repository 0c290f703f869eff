"""PLINK 1 filesets as a source of genotypes: ``.bed`` with its ``.bim`` and ``.fam``.

A2 of the ``.bim`` is taken for REF and A1 for ALT, as plink2 does; nothing in the fileset says that
this is so, and the run says it in a warning.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnreadableFileError, VcfFormatError
from precisionchain.ingest.vcf_file import Scan, Tally, VcfFile
from precisionchain.ingest.vcf_header import Header, refuse_twice
from precisionchain.ingest.vcf_lint import Warned
from precisionchain.ingest.vcf_record import Record
from precisionchain.schemas.genome import MAX_POSITION

SUFFIX: Final = ".bed"
_MAGIC: Final = b"\x6c\x1b\x01"
_AT_ONCE: Final = 65_536
_CHUNK: Final = 4 * 2**20
_NO_ALLELE: Final = "0"
# Two bits a call, the first person's lowest: homozygous A1, missing, heterozygous, homozygous A2.
_ALLELES: Final = np.array([[1, 1], [-1, -1], [0, 1], [0, 0]], np.int16)


@dataclass(frozen=True, slots=True)
class PlinkRecord:
    """One variant with its calls; see `vcf_records.Called`."""

    record: Record
    genotypes: npt.NDArray[np.int16]
    phase_sets: None = None

    def numbers(self, _key: str) -> None:
        """There are no other fields."""


@dataclass(frozen=True, slots=True)
class _Variant:
    """A line of a ``.bim``."""

    chrom: str
    pos: int
    id: str
    alt: str
    ref: str


def is_bed(path: Path) -> bool:
    """Return whether a file is named as PLINK's genotypes are."""
    return path.suffix == SUFFIX


def scan_bed(path: Path) -> Scan:
    """Read a fileset's ``.bim`` and ``.fam`` to their ends, and check the size of the ``.bed``.

    Raises:
        UnreadableFileError: a file is absent, or not of the size that the others ask for.
        VcfFormatError: a line is not of its kind, or positions go back.
        SampleMapError: a sample stands twice.
    """
    samples = _samples(path.with_suffix(".fam"))
    file = VcfFile(path, "bed", "none", Header(samples, {}, 0, ()))
    tally = Tally(file)
    digest = hashlib.sha256("\n".join((*samples, "")).encode())
    last = ""
    lines = _variants(path.with_suffix(".bim"))
    while block := list(islice(lines, _AT_ONCE)):
        starts = []
        for i, variant in enumerate(block):
            if variant.chrom != last:
                last = variant.chrom
                starts.append((i, last))
            digest.update(repr(variant).encode())
        tally.add(starts, np.array([variant.pos for variant in block], np.int64), len(block))
    raw = _mapped(path)
    if raw[:3].tobytes() != _MAGIC:
        raise VcfFormatError(
            "is no PLINK .bed, a variant at a time",
            where=str(path),
            hint="a BED file of intervals belongs to --assay",
        )
    size = len(raw)
    if size != 3 + tally.records * -(-len(samples) // 4):
        raise UnreadableFileError(
            f"does not hold {tally.records} variants of {len(samples)} samples, as its .bim and "
            ".fam say",
            where=str(path),
        )
    for start in range(0, size, _CHUNK):
        digest.update(raw[start : start + _CHUNK].tobytes())
    warned = (Warned("provisional_ref", 1, tally.records),) if tally.records else ()
    segments = tuple(tally.segments)
    header = file.header
    found = (tally.records, size, digest.hexdigest(), segments, warned)
    return Scan(path, "bed", "none", header, *found)


def read_bed_calls(scan: Scan) -> Iterator[PlinkRecord]:
    """Yield the variants of a fileset with their calls."""
    n = len(scan.header.samples)
    width = -(-n // 4)
    chroms = iter(scan.segments)
    chrom, end = "", 0
    codes = _mapped(scan.path)[3:].reshape(-1, width)
    for number, variant in enumerate(_variants(scan.path.with_suffix(".bim"))):
        if number == end:
            segment = next(chroms)
            chrom, end = segment.chrom, segment.first_record + segment.records
        pairs = (codes[number][:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3
        calls = np.zeros((n, 3), np.int16)
        calls[:, :2] = _ALLELES[pairs.ravel()[:n]]
        alts = () if variant.alt == _NO_ALLELE else (variant.alt,)
        ident = None if variant.id == "." else variant.id
        record = Record(number, chrom, variant.pos, variant.ref, alts, ident)
        yield PlinkRecord(record, calls)


def _samples(path: Path) -> tuple[str, ...]:
    names = []
    for number, cells in _cells(path):
        if len(cells) != 6:
            raise VcfFormatError(
                f"has {len(cells)} columns, a .fam has 6", where=f"{path}:{number}"
            )
        names.append(cells[1])
    if not names:
        raise VcfFormatError("names no sample", where=str(path))
    refuse_twice(names, str(path))
    return tuple(names)


def _variants(path: Path) -> Iterator[_Variant]:
    for number, cells in _cells(path):
        where = f"{path}:{number}"
        if len(cells) != 6:
            raise VcfFormatError(f"has {len(cells)} columns, a .bim has 6", where=where)
        chrom, ident, _, pos, alt, ref = cells
        if not pos.isascii() or not pos.isdigit() or int(pos) > MAX_POSITION:
            raise VcfFormatError("the position is no number of bases", where=where)
        yield _Variant(chrom, int(pos), ident, alt, ref)


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    try:
        with path.open(encoding="utf-8") as file:
            for number, line in enumerate(file, start=1):
                if line.strip():
                    yield number, line.split()
    except OSError as error:
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or error}",
            where=str(path),
            hint="a .bed needs the .bim and .fam of the same name beside it",
        ) from error
    except UnicodeDecodeError as error:
        raise UnreadableFileError("is not UTF-8 text", where=str(path)) from error


def _mapped(path: Path) -> npt.NDArray[np.uint8]:
    try:
        return np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise UnreadableFileError("cannot be read, or is empty", where=str(path)) from error
