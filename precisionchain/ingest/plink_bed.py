"""PLINK 1 filesets as a source of genotypes: ``.bed`` with its ``.bim`` and ``.fam``.

A2 of the ``.bim`` is taken for REF and A1 for ALT, as plink2 does; nothing in the fileset says that
this is so, and the run says it in a warning.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UnreadableFileError, VcfFormatError
from precisionchain.ingest.plink_files import (
    FilesetScan,
    PlinkRecord,
    lines,
    numbered,
    position,
    require_samples,
)
from precisionchain.ingest.vcf_file import Scan
from precisionchain.ingest.vcf_record import Record

SUFFIX: Final = ".bed"
_MAGIC: Final = b"\x6c\x1b\x01"
_NO_ALLELE: Final = "0"
# Two bits a call, the first person's lowest: homozygous A1, missing, heterozygous, homozygous A2.
_ALLELES: Final = np.array([[1, 1], [-1, -1], [0, 1], [0, 0]], np.int16)


@dataclass(frozen=True, slots=True)
class _Variant:
    """A line of a ``.bim``."""

    chrom: str
    pos: int
    id: str
    alt: str
    ref: str

    @property
    def provisional(self) -> bool:
        """Always: a .bim does not say which allele is the reference's."""
        return True


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
    fileset = FilesetScan(path, "bed", _samples(path.with_suffix(".fam")))
    fileset.read(_variants(path.with_suffix(".bim")))
    raw = _mapped(path)
    if raw[:3].tobytes() != _MAGIC:
        raise VcfFormatError(
            "is no PLINK .bed, a variant at a time",
            where=str(path),
            hint="a BED file of intervals belongs to --assay",
        )
    if len(raw) != 3 + fileset.variants * -(-fileset.samples // 4):
        raise UnreadableFileError(
            f"does not hold {fileset.variants} variants of {fileset.samples} samples, as its .bim "
            "and .fam say",
            where=str(path),
            hint="copy all three files again from where they were made; if the sizes are the same "
            "there, they are not of one fileset: `plink2 --make-bed` writes one anew",
        )
    return fileset.found()


def read_bed_calls(scan: Scan) -> Iterator[PlinkRecord]:
    """Yield the variants of a fileset with their calls."""
    n = len(scan.header.samples)
    codes = _mapped(scan.path)[3:].reshape(-1, -(-n // 4))
    variants = _variants(scan.path.with_suffix(".bim"))
    for number, chrom, variant in numbered(scan, variants):
        pairs = (codes[number][:, None] >> np.array([0, 2, 4, 6], np.uint8)) & 3
        calls = np.zeros((n, 3), np.int16)
        calls[:, :2] = _ALLELES[pairs.ravel()[:n]]
        alts = () if variant.alt == _NO_ALLELE else (variant.alt,)
        ident = None if variant.id == "." else variant.id
        record = Record(number, chrom, variant.pos, variant.ref, alts, ident)
        yield PlinkRecord(record, calls)


def _samples(path: Path) -> tuple[str, ...]:
    return require_samples([cells[1] for _, cells in _cells(path)], path)


def _variants(path: Path) -> Iterator[_Variant]:
    for number, (chrom, ident, _, pos, alt, ref) in _cells(path):
        yield _Variant(chrom, position(pos, f"{path}:{number}"), ident, alt, ref)


def _cells(path: Path) -> Iterator[tuple[int, list[str]]]:
    """Yield the lines of a .bim or .fam in cells: 6 in either."""
    for number, line in lines(path):
        cells = line.split()
        if len(cells) != 6:
            raise VcfFormatError(
                f"has {len(cells)} columns, a {path.suffix} has 6", where=f"{path}:{number}"
            )
        yield number, cells


def _mapped(path: Path) -> npt.NDArray[np.uint8]:
    try:
        return np.memmap(path, np.uint8, mode="r")
    except (OSError, ValueError) as error:
        raise UnreadableFileError("cannot be read, or is empty", where=str(path)) from error
