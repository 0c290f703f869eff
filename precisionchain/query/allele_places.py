"""Where in a batch the calls of some alleles lie: its own rows, or the record at their position."""

from __future__ import annotations

from typing import Final

import polars as pl

from precisionchain.replica.assayed import allele_class
from precisionchain.replica.genetic_batch import GeneticBatch
from precisionchain.schemas.genetic_payloads import ALLELE_KEY
from precisionchain.schemas.genome import TILE_BITS
from precisionchain.schemas.structural import STRUCTURAL_CLASS, is_structural_family

_NO_SITES: Final = {
    "chrom": pl.String,
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    "record": pl.Int32,
    "alt_index": pl.UInt8,
    "record_pos": pl.Int32,
    "run": pl.Int32,
    "row": pl.Int32,
    "structural": pl.Boolean,
}


def places_of(batch: GeneticBatch, alleles: pl.DataFrame) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Return the alleles whose calls lie in a batch, and those that it does not list.

    Returns:
        allele (row in the block), run, row, own (or the position's); and allele with its key, of
        those that no record lists. Alleles that quality control removed are in neither.
    """
    numbered = alleles.with_row_index("allele")
    sites = _sites_near(batch, alleles)
    key = list(ALLELE_KEY)
    own = numbered.join(sites.unique(key, keep="first", maintain_order=True), on=key)
    rest = numbered.join(own, on="allele", how="anti").join(batch.removed, on=key, how="anti")
    ordinary = sites.filter(~pl.col("structural"))
    first = (
        pl.concat(
            [
                ordinary.select(
                    "chrom", pl.col(at).alias("pos"), "record", "alt_index", "run", "row"
                )
                for at in ("pos", "record_pos")
            ]
        )
        .sort("record", "alt_index", maintain_order=True)
        .unique(["chrom", "pos"], keep="first", maintain_order=True)
    )
    based = rest.filter(allele_class() != STRUCTURAL_CLASS)
    other = based.join(first, on=["chrom", "pos"])
    found = [
        rows.select("allele", "run", "row", pl.lit(value).alias("own"))
        for rows, value in ((own, True), (other, False))
    ]
    return pl.concat(found).sort("allele"), rest.join(other, on="allele", how="anti")


def _sites_near(batch: GeneticBatch, alleles: pl.DataFrame) -> pl.DataFrame:
    """Return a batch's sites that may list an allele or a position of a block of one chromosome."""
    chrom, low, high = alleles["chrom"][0], alleles["pos"].min(), alleles["pos"].max()
    tile = (pl.col("pos").clip(1) - 1) // (1 << TILE_BITS)
    tiles = alleles.select("chrom", tile.cast(pl.Int32).alias("tile")).unique()
    families = tiles.join(batch.mapping, on=["chrom", "tile"])["family"].unique().sort()
    near = pl.col("pos").is_between(low, high) | pl.col("record_pos").is_between(low, high)
    parts = [
        batch.sites(family)
        .filter((pl.col("chrom") == chrom) & near)
        .with_columns(pl.lit(is_structural_family(family)).alias("structural"))
        for family in families
    ]
    return pl.concat(parts) if parts else pl.DataFrame(schema=_NO_SITES)
