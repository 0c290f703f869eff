"""Allele counts of the network: each bin's alleles over all sealed batches.

A batch adds to an allele, in this order:

1. it lists the allele: its counts;
2. it lists the position: AN and the missing persons of the first record there, no copy (not of a
   structural allele: that a base was called there says nothing of it, nor the other way round);
3. the position lies inside its extent and the allele's class was called there: as many alleles as
   its persons have at that position, no copy;
4. else nothing: the position is not assayed.

So the counts do not depend on how persons were split into batches, nor on the batches' order.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from hashlib import sha256
from pathlib import Path
from typing import Final

import numpy as np
import polars as pl

from precisionchain.replica.assayed import allele_class, expected_an, infers
from precisionchain.replica.catalogue import SealedBatch
from precisionchain.replica.genetic_batch import GeneticBatch, genetic_batch
from precisionchain.replica.genetic_frames import write_rows
from precisionchain.replica.taken_over import VCF
from precisionchain.schemas.counts import COUNT_COLUMNS
from precisionchain.schemas.genetic_payloads import ALLELE_KEY, NO_ALLELE, variant_family
from precisionchain.schemas.genome import BIN_BITS, TILE_BITS, chrom_rank
from precisionchain.schemas.structural import STRUCTURAL, STRUCTURAL_CLASS, structural_family

FOLDED: Final = {
    "chrom": pl.String,
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    **dict.fromkeys(COUNT_COLUMNS, pl.Int64),
    "af": pl.Float64,
    "maf": pl.Float64,
    "batches": pl.UInt32,
}
"""Columns of a folded file. ``batches`` counts those that add to AN; af and maf are null where AN
is 0."""

_FORMAT: Final = "folded counts 1"
_ROWS_AT_ONCE: Final = 65_536
PREFIX: Final = "folded/"
"""Folded counts of a bin are found under ``folded/VAR_9_16777217_33554432``."""


def fold_counts(batches: Sequence[tuple[SealedBatch, Path]], out: Path) -> dict[str, Path]:
    """Return the file that holds each bin's folded counts, writing what is not there yet.

    Args:
        batches: the current VCF batches with their folders; a batch in parts once for each part.
        out: the folder of folded files, each below a digest of what it was folded from, so that
            a bin no new batch touches is not folded again.
    """
    opened = {
        (batch.batch, folder.name): genetic_batch(folder)
        for batch, folder in batches
        if batch.kind == VCF
    }
    touching: dict[str, list[tuple[str, str]]] = defaultdict(list)
    for part, genetic in opened.items():
        for family in _families_touched(genetic):
            touching[family].append(part)
    listing = {f for genetic in opened.values() for f in genetic.variant_blocks["family"].unique()}
    answer, alone = {}, defaultdict(list)
    for family in sorted(listing):
        near = sorted(touching[family])
        origin = [_FORMAT, family, *(" ".join(part) for part in near)]
        digest = sha256("\n".join(origin).encode()).hexdigest()
        target = out / digest[:32] / f"{family}.parquet"
        answer[f"{PREFIX}{family}"] = target
        if target.exists():
            continue
        if len(near) == 1 and opened[near[0]].lists(family):
            alone[near[0]].append(family)
        else:
            _write(fold(family, [(batch, opened[batch, name]) for batch, name in near]), target)
    for place, families in alone.items():
        for family, folded in _fold_alone(families, opened[place]):
            _write(folded, answer[f"{PREFIX}{family}"])
    return answer


def _fold_alone(families: Sequence[str], part: GeneticBatch) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield what `fold` returns for each of some bins that one part alone touches.

    Many short bins are folded at once: to fold one costs as much as thousands of rows.
    """
    held: list[str] = []
    sizes: list[int] = []
    for index, family in enumerate(families):
        held.append(family)
        sizes.append(part.n_listed(family))
        if index + 1 < len(families) and sum(sizes) < _ROWS_AT_ONCE:
            continue
        of_bin = np.repeat(np.arange(len(held), dtype=np.int32), sizes)
        rows = part.counts_of(held).with_columns(pl.Series("bin", of_bin))
        folded = _added_up(rows.filter(pl.col("alt") != NO_ALLELE))
        ends = np.bincount(folded["bin"].to_numpy(), minlength=len(held)).cumsum().tolist()
        folded = _with_frequencies(folded)
        for name, start, end in zip(held, [0, *ends[:-1]], ends, strict=True):
            yield name, folded[start:end]
        held, sizes = [], []


def _added_up(rows: pl.DataFrame) -> pl.DataFrame:
    """Return the alleles of one batch's bins, by bin in genome order, each once."""
    counts = [pl.col(name).cast(pl.Int64) for name in COUNT_COLUMNS]
    adding = (pl.col("an") > 0).cast(pl.UInt32).alias("batches")
    if _each_once_in_order(rows):  # as a file gives them; then there is nothing to be added
        return rows.select("bin", *ALLELE_KEY, *counts, adding)
    alleles = rows.group_by("bin", *ALLELE_KEY)
    folded = alleles.agg(*(column.sum() for column in counts), adding.max())
    return in_genome_order(folded).sort("bin", maintain_order=True)


def _each_once_in_order(rows: pl.DataFrame) -> bool:
    """Return whether each row's bin, pos, ref and alt are above those of the row before it."""
    of_bin, pos = rows["bin"].to_numpy(), rows["pos"].to_numpy()
    same_bin = of_bin[1:] == of_bin[:-1]
    chrom = rows["chrom"]
    if bool(((chrom[1:] != chrom[:-1]).to_numpy() & same_bin).any()):
        return False
    tied = same_bin & (pos[1:] == pos[:-1])
    if bool((same_bin & (pos[1:] < pos[:-1])).any()) or bool((of_bin[1:] < of_bin[:-1]).any()):
        return False
    at = np.flatnonzero(tied)
    before, after = rows[at], rows[at + 1]
    further = (before["ref"] < after["ref"]) | (
        (before["ref"] == after["ref"]) & (before["alt"] < after["alt"])
    )
    return further.all()


