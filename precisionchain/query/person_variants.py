"""A person's non-reference genotypes (Q5)."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.frequencies import in_region
from precisionchain.query.genotyped import (
    call_columns,
    folded_counts,
    genetic_batches,
    phase_of,
    ploidy_of,
)
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.fold_counts import PREFIX, in_genome_order
from precisionchain.replica.genetic_batch import GeneticBatch, Run
from precisionchain.schemas.calls import Calls, unpack_calls
from precisionchain.schemas.genetic_payloads import ALLELE_KEY
from precisionchain.schemas.turned_calls import unpack_turned
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
    """
    parts = [
        _with_frequency(snapshot, family, rows, maf)
        for batch, genetic in genetic_batches(snapshot)
        if batch.site == site
        for family, rows in _carried_in(genetic, person_id, region)
    ]
    if not parts:
        return pl.DataFrame(schema=PERSON_VARIANTS)
    found = pl.concat(parts).unique(ALLELE_KEY, keep="first", maintain_order=True)
    person = [pl.lit(site).alias("site"), pl.lit(person_id, pl.Int64).alias("person_id")]
    return in_genome_order(found.select(*person, pl.all()))


def _carried_in(
    batch: GeneticBatch, person_id: int, region: Region | None
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield, by family, the alleles that a batch has the person carry in a region."""
    sample = batch.samples.filter(pl.col("person_id") == person_id)
    if not sample.height:
        return
    index, group, row = sample.select("index", "group", "group_row").row(0)
    if group is None:
        runs = _from_variant_blocks(batch, index, region)
    else:
        runs = _from_person_blocks(batch, group, row, region)
    by_family: dict[str, list[pl.DataFrame]] = defaultdict(list)
    for run, calls in runs:
        hits = np.flatnonzero((calls.dosage[:, 0] == 1) | (calls.dosage[:, 0] == 2))
        if hits.size:
            by_family[run.family].append(_rows(run, hits, _alleles(calls, hits)))
    for family, parts in by_family.items():
        found = pl.concat(parts)
        sites = batch.sites(family).select(*ALLELE_KEY)[found["site_row"]]
        rows = pl.concat([sites, found.drop("site_row")], how="horizontal")
        yield family, rows if region is None else rows.filter(in_region(region))


def _rows(run: Run, hits: npt.NDArray[np.intp], calls: Calls) -> pl.DataFrame:
    """Return where carried alleles lie in their family's sites, and how they are called."""
    codes = (calls.dosage[:, 0], ploidy_of(calls)[:, 0], phase_of(calls)[:, 0])
    site_row = pl.Series("site_row", hits + run.first_row, pl.UInt32)
    return pl.DataFrame([site_row, *call_columns(*codes)])


def _from_person_blocks(
    batch: GeneticBatch, group: int, row: int, region: Region | None
) -> Iterator[tuple[Run, Calls]]:
    """Yield the runs of alleles in a region with the calls [alleles, 1] of one person."""
    runs = batch.run_of_object
    for name, blocks in batch.person_blocks_of(group, None if region is None else region.chrom):
        here = [runs[block] for block in blocks]
        if region is not None and not any(_meets(run, region) for run in here):
            continue
        calls = unpack_turned(batch.turned(name).rows([row]))
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


def _with_frequency(
    snapshot: Snapshot, family: str, rows: pl.DataFrame, maf: tuple[float, float] | None
) -> pl.DataFrame:
    """Return the rows of a family whose minor allele frequency lies in a closed interval."""
    if maf is None:
        return rows
    path = snapshot.path(f"{PREFIX}{family}")
    if path is None:
        return rows.clear()
    inside = folded_counts(path).filter(pl.col("maf").is_between(*maf))
    return rows.join(inside, on=list(ALLELE_KEY), how="semi", maintain_order="left")
