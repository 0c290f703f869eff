"""A VCF or BCF file and what is known of it: its header, and after a pass over it its contigs."""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Final, Literal, NoReturn

import numpy as np
import numpy.typing as npt

from precisionchain.errors import VcfFormatError
from precisionchain.ingest.vcf_bytes import Compression
from precisionchain.ingest.vcf_header import Header
from precisionchain.ingest.vcf_lint import Warned
from precisionchain.schemas.genome import fold_chrom


@dataclass(frozen=True, slots=True)
class Tools:
    """Commands of other programs that mend a file, as hints name them."""

    sort: str
    join: str
    rename: str
    leave_out: str
    mend_ref: str


_BCFTOOLS: Final = Tools(
    sort="`bcftools sort`",
    join="`bcftools concat -a`",
    rename="`bcftools annotate --rename-chrs`",
    leave_out="`bcftools view -s`",
    mend_ref="`bcftools +fixref`",
)
_PLINK2: Final = Tools(
    sort="`plink2 --sort-vars`",
    join="`plink2 --pmerge-list`",
    rename="`plink2 --merge-x --output-chr M`",
    leave_out="`plink2 --remove`",
    mend_ref="`plink2 --ref-from-fa`",
)


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
class VcfFile:
    """A file whose header has been read."""

    path: Path
    kind: Literal["vcf", "bcf", "bed", "pgen"]
    compression: Compression
    header: Header

    @property
    def is_plink(self) -> bool:
        """Whether it is the file of calls of a fileset."""
        return self.kind in ("bed", "pgen")

    @property
    def tools(self) -> Tools:
        """What mends such a file."""
        return _PLINK2 if self.is_plink else _BCFTOOLS

    def line_of(self, record: int) -> int:
        """Return the 1-based line of a record; in a binary file, its 1-based number."""
        return record + 1 + (self.header.columns_line if self.kind == "vcf" else 0)

    def where(self, record: int) -> str:
        """Return file and line of a record, for messages."""
        noun = "" if self.kind == "vcf" else "record "
        return f"{self.path}:{noun}{self.line_of(record)}"


@dataclass(frozen=True, slots=True)
class Scan(VcfFile):
    """What one pass over a file found.

    Attributes:
        digest: SHA-256 (hex) of the records and the ``#CHROM`` line; not of the
            ``##`` lines, and not of how the file was compressed.
        size: decompressed bytes.
        warnings: what is not as the specification asks, and taken all the same.
    """

    records: int
    size: int
    digest: str
    segments: tuple[Segment, ...]
    warnings: tuple[Warned, ...] = ()


@dataclass(slots=True)
class Tally:
    """Segments as they are found, block by block; refuses records out of order."""

    file: VcfFile
    records: int = 0
    segments: list[Segment] = field(default_factory=list)

    def refuse(self, record: int, message: str, hint: str | None = None) -> NoReturn:
        """Refuse a record by its line.

        Raises:
            VcfFormatError: always.
        """
        raise VcfFormatError(message, where=self.file.where(record), hint=hint)

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
        tools = self.file.tools
        if written := {segment.name for segment in self.segments if segment.chrom == chrom}:
            if name not in written:
                self.refuse(
                    record,
                    f"contig {chrom} is written {' and '.join(sorted({*written, name}))}",
                    hint=f"give it one name with {tools.rename}, then sort with {tools.sort}",
                )
            self.refuse(
                record,
                f"unsorted: contig {chrom} again, after another contig",
                hint=f"sort the file with {tools.sort}",
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
                hint=f"sort the file with {self.file.tools.sort}",
            )
        first = last.first_pos if last.records else int(positions[0])
        self.segments[-1] = replace(
            last,
            records=last.records + len(positions),
            first_pos=first,
            last_pos=int(positions[-1]),
        )
