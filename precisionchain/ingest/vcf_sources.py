"""The files of one batch: opened, put into order, and what is known of each when.

A single text file is scanned as it is staged, in one pass. Several files, and BCF, are scanned
first: which contigs they share decides the order in which they are read.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from pathlib import Path
from types import TracebackType
from typing import Any, Self

from precisionchain.errors import UsageError
from precisionchain.ingest.plink_bed import is_bed, scan_bed
from precisionchain.ingest.plink_pgen import is_pgen, scan_pgen
from precisionchain.ingest.report import Step
from precisionchain.ingest.vcf_file import Scan, VcfFile
from precisionchain.ingest.vcf_normalise import contig_order
from precisionchain.ingest.vcf_read import Persons, read_runs
from precisionchain.ingest.vcf_run import CallRun, ReadRules, ReadTally
from precisionchain.ingest.vcf_scan import is_bcf, scan
from precisionchain.ingest.vcf_stream import TextStream
from precisionchain.ingest.vcf_text import text_runs
from precisionchain.schemas.genome import chrom_rank


class Sources:
    """The files of one batch, in the order in which they are read; a context manager.

    Attributes:
        files: the files.
        scans: what passes over them found; of a single text file not before it has been read,
            and `end` was called.
    """

    def __init__(self, files: Sequence[Path], step: Step, *, scan_first: bool = False) -> None:
        """Open the files; ``scan_first`` asks for the scan of a single text file too.

        Raises:
            UsageError: no file, or one twice.
            UnreadableFileError, VcfFormatError, SampleMapError: see `scan`.
        """
        twice = [path for path, n in Counter(path.resolve() for path in files).items() if n > 1]
        if not files or twice:
            raise UsageError(f"{twice[0]} is named twice" if twice else "no VCF file was named")
        self._step = step
        self._stream: TextStream | None = None
        self.scans: list[Scan] = []
        text = len(files) == 1 and not _is_binary(files[0])
        if text and not scan_first:
            step(f"reading {files[0].name}")
            self._stream = TextStream(files[0])
            self.files: list[VcfFile] = [self._stream.file]
            return
        for path in files:
            step(f"checking {path.name}")
            self._found(_scanned(path))
        self.scans.sort(key=_place)
        contig_order(self.scans)
        self.files = [*self.scans]

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._stream:
            self._stream.close()

    def _found(self, one: Scan) -> None:
        self.scans.append(one)
        for warned in one.warnings:
            self._step(f"warning: {one.path.name}, from line {warned.line}: {warned.said()}")

    @property
    def firsts(self) -> list[int]:
        """The number of each file's first record within the batch."""
        firsts = [0]
        for one in self.scans[:-1]:
            firsts.append(firsts[-1] + one.records)
        return firsts

    def runs(
        self, i: int, persons: Persons, rules: ReadRules, tally: ReadTally
    ) -> Iterator[CallRun]:
        """Yield the runs of a file; see `read_runs`."""
        if self._stream:
            return text_runs(self._stream, persons, rules, tally)
        return read_runs(self.scans[i], persons, rules, tally)

    def progress(self, record: int) -> tuple[int, int]:
        """Return how far the batch has been read, of how far: records, or bytes of one file."""
        if self._stream:
            return self._stream.progress
        return record + 1, sum(one.records for one in self.scans)

    def where(self, record: int) -> str:
        """Return file and line of a record of the batch, for messages."""
        i = max(i for i, first in enumerate(self.firsts) if first <= record)
        return self.files[i].where(record - self.firsts[i])

    def end(self) -> None:
        """Take what the pass over a single text file has found, once it was read."""
        if self._stream:
            self._found(self._stream.scan())


def _is_binary(path: Path) -> bool:
    return is_bed(path) or is_pgen(path) or is_bcf(path)


def _scanned(path: Path) -> Scan:
    if is_bed(path):
        return scan_bed(path)
    return scan_pgen(path) if is_pgen(path) else scan(path)


def _place(one: Scan) -> tuple[Any, ...]:
    """Sort key: where a file's first record lies; so the order of the command does not matter."""
    first = [(chrom_rank(s.chrom), s.first_pos) for s in one.segments[:1]]
    return (not first, first, one.digest)
