"""Genotypes of unrelated persons, simulated by a coalescent with recombination.

The only module that imports msprime (GPL-3, extra ``demo``), and only when it is called.
Positions are GRCh37. Chromosome 9 is the 9p21 region, where 9:22098574:A:G (rs4977574) is a known
marker of coronary disease; chromosome 22 is a second, smaller contig.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UsageError
from precisionchain.schemas.genome import GRCH37

CONTIG_LENGTHS = {chrom: GRCH37.lengths[chrom] for chrom in ("9", "22")}
PLANTED = ("9", 22_098_574, "A", "G")
PLANTED_ID = "rs4977574"

_STARTS = {"9": 21_950_000, "22": 42_400_000}
_POPULATION_SIZE = 10_000
_RECOMBINATION_RATE = 1e-8  # a base and generation
_MUTATION_RATE = 1.25e-8
_MULTI_ALLELIC, _INSERTION, _DELETION = 0.06, 0.05, 0.05  # shares of records
_BASES = np.array(list("ACGT"))

Haplotypes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Contig:
    """The records of one contig, as they will stand in the VCF.

    Args:
        chrom: contig name, without ``chr``.
        positions: 1-based POS, ascending, no position twice; shape (records,).
        refs: REF of each record.
        alts: the ALT alleles of each record, one to three.
        ids: ID of each record, ``.`` where it has none.
        haplotypes: allele number of each haplotype, -1 where it was not called;
            shape (records, persons, 2).
    """

    chrom: str
    positions: npt.NDArray[np.int64]
    refs: list[str]
    alts: list[tuple[str, ...]]
    ids: list[str]
    haplotypes: Haplotypes


def simulate(
    chrom: str,
    *,
    persons: int,
    bases: int,
    missing: float,
    half_calls: float,
    seeds: np.random.SeedSequence,
) -> Contig:
    """Simulate one contig.

    Args:
        chrom: ``9`` or ``22``.
        persons: number of diploid persons.
        bases: length of the simulated stretch.
        missing: expected share of calls that are ``.|.``; it differs between records.
        half_calls: share of calls that lose one of their two alleles (``.|1``).
        seeds: the only source of randomness.

    Raises:
        UsageError: msprime is not installed, or the stretch is so short that nothing varies.
    """
    simulation, dressing = seeds.spawn(2)
    positions, haplotypes = _coalescent(persons, bases, simulation)
    if not len(positions):
        message = f"no site varies among {persons} persons on {bases} bases of chromosome {chrom}"
        raise UsageError(message, hint="simulate a longer stretch")
    rng = np.random.default_rng(dressing)
    positions += _STARTS[chrom]
    ids = ["."] * len(positions)
    planted = None
    if chrom == PLANTED[0]:
        planted = _plant(positions, haplotypes)
        ids[planted] = PLANTED_ID
    refs, alts = _alleles(len(positions), haplotypes, planted, rng)
    _hide(haplotypes, missing, half_calls, rng)
    return Contig(chrom, positions, refs, alts, ids, haplotypes)


def _coalescent(
    persons: int, bases: int, seeds: np.random.SeedSequence
) -> tuple[npt.NDArray[np.int64], Haplotypes]:
    """Offsets of the varying sites and their 0/1 haplotypes, shape (sites, persons, 2)."""
    try:
        import msprime
    except ImportError as error:
        message = "the synthetic genotypes need msprime, which is not installed"
        raise UsageError(message, hint="pip install 'precisionchain[demo]'") from error
    # msprime takes seeds from 1 to 2^32 - 1.
    ancestry_seed, mutation_seed = (int(s) | 1 for s in seeds.generate_state(2))
    ancestry = msprime.sim_ancestry(
        samples=persons,
        population_size=_POPULATION_SIZE,
        recombination_rate=_RECOMBINATION_RATE,
        sequence_length=bases,
        random_seed=ancestry_seed,
    )
    mutated = msprime.sim_mutations(
        ancestry,
        rate=_MUTATION_RATE,
        model=msprime.BinaryMutationModel(),
        random_seed=mutation_seed,
    )
    matrix = mutated.genotype_matrix()
    count = matrix.sum(axis=1)
    varies = (count > 0) & (count < matrix.shape[1])
    offsets = mutated.tables.sites.position[varies].astype(np.int64)
    return offsets, matrix[varies].astype(np.int8).reshape(-1, persons, 2)


def _plant(positions: npt.NDArray[np.int64], haplotypes: Haplotypes) -> int:
    """Move the nearest site to the planted position and make it common; its index.

    It takes over the haplotypes of the most balanced site around, since most sites are rare;
    so the linkage of the neighbourhood stays.
    """
    frequency = haplotypes.reshape(len(positions), -1).mean(axis=1)
    chosen = int(np.argmin(np.abs(positions - PLANTED[1])))
    around = np.arange(max(0, chosen - 100), min(len(positions), chosen + 100))
    haplotypes[chosen] = haplotypes[around[np.argmin(np.abs(frequency[around] - 0.4))]]
    positions[chosen] = PLANTED[1]
    return chosen


def _alleles(
    n: int, haplotypes: Haplotypes, planted: int | None, rng: np.random.Generator
) -> tuple[list[str], list[tuple[str, ...]]]:
    """Letters for every record, and further ALT numbers written into ``haplotypes``.

    Every allele is already in its shortest form once its record is split and trimmed, and keeps
    the record's position; so the truth needs no normalisation of its own.
    """
    bases = rng.permuted(np.tile(np.arange(4), (n, 1)), axis=1)  # REF and the three others
    kind = rng.random(n)
    is_insertion = kind < _INSERTION
    is_deletion = (kind >= _INSERTION) & (kind < _INSERTION + _DELETION)
    carriers = haplotypes.reshape(n, -1).sum(axis=1)
    n_alts = np.where((rng.random(n) < _MULTI_ALLELIC) & (carriers >= 4), rng.integers(2, 4, n), 1)
    if planted is not None:
        bases[planted] = [0, 2, 1, 3]  # A, then G
        is_insertion[planted] = is_deletion[planted] = False
        n_alts[planted] = 1
    for several in np.flatnonzero(n_alts > 1):
        carried = haplotypes[several] == 1
        numbers = rng.integers(1, n_alts[several] + 1, int(carried.sum()))
        haplotypes[several][carried] = numbers
    lengths = rng.integers(1, 5, n)
    extra = ["".join(row[:k]) for row, k in zip(rng.choice(_BASES, (n, 4)), lengths, strict=True)]
    refs, alts = [], []
    for row in range(n):
        letters = [str(letter) for letter in _BASES[bases[row]]]
        tail = extra[row] if is_deletion[row] else ""
        written = [letter + tail for letter in letters[1 : 1 + n_alts[row]]]
        if is_insertion[row]:
            written[-1] = letters[0] + extra[row]
        elif is_deletion[row]:
            written[0] = letters[0]
        refs.append(letters[0] + tail)
        alts.append(tuple(written))
    return refs, alts


def _hide(
    haplotypes: Haplotypes, missing: float, half_calls: float, rng: np.random.Generator
) -> None:
    """Take calls away: whole ones, more at some records than at others, and halves."""
    n, persons, _ = haplotypes.shape
    rate = np.minimum(rng.gamma(0.5, 2 * missing, n), 0.9)[:, None] if missing else 0.0
    haplotypes[rng.random((n, persons)) < rate] = -1
    halves = np.flatnonzero(rng.random(n * persons) < half_calls)
    sides = rng.integers(0, 2, len(halves))
    haplotypes.reshape(-1)[2 * halves + sides] = -1
