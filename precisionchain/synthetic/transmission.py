"""Children's haplotypes: recombined copies of their parents', one gamete from each.

A gamete switches between its parent's two haplotypes by Haldane's map at 1 cM a million bases.
Contigs are independent of each other, also the pseudo-autosomal region and the rest of X, as they
nearly are in fathers. Outside that region a father passes his one X to daughters, none to sons.
There is no new mutation: founders carry all there are.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from precisionchain.synthetic.genome import FounderContig
from precisionchain.synthetic.pedigree import MALE_SEX, NOBODY, Flags, Ints, Pedigree

MORGANS_A_BASE = 1e-8
ABSENT = -2  # allele number of the second copy of X in a man
_BLOCK = 512  # gametes at a time, which bounds memory

Haplotypes = npt.NDArray[np.int8]
Origins = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class Descent:
    """A contig's alleles in everybody.

    Args:
        haplotypes: allele numbers, ``ABSENT`` for a man's second X; int8 [humans, 2, sites]. The
            first haplotype is the mother's.
        origins: the founder haplotype in the middle of each stretch, ``NOBODY`` where there is
            none; int32 [humans, 2, stretches].
    """

    haplotypes: Haplotypes
    origins: Origins


def descend(pedigree: Pedigree, contig: FounderContig, rng: np.random.Generator) -> Descent:
    """Hand a contig down from the founders to everybody."""
    sites, founders, _ = contig.haplotypes.shape
    haplotypes = np.zeros((len(pedigree), 2, sites), dtype=np.int8)
    origins = np.zeros((len(pedigree), 2, len(contig.middles)), dtype=np.int32)
    haplotypes[pedigree.founders] = contig.haplotypes.transpose(1, 2, 0)
    origins[pedigree.founders] = np.arange(2 * founders, dtype=np.int32).reshape(-1, 2, 1)
    on_x = contig.hemizygous
    if on_x:
        men = pedigree.founders[pedigree.sex[pedigree.founders] == MALE_SEX]
        haplotypes[men, 1], origins[men, 1] = ABSENT, NOBODY
    chance = switch_probability(contig.positions)
    for generation in range(1, int(pedigree.generation.max()) + 1):
        born = pedigree.generation == generation
        children = np.flatnonzero(born & (pedigree.twin == NOBODY))
        for start in range(0, len(children), _BLOCK):
            block = children[start : start + _BLOCK]
            for slot, parent in enumerate((pedigree.mother[block], pedigree.father[block])):
                phase = _phases(chance, len(block), rng)
                if on_x:
                    phase[pedigree.sex[parent] == MALE_SEX] = 0
                haplotypes[block, slot] = _picked(haplotypes, parent, phase)
                origins[block, slot] = _picked(origins, parent, phase[:, contig.middles])
            if on_x:
                sons = block[pedigree.sex[block] == MALE_SEX]
                haplotypes[sons, 1], origins[sons, 1] = ABSENT, NOBODY
        later = np.flatnonzero(born & (pedigree.twin != NOBODY))
        haplotypes[later] = haplotypes[pedigree.twin[later]]
        origins[later] = origins[pedigree.twin[later]]
    return Descent(haplotypes, origins)


def switch_probability(positions: Ints) -> npt.NDArray[np.float32]:
    """Chance that a gamete holds the other haplotype than at the site before; float32 [sites].

    Of the first site it is that of the second haplotype, 1/2.
    """
    morgans = np.diff(positions) * MORGANS_A_BASE
    between = (1 - np.exp(-2 * morgans)) / 2
    return np.concatenate([[0.5], between]).astype(np.float32)


def _phases(
    chance: npt.NDArray[np.float32], gametes: int, rng: np.random.Generator
) -> npt.NDArray[np.bool_]:
    """Whether each gamete holds its parent's second haplotype at each site; [gametes, sites]."""
    switches: Flags = rng.random((gametes, len(chance)), dtype=np.float32) < chance
    phases: Flags = np.bitwise_xor.accumulate(switches, axis=1)
    return phases


def _picked(source: npt.NDArray[Any], parent: Ints, second: Flags) -> npt.NDArray[Any]:
    picked: npt.NDArray[Any] = np.where(second, source[parent, 1], source[parent, 0])
    return picked
