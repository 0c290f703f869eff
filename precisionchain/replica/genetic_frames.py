"""Payloads of a VCF batch as frames, checked to be what the format says."""

from __future__ import annotations

from typing import Final

import polars as pl
import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.genetic_payloads import genetic_rows
from precisionchain.schemas.genotypes import VariantBlock
from precisionchain.schemas.items import Payload

SITES: Final = {
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    "id": pl.String,
    "record": pl.Int32,
    "alt_index": pl.UInt8,
    "n_alts": pl.UInt8,
    "record_pos": pl.Int32,
    "record_end": pl.Int32,
}
"""Columns every variant block's sites have; ``filter`` and others may follow."""


def block_sites(block: VariantBlock) -> pl.DataFrame:
    """Return a block's sites with their chromosome, the columns that all blocks have first."""
    sites = table_frame(block.sites)
    try:
        known = [pl.col(name).cast(kind) for name, kind in SITES.items()]
        chrom = pl.lit(block.chrom).alias("chrom")
        return sites.select(chrom, *known, pl.exclude("chrom", *SITES))
    except pl.exceptions.PolarsError as error:
        raise CodecError("the sites of a variant block are not as the format has them") from error


def counts_frame(payload: Payload) -> pl.DataFrame:
    """Return published counts with AC, which follows from them.

    Raises:
        CodecError: it is no payload of counts.
    """
    copies = pl.col("n_het") + 2 * pl.col("n_hom_alt") + pl.col("n_hemi")
    return table_frame(genetic_rows(payload)).with_columns(copies.alias("ac"))


def table_frame(table: pa.Table) -> pl.DataFrame:
    """Return a table as a frame."""
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise AssertionError("a table is a frame")
    return frame
