"""What a batch of genotypes assayed: listed sites alone, whole contigs, or a BED's or gVCF's.

Inside the extent a position without a record means 0/0; so whatever was refused is taken out of
it, and ``sites``, the default, has no extent and never invents a genotype.
"""

from __future__ import annotations

import gzip
import re
from collections.abc import Iterable
from dataclasses import dataclass
from pathlib import Path
from typing import Final, Literal

import pyarrow as pa

from precisionchain.errors import BedFormatError, UnreadableFileError, UsageError
from precisionchain.ingest.vcf_run import table_schema
from precisionchain.schemas.genome import BUILDS, MAX_POSITION, chrom_rank, fold_chrom
from precisionchain.schemas.structural import STRUCTURAL_CLASS

Interval = tuple[str, int, int]
"""Canonical contig, first and last base, 1-based."""

AssayKind = Literal["sites", "wgs", "bed", "gvcf"]

SMALL: Final = ("snv", "indel")
"""The classes of small variants."""

EXTENT: Final = table_schema({"chrom": pa.string(), "start": pa.int32(), "end": pa.int32()})

_NUMBER = re.compile(r"\d{1,10}", re.ASCII)


@dataclass(frozen=True, slots=True)
class Assay:
    """A batch's assay; ``intervals`` are those of a BED or gVCF, sorted and merged, else empty."""

    kind: AssayKind
    intervals: tuple[Interval, ...] = ()

    @classmethod
    def of(cls, assay: str | Path, build: str | None = None) -> Assay:
        """Return the assay named by ``sites``, ``wgs``, ``gvcf`` or a BED file.

        Args:
            assay: one of these.
            build: canonical build, whose chromosomes a BED's intervals must lie in.

        Raises:
            UsageError: none of these names, and no such file.
            UnreadableFileError, BedFormatError: see `read_bed`.
        """
        if assay == "sites":
            return cls("sites")
        if assay == "wgs":
            return cls("wgs")
        if assay == "gvcf":
            return cls("gvcf")  # its intervals are known when it is read
        if not Path(assay).is_file():
            raise UsageError(
                f"--assay {assay} is not 'sites', 'wgs' or 'gvcf', and there is no such file"
            )
        return cls("bed", read_bed(Path(assay), build))

    def unlisted(self, contigs: Iterable[str]) -> tuple[str, ...]:
        """Return the contigs of a BED without any record: everybody is 0/0 in its intervals there.

        Args:
            contigs: canonical contigs that have records in the batch.
        """
        if self.kind != "bed":
            return ()
        have = frozenset(contigs)
        return tuple(dict.fromkeys(c for c, _, _ in self.intervals if c not in have))

    def extent(
        self, build: str, contigs: Iterable[str], refused: Iterable[Interval]
    ) -> tuple[Interval, ...]:
        """Return the intervals in which a position without a record means 0/0.

        Args:
            build: canonical build, for the lengths of contigs.
            contigs: canonical contigs that have records in the batch.
            refused: spans of refused records: there the persons' genotypes are not known.

        Raises:
            UsageError: ``wgs`` and a contig whose length we do not know.
        """
        if self.kind == "sites":
            return ()
        if self.kind != "wgs":
            return subtract(self.intervals, merge(refused))
        lengths = BUILDS[build].lengths
        unknown = [chrom for chrom in contigs if chrom not in lengths]
        if unknown:
            raise UsageError(
                f"contig {unknown[0]} is not one of {build}'s chromosomes, so 'wgs' cannot say "
                "how far it was assayed",
                hint="leave such contigs out, or give the assayed intervals as a BED file",
            )
        whole = merge((chrom, 1, lengths[chrom]) for chrom in contigs)
        return subtract(whole, merge(refused))


