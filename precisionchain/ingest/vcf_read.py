"""A VCF or BCF file as an iterator of dense call runs, one contig at a time.

This is the seam for a faster reader: whatever yields the same `CallRun` objects from a `Scan` can
take the place of `read_runs`. This one is cyvcf2 for text, and for BCF `bcf_records`: a Python step
per record, none per call.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.errors import BuildMismatchError, VcfFormatError
from precisionchain.ingest.bcf_records import BcfRecord, read_bcf
from precisionchain.ingest.vcf_alleles import MAX_ALTS, Allele, Refusal, alleles_of
from precisionchain.ingest.vcf_calls import HALF_CALLS, Ploidy, Verdict, split_calls
from precisionchain.ingest.vcf_record import Record
from precisionchain.ingest.vcf_run import RUN_SITES, CallRun, ReadRules, ReadTally, Refused
from precisionchain.ingest.vcf_scan import Scan
from precisionchain.ingest.vcf_structural import StructuralAllele
from precisionchain.ingest.vcf_structural_sites import with_structural
from precisionchain.schemas.calls import Calls
from precisionchain.schemas.genome import BUILDS, in_par
from precisionchain.schemas.structural import is_structural

RUN_ALLELES: Final = 4096
RUN_BYTES: Final = 8 * 2**20
"""A run holds about so many alleles, and so many bytes of dosage (three times that in all)."""

_NO_INTEGER: Final = np.iinfo(np.int32).min + 7
"""BCF's integers up to this one are no values: a missing one, the end of a list."""


@dataclass(frozen=True, slots=True)
class Persons:
    """Whose calls are read, and in which order.

    Attributes:
        columns: int64 [persons], the sample column of each.
        sex: uint8 [persons], 1 male, 2 female, 0 unknown.
    """

    columns: npt.NDArray[np.int64]
    sex: npt.NDArray[np.uint8]


def read_runs(
    scan: Scan, persons: Persons, rules: ReadRules, tally: ReadTally
) -> Iterator[CallRun]:
    """Yield the calls of a file, contig by contig, in its order.

    Args:
        scan: the file, as `vcf_scan.scan` found it.
        persons: the columns to read.
        rules: how calls become genotypes.
        tally: gets what was refused and what was counted.

    Raises:
        VcfFormatError: a record cannot be parsed, or has a half-call under ``half_call="error"``.
        BuildMismatchError: a record lies beyond the end of its chromosome.
    """
    builder = _RunBuilder(scan, persons, rules, tally)
    records = read_bcf(scan) if scan.kind == "bcf" else _records(scan)
    for segment in scan.segments:
        builder.begin(segment.chrom)
        for number in range(segment.first_record, segment.first_record + segment.records):
            if builder.full:
                yield builder.flush(last=False)
            try:
                builder.add(number, next(records))
            except UnicodeDecodeError as error:
                raise VcfFormatError("REF or ALT is not UTF-8", where=scan.where(number)) from error
        yield builder.flush(last=True)


def _records(scan: Scan) -> Iterator[Any]:
    """Yield exactly as many records as the scan counted, or fail at the one that is not one."""
    import cyvcf2

    # htslib would print pieces of the file; our own messages name the line.
    cyvcf2.cyvcf2.set_htslib_log_level(0)
    try:
        reader = cyvcf2.VCF(str(scan.path))
        _declare_contigs(reader, scan)
    except Exception as error:
        raise VcfFormatError("the header is not VCF", where=str(scan.path)) from error
    for number in range(scan.records):
        try:
            record = next(reader)
        except Exception as error:
            raise VcfFormatError(
                "the record is not VCF",
                where=scan.where(number),
                hint="`bcftools view` says what is wrong with it",
            ) from error
        yield record


def _declare_contigs(reader: Any, scan: Scan) -> None:
    """Tell htslib of the contigs it does not know.

    An unparsable record on such a contig crashes the interpreter (cyvcf2 0.35).
    """
    try:
        known = set(reader.seqnames)
    except AttributeError:  # what cyvcf2 raises where the header names no contig at all
        known = set()
    for segment in scan.segments:
        if segment.name not in known:
            reader.add_to_header(f"##contig=<ID={segment.name}>")


