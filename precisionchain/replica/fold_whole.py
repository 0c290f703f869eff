"""Allele counts of the network over many bins at once: what ``verify`` recounts by.

The rules are those of ``fold_counts``. There a bin is folded when a batch touches it, into a file
of its own; here nothing is written, and the bins of a chromosome, or all of a small network, are
one frame, which takes a hundredth of the calls.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from pathlib import Path

import polars as pl

from precisionchain.replica.fold_counts import FOLDED, fold
from precisionchain.replica.genetic_batch import LISTED, GeneticBatch

ROWS_AT_ONCE = 1_000_000
"""Alleles of all batches that are folded in one frame; more are folded by chromosome."""

_ALL = "VAR_"
_STRUCTURAL = "SV_"


def fold_whole(parts: Sequence[tuple[str, Path]]) -> pl.DataFrame:
    """Return the alleles of batches with their counts (`FOLDED`), a chromosome after another.

    Args:
        parts: batches with their ids and folders; the parts of one batch have one id.
    """
    opened = [(batch, WideBatch(folder)) for batch, folder in parts]
    families = {family for _, part in opened for family in part.families}
    rows = sum(part.n_alleles for _, part in opened)
    prefixes = {_ALL, _STRUCTURAL}
    if rows > ROWS_AT_ONCE:
        prefixes = {_of_chromosome(family) for family in families}
    folded = [fold(prefix, opened) for prefix in sorted(prefixes)] if families else []
    return pl.concat([pl.DataFrame(schema=FOLDED), *folded])


class WideBatch(GeneticBatch):
    """A batch whose families are read together: by how their names begin."""

    @property
    def families(self) -> list[str]:
        """The Variant-view families it lists alleles in."""
        return sorted(path.stem for path in (self.folder / "counts").glob("*.parquet"))

    @property
    def n_alleles(self) -> int:
        """How many alleles it lists, once for each group of persons."""
        return int(self.variant_blocks["n_alleles"].sum())

    def lists(self, family: str) -> bool:
        """See `GeneticBatch.lists`."""
        return any(name.startswith(family) for name in self.families)

    def counts(self, family: str) -> pl.DataFrame:
        """See `GeneticBatch.counts`."""
        return pl.read_parquet(self._files("counts", family))

    def listed_at(self, places: pl.DataFrame) -> pl.DataFrame:
        """See `GeneticBatch.listed_at`; read from all files, whatever the mapping says."""
        chroms = places["chrom"].unique().to_list()
        beginning = _ALL if len(chroms) != 1 else _of_chromosome(_family_of(self.families, chroms))
        if not self.lists(beginning):
            return pl.DataFrame(schema=LISTED)
        columns = ["chrom", "pos", "record_pos", "record", "alt_index"]
        sites = pl.read_parquet(self._files("sites", beginning), columns=columns)
        counted = self.counts(beginning).select("an", "n_missing")
        rows = pl.concat([sites, counted], how="horizontal")
        parts = [
            rows.select("chrom", pl.col(column).alias("pos"), *list(LISTED)[2:])
            for column in ("pos", "record_pos")
        ]
        return (
            pl.concat(parts)
            .join(places.select("chrom", "pos").unique(), on=["chrom", "pos"], how="semi")
            .sort("chrom", "pos", "record", "alt_index")
            .unique(["chrom", "pos"], keep="first", maintain_order=True)
        )

    def _files(self, kind: str, beginning: str) -> list[Path]:
        names = [name for name in self.families if name.startswith(beginning)]
        return [self.folder / kind / f"{name}.parquet" for name in names]


def _of_chromosome(family: str) -> str:
    """Return how the families of a family's chromosome begin: ``VAR_9_``."""
    return "_".join(family.split("_")[:2]) + "_"


def _family_of(families: Iterable[str], chroms: list[str]) -> str:
    """Return a family of a chromosome; one that nothing has where none lists it."""
    wanted = f"{_ALL}{chroms[0]}_"
    return next((name for name in families if name.startswith(wanted)), _ALL)
