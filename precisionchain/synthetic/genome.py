"""Stretches of the genome, and founders' haplotypes on them by a coalescent with recombination.

The only module that imports msprime (GPL-3, extra ``demo``), and only when it is called.
Positions are GRCh37. Stretches far apart are simulated independently of each other.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UsageError
from precisionchain.schemas.genome import AUTOSOMES, GRCH37
from precisionchain.synthetic.alleles import write_letters
from precisionchain.synthetic.associations import Association
from precisionchain.synthetic.pedigree import Ints
from precisionchain.synthetic.population import POPULATIONS, Founding, demography

_RECOMBINATION_RATE = 1e-8  # a base and generation
_MUTATION_RATE = 1.25e-8
_COMMON = 0.05  # frequency from which a site can be a marker
_MARKER_SPACING, _MARKER_BASES, _MARKERS = 15_000_000, 8_000, 8

Haplotypes = npt.NDArray[np.int8]


@dataclass(frozen=True, slots=True)
class Stretch:
    """A simulated piece of a chromosome.

    Args:
        chrom: ``1`` to ``22`` or ``X``.
        start: position before its first base.
        bases: its length.
        markers: keep so many common substitutions and nothing else; 0 keeps every site.
    """

    chrom: str
    start: int
    bases: int
    markers: int = 0

    @property
    def pseudo_autosomal(self) -> bool:
        """Whether it lies in a region that X shares with Y."""
        return any(
            self.chrom == chrom and first <= self.start and self.start + self.bases <= last
            for chrom, first, last in GRCH37.par
        )

    def holds(self, chrom: str, position: int) -> bool:
        """Whether a position lies on it."""
        return self.chrom == chrom and self.start < position <= self.start + self.bases


# 9p21, a region of cytochromes, and TCF7L2 in full; a pseudo-autosomal and another piece of X.
DENSE: tuple[Stretch, ...] = (
    Stretch("9", 21_950_000, 300_000),
    Stretch("10", 114_710_000, 100_000),
    Stretch("22", 42_400_000, 100_000),
    Stretch("X", 1_500_000, 20_000),
    Stretch("X", 30_000_000, 40_000),
)


def marker_stretches(spacing: int = _MARKER_SPACING) -> tuple[Stretch, ...]:
    """Short stretches all over the autosomes, for kinship and principal components."""
    return tuple(
        Stretch(chrom, start, _MARKER_BASES, _MARKERS)
        for chrom in AUTOSOMES
        for start in range(5_000_000, GRCH37.lengths[chrom] - 5_000_000, spacing)
    )


DEFAULT_STRETCHES = (*DENSE, *marker_stretches())


@dataclass(frozen=True, slots=True)
class FounderContig:
    """Sites of one contig and the founders' alleles there.

    X makes two contigs, since its pseudo-autosomal region is inherited as an autosome is.

    Args:
        chrom: name, without ``chr``.
        hemizygous: whether men have one copy.
        positions: 1-based POS, ascending, no position twice; int64 [sites].
        refs: REF of each site.
        alts: the ALT alleles of each site, one to three.
        ids: ID of each site, ``.`` where it has none.
        marker: whether the site is one of a stretch of markers; [sites].
        middles: a site in the middle of each stretch; int64 [stretches].
        haplotypes: allele numbers; int8 [sites, founders, 2].
    """

    chrom: str
    hemizygous: bool
    positions: Ints
    refs: list[str]
    alts: list[tuple[str, ...]]
    ids: list[str]
    marker: npt.NDArray[np.bool_]
    middles: Ints
    haplotypes: Haplotypes


def contigs_of(stretches: Sequence[Stretch]) -> list[list[Stretch]]:
    """The stretches of each contig, in the order of the genome.

    Raises:
        UsageError: two stretches overlap, or one lies beyond its chromosome.
    """
    rank = {chrom: number for number, chrom in enumerate((*AUTOSOMES, "X"))}
    unknown = [s for s in stretches if s.chrom not in rank]
    beyond = [s for s in stretches if s.start + s.bases > GRCH37.lengths.get(s.chrom, 0)]
    if unknown or beyond:
        stretch = (unknown or beyond)[0]
        raise UsageError(f"chromosome {stretch.chrom} has no such stretch: {stretch}")
    ordered = sorted(stretches, key=lambda s: (rank[s.chrom], s.start))
    contigs: list[list[Stretch]] = []
    for stretch in ordered:
        before = contigs[-1][-1] if contigs else None
        same = before is not None and before.chrom == stretch.chrom
        if before is not None and same and before.start + before.bases > stretch.start:
            raise UsageError(f"stretches of chromosome {stretch.chrom} overlap")
        if before is not None and same and before.pseudo_autosomal == stretch.pseudo_autosomal:
            contigs[-1].append(stretch)
        else:
            contigs.append([stretch])
    return contigs


def simulate(
    stretches: Sequence[Stretch],
    founding: Founding,
    planted: Sequence[Association],
    seeds: np.random.SeedSequence,
) -> FounderContig:
    """Simulate one contig.

    Args:
        stretches: of the contig, in order.
        founding: the founders and their populations.
        planted: associations whose variants are to be among the sites, if they lie on a stretch.
        seeds: the only source of randomness.

    Raises:
        UsageError: msprime is not installed, or a stretch is so short that nothing varies.
    """
    simulation, dressing = seeds.spawn(2)
    parts = [
        _stretch_sites(stretch, founding, planted, own)
        for stretch, own in zip(stretches, simulation.spawn(len(stretches)), strict=True)
    ]
    positions = np.concatenate([positions for positions, _ in parts])
    haplotypes = np.concatenate([matrix for _, matrix in parts])
    sizes = np.array([len(p) for p, _ in parts])
    marker = np.repeat([stretch.markers > 0 for stretch in stretches], sizes)
    letters = write_letters(
        haplotypes,
        plain=marker,
        fixed=_fixed(positions, stretches[0].chrom, planted),
        rng=np.random.default_rng(dressing),
    )
    names = {a.position: a.variant_id for a in planted if a.chrom == stretches[0].chrom}
    return FounderContig(
        chrom=stretches[0].chrom,
        hemizygous=stretches[0].chrom == "X" and not stretches[0].pseudo_autosomal,
        positions=positions,
        refs=letters.refs,
        alts=letters.alts,
        ids=[names.get(int(p), ".") for p in positions],
        marker=marker,
        middles=np.cumsum(sizes) - sizes + sizes // 2,
        haplotypes=haplotypes.reshape(len(positions), -1, 2),
    )


def _fixed(
    positions: Ints, chrom: str, planted: Sequence[Association]
) -> Mapping[int, tuple[str, str]]:
    """REF and ALT by site, of the planted variants."""
    of_contig = {a.position: (a.ref, a.alt) for a in planted if a.chrom == chrom}
    where = np.flatnonzero(np.isin(positions, list(of_contig)))
    return {int(site): of_contig[int(positions[site])] for site in where}


def _stretch_sites(
    stretch: Stretch,
    founding: Founding,
    planted: Sequence[Association],
    seeds: np.random.SeedSequence,
) -> tuple[Ints, Haplotypes]:
    """Positions and 0/1 haplotypes of a stretch; int8 [sites, founder haplotypes]."""
    offsets, haplotypes = _coalescent(stretch.bases, founding, seeds)
    if stretch.markers:
        frequency = haplotypes.mean(axis=1)
        common = np.flatnonzero(np.minimum(frequency, 1 - frequency) >= _COMMON)
        if len(common):
            evenly = np.linspace(0, len(common) - 1, min(stretch.markers, len(common)))
            chosen = common[evenly.astype(np.int64)]
            offsets, haplotypes = offsets[chosen], haplotypes[chosen]
    if not len(offsets):
        message = f"no site varies on {stretch.bases} bases of chromosome {stretch.chrom}"
        raise UsageError(message, hint="simulate a longer stretch")
    positions = offsets + stretch.start + 1
    here = {a.position: a for a in planted if stretch.holds(a.chrom, a.position)}
    for association in here.values():
        positions, haplotypes = _plant(association, positions, haplotypes, set(here))
    return positions, haplotypes


def _coalescent(
    bases: int, founding: Founding, seeds: np.random.SeedSequence
) -> tuple[Ints, Haplotypes]:
    """Offsets of the varying sites and their 0/1 haplotypes, in the order of the founders."""
    try:
        import msprime
    except ImportError as error:
        message = "the synthetic genotypes need msprime, which is not installed"
        raise UsageError(message, hint="pip install 'precisionchain[demo]'") from error
    # msprime takes seeds from 1 to 2^32 - 1.
    ancestry_seed, mutation_seed = (int(s) | 1 for s in seeds.generate_state(2))
    population = founding.population.ravel()
    samples = [
        msprime.SampleSet(int((population == code).sum()), population=name, ploidy=1)
        for code, name in enumerate(POPULATIONS)
        if (population == code).any()
    ]
    ancestry = msprime.sim_ancestry(
        samples=samples,
        demography=demography(msprime),
        recombination_rate=_RECOMBINATION_RATE,
        sequence_length=bases,
        random_seed=ancestry_seed,
    )
    mutated: Any = msprime.sim_mutations(
        ancestry,
        rate=_MUTATION_RATE,
        model=msprime.BinaryMutationModel(),
        random_seed=mutation_seed,
    )
    order = np.argsort(population, kind="stable")
    matrix = np.empty((mutated.num_sites, len(population)), dtype=np.int8)
    for site in mutated.variants():
        matrix[site.index, order] = site.genotypes
    varies = matrix.any(axis=1) & ~matrix.all(axis=1)
    return mutated.tables.sites.position[varies].astype(np.int64), matrix[varies]


def _plant(
    association: Association, positions: Ints, haplotypes: Haplotypes, taken: set[int]
) -> tuple[Ints, Haplotypes]:
    """Move the site whose frequency is nearest to the wanted one to the planted position."""
    frequency = haplotypes.mean(axis=1)
    frequency[np.isin(positions, list(taken))] = np.inf
    chosen = int(np.argmin(np.abs(frequency - association.frequency)))
    keep = positions != association.position
    keep[chosen] = True
    moved = positions.copy()
    moved[chosen] = association.position
    order = np.flatnonzero(keep)[np.argsort(moved[keep], kind="stable")]
    return moved[order], haplotypes[order]
