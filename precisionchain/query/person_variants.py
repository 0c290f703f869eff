"""A person's non-reference genotypes (Q5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.genotyped import (
    Bytes,
    call_columns,
    folded_counts,
    genetic_batches,
    phase_of,
    ploidy_of,
)
from precisionchain.query.known_contigs import require_contig
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.fold_counts import PREFIX, in_genome_order
from precisionchain.replica.genetic_batch import GeneticBatch, Run
from precisionchain.replica.kept import Kept
from precisionchain.schemas.calls import Calls, unpack_calls
from precisionchain.schemas.genetic_payloads import ALLELE_KEY
from precisionchain.schemas.variant import Region

PERSON_VARIANTS: Final = {
    "site": pl.String,
    "person_id": pl.Int64,
    "chrom": pl.String,
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    "genotype": pl.String,
    "ploidy": pl.UInt8,
    "phase": pl.String,
}
"""Columns of an answer."""


_frequencies: Final = Kept[npt.NDArray[np.float64]](64 * 2**20, lambda mafs: mafs.nbytes)


@dataclass(frozen=True, slots=True)
class _Carried:
    """Alleles a person carries: rows of a family's sites, and the codes of the person's calls."""

    family: str
    rows: npt.NDArray[np.int64]
    state: Bytes
    ploidy: Bytes
    phase: Bytes

    def only(self, keep: npt.NDArray[np.bool_]) -> _Carried:
        """Return some of the alleles."""
        codes = (self.state, self.ploidy, self.phase)
        return _Carried(self.family, self.rows[keep], *(code[keep] for code in codes))


def person_variants(
    snapshot: Snapshot,
    site: str,
    person_id: int,
    region: Region | None = None,
    maf: tuple[float, float] | None = None,
) -> pl.DataFrame:
    """Return the alleles a person carries (genotypes 1 and 2), in genome order.

    Args:
        snapshot: the generation to read.
        site: the person's site.
        person_id: the site's own id.
        region: where POS must lie; None means everywhere.
        maf: closed interval of minor allele frequency over the network; None means any, also none.

    Returns:
        `PERSON_VARIANTS`; empty where the person has no genotypes. An allele that several batches
        hold of the person is returned once, as the earliest of them has it.

    Raises:
        RegionError: a contig that nobody has, see `require_contig`.
    """
    if region is not None:
        require_contig(snapshot, region.chrom)
    found = [
        (genetic, carried if maf is None else _within(snapshot, genetic, carried, maf))
        for batch, genetic in genetic_batches(snapshot)
        if batch.site == site
        for carried in _carried_in(genetic, person_id, region)
    ]
    if not found:
        return pl.DataFrame(schema=PERSON_VARIANTS)
    rows = pl.concat([genetic.alleles(carried.family)[carried.rows] for genetic, carried in found])
    codes = (
        np.concatenate([getattr(carried, name) for _, carried in found])
        for name in ("state", "ploidy", "phase")
    )
    whose = (pl.Series("site", [site]), pl.Series("person_id", [person_id]))
    person = [one.new_from_index(0, rows.height) for one in whose]
    answer = pl.DataFrame([*person, *rows.iter_columns(), *call_columns(*codes)])
    several = len({(genetic.folder, carried.family) for genetic, carried in found})
    if several > len({carried.family for _, carried in found}):
        answer = answer.unique(ALLELE_KEY, keep="first", maintain_order=True)
    return in_genome_order(answer)


def _within(
    snapshot: Snapshot, batch: GeneticBatch, carried: _Carried, maf: tuple[float, float]
) -> _Carried:
    """Return the alleles whose minor allele frequency over the network lies in an interval."""
    mafs = _mafs(snapshot, batch, carried.family)[carried.rows]
    return carried.only((mafs >= maf[0]) & (mafs <= maf[1]))


def _mafs(snapshot: Snapshot, batch: GeneticBatch, family: str) -> npt.NDArray[np.float64]:
    """Return the network's minor allele frequency of each of a family's sites, nan if none."""
    path = snapshot.path(f"{PREFIX}{family}")
    sites = batch.sites(family)
    if path is None:
        return np.full(sites.height, np.nan)

    def make() -> npt.NDArray[np.float64]:
        folded = folded_counts(path).select(*ALLELE_KEY, "maf")
        joined = sites.join(folded, on=list(ALLELE_KEY), how="left", maintain_order="left")
        return joined["maf"].to_numpy()

    return _frequencies.get((path, batch.folder), make)


def _carried_in(batch: GeneticBatch, person_id: int, region: Region | None) -> Iterator[_Carried]:
    """Yield, by family, the alleles that a batch has the person carry in a region's runs."""
    at = np.flatnonzero(batch.person_ids == person_id)
    if not at.size:
        return
    index, group, row = (
        batch.samples[name][int(at[0])] for name in ("index", "group", "group_row")
    )
    if group is None:
        runs = _from_variant_blocks(batch, index, region)
    else:
        runs = _from_person_blocks(batch, group, row, region)
    by_family: dict[str, list[tuple[npt.NDArray[np.int64], Calls]]] = defaultdict(list)
    for run, calls in runs:
        carried = (calls.dosage[:, 0] == 1) | (calls.dosage[:, 0] == 2)
        if region is not None:
            carried &= _inside(batch, run, region)
        hits = np.flatnonzero(carried)
        if hits.size:
            by_family[run.family].append((hits + run.first_row, _alleles(calls, hits)))
    for family, found in by_family.items():
        rows = np.concatenate([at for at, _ in found])
        codes = [
            np.concatenate([code(calls)[:, 0] for _, calls in found])
            for code in (_dosage, ploidy_of, phase_of)
        ]
        yield _Carried(family, rows, *codes)


