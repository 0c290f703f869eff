"""Alleles by where they reach: structural variants by region, type and overlap, with counts.

The span of an allele, and what overlaps mean: ``docs/reference/structural-variants.md``.
"""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Final

import polars as pl

from precisionchain.query.genotyped import folded_counts, genetic_batches
from precisionchain.query.known_contigs import require_contig
from precisionchain.query.reach import COVERS, START, WITHIN, Reach
from precisionchain.query.structural_fields import SITE_FIELDS, end, said, structural, svtype
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.fold_counts import FOLDED, PREFIX, in_genome_order
from precisionchain.replica.kept import Kept
from precisionchain.schemas.genetic_payloads import ALLELE_KEY, variant_family
from precisionchain.schemas.genome import BIN_BITS, bins_of
from precisionchain.schemas.structural import LONG_BASES, SPANNING, is_structural_family
from precisionchain.schemas.variant import Region

STRUCTURAL_VARIANTS: Final = {
    "chrom": pl.String,
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    "svtype": pl.String,
    "end": pl.Int32,
    "length": pl.Int32,
    "copies": pl.Int32,
    "mate": pl.String,
    "cipos": pl.String,
    "ciend": pl.String,
    "ac": pl.Int64,
    "an": pl.Int64,
    "n_het": pl.Int64,
    "n_hom_alt": pl.Int64,
    "n_hemi": pl.Int64,
    "n_missing": pl.Int64,
    "af": pl.Float64,
    "maf": pl.Float64,
    "batches": pl.UInt32,
}
"""Columns of an answer; counts and frequencies are those of the network."""

_KEPT_BYTES: Final = 64 * 2**20
_spans: Final = Kept[pl.DataFrame](_KEPT_BYTES, lambda frame: int(frame.estimated_size()))
_told: Final = Kept[pl.DataFrame](_KEPT_BYTES, lambda frame: int(frame.estimated_size()))
_sites: Final = Kept[pl.DataFrame](_KEPT_BYTES, lambda frame: int(frame.estimated_size()))
_files: Final = Kept[tuple[Path, ...]](2**20, lambda files: 256 * len(files))

_MATE: Final = r"[\[\]](.+):(\d+)[\[\]]"


def structural_variants(snapshot: Snapshot, asked: Reach) -> pl.DataFrame:
    """Return structural variants by their span, with the network's counts, in genome order.

    Args:
        snapshot: the generation to read.
        asked: where, and of which types.

    Returns:
        `STRUCTURAL_VARIANTS`: symbolic alleles, breakends and alleles of bases that add or take 50.

    Raises:
        RegionError: a contig that nobody has, see `require_contig`.
    """
    require_contig(snapshot, asked.region.chrom)
    files = _site_files(snapshot)
    parts = [_with_sites(path, files) for path in _folded_files(snapshot, asked.region)]
    none = pl.DataFrame(schema={**STRUCTURAL_VARIANTS, **_MATES})
    rows = pl.concat([none, *(part for part in parts if part.height)]).filter(_wanted(asked))
    return in_genome_order(rows)[list(STRUCTURAL_VARIANTS)]


def reaching(snapshot: Snapshot, asked: Reach, *, structural_only: bool) -> pl.DataFrame:
    """Return the alleles that reach a region as asked, in genome order, with folded counts.

    Args:
        snapshot: the generation to read.
        asked: where, and of which types.
        structural_only: leave out alleles of bases that add or take fewer than 50.
    """
    files = _folded_files(snapshot, asked.region)
    parts = [_with_spans(path, long_only=structural_only) for path in files]
    rows = pl.concat([pl.DataFrame(schema=_SPANS), *(part for part in parts if part.height)])
    return in_genome_order(rows.filter(_wanted(asked)))


def _wanted(asked: Reach) -> pl.Expr:
    among = pl.col("svtype").is_in(list(asked.svtypes))
    return reaches(asked) & among if asked.svtypes else reaches(asked)


def reaches(asked: Reach) -> pl.Expr:
    """Return whether a span (``chrom``, ``pos``, ``end``, its mate) lies to a region as asked."""
    region = asked.region
    first, last = pl.col("pos").cast(pl.Int64), pl.col("end").cast(pl.Int64)
    here = pl.col("chrom") == region.chrom
    if asked.overlap == START:
        found = here & first.is_between(region.start, region.end)
    elif asked.overlap == WITHIN:
        found = here & (first >= region.start) & (last <= region.end)
    elif asked.overlap == COVERS:
        found = here & (first <= region.start) & (last >= region.end)
    else:
        found = here & (first <= region.end) & (last >= region.start)
        if asked.reciprocal is None:
            mate = pl.col("mate_pos").is_between(region.start, region.end)
            found |= (pl.col("mate_chrom") == region.chrom).fill_null(value=False) & mate.fill_null(
                value=False
            )
    if asked.reciprocal is not None:
        shared = pl.min_horizontal(last, region.end) - pl.max_horizontal(first, region.start) + 1
        longer = pl.max_horizontal(last - first + 1, region.end - region.start + 1)
        found &= here & (shared >= asked.reciprocal * longer)
    return found


