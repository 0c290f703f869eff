"""Genotypes as a file and as the truth states them: calls taken away, and one code a call.

A code says what a site knows of a person and one ALT. It is a byte, an index of these tables:

==== ==================== ======= ====== =====
code call                 dosage  ploidy phase
==== ==================== ======= ====== =====
0    no copy              0       2      0|0
1    second haplotype     1       2      0|1
2    first haplotype      1       2      1|0
3    both                 2       2      1|1
4    missing              3
5    not assayed          4
6    one X, without       0       1
7    one X, with          1       1
8    no copy, not listed  0       2
9    one X, not listed    0       1
==== ==================== ======= ====== =====

"Not listed" means that the site's file has no record of the allele, but assayed the place.
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.synthetic.genome import FounderContig
from precisionchain.synthetic.pedigree import Flags, Ints
from precisionchain.synthetic.transmission import ABSENT, Haplotypes

MISSING, NOT_ASSAYED = 3, 4  # dosages that are none
DOSAGES = np.array([0, 1, 1, 2, MISSING, NOT_ASSAYED, 0, 1, 0, 0], dtype=np.uint8)
PLOIDIES = np.array([2, 2, 2, 2, 0, 0, 1, 1, 2, 1], dtype=np.uint8)
PHASES = ("0|0", "0|1", "1|0", "1|1", *[None] * 6)
CODE_MISSING, CODE_NOT_ASSAYED = 4, 5
_ONE_X, _NOT_LISTED, _ONE_X_NOT_LISTED = 6, 8, 9
_NOT_CALLED = -1

Codes = npt.NDArray[np.uint8]


def hide(
    haplotypes: Haplotypes, missing: float, half_calls: float, rng: np.random.Generator
) -> None:
    """Take calls away: whole ones, more at some sites than at others, and halves of diploid ones.

    Args:
        haplotypes: allele numbers, int8 [sites, persons, 2]; -1 is written into it.
        missing: expected share of calls without either allele.
        half_calls: share of diploid calls that lose one of their two alleles.
        rng: randomness.
    """
    n, persons, _ = haplotypes.shape
    rates = np.minimum(rng.gamma(0.5, 2 * missing, n), 0.9) if missing else np.zeros(n)
    for site, rate in enumerate(rates.astype(np.float32)):
        lost = rng.random(persons, dtype=np.float32)
        call = haplotypes[site]
        alone = call[:, 1] == ABSENT
        gone = lost < rate
        call[gone, 0] = _NOT_CALLED
        call[gone & ~alone, 1] = _NOT_CALLED
        halved = np.flatnonzero((lost > 1 - half_calls) & ~alone & ~gone)
        call[halved, rng.integers(0, 2, len(halved))] = _NOT_CALLED


def identity_table(contig: FounderContig) -> pl.DataFrame:
    """Site (index), number (of the ALT), chrom, pos, ref, alt; a row for each ALT of each site."""
    site = np.repeat(np.arange(len(contig.alts)), [len(alts) for alts in contig.alts])
    number = np.concatenate([np.arange(1, len(alts) + 1) for alts in contig.alts])
    identity = pl.DataFrame(
        {
            "site": site,
            "number": number,
            "chrom": pl.repeat(contig.chrom, len(site), eager=True),
            "pos": contig.positions[site].astype(np.int32),
            "ref": pl.Series(contig.refs)[site],
            "alt": [alt for alts in contig.alts for alt in alts],
        }
    )
    # A deletion's record may hold a substitution as well (TAG -> T,CAG): what REF and ALT share
    # at the end is no part of the variant.
    shared = pl.col("ref").str.len_chars() == pl.col("alt").str.len_chars()
    return identity.with_columns(
        pl.when(shared).then(pl.col(c).str.slice(0, 1)).otherwise(c).alias(c)
        for c in ("ref", "alt")
    )


def call_codes(
    haplotypes: Haplotypes, rows: Ints, numbers: Ints, states: Sequence[Flags], one_x: Flags
) -> Codes:
    """The code of every allele and person of one file.

    Args:
        haplotypes: what the file says, int8 [listed sites, persons, 2].
        rows: the place of each allele's site among the listed, anything where it is not.
        numbers: ALT number of each allele.
        states: whether each allele is listed, and whether its place is assayed though not listed.
        one_x: which persons have one copy.

    Returns:
        uint8 [alleles, persons].
    """
    listed, inferred = states
    codes = np.full((len(numbers), len(one_x)), CODE_NOT_ASSAYED, dtype=np.uint8)
    codes[inferred] = np.where(one_x, _ONE_X_NOT_LISTED, _NOT_LISTED)
    for allele in np.flatnonzero(listed):
        call = haplotypes[rows[allele]]
        copies = call == numbers[allele]
        code = np.where(one_x, _ONE_X + copies[:, 0], 2 * copies[:, 0] + copies[:, 1])
        codes[allele] = np.where((call == _NOT_CALLED).any(axis=1), CODE_MISSING, code)
    return codes


def count_table(codes: Codes) -> pl.DataFrame:
    """ac, an, n_het, n_hom_alt, n_hemi, n_missing, n_not_assayed, af, maf of each row of codes.

    ``n_hemi`` counts carriers with one X.
    """
    # One row at a time: a histogram of bytes, without a copy of the matrix.
    n = np.stack([np.bincount(row, minlength=len(DOSAGES)) for row in codes])
    het, hom, hemi = n[:, 1] + n[:, 2], n[:, 3], n[:, 7]
    frame = pl.DataFrame(
        {
            "ac": het + 2 * hom + hemi,
            "an": n @ PLOIDIES.astype(np.int64),
            "n_het": het,
            "n_hom_alt": hom,
            "n_hemi": hemi,
            "n_missing": n[:, CODE_MISSING],
            "n_not_assayed": n[:, CODE_NOT_ASSAYED],
        }
    )
    return with_frequencies(frame)


def with_frequencies(counts: pl.DataFrame) -> pl.DataFrame:
    """Add af and maf, null where nobody was called."""
    called = pl.when(pl.col("an") > 0)
    rarer = pl.min_horizontal("ac", pl.col("an") - pl.col("ac"))
    return counts.with_columns(
        af=called.then(pl.col("ac") / pl.col("an")), maf=called.then(rarer / pl.col("an"))
    )