def _inside(batch: GeneticBatch, run: Run, region: Region) -> npt.NDArray[np.bool_]:
    """Return which of a run's alleles lie in a region."""
    if run.chrom != region.chrom:
        return np.zeros(run.n_alleles, np.bool_)
    pos = batch.alleles(run.family)["pos"][run.first_row : run.first_row + run.n_alleles].to_numpy()
    inside: npt.NDArray[np.bool_] = (pos >= region.start) & (pos <= region.end)
    return inside


def _dosage(calls: Calls) -> Bytes:
    return calls.dosage


def _from_person_blocks(
    batch: GeneticBatch, group: int, row: int, region: Region | None
) -> Iterator[tuple[Run, Calls]]:
    """Yield the runs of alleles in a region with the calls [alleles, 1] of one person."""
    runs = batch.run_of_object
    for name, blocks in batch.person_blocks_of(group, None if region is None else region.chrom):
        here = [runs[block] for block in blocks]
        if region is not None and not any(_meets(run, region) for run in here):
            continue
        calls = batch.calls_of_person(name, row)
        at = 0
        for run in here:
            yield run, _alleles(calls, slice(at, at + run.n_alleles))
            at += run.n_alleles


def _from_variant_blocks(
    batch: GeneticBatch, index: int, region: Region | None
) -> Iterator[tuple[Run, Calls]]:
    """Yield the same where the variant blocks serve both views."""
    for run in batch.run_of_object.values():
        column = index - run.person_offset
        if 0 <= column < run.n_persons and (region is None or _meets(run, region)):
            calls = unpack_calls(batch.packed(run.object))
            of_person = slice(column, column + 1)
            yield (
                run,
                Calls(
                    calls.dosage[:, of_person],
                    None if calls.haploid is None else calls.haploid[:, of_person],
                    None if calls.phase is None else calls.phase[:, of_person],
                ),
            )


def _meets(run: Run, region: Region) -> bool:
    return (
        run.chrom == region.chrom and run.first_pos <= region.end and run.last_pos >= region.start
    )


def _alleles(calls: Calls, rows: slice | npt.NDArray[np.intp]) -> Calls:
    return Calls(
        calls.dosage[rows],
        None if calls.haploid is None else calls.haploid[rows],
        None if calls.phase is None else calls.phase[rows],
    )
