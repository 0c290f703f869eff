"""From the runs of a batch's files to runs in genome order, each allele once.

Splitting and trimming happen record by record (`vcf_alleles`); afterwards an allele may lie
beyond the next record's, two records may hold the same allele, and several files may share a
contig. This module puts the alleles of a contig in order of (pos, ref, alt) without holding more
than a run per file, and lets equal duplicates collapse.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from graphlib import CycleError, TopologicalSorter
from itertools import pairwise
from typing import Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.compute as pc

from precisionchain.errors import DuplicateVariantError, VcfFormatError
from precisionchain.ingest.vcf_run import CallRun, join_calls, take_calls
from precisionchain.ingest.vcf_scan import Scan
from precisionchain.ingest.vcf_structural_sites import joined_sites
from precisionchain.schemas.genome import chrom_rank
from precisionchain.schemas.packed_calls import agreed_phase, same_calls, widened
from precisionchain.schemas.variant import Variant

_DONE: Final = 2**62
_ORDER: Final[list[tuple[str, Literal["ascending", "descending"]]]] = [
    ("pos", "ascending"),
    ("ref", "ascending"),
    ("alt", "ascending"),
    ("record", "ascending"),
]


@dataclass(frozen=True, slots=True)
class OpenFile:
    """A file of the batch that is being read.

    Attributes:
        scan: the file; None for the only one of a batch, which is staged as it is scanned.
        first_record: number of its first record within the batch.
        runs: its runs, whose ``record`` still counts from 0 within the file.
        reach: how far before its record an allele may lie.
    """

    scan: Scan | None
    first_record: int
    runs: Iterator[CallRun]
    reach: int = 0


def contig_order(scans: Sequence[Scan]) -> list[str]:
    """Return the contigs of a batch in the order in which they are written.

    Each file's order is kept; where that leaves a choice, the genome's order decides.

    Raises:
        VcfFormatError: two files have shared contigs in different orders.
    """
    before: dict[str, set[str]] = {}
    for scan in scans:
        contigs = [segment.chrom for segment in scan.segments]
        for chrom in contigs:
            before.setdefault(chrom, set())
        for above, below in pairwise(contigs):
            before[below].add(above)
    merging = TopologicalSorter(before)
    try:
        merging.prepare()
    except CycleError as error:
        ring = set(error.args[1])
        last = [scan for scan in scans if len(ring & {s.chrom for s in scan.segments}) > 1][-1]
        raise VcfFormatError(
            "has its contigs in another order than the other files of the batch",
            where=str(last.path),
            hint=f"sort the files with {last.tools.sort}, or join them with {last.tools.join}",
        ) from error
    order: list[str] = []
    ready: list[str] = []
    while merging.is_active():
        ready = sorted({*ready, *merging.get_ready()}, key=lambda c: (chrom_rank(c), c))
        order.append(ready.pop(0))
        merging.done(order[-1])
    return order


def ordered_runs(
    files: Sequence[OpenFile], collapsed: Counter[str], locate: Callable[[int], str]
) -> Iterator[CallRun]:
    """Yield the alleles of all files in order of contig, then (pos, ref, alt), each once.

    Args:
        files: the batch's files.
        collapsed: gets the number of duplicates that collapsed.
        locate: file and line of a record of the batch, for messages.

    Raises:
        DuplicateVariantError: one allele twice, with different genotypes.
    """
    heads = [_Head(file) for file in files]
    scans = [file.scan for file in files if file.scan]
    if not scans:
        (head,) = heads
        while head.more():
            yield from _contig([head], collapsed, locate)
        return
    for chrom in contig_order(scans):
        here = [head for head in heads if head.enter(chrom)]
        yield from _contig(here, collapsed, locate)


class _Head:
    """How far a file has been read."""

    def __init__(self, file: OpenFile) -> None:
        self._file = file
        self._next: CallRun | None = None
        self.read_to = 0

    def more(self) -> bool:
        """Begin the next contig, whichever it is; return whether there is one."""
        self.read_to = -self._file.reach
        self._next = next(self._file.runs, None)
        return self._next is not None

    def enter(self, chrom: str) -> bool:
        """Begin a contig; return whether the file has it."""
        for segment in self._file.scan.segments if self._file.scan else ():
            if segment.chrom == chrom:
                self.read_to = segment.first_pos - self._file.reach
                return True
        return False

    def take(self) -> CallRun:
        """Return the contig's next run, its records numbered within the batch."""
        run, self._next = self._next or next(self._file.runs), None
        self.read_to = _DONE if run.last else run.read_to - self._file.reach
        if not self._file.first_record:
            return run
        record = pc.add(run.sites["record"], pa.scalar(self._file.first_record, pa.int32()))
        at = run.sites.schema.get_field_index("record")
        return replace(run, sites=run.sites.set_column(at, "record", record))


