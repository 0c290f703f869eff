"""A VCF or BCF file as an iterator of packed call runs, one contig at a time.

This is the seam for a source of genotypes: text is read by `vcf_text`, records that come one by one
(`bcf_records`) by `vcf_records`, and both ask `vcf_alleles` about alleles that are not plain.
"""

from __future__ import annotations

from collections.abc import Iterator

from precisionchain.errors import VcfFormatError
from precisionchain.ingest.bcf_records import read_bcf
from precisionchain.ingest.plink_bed import read_bed_calls
from precisionchain.ingest.plink_pgen import read_pgen_calls
from precisionchain.ingest.vcf_records import record_runs
from precisionchain.ingest.vcf_rules import Persons
from precisionchain.ingest.vcf_run import CallRun, ReadRules, ReadTally
from precisionchain.ingest.vcf_scan import Scan
from precisionchain.ingest.vcf_stream import TextStream
from precisionchain.ingest.vcf_text import text_runs

__all__ = ["Persons", "read_runs"]


def read_runs(
    scan: Scan, persons: Persons, rules: ReadRules, tally: ReadTally
) -> Iterator[CallRun]:
    """Yield the calls of a file that has been scanned, contig by contig, in its order.

    Args:
        scan: the file, as `vcf_scan.scan` found it.
        persons: the columns to read.
        rules: how calls become genotypes.
        tally: gets what was refused and what was counted.

    Raises:
        VcfFormatError: a record is not VCF, or has a half-call under ``half_call="error"``; the
            file has been changed since it was scanned.
        BuildMismatchError: a record lies beyond the end of its chromosome.
    """
    if scan.kind == "bed":
        yield from record_runs(scan, read_bed_calls(scan), persons, rules, tally)
        return
    if scan.kind == "pgen":
        yield from record_runs(scan, read_pgen_calls(scan), persons, rules, tally)
        return
    if scan.kind == "bcf":
        yield from record_runs(scan, read_bcf(scan), persons, rules, tally)
        return
    stream = TextStream(scan.path, scanned=True)
    yield from text_runs(stream, persons, rules, tally)
    if stream.scan().segments != scan.segments:
        raise VcfFormatError("has been changed while it was read", where=str(scan.path))
