"""The exact test of Hardy-Weinberg equilibrium.

Wigginton, Cutler and Abecasis (2005), "A note on exact tests of Hardy-Weinberg equilibrium", Am J
Hum Genet 76:887-893: given the allele counts, the p-value is the probability of all numbers of
heterozygotes that are at most as probable as the number seen. No mid-p correction.

>>> hwe_exact(np.array([57]), np.array([14]), np.array([50])).round(4).tolist()
[0.8423]
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

Ints = npt.NDArray[np.integer]
TIE: Final = 2.0**-44
"""Two outcomes whose probabilities differ relatively by less are equally probable.

PLINK 1.9's tolerance; an outcome as probable as the one seen must not depend on rounding."""


def hwe_exact(
    n_het: npt.NDArray[np.int64], n_hom_alt: npt.NDArray[np.int64], n_hom_ref: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    """Return the p-value of each allele; 1 where nobody is called.

    Args:
        n_het: persons with one copy; int64 [alleles].
        n_hom_alt: persons with two copies.
        n_hom_ref: persons with none.
    """
    return _p_values(
        np.ascontiguousarray(n_het, np.int64),
        np.ascontiguousarray(np.minimum(n_hom_alt, n_hom_ref), np.int64),
        np.ascontiguousarray(np.maximum(n_hom_alt, n_hom_ref), np.int64),
    )


@njit(cache=True, nogil=True)
def _p_values(
    n_het: npt.NDArray[np.int64], rare: npt.NDArray[np.int64], common: npt.NDArray[np.int64]
) -> npt.NDArray[np.float64]:
    out = np.ones(n_het.shape[0], np.float64)
    for i in range(out.shape[0]):
        out[i] = _p_value(n_het[i], rare[i], common[i])
    return out


@njit(cache=True, nogil=True)
def _p_value(n_het: int, rare: int, common: int) -> float:
    """Return p for numbers of heterozygotes and of the rarer and the commoner homozygotes.

    Probabilities are relative to that of the number seen. The ratio of two neighbours is
    P(h - 2) / P(h) = h (h - 1) / (4 (r + 1) (c + 1)) with r and c the homozygotes at h. They have
    one peak, so a walk away from the number seen is at its end when a term no longer counts.
    """
    inside, outside = 1.0, 0.0  # of the tails, and more probable than what was seen
    for down in (True, False):
        h, r, c = float(n_het), float(rare), float(common)
        term = 1.0
        while (h > 1.0) if down else (r > 0.0):
            if down:
                ratio = h * (h - 1.0) / (4.0 * (r + 1.0) * (c + 1.0))
                h, r, c = h - 2.0, r + 1.0, c + 1.0
            else:
                ratio = 4.0 * r * c / ((h + 2.0) * (h + 1.0))
                h, r, c = h + 2.0, r - 1.0, c - 1.0
            term *= ratio
            if term > 1.0 + TIE:
                outside += term
                if outside == np.inf:
                    return 0.0
            else:
                inside += term
                if ratio < 1.0 and term < 1e-18 * inside:
                    break
    return inside / (inside + outside)