def _contig(
    heads: list[_Head], collapsed: Counter[str], locate: Callable[[int], str]
) -> Iterator[CallRun]:
    """Yield one contig: always read the file that is furthest behind, and give out what is safe."""
    held: list[CallRun] = []
    safe = 0
    while safe < _DONE:
        held.append(min(heads, key=lambda head: head.read_to).take())
        safe = min(head.read_to for head in heads)
        ready, rest = _sorted_below(held, safe)
        held = [rest]
        if len(ready.sites):
            yield _each_once(ready, collapsed, locate)


def _sorted_below(held: list[CallRun], safe: int) -> tuple[CallRun, CallRun]:
    """Return the alleles before position ``safe`` in order, and the others."""
    sites = joined_sites([run.sites for run in held])
    calls = join_calls([run.calls for run in held])
    pos = sites["pos"].to_numpy()
    if np.any(pos[1:] <= pos[:-1]):
        order = pc.sort_indices(sites, sort_keys=_ORDER).to_numpy().astype(np.int64)
        if np.any(order[1:] < order[:-1]):
            sites, calls = sites.take(order), take_calls(calls, order)
            pos = sites["pos"].to_numpy()
    cut = int(np.searchsorted(pos, safe))
    ready = replace(held[0], sites=sites.slice(0, cut), calls=take_calls(calls, slice(0, cut)))
    rest = replace(held[0], sites=sites.slice(cut), calls=take_calls(calls, slice(cut, None)))
    return ready, rest


def _each_once(run: CallRun, collapsed: Counter[str], locate: Callable[[int], str]) -> CallRun:
    """Collapse equal duplicates of a sorted run."""
    twice = _equal_to_above(run.sites)
    if not len(twice):
        return run
    keep = np.ones(len(run.sites), dtype=np.bool_)
    calls = widened(run.calls)
    kept = -1
    for row in twice.tolist():
        kept = kept if kept >= 0 and not keep[row - 1] else row - 1
        if not same_calls(calls, kept, row):
            _refuse(run, kept, row, locate)
        agreed_phase(calls, kept, row)
        keep[row] = False
    collapsed["collapsed_duplicates"] += len(twice)
    rows = np.flatnonzero(keep)
    sites = run.sites.take(rows)
    return replace(run, sites=sites, calls=take_calls(calls, rows))


def _equal_to_above(sites: pa.Table) -> npt.NDArray[np.int64]:
    """Return the rows whose (pos, ref, alt) are those of the row above."""
    pos = sites["pos"].to_numpy()
    rows = np.flatnonzero(pos[1:] == pos[:-1]) + 1
    if not len(rows):
        return rows
    equal = np.ones(len(rows), dtype=np.bool_)
    for name in ("ref", "alt"):
        column = sites[name]
        equal &= pc.equal(column.take(rows), column.take(rows - 1)).to_numpy()
    return rows[equal]


def _refuse(run: CallRun, one: int, other: int, locate: Callable[[int], str]) -> None:
    def value(name: str, row: int) -> str:
        return str(run.sites[name][row].as_py())

    pos = int(value("pos", one))
    variant = Variant(run.chrom, pos, value("ref", one), value("alt", one))
    places = [locate(int(value("record", row))) for row in (one, other)]
    structural = variant.alt.startswith("<")  # whose ALT as written lacks END
    raise DuplicateVariantError(
        f"{variant} stands twice with different genotypes, also at {places[0]}",
        where=places[1],
        hint="remove one of the two records, by its line: `bcftools norm --rm-dup` looks at POS, "
        "REF and ALT alone, so it would remove structural alleles of other ends too"
        if structural
        else "remove one of them, for instance with `bcftools norm --rm-dup exact`, or, of a "
        "PLINK fileset, `plink2 --exclude`",
    )
