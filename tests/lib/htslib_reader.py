"""Text VCF and BCF read by htslib (cyvcf2), for comparison with the readers of the package."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any, Final, Literal

import cyvcf2
import numpy as np
import numpy.typing as npt

from precisionchain.errors import VcfFormatError
from precisionchain.ingest.vcf_record import Record
from precisionchain.ingest.vcf_records import record_runs
from precisionchain.ingest.vcf_rules import Persons
from precisionchain.ingest.vcf_run import CallRun, ReadRules, ReadTally
from precisionchain.ingest.vcf_scan import Scan

_NO_INTEGER: Final = np.iinfo(np.int32).min + 7
"""BCF's integers up to this one are no values: a missing one, the end of a list."""


@dataclass(frozen=True)
class _Called:
    """See `vcf_records.Called`."""

    record: Record
    genotypes: npt.NDArray[np.int16] | None
    phase_sets: npt.NDArray[np.bool_] | None
    numbers: Callable[[str], npt.NDArray[np.float64] | None]


def htslib_runs(
    scan: Scan, persons: Persons, rules: ReadRules, tally: ReadTally
) -> Iterator[CallRun]:
    """Yield what `read_runs` would, of htslib's reading of the file."""
    return record_runs(scan, _all_called(scan), persons, rules, tally)


def _all_called(scan: Scan) -> Iterator[_Called]:
    records = _records(scan)
    for segment in scan.segments:
        for number in range(segment.first_record, segment.first_record + segment.records):
            yield _called(number, segment.chrom, next(records))


def _records(scan: Scan) -> Iterator[Any]:
    """Yield exactly as many records as the scan counted, or fail at the one that is not one."""
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


def _numbers(written: npt.NDArray[Any]) -> npt.NDArray[np.float64]:
    """Return a field's first value of each sample; NaN where there is none, or no number."""
    values = written.reshape(len(written), -1)[:, 0]
    if values.dtype.kind == "U":
        return np.array([float(v) if _is_number(v) else np.nan for v in values.tolist()])
    if values.dtype.kind == "f":
        return values.astype(np.float64)
    return np.where(values > _NO_INTEGER, values, np.nan)


def _is_number(text: str) -> bool:
    try:
        float(text)
    except ValueError:
        return False
    return True


def _phase_sets(written: npt.NDArray[Any]) -> npt.NDArray[np.bool_]:
    """Return which calls name a phase set: integers [samples, n], text where so declared."""
    if written.dtype.kind == "U":
        named = written != "."
    elif written.dtype.kind == "f":
        named = ~np.isnan(written).all(axis=1)
    else:
        named = (written > _NO_INTEGER).any(axis=1)
    return np.asarray(named, np.bool_)


def _called(number: int, chrom: str, record: Any) -> _Called:
    """Return what is read of a record of cyvcf2."""
    read = _record(number, chrom, record)
    try:
        genotypes = record.genotype.array()
    except Exception:  # noqa: BLE001 - cyvcf2 raises the bare class where FORMAT has no GT
        genotypes = None

    def look_up(key: str) -> npt.NDArray[np.float64] | None:
        return _numbers(record.format(key)) if key in read.format else None

    sets = _phase_sets(record.format("PS")) if "PS" in read.format else None
    return _Called(read, genotypes, sets, look_up)


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
        alts=() if record.ALT == ["."] else tuple(record.ALT),
        id=record.ID,
        filters=tuple(record.FILTERS),
        format=tuple(record.FORMAT),
        info=look_up,
    )
