"""Payloads of a VCF batch as tables, checked to be what the format says, and as files."""

from __future__ import annotations

from collections.abc import Sequence
from hashlib import sha256
from pathlib import Path
from typing import Any, Final

import polars as pl
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.errors import CodecError
from precisionchain.schemas.arrow_values import (
    column_of,
    one_chunk,
    repeated,
    text_parts,
    values_of,
)
from precisionchain.schemas.genetic_payloads import ALLELE_KEY, genetic_rows
from precisionchain.schemas.genotypes import VariantBlock
from precisionchain.schemas.items import Payload

SITES: Final[dict[str, pa.DataType]] = {
    "pos": pa.int32(),
    "ref": pa.string(),
    "alt": pa.string(),
    "id": pa.string(),
    "record": pa.int32(),
    "alt_index": pa.uint8(),
    "n_alts": pa.uint8(),
    "record_pos": pa.int32(),
    "record_end": pa.int32(),
}
"""Columns every variant block's sites have; ``filter`` and others may follow."""


def block_sites(block: VariantBlock) -> pa.Table:
    """Return a block's sites with their chromosome, the columns that all blocks have first.

    Raises:
        CodecError: a column is absent or of another type.
    """
    sites = block.sites
    try:
        known = [sites.column(name).cast(kind) for name, kind in SITES.items()]
    except (KeyError, pa.ArrowException) as error:
        raise CodecError("the sites of a variant block are not as the format has them") from error
    chrom = repeated(block.chrom, sites.num_rows)
    others = [name for name in sites.column_names if name not in {"chrom", *SITES}]
    columns: list[Any] = [chrom, *known, *(sites.column(name) for name in others)]
    return pa.Table.from_arrays(columns, ["chrom", *SITES, *others])


def joined_rows(parts: Sequence[pa.Table]) -> pa.Table:
    """Return tables one after the other; a column that one has not is null there.

    Raises:
        CodecError: a column is of several types.
    """
    try:
        return pa.concat_tables(parts, promote_options="default").combine_chunks()
    except pa.ArrowException as error:
        raise CodecError("columns of one family are of several types") from error


def counts_rows(payload: Payload) -> pa.Table:
    """Return published counts with AC, which follows from them.

    Raises:
        CodecError: it is no payload of counts.
    """
    rows = genetic_rows(payload)
    het, both, single = (
        values_of(one_chunk(rows.column(name))) for name in ("n_het", "n_hom_alt", "n_hemi")
    )
    return rows.append_column("ac", column_of(het + 2 * both + single))


def alleles_digest(rows: pa.Table) -> str:
    """Return a digest of which alleles of which records rows are of, in their order.

    Raises:
        CodecError: something of them is null.
    """
    digest = sha256()
    for name in (*ALLELE_KEY, "record"):
        column = one_chunk(rows.column(name))
        if column.null_count:
            raise CodecError(f"an allele without {name}")
        parts = [values_of(column)] if name in {"pos", "record"} else text_parts(column)
        for part in parts:
            digest.update(part.tobytes())
    return digest.hexdigest()


def write_rows(rows: pa.Table, path: Path) -> None:
    """Write a table as Parquet, without what readers of whole files have no use for."""
    pq.write_table(
        rows,
        path,
        compression="zstd",
        compression_level=1,
        use_dictionary=False,
        write_statistics=False,
        store_schema=False,
    )


def table_frame(table: pa.Table) -> pl.DataFrame:
    """Return a table as a frame."""
    frame = pl.from_arrow(table)
    if not isinstance(frame, pl.DataFrame):
        raise AssertionError("a table is a frame")
    return frame
