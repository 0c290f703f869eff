"""Records that come one by one as call runs: a Python step per record, none per call."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, Final, Protocol

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.errors import VcfFormatError
from precisionchain.ingest.vcf_alleles import MAX_ALTS, Allele, Refusal, alleles_of
from precisionchain.ingest.vcf_calls import COUNTERS, Verdict, inspect_calls, write_calls
from precisionchain.ingest.vcf_file import Scan
from precisionchain.ingest.vcf_record import Record
from precisionchain.ingest.vcf_rules import Persons, beyond_end, half_call_refused, ploidy_rules
from precisionchain.ingest.vcf_run import RUN_SITES, CallRun, ReadRules, ReadTally, Refused
from precisionchain.ingest.vcf_settings import HALF_CALLS
from precisionchain.ingest.vcf_structural import StructuralAllele
from precisionchain.ingest.vcf_structural_sites import with_structural
from precisionchain.schemas.calls import PackedCalls
from precisionchain.schemas.genome import BUILDS

RUN_ALLELES: Final = 4096
RUN_CALLS: Final = 8 * 2**20
"""A run holds about so many alleles, and so many calls."""

_ABSENT: Final = -2
_HALF, _LOW_GQ = COUNTERS.index("half_calls"), COUNTERS.index("low_gq")


def record_runs(
    scan: Scan,
    records: Iterator[Called],
    persons: Persons,
    rules: ReadRules,
    tally: ReadTally,
) -> Iterator[CallRun]:
    """Yield the calls of a file, contig by contig, in its order.

    Args:
        scan: the file, as `vcf_scan.scan` found it.
        records: its records, as many.
        persons: the columns to read.
        rules: how calls become genotypes.
        tally: gets what was refused and what was counted.

    Raises:
        VcfFormatError: a record is malformed, or has a half-call under ``half_call="error"``.
        BuildMismatchError: a record lies beyond the end of its chromosome.
    """
    builder = _RunBuilder(scan, persons, rules, tally)
    for segment in scan.segments:
        builder.begin(segment.chrom)
        for number in range(segment.first_record, segment.first_record + segment.records):
            if builder.full:
                yield builder.flush(last=False)
            try:
                builder.add(next(records))
            except UnicodeDecodeError as error:
                raise VcfFormatError(
                    "ID, REF, ALT or FILTER is not UTF-8", where=scan.where(number)
                ) from error
        yield builder.flush(last=True)


class Called(Protocol):
    """One record with its calls."""

    @property
    def record(self) -> Record:
        """All but the calls."""

    @property
    def genotypes(self) -> npt.NDArray[np.int16] | None:
        """int16 [samples, width + 1]: numbers of alleles, -1 missing, -2 none.

        The last column is 1 where the call is phased. None where FORMAT has no GT.
        """

    @property
    def phase_sets(self) -> npt.NDArray[np.bool_] | None:
        """Who names a phase set, bool [samples]; None where FORMAT has no PS."""

    def numbers(self, key: str) -> npt.NDArray[np.float64] | None:
        """float64 [samples], the first number of a field, NaN where there is none.

        None where FORMAT has no such field.
        """


class _RunBuilder:
    """Collects the rows of one run."""

    def __init__(self, scan: Scan, persons: Persons, rules: ReadRules, tally: ReadTally) -> None:
        self._scan, self._persons, self._rules, self._tally = scan, persons, rules, tally
        self._half_call = HALF_CALLS.index(rules.half_call)
        self._n = len(persons.columns)
        self._room = max(1, min(RUN_ALLELES, RUN_CALLS // max(1, self._n)))
        self._chrom = ""
        self._length: int | None = None
        self._read_to = 0
        self._begin_run()

    def begin(self, chrom: str) -> None:
        """Begin a contig."""
        self._chrom = chrom
        self._length = BUILDS[self._rules.build].lengths.get(chrom)

    @property
    def full(self) -> bool:
        """Whether the run has as many alleles as a run may have."""
        return len(self._rows) >= self._room

    def add(self, called: Called) -> None:
        """Take a record, or note why not."""
        read = called.record
        number, pos, ref, alts = read.number, read.pos, read.ref, read.alts
        self._read_to = pos
        end = pos + len(ref) - 1
        if self._length is not None and end > self._length:
            raise beyond_end(self._chrom, self._rules.build, self._scan.where(number))
        alleles = alleles_of(read, trimmed=self._rules.trimmed)
        if self._rules.filter_policy == "pass" and read.filters not in ((), ("PASS",)):
            alleles = Refusal.FILTER
        if not isinstance(alleles, Refusal):
            alleles = self._split(called, alleles)
        if isinstance(alleles, Refusal):
            if alleles is Refusal.GVCF_BLOCK:
                end = read.end
            self._tally.refuse(Refused(number, self._chrom, pos, end, alleles))
            return
        texts = (read.id, ";".join(read.filters) or None)
        for allele in alleles:
            if allele.structural is not None:
                self._structural.append((len(self._rows), allele.structural))
            self._rows.append(_row(allele, number, len(alts), (pos, end), texts))
        self._tally.count_alleles(ref, alts, alleles)

    def _split(self, called: Called, alleles: tuple[Allele, ...]) -> tuple[Allele, ...] | Refusal:
        """Write the calls of a record's alleles; return these, or why not."""
        read, genotypes = called.record, called.genotypes
        if genotypes is None:
            return Refusal.NO_GENOTYPES
        counters = self._tally.calls
        half_calls, code = inspect_calls(genotypes, len(read.alts))
        verdict = Verdict(code)
        if verdict is Verdict.PLOIDY:
            return Refusal.PLOIDY
        if verdict is Verdict.ALLELE:
            return Refusal.ALLELE_NUMBER
        lows = self._make_missing(called, genotypes)
        if any(lows):
            half_calls, _ = inspect_calls(genotypes, len(read.alts))
        if half_calls and self._rules.half_call == "error":
            raise half_call_refused(self._scan.where(read.number))
        counters[_HALF] += half_calls
        counters[_LOW_GQ : _LOW_GQ + 2] += lows
        first = genotypes[:, 0]
        second = genotypes[:, 1] if genotypes.shape[1] > 2 else np.full_like(first, _ABSENT)
        begin = len(self._rows)
        rows = np.arange(begin, begin + len(alleles))
        pos = np.array([read.pos])
        write_calls(
            np.ascontiguousarray(first)[None],
            np.ascontiguousarray(second)[None],
            genotypes[:, -1].astype(np.uint8)[None],
            self._persons.columns,
            self._persons.sex,
            ploidy_rules(self._rules.build, self._chrom, pos),
            self._half_call,
            np.array([allele.number for allele in alleles], np.int16),
            np.array([0, len(alleles)]),
            rows,
            *self._arrays,
            counters,
        )
        named = called.phase_sets
        if named is not None:
            self._tally.count_phase_sets(int(named[self._persons.columns].sum()))
        return alleles

    def _make_missing(self, called: Called, genotypes: npt.NDArray[np.int16]) -> list[int]:
        """Make calls missing whose GQ or DP is too low; return how many for each."""
        counts = []
        for key, least in (("GQ", self._rules.min_gq), ("DP", self._rules.min_dp)):
            low: Any = np.zeros(len(genotypes), np.bool_)
            if least is not None:
                values = called.numbers(key)
                low = (genotypes[:, :-1] >= 0).any(axis=1)
                if values is not None:
                    low &= ~(values >= least)
                genotypes[low, 0] = -1
                genotypes[low, 1:-1] = _ABSENT
            counts.append(int(low.sum()))
        return counts

    def _begin_run(self) -> None:
        # The last record of a run is taken whole, so rows are kept for all its alleles.
        rows = self._room + MAX_ALTS
        widths = (-(-self._n // 4), *(-(-self._n // 8),) * 3)
        zeros = [np.zeros((rows, width), np.uint8) for width in widths]
        self._arrays: tuple[Any, Any, Any, Any] = (zeros[0], zeros[1], zeros[2], zeros[3])
        self._rows: list[tuple[Any, ...]] = []
        self._structural: list[tuple[int, StructuralAllele]] = []

    def flush(self, *, last: bool) -> CallRun:
        """Return the run and begin another."""
        n = len(self._rows)
        codes, missing, ordered, haploid = (array[:n] for array in self._arrays)
        some = haploid if haploid.any() else None
        calls = PackedCalls(self._n, codes, "mixed", missing, ordered, some)
        columns = zip(*self._rows, strict=True) if n else ([] for _ in RUN_SITES)
        arrays = [
            pa.array(values, type=field.type)
            for field, values in zip(RUN_SITES, columns, strict=True)
        ]
        sites = with_structural(pa.table(arrays, schema=RUN_SITES), self._structural)
        self._begin_run()
        return CallRun(self._chrom, sites, calls, self._read_to, last)


def _row(
    allele: Allele, number: int, n_alts: int, span: tuple[int, int], texts: tuple[Any, Any]
) -> tuple[Any, ...]:
    """Return one row in the order of `RUN_SITES`; ``texts`` are ID and FILTER."""
    place = (allele.pos, allele.ref, allele.alt, texts[0], number, allele.number)
    return (*place, n_alts, *span, texts[1])
