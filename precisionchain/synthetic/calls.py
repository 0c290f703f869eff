"""Genotypes as the truth states them: one ALT at a time, as dosages and counts."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.synthetic.genome import Contig
from precisionchain.synthetic.truth import MISSING


def split_alleles(
    contig: Contig, person_ids: npt.NDArray[np.int64]
) -> tuple[pl.DataFrame, pl.DataFrame]:
    """The ``alleles`` and ``genotypes`` of the truth for one contig.

    Args:
        contig: its records; a call is missing when either of its alleles is.
        person_ids: persons in the order of the haplotypes.

    Returns:
        A row for each ALT of each record, and a row for each ALT and person.
    """
    record = np.repeat(np.arange(len(contig.alts)), [len(alts) for alts in contig.alts])
    number = np.concatenate([np.arange(1, len(alts) + 1) for alts in contig.alts])
    identity = pl.DataFrame(
        {
            "chrom": pl.repeat(contig.chrom, len(record), eager=True),
            "pos": contig.positions[record].astype(np.int32),
            "ref": pl.Series(contig.refs)[record],
            "alt": [alt for alts in contig.alts for alt in alts],
        }
    )
    # A deletion's record may hold a substitution as well (TAG -> T,CAG): what REF and ALT share
    # at the end is no part of the variant.
    shared = pl.col("ref").str.len_chars() == pl.col("alt").str.len_chars()
    identity = identity.with_columns(
        pl.when(shared).then(pl.col(c).str.slice(0, 1)).otherwise(c).alias(c)
        for c in ("ref", "alt")
    )
    copies = (contig.haplotypes[record] == number[:, None, None]).astype(np.int8)
    missing = (contig.haplotypes[record] < 0).any(axis=2)
    dosage = np.where(missing, MISSING, copies.sum(axis=2)).astype(np.uint8)
    an = 2 * (~missing).sum(axis=1)
    ac = np.where(missing, 0, dosage).sum(axis=1)
    alleles = identity.with_columns(
        ac=pl.Series(ac, dtype=pl.Int64),
        an=pl.Series(an, dtype=pl.Int64),
        n_het=pl.Series((dosage == 1).sum(axis=1), dtype=pl.Int64),
        n_hom_alt=pl.Series((dosage == 2).sum(axis=1), dtype=pl.Int64),
        n_missing=pl.Series(missing.sum(axis=1), dtype=pl.Int64),
    ).with_columns(
        af=pl.when(pl.col("an") > 0).then(pl.col("ac") / pl.col("an")),
        maf=pl.when(pl.col("an") > 0).then(
            pl.min_horizontal("ac", pl.col("an") - pl.col("ac")) / pl.col("an")
        ),
    )
    spelled = np.array(["0|0", "0|1", "1|0", "1|1"])[2 * copies[..., 0] + copies[..., 1]]
    calls = identity[np.repeat(np.arange(len(record)), len(person_ids))].with_columns(
        person_id=pl.Series(np.tile(person_ids, len(record))),
        dosage=pl.Series(dosage.ravel()),
        phase=pl.Series(spelled.ravel()),
    )
    return alleles, calls.with_columns(phase=pl.when(pl.col("dosage") != MISSING).then("phase"))
