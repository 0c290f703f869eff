"""Frequencies, and the counts of calls worth a name."""

from __future__ import annotations

import numpy as np
import pytest

from precisionchain.schemas.counts import COUNT_COLUMNS, af, allele_counts, maf
from precisionchain.schemas.genotypes import Calls


def test_every_kind_of_call_is_counted_once() -> None:
    """0/0 0/1 1/1 ./. then haploid 0, 1 and . (say on X, outside the pseudo-autosomal regions)."""
    dosage = np.array([[0, 1, 2, 3, 0, 1, 3]], np.uint8)
    haploid = np.array([[False] * 4 + [True] * 3])
    counts = allele_counts(Calls(dosage, haploid))
    assert {name: column.tolist() for name, column in counts.columns().items()} == {
        "ac": [1 + 2 + 1],
        "an": [2 + 2 + 2 + 1 + 1],
        "n_het": [1],
        "n_hom_alt": [1],
        "n_hemi": [1],
        "n_missing": [2],
    }
    assert tuple(counts.columns()) == COUNT_COLUMNS


def test_a_person_with_two_different_alts_counts_for_both() -> None:
    """One record A>C,G; genotypes 1/2, 2/2 and 0/1: dosages of C, then of G."""
    counts = allele_counts(Calls(np.array([[1, 0, 1], [1, 2, 0]], np.uint8)))
    assert counts.ac.tolist() == [2, 3]
    assert counts.an.tolist() == [6, 6]
    assert counts.n_het.tolist() == [2, 1]
    assert counts.n_hom_alt.tolist() == [0, 1]


def test_calls_that_are_not_contiguous_are_counted_alike() -> None:
    dosage = np.array([[0, 9, 1, 9, 2, 9], [3, 9, 3, 9, 1, 9]], np.uint8)
    assert allele_counts(Calls(dosage[:, ::2])).ac.tolist() == [3, 1]


def test_frequencies_are_null_where_nothing_is_called() -> None:
    ac, an = np.array([0, 3, 6, 8, 8], np.int32), np.array([0, 8, 8, 8, 16], np.int32)
    assert af(ac, an).to_pylist() == [None, 0.375, 0.75, 1.0, 0.5]
    assert maf(ac, an).to_pylist() == [None, 0.375, 0.25, 0.0, 0.5]


@pytest.mark.parametrize("an", [1, 3, 10, 5008])
def test_a_minor_allele_frequency_is_exactly_the_quotient(an: int) -> None:
    ac = np.arange(an + 1)
    assert maf(ac, np.full(an + 1, an)).to_pylist() == [min(k, an - k) / an for k in range(an + 1)]