def fold(family: str, parts: Sequence[tuple[str, GeneticBatch]]) -> pl.DataFrame:
    """Return a bin's alleles with their counts over batches (`FOLDED`), in genome order.

    Args:
        family: of the bin's variant blocks.
        parts: batches with their ids; the parts of one batch have one id.
    """
    listed = [
        part.counts(family).filter(pl.col("alt") != NO_ALLELE).select(*_COUNTED)
        if part.lists(family)
        else pl.DataFrame(schema=_COUNTED)
        for _, part in parts
    ]
    alleles = pl.concat(listed).select(*ALLELE_KEY).unique()
    found = []
    for (batch, part), own in zip(parts, listed, strict=True):
        found.append(own.with_columns(pl.lit(batch).alias("batch")))
        if own.height != alleles.height:
            others = unlisted_counts(part, alleles.join(own, on=list(ALLELE_KEY), how="anti"))
            found.append(others.with_columns(pl.lit(batch).alias("batch")))
    added = [pl.col(name).cast(pl.Int64).sum() for name in COUNT_COLUMNS]
    adding = pl.col("batch").filter(pl.col("an") > 0).n_unique().cast(pl.UInt32)
    folded = pl.concat(found).group_by(*ALLELE_KEY).agg(*added, adding.alias("batches"))
    return in_genome_order(_with_frequencies(folded))


def unlisted_counts(batch: GeneticBatch, alleles: pl.DataFrame) -> pl.DataFrame:
    """Return what a batch adds to alleles (chrom, pos, ref, alt) that it does not list.

    It adds nothing to those that its quality control removed: nobody is told to have no copy.
    """
    alleles = alleles.join(batch.removed, on=list(ALLELE_KEY), how="anti")
    structural = allele_class() == STRUCTURAL_CLASS
    ordinary = alleles.filter(~structural)
    at = ordinary.join(batch.listed_at(ordinary), on=["chrom", "pos"], how="left")
    listed = at.filter(pl.col("an").is_not_null())
    unlisted = [at.filter(pl.col("an").is_null()), alleles.filter(structural)]
    others = pl.concat([rows.select(*ALLELE_KEY) for rows in unlisted])
    inferred = others.filter(pl.Series(infers(batch, others), dtype=pl.Boolean))
    inferred = inferred.with_columns(
        pl.Series("an", expected_an(batch, inferred), pl.Int32),
        pl.lit(0, pl.Int32).alias("n_missing"),
    )
    none = [
        pl.lit(0, pl.Int32).alias(name) for name in COUNT_COLUMNS if name not in ("an", "n_missing")
    ]
    return pl.concat([rows.with_columns(*none).select(*_COUNTED) for rows in (listed, inferred)])


def in_genome_order(rows: pl.DataFrame) -> pl.DataFrame:
    """Return rows sorted by chromosome (1 to 22, X, Y, MT, others by name), pos, ref, alt."""
    pos = rows["pos"].to_numpy()
    is_one = rows["chrom"].n_unique() < 2
    if is_one and bool((pos[1:] > pos[:-1]).all()):
        return rows  # as most answers come
    chroms = rows["chrom"].unique().to_list()
    if is_one:
        return rows.sort("pos", "ref", "alt")
    ranks = {chrom: rank for rank, chrom in enumerate(sorted(chroms, key=chrom_rank))}
    rank = pl.col("chrom").replace_strict(ranks, return_dtype=pl.Int32)
    return rows.sort(rank, "pos", "ref", "alt")


def _with_frequencies(folded: pl.DataFrame) -> pl.DataFrame:
    ac, an = pl.col("ac"), pl.col("an")
    called = pl.when(an > 0)
    return folded.with_columns(
        called.then(ac / an).alias("af"),
        called.then(pl.min_horizontal(ac, an - ac) / an).alias("maf"),
    ).select(*FOLDED)


def _families_touched(batch: GeneticBatch) -> set[str]:
    """Return the families of the bins in which a batch lists a position or has an extent."""
    extent = batch.extent
    structural = pl.col("family").str.starts_with(f"{STRUCTURAL}_")
    mapping = batch.mapping.filter(~structural)
    found = set(batch.mapping.filter(structural)["family"].unique())
    if STRUCTURAL_CLASS in batch.assay.classes:
        ends = (rows for row in extent.iter_rows() for rows in ((row[0], row[1]), (row[0], row[2])))
        found |= {structural_family(*end) for end in ends}
    spans = pl.concat(
        [
            extent.select("chrom", _bin("start"), _bin("end")),
            mapping.select("chrom", _bin_of_tile("start"), _bin_of_tile("end")),
        ]
    ).unique()
    return found | {
        variant_family(chrom, (index << BIN_BITS) + 1)
        for chrom, first, last in spans.iter_rows()
        for index in range(first, last + 1)
    }


def _bin(name: str) -> pl.Expr:
    return (pl.col(name) - 1) // (1 << BIN_BITS)


def _bin_of_tile(name: str) -> pl.Expr:
    return (pl.col("tile") // (1 << (BIN_BITS - TILE_BITS))).alias(name)


def _write(rows: pl.DataFrame, target: Path) -> None:
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    write_rows(rows.to_arrow(), partial)
    partial.replace(target)


_COUNTED: Final = {
    "chrom": pl.String,
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    **dict.fromkeys(COUNT_COLUMNS, pl.Int32),
}