# ---------------------------------------------------------------------------------- spans of files

_MATES: Final = {"mate_chrom": pl.String, "mate_pos": pl.Int64}
_SPANS: Final = {
    **FOLDED,
    "svtype": pl.String,
    "end": pl.Int32,
    "length": pl.Int32,
    "copies": pl.Int32,
    "mate": pl.String,
    **_MATES,
}


def _with_spans(path: Path, *, long_only: bool) -> pl.DataFrame:
    """Return folded alleles with what their text says of them (`_SPANS`)."""

    def make() -> pl.DataFrame:
        rows = folded_counts(path)
        if long_only:
            rows = rows.filter(structural() | (_added().abs() >= LONG_BASES))
        return _spanned(rows)

    return _spans.get((path, long_only), make)


def _added() -> pl.Expr:
    """Return how many bases an allele of bases adds, negative where it takes."""
    ref, alt = (pl.col(name).str.len_bytes().cast(pl.Int32) for name in ("ref", "alt"))
    return alt - ref


def _spanned(rows: pl.DataFrame) -> pl.DataFrame:
    of_bases = (
        pl.when(_added() >= LONG_BASES)
        .then(pl.lit("INS"))
        .when(_added() <= -LONG_BASES)
        .then(pl.lit("DEL"))
    )
    spans = (pl.col("end") - pl.col("pos")).alias("length")
    known = pl.col("svtype").is_in(list(SPANNING))
    length = (
        pl.when(~structural())
        .then(_added().abs())
        .when(known)
        .then(spans)
        .otherwise(said("SVLEN").cast(pl.Int32))
    )
    chrom = pl.coalesce(pl.col("alt").str.extract(_MATE, 1), said("CHR2"))
    pos = pl.coalesce(pl.col("alt").str.extract(_MATE, 2), said("END2"))
    return (
        rows.with_columns(
            pl.coalesce(svtype(), of_bases).alias("svtype"),
            end().alias("end"),
            said("CN").cast(pl.Int32).alias("copies"),
            chrom.alias("mate_chrom"),
            pos.cast(pl.Int64).alias("mate_pos"),
        )
        .with_columns(
            length.alias("length"),
            pl.concat_str("mate_chrom", pl.lit(":"), "mate_pos").alias("mate"),
        )
        .select(pl.col(name).cast(kind) for name, kind in _SPANS.items())
    )


def _folded_files(snapshot: Snapshot, region: Region) -> Iterator[Path]:
    """Yield the folded files that may hold an allele that reaches a region.

    Structural alleles may begin anywhere, and a breakend's mate lies on another chromosome; alleles
    of bases begin in the bins of the region or in the one before: a bin is longer than any REF.
    """
    before = max(1, region.start - (1 << BIN_BITS))
    near = {
        variant_family(region.chrom, (index << BIN_BITS) + 1)
        for index in bins_of(before, region.end)
    }
    for name, path in snapshot.paths(PREFIX).items():
        family = name.removeprefix(PREFIX)
        if family in near or is_structural_family(family):
            yield path


def _with_sites(path: Path, files: tuple[Path, ...]) -> pl.DataFrame:
    """Return folded alleles with their spans and what the sites of batches say of them.

    Args:
        path: folded counts.
        files: of structural sites, in the order of the batches' seals: the first that has an
            allele counts.

    Returns:
        `STRUCTURAL_VARIANTS` and `_MATES`.
    """

    def make() -> pl.DataFrame:
        rows = _with_spans(path, long_only=True)
        told = rows.join(_first_sites(files), on=ALLELE_KEY, how="left", maintain_order="left")
        length = pl.coalesce("sv_len", "length").alias("length")
        columns = {**STRUCTURAL_VARIANTS, **_MATES}
        return told.with_columns(length).select(
            pl.col(name).cast(kind) for name, kind in columns.items()
        )

    return _told.get((path, files), make)


def _first_sites(files: tuple[Path, ...]) -> pl.DataFrame:
    """Return what the sites of batches say beside the ALT, each allele once."""
    columns = [*ALLELE_KEY, *SITE_FIELDS]

    def make() -> pl.DataFrame:
        none = pl.DataFrame(
            schema={name: STRUCTURAL_VARIANTS.get(name) or SITE_FIELDS[name] for name in columns}
        )
        several = [pl.read_parquet(path, columns=columns) for path in files]
        return pl.concat([none, *several]).unique(ALLELE_KEY, keep="first", maintain_order=True)

    return _sites.get(files, make)


def _site_files(snapshot: Snapshot) -> tuple[Path, ...]:
    """Return the files of structural sites in the order of the batches' seals."""

    def make() -> tuple[Path, ...]:
        return tuple(
            batch.folder / "sites" / f"{family}.parquet"
            for _, batch in genetic_batches(snapshot)
            for family in batch.variant_blocks["family"].unique().sort()
            if is_structural_family(family)
        )

    return _files.get((snapshot.root, snapshot.catalogue.state), make)
