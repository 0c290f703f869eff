"""A text file as call runs: from lines to packed calls, without a Python object a call.

Records whose alleles are plain bases have no Python object either. For each block of lines: which
records are plain, what `vcf_alleles` says of the others, the calls that were not packed as the
lines were read, and then one row an allele of all that is taken.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import VcfFormatError
from precisionchain.ingest.vcf_alleles import MAX_ALTS, Allele, Refusal, alleles_of
from precisionchain.ingest.vcf_calls import COUNTERS, Verdict, write_calls
from precisionchain.ingest.vcf_cells import N_FOUND, decode_lines
from precisionchain.ingest.vcf_lines import OTHER, PHASED
from precisionchain.ingest.vcf_record import record_of
from precisionchain.ingest.vcf_rules import Persons, beyond_end, half_call_refused, ploidy_rules
from precisionchain.ingest.vcf_run import CallRun, ReadRules, ReadTally, Refused
from precisionchain.ingest.vcf_settings import HALF_CALLS
from precisionchain.ingest.vcf_sites import no_sites, sites_of
from precisionchain.ingest.vcf_sites_kernel import (
    N_PLACES,
    ODD,
    judge_lines,
    place_alleles,
)
from precisionchain.ingest.vcf_stream import Lines, TextStream
from precisionchain.ingest.vcf_structural_sites import with_structural
from precisionchain.ingest.vcf_written_counts import contradicting
from precisionchain.schemas.calls import PackedCalls
from precisionchain.schemas.counts import packed_counts
from precisionchain.schemas.genome import BUILDS
from precisionchain.schemas.packed_calls import full_bits

_REFUSALS: Final = {
    Verdict.PLOIDY: Refusal.PLOIDY,
    Verdict.ALLELE: Refusal.ALLELE_NUMBER,
    Verdict.NO_GENOTYPES: Refusal.NO_GENOTYPES,
}


DECODED_CALLS: Final = 2**20
"""Calls decoded at a time, of lines whose packed calls are not what is stored: 5 bytes each."""


def text_runs(
    stream: TextStream, persons: Persons, rules: ReadRules, tally: ReadTally
) -> Iterator[CallRun]:
    """Yield the calls of a text file, contig by contig, in its order.

    Args:
        stream: the file, of which no line has been read.
        persons: the columns to read.
        rules: how calls become genotypes.
        tally: gets what was refused and what was counted.

    Raises:
        UnreadableFileError, VcfFormatError: see `TextStream.lines`; also a call that is not VCF,
            or a half-call under ``half_call="error"``.
        BuildMismatchError: a record lies beyond the end of its chromosome.
    """
    chrom, read_to = "", 0
    n = len(persons.columns)
    none = PackedCalls(n, np.empty((0, -(-n // 4)), np.uint8))
    few = max(1, DECODED_CALLS // max(1, n))
    for lines in stream.lines():
        edges = [*lines.contigs, (len(lines.positions), "")]
        begin = 0
        for end, name in edges:
            step = end - begin if _as_packed(chrom, persons, rules) else few
            for first in range(begin, end, max(1, step)):
                last = min(end, first + step)
                read_to = int(lines.positions[last - 1])
                part = _Part(stream, lines.between(first, last), chrom, persons, rules, tally)
                yield part.run(read_to)
            if name:
                if chrom:
                    yield CallRun(chrom, no_sites(), none, read_to, last=True)
                chrom = name
            begin = end
    if chrom:
        yield CallRun(chrom, no_sites(), none, read_to, last=True)


def _as_packed(chrom: str, persons: Persons, rules: ReadRules) -> bool:
    """Whether the calls of a contig's lines are stored as they were packed, where they were."""
    asked = rules.min_gq is not None or rules.min_dp is not None
    return persons.in_order and not asked and chrom not in ("X", "Y", "MT")


@dataclass(slots=True)
class _Decoded:
    """Calls of the lines that were not packed at once: see `vcf_cells.decode_lines`."""

    lines: npt.NDArray[np.int64]
    first: npt.NDArray[np.int16]
    second: npt.NDArray[np.int16]
    phased: npt.NDArray[np.uint8]
    found: npt.NDArray[np.int64]


