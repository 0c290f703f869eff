"""Haplotype pairs turned by person, against the same call by call."""

from __future__ import annotations

import numpy as np
import pytest

from precisionchain.schemas.genotype_kernels import turn_pairs


@pytest.mark.parametrize("seed", range(40))
def test_every_bit_goes_to_its_person_and_allele_and_nowhere_else(seed: int) -> None:
    rng = np.random.default_rng(seed)
    persons, alleles, start = (
        int(rng.integers(low, high)) for low, high in ((1, 40), (1, 30), (0, 20))
    )
    first, second = (rng.random((2, alleles, persons)) < rng.choice([0.0, 0.05, 0.6])).astype(
        np.uint8
    )
    row_of = rng.permutation(persons).astype(np.int32)
    row_of[rng.random(persons) < 0.2] = -1
    pairs = np.zeros((alleles, -(-persons // 4)), np.uint8)
    half = -(-(start + alleles) // 8)
    wanted = np.zeros((persons, 2 * half), np.uint8)
    for allele in range(alleles):
        place, bit = (start + allele) // 8, (start + allele) % 8
        for person in range(persons):
            of_call = int(first[allele, person]) + 2 * int(second[allele, person])
            pairs[allele, person // 4] |= of_call << 2 * (person % 4)
            if row_of[person] >= 0:
                wanted[row_of[person], place] |= first[allele, person] << bit
                wanted[row_of[person], half + place] |= second[allele, person] << bit
    turned = np.zeros_like(wanted)
    turn_pairs(pairs, row_of, start, turned)
    assert np.array_equal(turned, wanted)
