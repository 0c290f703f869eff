"""Letters for simulated sites: substitutions, insertions, deletions, sites with several ALTs.

Every allele is already in its shortest form once its record is split and trimmed, and keeps the
record's position; so the truth needs no normalisation of its own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

_MULTI_ALLELIC, _INSERTION, _DELETION = 0.06, 0.05, 0.05  # shares of records
_FEWEST_CARRIED = 4  # haplotypes, for a site to have several ALTs
_BASES = np.array(list("ACGT"))


@dataclass(frozen=True, slots=True)
class Letters:
    """REF and ALTs of each site."""

    refs: list[str]
    alts: list[tuple[str, ...]]


def write_letters(
    haplotypes: npt.NDArray[np.int8],
    *,
    plain: npt.NDArray[np.bool_],
    fixed: Mapping[int, tuple[str, str]],
    rng: np.random.Generator,
) -> Letters:
    """Choose letters, and write further ALT numbers into ``haplotypes``.

    Args:
        haplotypes: 0/1, int8 [sites, haplotypes]; changed where a site gets several ALTs.
        plain: sites that are to be substitutions with one ALT.
        fixed: REF and ALT, one base each, of sites that have theirs already.
        rng: randomness.
    """
    n = len(haplotypes)
    bases = rng.permuted(np.tile(np.arange(4), (n, 1)), axis=1)  # REF and the three others
    kind = rng.random(n)
    several = (rng.random(n) < _MULTI_ALLELIC) & (haplotypes.sum(axis=1) >= _FEWEST_CARRIED)
    n_alts = np.where(several, rng.integers(2, 4, n), 1)
    simple = plain.copy()
    for site, (ref, alt) in fixed.items():
        first = ["ACGT".index(ref), "ACGT".index(alt)]
        bases[site] = first + [b for b in range(4) if b not in first]
        simple[site] = True
    kind[simple], n_alts[simple] = 1.0, 1
    for site in np.flatnonzero(n_alts > 1).tolist():
        carried = haplotypes[site] == 1
        haplotypes[site, carried] = rng.integers(1, n_alts[site] + 1, int(carried.sum()))
    lengths = rng.integers(1, 5, n)
    drawn = rng.choice(_BASES, (n, 4))
    refs, alts = [], []
    for site in range(n):
        letters = [str(letter) for letter in _BASES[bases[site]]]
        extra = "".join(drawn[site, : lengths[site]])
        tail = extra if _INSERTION <= kind[site] < _INSERTION + _DELETION else ""
        written = [letter + tail for letter in letters[1 : 1 + n_alts[site]]]
        if kind[site] < _INSERTION:
            written[-1] = letters[0] + extra
        elif tail:
            written[0] = letters[0]
        refs.append(letters[0] + tail)
        alts.append(tuple(written))
    return Letters(refs, alts)