@dataclass(slots=True)
class _Wide:
    """Packed calls with all their bitmaps: see `vcf_calls.write_calls`."""

    codes: npt.NDArray[np.uint8]
    missing: npt.NDArray[np.uint8]
    phased: npt.NDArray[np.uint8]
    haploid: npt.NDArray[np.uint8]

    def all_phased(self, n: int) -> bool:
        """Whether all calls are diploid and phased, so that none is missing."""
        return bool((self.phased == full_bits(n)).all())


class _Part:
    """Lines of one contig on their way to a run."""

    def __init__(  # noqa: PLR0917 - made in one place
        self,
        stream: TextStream,
        lines: Lines,
        chrom: str,
        persons: Persons,
        rules: ReadRules,
        tally: ReadTally,
    ) -> None:
        self._file, self._lines, self._chrom = stream.file, lines, chrom
        self._persons, self._rules, self._tally = persons, rules, tally
        n = len(lines.positions)
        self._kinds, self._n_alts = np.empty(n, np.uint8), np.zeros(n, np.int32)
        self._passes = np.empty(n, np.bool_)
        self._ploidy = ploidy_rules(rules.build, chrom, lines.positions)
        self._odd: dict[int, tuple[Allele, ...]] = {}
        self._refused: dict[int, Refused] = {}

    def run(self, read_to: int) -> CallRun:
        """Return the lines' alleles and calls."""
        lines = self._lines
        args = (lines.text, lines.fields, lines.positions, MAX_ALTS)
        judge_lines(*args, self._kinds, self._n_alts, self._passes)
        wrong = self._beyond_end()
        for line in np.flatnonzero(self._kinds == ODD).tolist():
            if wrong is None or line < wrong:
                self._ask(line)
        if self._rules.filter_policy == "pass":
            for line in np.flatnonzero(~self._passes).tolist():
                self._refuse(line, Refusal.FILTER)
        decoded = self._decode()
        self._verdicts(decoded, wrong)
        for line in sorted(self._refused):
            self._tally.refuse(self._refused[line])
        starts, sizes = self._rows()
        calls = self._calls(decoded, starts, sizes)
        self._compare_counts(decoded, starts, sizes, calls)
        return CallRun(self._chrom, self._sites(starts, sizes), calls, read_to, last=False)

    # ---------------------------------------------------------------------------- alleles

    def _ref_end(self, line: int) -> int:
        """The last base of REF as written."""
        row = self._lines.fields[line]
        return int(self._lines.positions[line] + row[4] - 1 - row[3]) - 1

    def _beyond_end(self) -> int | None:
        """Return the first line that lies beyond the end of its chromosome."""
        length = BUILDS[self._rules.build].lengths.get(self._chrom)
        if length is None:
            return None
        fields, positions = self._lines.fields, self._lines.positions
        beyond = np.flatnonzero(positions + fields[:, 4] - 2 - fields[:, 3] > length)
        return int(beyond[0]) if len(beyond) else None

    def _ask(self, line: int) -> None:
        """Make a record of a line, and note which of its alleles are stored or why none is."""
        number = self._lines.first_record + line
        try:
            record = record_of(self._lines.text, self._lines.fields[line], number, self._chrom)
        except UnicodeDecodeError as error:
            raise VcfFormatError(
                "ID, REF, ALT or FILTER is not UTF-8", where=self._file.where(number)
            ) from error
        self._n_alts[line] = len(record.alts)
        alleles = alleles_of(record, trimmed=self._rules.trimmed)
        if isinstance(alleles, Refusal):
            end = record.end if alleles is Refusal.GVCF_BLOCK else None
            self._refuse(line, alleles, end)
        else:
            self._odd[line] = alleles

    def _refuse(self, line: int, rule: Refusal, end: int | None = None) -> None:
        number, pos = self._lines.first_record + line, int(self._lines.positions[line])
        last = self._ref_end(line) if end is None else end
        self._refused[line] = Refused(number, self._chrom, pos, last, rule)
        self._odd.pop(line, None)

    # ------------------------------------------------------------------------------ calls

    def _decode(self) -> _Decoded:
        """Read the calls that are not packed yet, or not as their alleles ask."""
        lines, rules = self._lines, self._rules
        packed = (lines.forms != OTHER) & (self._ploidy == 0) & (self._n_alts == 1)
        packed &= self._persons.in_order
        least = np.array([-1.0 if x is None else x for x in (rules.min_gq, rules.min_dp)])
        packed &= bool((least < 0).all())
        for line, alleles in self._odd.items():
            packed[line] &= len(alleles) == 1 and alleles[0].number == 1
        rest = np.flatnonzero(~packed)
        shape = (len(rest), len(self._persons.columns))
        decoded = _Decoded(
            lines=rest,
            first=np.empty(shape, np.int16),
            second=np.empty(shape, np.int16),
            phased=np.empty(shape, np.uint8),
            found=np.zeros((len(rest), N_FOUND), np.int64),
        )
        if len(rest):
            out = (decoded.first, decoded.second, decoded.phased, decoded.found)
            held = (lines.fields, lines.forms, lines.codes, lines.missing)
            decode_lines(lines.text, rest, *held, self._n_alts, least, *out)
        return decoded

    def _verdicts(self, decoded: _Decoded, beyond: int | None) -> None:
        """Refuse the records whose calls cannot be taken, and the file for the first error."""
        verdicts, halves = decoded.found[:, 0], decoded.found[:, 1]
        for at in np.flatnonzero((verdicts != Verdict.TAKEN) | (halves > 0)).tolist():
            line, verdict = int(decoded.lines[at]), Verdict(int(verdicts[at]))
            if beyond is not None and line >= beyond:
                break
            where = self._file.where(self._lines.first_record + line)
            if verdict is Verdict.NOT_VCF:
                sample = int(halves[at]) + 1
                raise VcfFormatError(
                    f"the record is not VCF: sample {sample}, in column {sample + 9}, has a GT "
                    "that is none, or more fields than FORMAT has keys",
                    where=where,
                    hint="mend the file where it was made; `bcftools view` may say more",
                )
            if line in self._refused:
                continue
            if verdict in _REFUSALS:
                self._refuse(line, _REFUSALS[verdict])
            elif self._rules.half_call == "error":
                raise half_call_refused(where)
        if beyond is not None:
            where = self._file.where(self._lines.first_record + beyond)
            raise beyond_end(self._chrom, self._rules.build, where)

    def _rows(self) -> tuple[npt.NDArray[np.int64], npt.NDArray[np.int64]]:
        """Return the first row of each line, and how many it has."""
        sizes = self._n_alts.astype(np.int64)
        for line, alleles in self._odd.items():
            sizes[line] = len(alleles)
        sizes[list(self._refused)] = 0
        return np.cumsum(sizes) - sizes, sizes

    def _calls(
        self,
        decoded: _Decoded,
        starts: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.int64],
    ) -> PackedCalls:
        """Return the packed calls of all rows, and count them."""
        lines, n = self._lines, len(self._persons.columns)
        of = np.repeat(np.arange(len(sizes)), sizes)
        every = len(of) == len(sizes) and bool((sizes == 1).all())
        at_once = sizes > 0
        at_once[decoded.lines] = False
        rows, apart = self._apart(decoded, starts, sizes)
        codes = lines.codes if every else lines.codes[of]
        codes[rows] = apart.codes
        counted = COUNTERS.index("phased_calls")
        plain = not lines.gaps[at_once].any() and bool((lines.forms[at_once] == PHASED).all())
        if plain and apart.all_phased(n):
            self._tally.calls[counted] += n * int(at_once.sum())
            return PackedCalls(n, codes, "all")
        missing = lines.missing[of]
        missing[rows] = apart.missing
        ordered = (lines.forms[of] == PHASED).astype(np.uint8)[:, None] * full_bits(n) & ~missing
        self._tally.calls[counted] += int(np.bitwise_count(ordered[starts[at_once]]).sum())
        ordered[rows] = apart.phased
        haploid = None
        if apart.haploid.any():
            haploid = np.zeros_like(missing)
            haploid[rows] = apart.haploid
        return PackedCalls(n, codes, "mixed", missing, ordered, haploid)

    def _apart(
        self, decoded: _Decoded, starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]
    ) -> tuple[npt.NDArray[np.int64], _Wide]:
        """Return the rows of decoded lines that are taken, and their calls; count these."""
        taken = np.flatnonzero(sizes[decoded.lines] > 0)
        edges = np.concatenate(([0], np.cumsum(sizes[decoded.lines[taken]])))
        numbers, rows = self._wanted(decoded.lines[taken], starts, sizes)
        n, k = len(self._persons.columns), len(rows)
        apart = _Wide(*(np.zeros((k, -(-n // of)), np.uint8) for of in (4, 8, 8, 8)))
        if not k:
            return rows, apart
        counters = np.zeros(len(COUNTERS), np.int64)
        calls = (decoded.first[taken], decoded.second[taken], decoded.phased[taken])
        whose = (self._persons.columns, self._persons.sex)
        ploidy = self._ploidy[decoded.lines[taken]]
        half_call = HALF_CALLS.index(self._rules.half_call)
        out: Any = (apart.codes, apart.missing, apart.phased, apart.haploid, counters)
        write_calls(*calls, *whose, ploidy, half_call, numbers, edges, np.arange(k), *out)
        found = decoded.found[taken].sum(axis=0).tolist()
        for name, number in zip(("half_calls", "low_gq", "low_dp"), found[1:4], strict=True):
            counters[COUNTERS.index(name)] += number
        self._tally.dropped["phase_set_records"] += int((decoded.found[taken, 4] > 0).sum())
        self._tally.dropped["phase_set_calls"] += found[4]
        self._tally.calls += counters
        return rows, apart

    def _wanted(
        self,
        lines: npt.NDArray[np.int64],
        starts: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.int64],
    ) -> tuple[npt.NDArray[np.int16], npt.NDArray[np.int64]]:
        """Return the number and the row of each allele of some lines."""
        of = np.repeat(lines, sizes[lines])
        within = np.arange(len(of)) - np.repeat(
            np.cumsum(sizes[lines]) - sizes[lines], sizes[lines]
        )
        numbers = (within + 1).astype(np.int16)
        for at, line in enumerate(of.tolist()) if self._odd else ():
            if line in self._odd:
                numbers[at] = self._odd[line][within[at]].number
        return numbers, starts[of] + within

    def _compare_counts(
        self,
        decoded: _Decoded,
        starts: npt.NDArray[np.int64],
        sizes: npt.NDArray[np.int64],
        calls: PackedCalls,
    ) -> None:
        """Count the records whose INFO contradicts their genotypes, where these are as written."""
        if len(self._persons.columns) != len(self._file.header.samples) or not sizes.any():
            return
        as_written = (self._kinds != ODD) & (self._ploidy == 0) & (sizes > 0)
        as_written[decoded.lines[(decoded.found[:, 1:4] > 0).any(axis=1)]] = False
        lines = np.flatnonzero(as_written)
        counts = packed_counts(calls)
        found = (self._lines.text, self._lines.fields, lines, starts, sizes, counts.ac, counts.an)
        self._tally.contradict(contradicting(*found)[0])

    # ------------------------------------------------------------------------------ sites

    def _sites(self, starts: npt.NDArray[np.int64], sizes: npt.NDArray[np.int64]) -> Any:
        """Return the sites of all rows, and count what became of the alleles."""
        lines = self._lines
        places = np.empty((int(sizes.sum()), N_PLACES), np.int32)
        plain = np.flatnonzero((self._kinds != ODD) & (sizes > 0))
        trimmed = self._rules.trimmed
        args = (lines.text, lines.fields, lines.positions, plain, starts[plain], trimmed)
        n_trimmed, n_changed = place_alleles(*args, places)
        if n_changed:
            counts = self._tally.normalised
            counts["split_records"] += int((sizes[plain] > 1).sum())
            counts["trimmed_alleles"] += n_trimmed
        extra = bytearray()
        structural = []
        for line in sorted(self._odd):
            alleles = self._odd[line]
            row = lines.fields[line]
            ref = lines.text[row[3] : row[4] - 1].tobytes().decode()
            alts = lines.text[row[4] : row[5] - 1].tobytes().decode()
            written = tuple(alts.split(",")) if self._n_alts[line] else ()
            self._tally.count_alleles(ref, written, alleles)
            for k, allele in enumerate(alleles):
                texts = []
                for text in (allele.ref.encode(), allele.alt.encode()):
                    texts += [len(lines.text) + len(extra), len(text)]
                    extra += text
                places[starts[line] + k] = (allele.pos, *texts, allele.number)
                if allele.structural is not None:
                    structural.append((int(starts[line]) + k, allele.structural))
        of = np.repeat(np.arange(len(sizes)), sizes)
        return with_structural(sites_of(lines, places, of, self._n_alts, extra), structural)
