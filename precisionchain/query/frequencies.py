"""Alleles by their frequency over the network (Q6)."""

from __future__ import annotations

from pathlib import Path
from typing import Final

import polars as pl

from precisionchain.query.genotyped import folded_counts
from precisionchain.query.known_contigs import require_contig
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.fold_counts import PREFIX, in_genome_order
from precisionchain.schemas.genetic_payloads import variant_family
from precisionchain.schemas.genome import BIN_BITS, bins_of
from precisionchain.schemas.structural import structural_family
from precisionchain.schemas.variant import Region

FREQUENCIES: Final = {
    "chrom": pl.String,
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    "ac": pl.Int64,
    "an": pl.Int64,
    "af": pl.Float64,
    "maf": pl.Float64,
    "batches": pl.UInt32,
}
"""Columns of an answer; ``batches`` is the number of sealed batches that add to AN."""


def allele_frequencies(
    snapshot: Snapshot, low: float, high: float, region: Region | None = None
) -> pl.DataFrame:
    """Return the alleles whose minor allele frequency lies in a closed interval, in genome order.

    The frequency is min(AC, AN - AC) / AN over all sealed batches; an allele nobody was called at
    has none and is never returned.

    Args:
        snapshot: the generation to read.
        low: least frequency.
        high: greatest frequency.
        region: where POS must lie; None means everywhere.

    Raises:
        RegionError: a contig that nobody has, see `require_contig`.
    """
    inside = pl.col("maf").is_between(low, high)
    if region is not None:
        require_contig(snapshot, region.chrom)
        inside &= in_region(region)
    frames = [folded_counts(path).filter(inside) for path in _paths(snapshot, region)]
    rows = pl.concat(frames) if frames else pl.DataFrame(schema=FREQUENCIES)
    return in_genome_order(rows.select(*FREQUENCIES))


def in_region(region: Region) -> pl.Expr:
    """Return whether an allele's position lies in a region."""
    return (pl.col("chrom") == region.chrom) & pl.col("pos").is_between(region.start, region.end)


def _paths(snapshot: Snapshot, region: Region | None) -> list[Path]:
    """Return the folded files that may hold alleles of a region."""
    files = snapshot.paths(PREFIX)
    if region is None:
        return list(files.values())
    wanted = {f"{PREFIX}{family}" for family in families_of(region)}
    return [path for name, path in files.items() if name in wanted]


def families_of(region: Region) -> list[str]:
    """Return the families of the bins that a region touches, those of structural alleles last."""
    ordinary = [
        variant_family(region.chrom, (index << BIN_BITS) + 1)
        for index in bins_of(region.start, region.end)
    ]
    ends = (region.start, region.end)
    return [*ordinary, *dict.fromkeys(structural_family(region.chrom, end) for end in ends)]
