"""What a batch's assay says of positions that no record lists: no copy, inside its extent.

Whoever asks makes sure that the batch lists neither the allele nor its position.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.replica.genetic_batch import GeneticBatch
from precisionchain.schemas.genome import expected_ploidy, in_par
from precisionchain.schemas.structural import STRUCTURAL_CLASS

Bools = npt.NDArray[np.bool_]
Bytes = npt.NDArray[np.uint8]
Ints = npt.NDArray[np.int64]

_OUTSIDE_PAR: Final = 20_000_000
"""A position of X and of Y that no build has in a pseudo-autosomal region."""


def infers(batch: GeneticBatch, alleles: pl.DataFrame) -> Bools:
    """Return, for each allele (a row), whether the assay says that nobody has a copy of it:
    its position lies in the extent, and its class was called there.
    """
    inside = np.zeros(alleles.height, dtype=np.bool_)
    if batch.assay.kind == "sites":
        return inside
    of_class = alleles.select(allele_class().is_in(list(batch.assay.classes))).to_series()
    for (chrom,), rows in alleles.with_row_index("n").group_by("chrom"):
        here = batch.extent.filter(pl.col("chrom") == chrom)
        pos = rows["pos"].to_numpy()
        at = np.searchsorted(here["start"].to_numpy(), pos, side="right") - 1
        end = here["end"].to_numpy()
        inside[rows["n"].to_numpy()] = (at >= 0) & (pos <= end[at] if len(end) else False)
    inferred: Bools = inside & of_class.to_numpy()
    return inferred


def expected_an(batch: GeneticBatch, alleles: pl.DataFrame) -> Ints:
    """Return the alleles that all persons together have at each position, by their sex.

    Two each; at X, outside the pseudo-autosomal regions, one of a male; at Y one of a male and none
    of others; at MT one. Where the sex is not known it counts as not male.
    """
    males, persons = int(batch.males.sum()), len(batch.males)
    expected = np.full(alleles.height, 2 * persons, dtype=np.int64)
    for (chrom,), rows in alleles.with_row_index("n").group_by("chrom"):
        if chrom not in ("X", "Y", "MT"):
            continue
        of_sex = [
            expected_ploidy(batch.assay.build, str(chrom), _OUTSIDE_PAR, male=male)
            for male in (False, True)
        ]
        alone = (persons - males) * of_sex[0] + males * of_sex[1]
        par = in_par(batch.assay.build, str(chrom), rows["pos"].to_numpy())
        expected[rows["n"].to_numpy()] = np.where(par, 2 * persons, alone)
    return expected


def expected_ploidies(batch: GeneticBatch, chrom: str, pos: int) -> Bytes:
    """Return how many copies of a position each person has (0, 1 or 2), in column order."""
    of_sex = [expected_ploidy(batch.assay.build, chrom, pos, male=male) for male in (False, True)]
    return np.where(batch.males, np.uint8(of_sex[1]), np.uint8(of_sex[0]))


def allele_class() -> pl.Expr:
    """Return the class of each allele: ``snv`` (one base for one), ``indel`` (other bases, also
    substitutions of several) or ``sv`` (what is not written in bases).
    """
    bases = pl.col("alt").str.contains("^[ACGTN]+$")
    single = (pl.col("ref").str.len_bytes() == 1) & (pl.col("alt").str.len_bytes() == 1)
    return (
        pl.when(bases & single)
        .then(pl.lit("snv"))
        .when(bases)
        .then(pl.lit("indel"))
        .otherwise(pl.lit(STRUCTURAL_CLASS))
    )
