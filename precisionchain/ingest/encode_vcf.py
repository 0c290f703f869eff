"""A staged run of genotypes as drafts: variant view, person view, counts, assay, mappings.

Pure: the same run gives the same drafts. Memory is bounded by a run of blocks and one bin's counts.
Sample names stay at the site: persons are known by their ids, in the column order of the blocks.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any, Final

import numpy as np
import polars as pl
import pyarrow as pa

from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.encode_persons import PersonGroup, person_groups, person_view
from precisionchain.schemas.corrections import corrected_counts_payload
from precisionchain.schemas.genetic_payloads import (
    COUNTS,
    MAP_SAMPLE,
    MAP_VARIANT,
    PUBLISHED_COUNTS,
    VARIANT_BLOCK,
    Assay,
    assay_payload,
    counter_family,
    counts_payload,
    mapping_payload,
    variant_family,
)
from precisionchain.schemas.genome import TILE_BITS, tiles
from precisionchain.schemas.items import Codec, Payload
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.person_blocks import runs, serves_both_views
from precisionchain.schemas.streams import ASSAY as ASSAY_FAMILY
from precisionchain.schemas.streams import MAP_SAMPLE as MAP_SAMPLE_FAMILY
from precisionchain.schemas.streams import MAP_VARIANT as MAP_VARIANT_FAMILY
from precisionchain.schemas.streams import VARIANT_PERSON_BUCKETS, tile_key
from precisionchain.schemas.structural import structural_family

COUNT_ROWS: Final = 65_536
"""The most alleles in an item of counts."""

MAPPING_ROWS: Final = 500_000
"""The most rows in an item of a mapping or an extent."""


@dataclass(frozen=True)
class StagedGenotypes:
    """A staged run's small tables, read once; its blocks and sites are read as they are needed."""

    folder: Path

    @cached_property
    def description(self) -> dict[str, Any]:
        """What ``run.json`` says."""
        found: dict[str, Any] = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        return found

    @cached_property
    def samples(self) -> pl.DataFrame:
        """Index, person_id and sex, in column order; not the sample names."""
        return pl.read_parquet(
            self.folder / "samples.parquet", columns=["index", "person_id", "sex"]
        ).sort("index")

    @cached_property
    def blocks(self) -> pl.DataFrame:
        """The block bodies, with their ``run``: blocks of one run hold the same alleles of other
        persons, and the first of them, whose number is the run's, those from column 0.
        """
        first = pl.when(pl.col("person_offset") == 0).then("block").forward_fill()
        return (
            pl.read_parquet(self.folder / "blocks.parquet")
            .sort("block")
            .with_columns(first.alias("run"))
        )

    @cached_property
    def runs(self) -> pl.DataFrame:
        """One row a run: chrom, family of its blocks, and where its rows lie in the sites."""
        runs = self.blocks.filter(pl.col("person_offset") == 0)
        names = [
            structural_family(chrom, pos) if structural else variant_family(chrom, pos)
            for chrom, pos, structural in runs.select(
                "chrom", "first_pos", "structural"
            ).iter_rows()
        ]
        return runs.select(
            "run",
            "chrom",
            "n_alleles",
            pl.Series("family", names, pl.String),
            (pl.col("n_alleles").cum_sum() - pl.col("n_alleles")).alias("first_row"),
        )

    @cached_property
    def tiles(self) -> pl.DataFrame:
        """The tiles (run, tile, ascending) in which a run lists a position.

        A position is listed by an allele as it is normalised and by the record as it was written.
        """
        sites = pl.scan_parquet(self.folder / "sites.parquet")
        listed = [
            sites.select(pl.col("block").alias("run"), _tile(pl.col(column)).alias("tile"))
            for column in ("pos", "record_pos")
        ]
        return pl.concat(listed).unique().sort("run", "tile").collect(engine="streaming")

    def body(self, block: int) -> bytes:
        """Return a block's body, as it was made when it was staged."""
        return (self.folder / "blocks" / f"{block:06d}.arrow").read_bytes()


