"""Every file of the shared data: the reader of text says what htslib does, or refuses alike."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa

from precisionchain.errors import BuildMismatchError, PrecisionChainError
from precisionchain.ingest.vcf_read import Persons, read_runs
from precisionchain.ingest.vcf_run import CallRun, ReadRules, ReadTally
from precisionchain.ingest.vcf_scan import Scan, scan
from precisionchain.schemas.calls import PackedCalls
from precisionchain.schemas.packed_calls import join_rows, widened
from tests.lib.htslib_reader import htslib_runs

ENDINGS = (".vcf", ".vcf.gz", ".vcf.bgz", ".bcf")

TAKEN_HERE = {
    f"hts-specs/{version}/failed/failed_body_sample_{number}.vcf"
    for version in ("4.1", "4.2", "4.3")
    for number in ("007", "008")
}
"""Refused by htslib for a field of a sample that is no number. Here only GT makes genotypes; the
file is taken with the warning ``malformed_sample``."""


def test_both_readers_say_the_same_of_every_file(shared_data: Path) -> None:
    compared, refused, taken_here = 0, 0, set()
    for path in sorted(p for p in shared_data.rglob("*") if p.name.endswith(ENDINGS)):
        try:
            found = scan(path)
        except PrecisionChainError:
            continue
        ours, theirs = (read_everything(reader, found) for reader in (read_runs, htslib_runs))
        name = str(path.relative_to(shared_data)).partition("/")[2]
        if isinstance(theirs, str) and not isinstance(ours, str) and name in TAKEN_HERE:
            taken_here.add(name)
            continue
        if isinstance(ours, str) or isinstance(theirs, str):
            assert ours == theirs, path
            refused += 1
            continue
        assert ours[0] == theirs[0], path
        compared += assert_same(ours[1], theirs[1]) if ours[1] else 0
    assert compared > 100_000
    assert refused > 5
    assert taken_here


def read_everything(reader: Any, found: Scan) -> tuple[Any, list[CallRun]] | str:
    """What was counted and refused, and the runs; or the error."""
    n = len(found.header.samples)
    persons = Persons(np.arange(n), (np.arange(n) % 3).astype(np.uint8))
    for build in ("GRCh37", "GRCh38"):
        tally = ReadTally()
        try:
            runs = list(reader(found, persons, ReadRules(build), tally))
        except BuildMismatchError as error:
            said = str(error)
            continue
        except PrecisionChainError as error:
            return f"{type(error).__name__} {error.where}"
        refused = [(r.record, r.chrom, r.pos, r.end, r.rule) for r in tally.refused]
        return (+tally.normalised, tally.dropped, tally.calls.tolist(), refused), runs
    return said


def assert_same(ours: list[CallRun], theirs: list[CallRun]) -> int:
    """Assert that runs hold the same alleles and calls, however they are cut; return how many."""
    sites = []
    for runs in (ours, theirs):
        tables = [
            run.sites.append_column("chrom", pa.repeat(run.chrom, len(run.sites))) for run in runs
        ]
        sites.append(pa.concat_tables(tables, promote_options="default").combine_chunks())
    assert sites[0].equals(sites[1].select(sites[0].column_names))
    if len(sites[0]):
        one, other = (
            join_rows([widened(run.calls) for run in runs if run.calls.n_alleles])
            for runs in (ours, theirs)
        )
        for bits in ("codes", "missing", "phased", "haploid"):
            assert np.array_equal(_bits(one, bits), _bits(other, bits))
    return len(sites[0])


def _bits(calls: PackedCalls, name: str) -> Any:
    found = getattr(calls, name)
    return np.zeros(0) if found is None else found