def read_bed(path: Path, build: str | None = None) -> tuple[Interval, ...]:
    """Read a BED file (0-based, half-open; plain or gzip) into merged 1-based intervals.

    Raises:
        UnreadableFileError: it cannot be read.
        BedFormatError: a line is not of BED, or reaches beyond its chromosome in ``build``, named
            by its number; or there is no interval.
    """
    lengths = BUILDS[build].lengths if build else {}
    try:
        with path.open("rb") as file:
            raw = file.read()
        text = (gzip.decompress(raw) if raw.startswith(b"\x1f\x8b") else raw).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError) as error:
        raise UnreadableFileError("is not a readable BED file", where=str(path)) from error
    intervals = []
    for number, line in enumerate(text.splitlines(), start=1):
        if line.strip() and not line.startswith(("#", "track", "browser")):
            chrom, start, end = _interval(line, f"{path}:{number}")
            if end > lengths.get(chrom, end):
                raise BedFormatError(
                    f"reaches beyond the end of chromosome {chrom} in {build} "
                    f"({lengths[chrom]} bp)",
                    where=f"{path}:{number}",
                    hint=f"give the intervals on {build}: those of another build would make 0/0 "
                    "of positions nobody looked at",
                )
            intervals.append((chrom, start, end))
    if not intervals:
        raise BedFormatError("holds no interval", where=str(path))
    return merge(intervals)


def _interval(line: str, where: str) -> Interval:
    cells = line.split("\t") if "\t" in line else line.split()
    if len(cells) < 3 or not _NUMBER.fullmatch(cells[1]) or not _NUMBER.fullmatch(cells[2]):
        raise BedFormatError(
            "is not chrom, start and end",
            where=where,
            hint="BED is tab-separated, with 0-based, half-open intervals",
        )
    start, end = int(cells[1]), int(cells[2])
    if not start < end <= MAX_POSITION:
        raise BedFormatError("start is not before end", where=where)
    return fold_chrom(cells[0]), start + 1, end


def merge(intervals: Iterable[Interval]) -> tuple[Interval, ...]:
    """Return intervals in genome order, with those that overlap or touch made one."""
    merged: list[Interval] = []
    for chrom, start, end in sorted(intervals, key=lambda i: (chrom_rank(i[0]), i[1], i[2])):
        if merged and merged[-1][0] == chrom and start <= merged[-1][2] + 1:
            merged[-1] = (chrom, merged[-1][1], max(end, merged[-1][2]))
        else:
            merged.append((chrom, start, end))
    return tuple(merged)


def subtract(intervals: tuple[Interval, ...], holes: tuple[Interval, ...]) -> tuple[Interval, ...]:
    """Return what is left of intervals without holes; both are sorted and merged."""
    left: list[Interval] = []
    by_chrom: dict[str, list[Interval]] = {}
    for hole in holes:
        by_chrom.setdefault(hole[0], []).append(hole)
    at: dict[str, int] = {}
    for chrom, first, last in intervals:
        start = first
        of_chrom = by_chrom.get(chrom, [])
        i = at.get(chrom, 0)
        while i < len(of_chrom) and of_chrom[i][2] < start:
            i += 1
        at[chrom] = i
        while i < len(of_chrom) and of_chrom[i][1] <= last:
            if start < of_chrom[i][1]:
                left.append((chrom, start, of_chrom[i][1] - 1))
            start = of_chrom[i][2] + 1
            i += 1
        if start <= last:
            left.append((chrom, start, last))
    return tuple(left)


def assayed_classes(*, small: bool, structural: bool) -> tuple[str, ...]:
    """Return the classes of variants that a batch assays inside its extent.

    A file is made by a caller of small variants, of structural ones, or of both; which one it was
    is told by what it found, so that nobody has 0/0 where nobody looked.

    Args:
        small: some allele adds or takes fewer than 50 bases, or a record has no ALT.
        structural: some allele is symbolic or a breakend, or adds or takes 50 bases.
    """
    if not structural:
        return SMALL
    return (*SMALL, STRUCTURAL_CLASS) if small else (STRUCTURAL_CLASS,)


def extent_table(intervals: Iterable[Interval]) -> pa.Table:
    """Return intervals as the table of ``extent.parquet``."""
    columns = list(zip(*intervals, strict=True)) or [(), (), ()]
    return pa.table([list(column) for column in columns], schema=EXTENT)