class _RunBuilder:
    """Collects the rows of one run."""

    def __init__(self, scan: Scan, persons: Persons, rules: ReadRules, tally: ReadTally) -> None:
        self._scan = scan
        self._persons = persons
        self._rules = rules
        self._tally = tally
        self._half_call = HALF_CALLS.index(rules.half_call)
        n_persons = len(persons.columns)
        self._room = max(1, min(RUN_ALLELES, RUN_BYTES // max(1, n_persons)))
        # The last record of a run is taken whole, so rows are kept for all its alleles.
        self._shape = (self._room + MAX_ALTS, n_persons)
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

    def add(self, number: int, record: Any) -> None:
        """Take a record, or note why not."""
        of_bcf = isinstance(record, BcfRecord)
        read = record.record if of_bcf else _record(number, self._chrom, record)
        pos, ref, alts = read.pos, read.ref, read.alts
        self._read_to = pos
        end = pos + len(ref) - 1
        if self._length is not None and end > self._length:
            raise BuildMismatchError(
                f"the record lies beyond the end of chromosome {self._chrom} "
                f"in {self._rules.build} ({self._length} bp)",
                where=self._scan.where(number),
                hint="name the build the file was made on",
            )
        alleles = alleles_of(read, trimmed=self._rules.trimmed)
        if self._rules.filter_policy == "pass" and read.filters not in ((), ("PASS",)):
            alleles = Refusal.FILTER
        if not isinstance(alleles, Refusal):
            alleles = self._split(number, record, pos, len(alts), alleles)
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
        if len(alleles) != 1 or (alleles[0].ref, alleles[0].alt) != (ref, *alts):
            self._count_normalised(ref, alts, alleles)

    def _split(
        self, number: int, record: Any, pos: int, n_alts: int, alleles: tuple[Allele, ...]
    ) -> tuple[Allele, ...] | Refusal:
        """Write the calls of a record's alleles; return these, or why not."""
        genotypes = _genotypes(record)
        if genotypes is None:
            return Refusal.NO_GENOTYPES
        rows = slice(len(self._rows), len(self._rows) + len(alleles))
        verdict = Verdict(
            split_calls(
                genotypes,
                self._persons.columns,
                self._persons.sex,
                # Numba looks an enum's type up for every call; an integer's it knows.
                int(_ploidy(self._rules.build, self._chrom, pos)),
                self._half_call,
                n_alts,
                np.array([allele.number for allele in alleles], dtype=np.int16),
                self._dosage[rows],
                self._haploid[rows],
                self._phase[rows],
                self._tally.calls,
            )
        )
        if verdict is Verdict.HALF_CALL:
            raise VcfFormatError(
                "has a half-call such as 0/.",
                where=self._scan.where(number),
                hint="choose --half-call missing, haploid or reference",
            )
        if verdict is Verdict.PLOIDY:
            return Refusal.PLOIDY
        if verdict is Verdict.ALLELE:
            return Refusal.ALLELE_NUMBER
        try:
            named = record.phase_sets if isinstance(record, BcfRecord) else _phase_sets(record)
        except Exception as error:  # cyvcf2 raises the bare class
            raise VcfFormatError(
                "PS is of no type that FORMAT can have", where=self._scan.where(number)
            ) from error
        if named is not None:
            self._count_phase_sets(named)
        return alleles

    def _count_phase_sets(self, named: npt.NDArray[np.bool_]) -> None:
        """Count the calls that name a phase set: bool [samples]."""
        calls = int(named[self._persons.columns].sum())
        self._tally.dropped["phase_set_records"] += calls > 0
        self._tally.dropped["phase_set_calls"] += calls

    def _count_normalised(
        self, ref: str, alts: tuple[str, ...], alleles: tuple[Allele, ...]
    ) -> None:
        counts = self._tally.normalised
        written = "".join((ref, *(alt for alt in alts if not is_structural(alt))))
        counts["split_records"] += len(alts) > 1
        counts["upper_cased_records"] += written != written.upper()
        counts["ambiguous_ref_records"] += bool(set(ref.upper()) - set("ACGTN"))
        counts["star_alleles"] += alts.count("*")
        counts["records_without_allele"] += alleles[0].number == 0
        counts["trimmed_alleles"] += sum(len(allele.ref) < len(ref) for allele in alleles)

    def _begin_run(self) -> None:
        self._dosage = np.empty(self._shape, dtype=np.uint8)
        self._haploid = np.empty(self._shape, dtype=np.bool_)
        self._phase = np.empty(self._shape, dtype=np.uint8)
        self._rows: list[tuple[Any, ...]] = []
        self._structural: list[tuple[int, StructuralAllele]] = []

    def flush(self, *, last: bool) -> CallRun:
        """Return the run and begin another."""
        n = len(self._rows)
        haploid, phase = self._haploid[:n], self._phase[:n]
        calls = Calls(
            self._dosage[:n],
            haploid if haploid.any() else None,
            phase if phase.any() else None,
        )
        columns = zip(*self._rows, strict=True) if n else ([] for _ in RUN_SITES)
        arrays = [
            pa.array(values, type=field.type)
            for field, values in zip(RUN_SITES, columns, strict=True)
        ]
        sites = with_structural(pa.table(arrays, schema=RUN_SITES), self._structural)
        self._begin_run()
        return CallRun(self._chrom, sites, calls, self._read_to, last)


def _genotypes(record: Any) -> npt.NDArray[np.int16] | None:
    """Return a record's genotypes as `split_calls` takes them; None where FORMAT has no GT."""
    if isinstance(record, BcfRecord):
        return record.genotypes
    try:
        genotypes: npt.NDArray[np.int16] = record.genotype.array()
    except Exception:  # noqa: BLE001 - cyvcf2 raises the bare class where FORMAT has no GT
        return None
    return genotypes


def _phase_sets(record: Any) -> npt.NDArray[np.bool_] | None:
    """Return which samples name a phase set: integers [samples, n], text where so declared."""
    if "PS" not in record.FORMAT:
        return None
    written = record.format("PS")
    if written.dtype.kind == "U":
        named = written != "."
    elif written.dtype.kind == "f":
        named = ~np.isnan(written).all(axis=1)
    else:
        named = (written > _NO_INTEGER).any(axis=1)
    return np.asarray(named, dtype=np.bool_)


def _record(number: int, chrom: str, record: Any) -> Record:
    """Return what is read of a record of cyvcf2; its INFO is looked up when asked for."""

    def look_up(key: str) -> str | Literal[True] | None:
        value = record.INFO.get(key)
        if value is None or value is True:
            return value
        return ",".join(map(str, value)) if isinstance(value, tuple) else str(value)

    return Record(
        number=number,
        chrom=chrom,
        pos=int(record.POS),
        ref=str(record.REF),
        alts=tuple(alt for alt in record.ALT if alt != "."),
        id=record.ID,
        filters=tuple(record.FILTERS),
        format=tuple(record.FORMAT),
        info=look_up,
    )


def _row(
    allele: Allele, number: int, n_alts: int, span: tuple[int, int], texts: tuple[Any, Any]
) -> tuple[Any, ...]:
    """Return one row in the order of `RUN_SITES`; ``texts`` are ID and FILTER."""
    place = (allele.pos, allele.ref, allele.alt, texts[0], number, allele.number)
    return (*place, n_alts, *span, texts[1])


def _ploidy(build: str, chrom: str, pos: int) -> Ploidy:
    if chrom == "MT":
        return Ploidy.MT
    if chrom not in ("X", "Y") or bool(in_par(build, chrom, pos)):
        return Ploidy.DIPLOID
    return Ploidy.X if chrom == "X" else Ploidy.Y
