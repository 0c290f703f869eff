"""Three populations that parted long ago, and who descends from which.

The history is a plain tree, in generations before now: P2 parts from the others at 3,600, P1 and P3
at 1,600. It resembles no real population in particular.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from precisionchain.synthetic.pedigree import ADMIXED, EXTENDED, NOBODY, Pedigree

POPULATIONS = ("P1", "P2", "P3")
SHARES = (0.6, 0.25, 0.15)  # of the families
SIZES = (10_000, 14_000, 9_000)  # effective, diploid
MIXED_COUPLES = 0.25  # share of extended families into which another population marries

_MARRIED_IN = 3  # that member of an extended family
Codes = npt.NDArray[np.int8]
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, slots=True)
class Founding:
    """Where the haplotypes of founders come from.

    Args:
        humans: founders, ascending.
        population: number of the population of each of their haplotypes, [founders, 2].
    """

    humans: npt.NDArray[np.int64]
    population: Codes


def found(pedigree: Pedigree, rng: np.random.Generator) -> Founding:
    """Give each family a population, some spouses another one, and the admixed two."""
    n = int(pedigree.family.max()) + 1
    home = rng.choice(len(POPULATIONS), n, p=SHARES)
    other = (home + rng.integers(1, len(POPULATIONS), n)) % len(POPULATIONS)
    mixed = rng.random(n) < MIXED_COUPLES
    humans = pedigree.founders
    family = pedigree.family[humans]
    population = np.repeat(home[family][:, None], 2, axis=1)
    names = np.array([pattern.name for pattern in pedigree.patterns])[pedigree.pattern[humans]]
    married_in = (names == EXTENDED.name) & (pedigree.member[humans] == _MARRIED_IN)
    population[married_in & mixed[family]] = other[family[married_in & mixed[family]], None]
    admixed = names == ADMIXED.name
    population[admixed, 1] = other[family[admixed]]
    return Founding(humans, population.astype(np.int8))


def expected_ancestry(pedigree: Pedigree, founding: Founding) -> Floats:
    """Each human's expected share of every population: the mean of the parents' shares.

    Returns:
        float64 [humans, populations]; rows add up to 1.
    """
    shares = np.zeros((len(pedigree), len(POPULATIONS)))
    for code in range(len(POPULATIONS)):
        shares[founding.humans, code] = (founding.population == code).mean(axis=1)
    for generation in range(1, int(pedigree.generation.max()) + 1):
        at = np.flatnonzero(pedigree.generation == generation)
        father, mother = pedigree.father[at], pedigree.mother[at]
        shares[at] = (shares[father] + shares[mother]) / 2
    return shares


def realised_ancestry(origins: npt.NDArray[np.int32], founding: Founding) -> Floats:
    """Each human's share of every population among the stretches that were simulated.

    Args:
        origins: the founder haplotype that stands at each stretch, ``NOBODY`` where a man has no
            second copy; [humans, 2, stretches].
        founding: populations of the founder haplotypes.
    """
    population = founding.population.ravel()[np.maximum(origins, 0)]
    present = origins != NOBODY
    counts = [((population == code) & present).sum(axis=(1, 2)) for code in range(len(POPULATIONS))]
    shares: Floats = np.stack(counts, axis=1) / present.sum(axis=(1, 2))[:, None]
    return shares


def demography(msprime: Any) -> Any:
    """The history as msprime takes it."""
    history = msprime.Demography()
    for name, size in zip(POPULATIONS, SIZES, strict=True):
        history.add_population(name=name, initial_size=size)
    history.add_population(name="P1_P3", initial_size=8_000)
    history.add_population(name="ancestral", initial_size=11_000)
    history.add_population_split(time=1_600, derived=["P1", "P3"], ancestral="P1_P3")
    history.add_population_split(time=3_600, derived=["P1_P3", "P2"], ancestral="ancestral")
    return history