def encode_vcf(
    run_folder: Path, parameters: NetworkParameters, corrections: Iterable[Draft] = ()
) -> Iterator[Draft]:
    """Yield the drafts of a staged VCF run: data, counts, mappings.

    Args:
        run_folder: the run, as ``ingest.stage_vcf`` left it.
        parameters: the network's; its build and item sizes are used.
        corrections: of the counts of the batches that it supersedes (`corrected_count_drafts`).
    """
    run = StagedGenotypes(run_folder)
    groups: list[PersonGroup] = []
    if not serves_both_views(run.samples.height):
        groups = person_groups(run.blocks, VARIANT_PERSON_BUCKETS)
    yield from _variant_view(run)
    yield from person_view(run.blocks, run.body, run.samples["person_id"].to_list(), groups)
    yield from _counts(run, parameters.max_item_bytes // 2)
    yield from corrections
    yield from _assay(run, parameters)
    yield from _map_variant(run)
    yield _map_sample(run, groups)


def _variant_view(run: StagedGenotypes) -> Iterator[Draft]:
    keys = dict(run.tiles.group_by("run", maintain_order=True).agg("tile").iter_rows())
    families = dict(run.runs.select("run", "family").iter_rows())
    for block, of_run, chrom in run.blocks.select("block", "run", "chrom").iter_rows():
        tiles = tuple(tile_key(chrom, tile) for tile in keys[of_run])
        payload = Payload(VARIANT_BLOCK, Codec.ARROW, run.body(block))
        yield Draft(families[of_run], tiles, payload)


def _counts(run: StagedGenotypes, max_bytes: int) -> Iterator[Draft]:
    """Yield the counts of each family, in the order of the sites.

    Blocks of structural alleles may stand between others, so a family may come in several pieces.
    """
    piece = pl.struct("family", "chrom").rle_id().alias("piece")
    pieces = run.runs.group_by(piece, "family", "chrom", maintain_order=True).agg(
        pl.col("first_row").min(), pl.col("n_alleles").sum()
    )
    cuts = [
        (counter_family(family), chrom, start, min(COUNT_ROWS, first + size - start))
        for _, family, chrom, first, size in pieces.iter_rows()
        for start in range(first, first + size, COUNT_ROWS)
    ]
    # Many short families are read at once: to read one costs as much as thousands of rows.
    for together in runs([size for *_, size in cuts], COUNT_ROWS):
        first = cuts[together[0]][2]
        rows = _count_rows(run.folder, first, sum(cuts[index][3] for index in together))
        for family, chrom, start, size in (cuts[index] for index in together):
            here = rows.slice(start - first, size)
            yield from _count_drafts((family, chrom), here, max_bytes, counts_payload)


def _count_rows(folder: Path, start: int, size: int) -> pa.Table:
    """Return rows of the run's counts (`COUNTS`), with the record of each from its sites."""
    sites, counts = pl.collect_all(
        [
            pl.scan_parquet(folder / f"{name}.parquet").slice(start, size).select(wanted)
            for name, wanted in (("sites", ["pos", "record"]), ("counts", pl.all()))
        ]
    )
    if not counts["pos"].equals(sites["pos"]):
        raise AssertionError("the run's counts are not in the order of its sites")
    rows = counts.with_columns(sites["record"]).select(COUNTS.names)
    return rows.to_arrow().cast(COUNTS)


def corrected_count_drafts(
    added: Iterable[tuple[str, pl.DataFrame]], batch: str, sign: int, parameters: NetworkParameters
) -> Iterator[Draft]:
    """Yield the drafts that correct the counts of an earlier batch.

    Args:
        added: family of variant blocks, and what calls add to the counts of its alleles
            (`signed_counts.added_counts`).
        batch: id of the earlier batch, hex.
        sign: -1 where the calls count no longer, 1 where they count again.
        parameters: the network's; its item sizes are used.
    """
    signed = [(pl.col(name) * sign).cast(pl.Int32) for name in PUBLISHED_COUNTS]

    def payload(rows: pa.Table) -> Payload:
        return corrected_counts_payload(rows, batch)

    for family, counted in added:
        rows = counted.with_columns(*signed)
        for (chrom,), here in rows.group_by("chrom", maintain_order=True):
            for start in range(0, here.height, COUNT_ROWS):
                piece = here[start : start + COUNT_ROWS].to_arrow()
                place = (counter_family(family), str(chrom))
                yield from _count_drafts(place, piece, parameters.max_item_bytes // 2, payload)


def _count_drafts(
    place: tuple[str, str],
    rows: pa.Table,
    max_bytes: int,
    payload_of: Callable[[pa.Table], Payload],
) -> Iterator[Draft]:
    """Yield drafts of counts of one family and chromosome that fit into items."""
    payload = payload_of(rows)
    if len(payload.body) > max_bytes and rows.num_rows > 1:
        half = rows.num_rows // 2
        yield from _count_drafts(place, rows.slice(0, half), max_bytes, payload_of)
        yield from _count_drafts(place, rows.slice(half), max_bytes, payload_of)
        return
    listed = np.unique(tiles(rows.column("pos").to_numpy()))
    yield Draft(place[0], tuple(tile_key(place[1], tile) for tile in listed.tolist()), payload)


def _assay(run: StagedGenotypes, parameters: NetworkParameters) -> Iterator[Draft]:
    said = run.description["assay"]
    assay = Assay(parameters.build, said["kind"], tuple(said["classes"]))
    for extent in _pieces(pl.read_parquet(run.folder / "extent.parquet")):
        yield Draft(ASSAY_FAMILY, (), assay_payload(assay, extent))


def _map_variant(run: StagedGenotypes) -> Iterator[Draft]:
    rows = (
        run.tiles.join(run.runs, on="run", maintain_order="left")
        .select(MAP_VARIANT.names)
        .unique(maintain_order=True)
    )
    for piece in _pieces(rows):
        yield Draft(MAP_VARIANT_FAMILY, (), mapping_payload("map-variant", piece))


def _map_sample(run: StagedGenotypes, groups: list[PersonGroup]) -> Draft:
    bucket = pl.Series(
        "family_bucket",
        [group.bucket for group in groups for _ in range(group.size)]
        or [None] * run.samples.height,
        pl.Int32,
    )
    rows = run.samples.with_columns(bucket).select(MAP_SAMPLE.names)
    return Draft(MAP_SAMPLE_FAMILY, (), mapping_payload("map-sample", rows.to_arrow()))


def _pieces(rows: pl.DataFrame) -> Iterator[pa.Table]:
    """Yield a table in pieces an item can hold: one, however short it is."""
    for start in range(0, max(rows.height, 1), MAPPING_ROWS):
        yield rows[start : start + MAPPING_ROWS].to_arrow()


def _tile(pos: pl.Expr) -> pl.Expr:
    return _width(pos, TILE_BITS)


def _width(pos: pl.Expr, bits: int) -> pl.Expr:
    return (pos.clip(1) - 1) // (1 << bits)
