"""Writing a staged run anew without the persons and alleles that quality control excluded."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from itertools import groupby
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.errors import SealRefusedError
from precisionchain.ingest.qc_calls import StagedCalls, block_body, staged_calls
from precisionchain.ingest.qc_exclusions import Exclusions
from precisionchain.ingest.staging import Run
from precisionchain.ingest.vcf_assay import Interval, merge, subtract
from precisionchain.ingest.vcf_blocks import allele_limit, block_runs
from precisionchain.ingest.vcf_overruled import keep_overruled
from precisionchain.ingest.vcf_run import CallRun
from precisionchain.ingest.vcf_samples import Sample, SampleSet
from precisionchain.ingest.vcf_writer import RunWriter
from precisionchain.schemas.calls import Calls, PackedCalls, pack_calls


def write_without(run: Run, exclusions: Exclusions, folder: Path) -> dict[str, Any]:
    """Write samples, sites, counts, blocks and extent of what is left of a run.

    A position whose allele was removed leaves the extent: there the persons' genotypes are no
    longer told, which is not the same as 0/0.

    Args:
        run: the run.
        exclusions: of this run.
        folder: an empty folder. It is left without ``run.json``, and without the files that
            removing changes nothing about.

    Returns:
        The statistics that change.

    Raises:
        SealRefusedError: no person or no allele is left.
    """
    samples = _samples(run.path)
    kept = np.ones(len(samples), np.bool_)
    kept[exclusions.persons] = False
    left = SampleSet(tuple(s for s, keep in zip(samples, kept.tolist(), strict=True) if keep))
    if not left.samples:
        raise SealRefusedError(
            f"quality control excludes all {len(samples)} persons of source {run.source}",
            hint="--qc mark publishes them, and says why each is excluded",
        )
    with RunWriter(folder, left) as writer:
        _write_blocks(run.path, writer, exclusions.alleles, kept)
        writer.finish(_extent(run.path, exclusions.alleles))
    if not writer.alleles and len(exclusions.alleles):
        raise SealRefusedError(
            f"quality control excludes every allele of source {run.source}",
            hint="--qc mark publishes them, and says why each is excluded",
        )
    (folder / "refused.parquet").unlink()
    rows = np.ones(pq.read_metadata(run.path / "sites.parquet").num_rows, np.bool_)
    rows[exclusions.alleles] = False
    keep_overruled(run.path, folder, rows, kept)
    return {
        "alleles": writer.alleles,
        "persons": len(left.samples),
        "blocks": writer.blocks,
        "block_bytes": writer.body_bytes,
    }


def _write_blocks(
    folder: Path,
    writer: RunWriter,
    excluded: npt.NDArray[np.int64],
    persons: npt.NDArray[np.bool_],
) -> None:
    """Write what is left of each block; of a block that loses nothing, the bytes that are there."""

    def loses(staged: StagedCalls) -> bool:
        return not persons.all() or bool(np.isin(staged.rows, excluded).any())

    limit = allele_limit(int(persons.sum()))
    for changed, blocks in groupby(staged_calls(folder), key=loses):
        if changed:
            for piece in block_runs(_kept_runs(blocks, excluded, persons), limit):
                writer.add(piece)
            continue
        for staged in blocks:
            numbers = range(staged.first_block, staged.first_block + len(staged.groups))
            bodies = [block_body(folder, number) for number in numbers]
            writer.copy(_run(staged, staged.sites, _packed(staged)), bodies)


def _kept_runs(
    blocks: Iterable[StagedCalls],
    excluded: npt.NDArray[np.int64],
    persons: npt.NDArray[np.bool_],
) -> Iterator[CallRun]:
    for staged in blocks:
        rows = np.flatnonzero(~np.isin(staged.rows, excluded))
        if len(rows):
            calls = pack_calls(_only(staged.calls(), rows, persons))
            yield _run(staged, staged.sites.take(rows), calls)


def _run(staged: StagedCalls, sites: pa.Table, calls: PackedCalls) -> CallRun:
    return CallRun(
        chrom=staged.chrom,
        sites=sites.combine_chunks(),
        calls=calls,
        read_to=sites["record_pos"][-1].as_py(),
        last=False,
    )


def _packed(staged: StagedCalls) -> PackedCalls:
    """Return the calls of all groups, packed."""
    if len(staged.groups) == 1:
        return staged.groups[0].packed
    return pack_calls(staged.calls())


def _only(calls: Calls, rows: npt.NDArray[np.intp], persons: npt.NDArray[np.bool_]) -> Calls:
    columns = np.flatnonzero(persons)
    both = np.ix_(rows, columns)
    return Calls(
        calls.dosage[both],
        None if calls.haploid is None else calls.haploid[both],
        None if calls.phase is None else calls.phase[both],
    )


def _samples(folder: Path) -> list[Sample]:
    names = ("sample_id", "person_id", "sex", "father", "mother")
    rows = pq.read_table(folder / "samples.parquet").sort_by("index")
    return [Sample(**row) for row in rows.select(names).to_pylist()]


def _extent(folder: Path, excluded: npt.NDArray[np.int64]) -> tuple[Interval, ...]:
    table = pq.read_table(folder / "extent.parquet")
    extent = tuple(zip(*(table[name].to_pylist() for name in table.column_names), strict=True))
    if not extent:
        return ()
    sites = pq.read_table(
        folder / "sites.parquet", columns=["chrom", "pos", "record_pos", "record_end"]
    )
    gone = sites.take(excluded)
    first = np.minimum(gone["pos"].to_numpy(), gone["record_pos"].to_numpy()).clip(1)
    last = gone["record_end"].to_numpy().clip(1)
    holes = zip(map(str, gone["chrom"].to_pylist()), first.tolist(), last.tolist(), strict=True)
    return subtract(merge(extent), merge(holes))
