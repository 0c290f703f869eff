"""What some persons' calls add to the counts of a batch, and published counts with corrections.

Where calls stop counting, or count again, the batch that says so publishes what they add, with
its sign, as ``corrected-counts`` of the earlier batch (``docs/reference/streams.md``, section 7).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.replica.corrected_genetic import some_calls
from precisionchain.replica.cover import Cover, layer_of
from precisionchain.replica.genetic_batch import GeneticBatch, Run, genetic_batch
from precisionchain.schemas.counts import AlleleCounts, allele_counts
from precisionchain.schemas.genetic_payloads import ALLELE_KEY, COUNTS, PUBLISHED_COUNTS

Ints = npt.NDArray[np.int64]

COUNTED: Final[dict[str, pl.DataType | type[pl.DataType]]] = {
    "chrom": pl.String,
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    "record": pl.Int32,
    **dict.fromkeys(PUBLISHED_COUNTS, pl.Int32),
}
"""Columns of counts as they are published (`COUNTS`)."""


def added_counts(
    folder: Path, persons: Ints, cover: Cover | None = None
) -> Iterator[tuple[str, pl.DataFrame]]:
    """Yield what persons add to the counts of a batch or part: (family of variant blocks, rows).

    Args:
        folder: of the batch or part.
        persons: person ids; those it does not hold add nothing.
        cover: count only alleles of which this covers the position, or the record's.

    Yields:
        Rows of columns `COUNTED`, in the order of the family's sites, a run of alleles at a time;
        no empty ones.
    """
    batch = genetic_batch(folder)
    columns = np.flatnonzero(np.isin(batch.person_ids, persons))
    if not len(columns):
        return
    for family in batch.variant_blocks["family"].unique(maintain_order=True):
        sites = batch.sites(family)
        parts = []
        for run in batch.runs_of(family):
            here = sites[run[0].first_row : run[0].first_row + run[0].n_alleles]
            rows = np.arange(here.height)
            if cover is not None:
                spans = cover.spans(run[0].chrom, layer_of(family))
                at = (here[name].to_numpy() for name in ("pos", "record_pos"))
                rows = np.flatnonzero(np.logical_or(*(spans.hold(positions) for positions in at)))
            if len(rows):
                counts = _counts(batch, run, rows, columns)
                parts.append(_rows(here[rows], counts))
        if parts:
            yield family, pl.concat(parts)


def corrected(published: pl.DataFrame, corrections: Iterable[pl.DataFrame]) -> pl.DataFrame:
    """Return counts plus their corrections (`COUNTED`), without alleles that come to nothing.

    Args:
        published: the counts of a batch.
        corrections: signed counts of its alleles.
    """
    rows = pl.concat([published.select(*COUNTED), *(one.select(*COUNTED) for one in corrections)])
    added = rows.group_by(*ALLELE_KEY, "record").agg(pl.col(*PUBLISHED_COUNTS).sum())
    return _without_nothing(added)


def counted_in_parts(parts: Sequence[Path], family: str) -> pl.DataFrame:
    """Return the counts of the parts of one batch added up (`COUNTED`), as `corrected` has them.

    Args:
        parts: folders of the batch or of its parts.
        family: of variant blocks.
    """
    files = (part / "counts" / f"{family}.parquet" for part in parts)
    found = (pl.read_parquet(path, columns=list(COUNTED)) for path in files if path.exists())
    return corrected(pl.DataFrame(schema=COUNTED), found)


def difference(one: pl.DataFrame, other: pl.DataFrame) -> int:
    """Return in how many rows two frames of counts differ (`corrected`)."""
    key = list(COUNTED)
    return one.join(other, on=key, how="anti").height + other.join(one, on=key, how="anti").height


def _without_nothing(rows: pl.DataFrame) -> pl.DataFrame:
    something = pl.any_horizontal(pl.col(*PUBLISHED_COUNTS) != 0)
    return rows.filter(something).select(*COUNTED).cast(pl.Schema(COUNTED))


def _counts(batch: GeneticBatch, run: Sequence[Run], rows: Ints, columns: Ints) -> AlleleCounts:
    total: AlleleCounts | None = None
    for block in run:
        of_block = columns - block.person_offset
        of_block = of_block[(of_block >= 0) & (of_block < block.n_persons)]
        if len(of_block):
            counts = allele_counts(some_calls(batch.packed(block.object), rows, of_block))
            total = counts if total is None else total + counts
    if total is None:
        raise AssertionError("every person is in a block of each run")
    return total


def _rows(sites: pl.DataFrame, counts: AlleleCounts) -> pl.DataFrame:
    numbers = pl.DataFrame(counts.columns()).select(*PUBLISHED_COUNTS)
    return pl.concat([sites.select(*ALLELE_KEY, "record"), numbers], how="horizontal").select(
        *COUNTS.names
    )
