"""Criteria of genotypes: the state of every person of the universe at a variant or in a region."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from functools import lru_cache
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.criteria import (
    STATES,
    Assayed,
    Carries,
    CarriesIn,
    CarriesStructural,
    Genotype,
    Maf,
)
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.frequencies import allele_frequencies
from precisionchain.query.genotype_matrix import Detail, GenotypeMatrix, StateBlock, listed_alleles
from precisionchain.query.genotyped import MISSING, NOT_ASSAYED, RANK, Bytes, genetic_batches
from precisionchain.query.kleene import Bools, Truth
from precisionchain.query.known_contigs import require_contig
from precisionchain.query.reach import Reach
from precisionchain.query.structural import reaching
from precisionchain.query.universe import Places, Universe
from precisionchain.query.variants import states_in
from precisionchain.replica.genetic_batch import GeneticBatch
from precisionchain.replica.kept import Kept
from precisionchain.schemas.variant import Variant

_matrices: Final = Kept[GenotypeMatrix](32 * 2**20, lambda matrix: 64 * matrix.persons.height)


def states_at(scope: CriterionScope, variant: Variant) -> Bytes:
    """Return each person's state at a variant, as an index into `criteria.STATES`.

    As `variants.variant_calls` has them; persons without genotypes are not assayed.

    Raises:
        RegionError: a contig that nobody has, see `require_contig`.
    """
    require_contig(scope.snapshot, variant.chrom)
    universe = scope.universe
    states = np.full(len(universe), NOT_ASSAYED, np.uint8)
    for sealed, batch in genetic_batches(scope.snapshot):
        found = states_in(batch, variant)
        places = _places(universe, sealed.site, batch)
        better = RANK[found] > RANK[states[places]]
        states[places[better]] = found[better]
    return states


def of_genotype(asked: Genotype, states: Bytes) -> Truth:
    """Return whose state is one of those asked for.

    That nothing is called is known of everybody; how many copies there are only of the called.
    """
    codes = [STATES.index(state) for state in asked.states]
    true = np.isin(states, codes)
    copies_asked = any(code < MISSING for code in codes)
    return Truth.of(true, (states >= MISSING) & copies_asked)


def of_carries(_asked: Carries, states: Bytes) -> Truth:
    """Return who has a copy; unknown where nothing is called."""
    true: npt.NDArray[np.bool_] = (states == 1) | (states == 2)
    return Truth(true, states >= MISSING)


def of_assayed(_asked: Assayed, states: Bytes) -> Truth:
    """Return who was looked at, called or missing."""
    return Truth.known(states != NOT_ASSAYED)


def of_region(scope: CriterionScope, asked: CarriesIn, among: Bools | None) -> Truth:
    """Return who has a copy of any allele of a region and frequency, block by block.

    Args:
        scope: what is read.
        asked: the criterion.
        among: bool [persons]: in whom the frequency is taken; None means the network's counts.

    Raises:
        RegionError: a contig that nobody has, see `require_contig`.
    """
    require_contig(scope.snapshot, asked.region.chrom)
    if asked.overlap:
        listed = reaching(scope.snapshot, Reach(asked.region), structural_only=False).height > 0
    else:
        listed = next(listed_alleles(scope.snapshot, asked.region), None) is not None
    blocks = _blocks(scope, asked)
    if asked.maf is not None and among is not None:
        genotyped = among[scope.universe.genotyped]
        blocks = (_of_frequency(block, genotyped, asked.maf) for block in blocks)
    return _of_any(scope, blocks, listed=listed)


def of_structural(scope: CriterionScope, asked: CarriesStructural) -> Truth:
    """Return who has a copy of a structural variant that reaches a region.

    As of `of_region`: unknown for everybody where the network has none.

    Raises:
        RegionError: a contig that nobody has, see `require_contig`.
    """
    require_contig(scope.snapshot, asked.reach.region.chrom)
    alleles = reaching(scope.snapshot, asked.reach, structural_only=True)
    return _of_any(scope, _matrix(scope, "state").of_alleles(alleles), listed=alleles.height > 0)


def _of_any(scope: CriterionScope, blocks: Iterator[StateBlock], *, listed: bool) -> Truth:
    """Return who has a copy of any allele of the blocks."""
    genotyped = scope.universe.genotyped
    carries = np.zeros(int(genotyped.sum()), np.bool_)
    has_none = np.full(len(carries), listed)
    for block in blocks if listed else ():
        carries |= ((block.state == 1) | (block.state == 2)).any(axis=0)
        has_none &= (block.state == 0).all(axis=0)
    true, unknown = np.zeros(len(genotyped), np.bool_), np.ones(len(genotyped), np.bool_)
    true[genotyped] = carries
    unknown[genotyped] = ~carries & ~has_none
    return Truth(true, unknown)


def _matrix(scope: CriterionScope, detail: Detail) -> GenotypeMatrix:
    return _matrices.get(
        (scope.universe.key, detail), lambda: GenotypeMatrix(scope.snapshot, detail=detail)
    )


def _blocks(scope: CriterionScope, asked: CarriesIn) -> Iterator[StateBlock]:
    """Yield the states of those with genotypes at the alleles that may count."""
    within = asked.maf is not None and asked.maf.within is not None
    detail: Detail = "ploidy" if within else "state"
    matrix = _matrix(scope, detail)
    low = high = 0.0
    if asked.maf is not None:
        low, high = asked.maf.frequencies.low or 0.0, asked.maf.frequencies.high or 0.0
    if asked.overlap:
        alleles = reaching(scope.snapshot, Reach(asked.region), structural_only=False)
        if asked.maf is not None and not within:
            alleles = alleles.filter(pl.col("maf").is_between(low, high))
        return matrix.of_alleles(alleles)
    if asked.maf is None or within:
        return matrix.of_region(asked.region)
    return matrix.of_alleles(allele_frequencies(scope.snapshot, low, high, asked.region))


def _of_frequency(block: StateBlock, among: Bools, asked: Maf) -> StateBlock:
    """Return the alleles whose minor allele frequency among some persons is as asked."""
    columns = np.flatnonzero(among)
    states = np.take(block.state, columns, axis=1)
    copies = np.count_nonzero(states == 1, axis=1) + 2 * np.count_nonzero(states == 2, axis=1)
    alleles = np.take(block.ploidy, columns, axis=1).sum(axis=1, dtype=np.int64)
    with np.errstate(invalid="ignore"):
        maf = np.minimum(copies, alleles - copies) / alleles
    fits = (maf >= asked.frequencies.low) & (maf <= asked.frequencies.high)
    return replace(block, state=block.state[fits])


@lru_cache(maxsize=256)
def _places(universe: Universe, site: str, batch: GeneticBatch) -> Places:
    """Return the places of a batch's persons, in column order."""
    return universe.places(site, batch.person_ids)
