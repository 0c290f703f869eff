"""Quality control's arithmetic against slow and obvious ways of doing it."""

from __future__ import annotations

from fractions import Fraction
from math import comb

import numpy as np
import numpy.typing as npt
import pytest
from hypothesis import assume, given
from hypothesis import strategies as st
from hypothesis.extra.numpy import arrays

from precisionchain.ingest.qc_hwe import hwe_exact
from precisionchain.ingest.qc_kernels import bit_planes, correlation
from precisionchain.ingest.qc_ld import Pruned, Pruner
from precisionchain.ingest.qc_planes import mask, packed_planes
from precisionchain.schemas.calls import Calls, pack_calls

Codes = npt.NDArray[np.uint8]
MISSING = 3


def exact_p(n_het: int, n_alt: int, n_ref: int) -> float:
    """Sum the exact probabilities of all numbers of heterozygotes with the same alleles."""
    n, copies = n_het + n_alt + n_ref, 2 * n_alt + n_het
    chances = {
        het: Fraction(comb(n, (copies - het) // 2) * comb(n - (copies - het) // 2, het) * 2**het)
        for het in range(copies % 2, min(copies, 2 * n - copies) + 1, 2)
    }
    as_rare = sum(chance for chance in chances.values() if chance <= chances[n_het])
    return float(Fraction(as_rare, sum(chances.values())))


@given(*[st.integers(0, 60)] * 3)
def test_exact_test_is_the_sum_over_all_outcomes_at_most_as_probable(
    n_het: int, n_alt: int, n_ref: int
) -> None:
    assume(n_het + n_alt + n_ref)
    found = hwe_exact(*(np.array([n]) for n in (n_het, n_alt, n_ref)))[0]
    assert found == pytest.approx(exact_p(n_het, n_alt, n_ref), rel=1e-9)


def centred(codes: Codes, *, flipped: bool, halved: npt.NDArray[np.bool_]) -> list[float]:
    """Return copies as numbers, NaN where missing."""
    copies = [np.nan if c == MISSING else 2.0 - c if flipped else float(c) for c in codes.tolist()]
    return [c / 2 if half and c == 2 else c for c, half in zip(copies, halved, strict=True)]


def slow_r2(one: list[float], other: list[float]) -> tuple[float, int]:
    """Return r squared by numpy over the pairs without NaN, -1 if one does not vary."""
    pairs = np.array([(a, b) for a, b in zip(one, other, strict=True) if not np.isnan(a + b)])
    if not len(pairs) or np.ptp(pairs[:, 0]) == 0 or np.ptp(pairs[:, 1]) == 0:
        return -1.0, len(pairs)
    return float(np.corrcoef(pairs.T)[0, 1] ** 2), len(pairs)


CODES = st.integers(1, 150).flatmap(
    lambda n: arrays(np.uint8, st.tuples(st.just(2), st.just(n)), elements=st.integers(0, 3))
)


@given(CODES, st.booleans(), st.booleans())
def test_r_squared_of_planes_is_numpys(codes: Codes, flip_one: bool, flip_other: bool) -> None:
    halved = np.less(np.random.default_rng(codes.sum()).random(codes.shape[1]), 0.3)
    codes = np.where(halved & (codes == 1), np.uint8(2), codes)
    flipped = np.array([flip_one, flip_other])
    planes = bit_planes(np.ascontiguousarray(codes), flipped, halved)
    found, n = correlation(planes[0], planes[1])
    rows = [
        centred(row, flipped=bool(f), halved=halved) for row, f in zip(codes, flipped, strict=True)
    ]
    expected, expected_n = slow_r2(*rows)
    assert n == expected_n
    assert found == pytest.approx(expected, abs=1e-9)


@pytest.mark.parametrize("persons", [1, 4, 63, 64, 65, 130, 257])
@pytest.mark.parametrize("phased", ["none", "all", "mixed"])
@pytest.mark.parametrize("haploid", ["nobody", "some", "everywhere the same"])
def test_planes_say_what_each_call_says(persons: int, phased: str, haploid: str) -> None:
    rng = np.random.default_rng([persons, len(phased), len(haploid)])
    shape = (30, persons)
    dosage = rng.choice([0, 1, 2, 3], shape, p=[0.5, 0.2, 0.2, 0.1]).astype(np.uint8)
    one = rng.random(shape) < 0.3
    single = {"nobody": None, "some": one, "everywhere the same": np.repeat(one[:1], 30, axis=0)}
    of = single[haploid]
    if of is not None:
        dosage[of & (dosage == 2)] = 1
    phase = None
    if phased != "none":
        phase = np.where(dosage == 1, rng.integers(1, 3, shape), 1).astype(np.uint8)
        has_phase = (dosage != 3) if of is None else (dosage != 3) & ~of
        phase = np.where(has_phase, phase, 0).astype(np.uint8)
        if phased == "mixed":
            phase[rng.random(shape) < 0.4] = 0
    planes = packed_planes(pack_calls(Calls(dosage, of, phase)))
    for row in range(30):
        for i in range(persons):
            bits = tuple(int(plane[i // 64] >> np.uint64(i % 64)) & 1 for plane in planes[row])
            two = dosage[row, i] == 2 or (of is not None and of[row, i] and dosage[row, i] == 1)
            assert bits == (two, dosage[row, i] == 0, dosage[row, i] != 3)
    unused = ~mask(np.ones(persons, np.bool_))
    assert not (planes & unused).any()


def slow_prune(
    codes: Codes, maf: list[float], window: int, step: int, r2: float
) -> dict[int, float]:
    """Prune by comparing, in every window, every pair that has not met, again after each removal.

    A list of those alive and a set of pairs that have met: no places, no pieces.
    """
    people = np.zeros(codes.shape[1], np.bool_)
    rows = [centred(row, flipped=False, halved=people) for row in codes]
    flat = {i for i, row in enumerate(rows) if len({c for c in row if not np.isnan(c)}) < 2}
    gone: dict[int, float] = {}
    met: set[tuple[int, int]] = set()
    for first in range(0, len(rows), step):
        inside = range(first, min(first + window, len(rows)))
        gone |= {i: np.nan for i in inside if i in flat and len(rows) > 1}
        again = True
        while again:
            again = False
            for i in inside:
                for j in inside:
                    if j <= i or i in gone or j in gone or (i, j) in met:
                        continue
                    met.add((i, j))
                    found, _ = slow_r2(rows[i], rows[j])
                    if found > r2:
                        gone[i if maf[i] < maf[j] else j] = found
                        again = True
                        break
    return gone


@given(
    st.integers(0, 10_000),
    st.integers(1, 40),
    st.tuples(st.integers(2, 9), st.integers(1, 9)),
    st.sampled_from([0.1003, 0.3007, 0.6011]),
    st.lists(st.integers(1, 15), min_size=40),
)
def test_pruning_in_pieces_is_the_slow_pruning_of_the_whole(
    seed: int, alleles: int, moves: tuple[int, int], r2: float, sizes: list[int]
) -> None:
    window, step = moves[0], min(moves)
    codes = correlated(seed, alleles)
    # Values of few digits, so that ties are ties and nothing lies within rounding of another.
    maf = np.random.default_rng(seed).integers(1, 6, alleles) / 10
    none = np.zeros(codes.shape[1], np.bool_)
    planes = bit_planes(codes, np.zeros(alleles, np.bool_), none)
    pruner = Pruner(window, step, r2)
    at = 0
    for size in sizes:
        rows = np.arange(at, min(at + size, alleles), dtype=np.int64)
        pruner.add(rows, planes[rows], maf[rows])
        at += len(rows)
    found = as_dict(pruner.close())
    expected = slow_prune(codes, maf.tolist(), window, step, r2)
    assert found.keys() == expected.keys()
    assert list(found) == sorted(found)
    for row, value in found.items():
        assert value == pytest.approx(expected[row], nan_ok=True)


def as_dict(pruned: Pruned) -> dict[int, float]:
    return dict(zip(pruned.rows.tolist(), pruned.r2.tolist(), strict=True))


def correlated(seed: int, alleles: int, persons: int = 37) -> Codes:
    """Each allele resembles the one before, more or less; some calls are missing."""
    rng = np.random.default_rng(seed)
    codes = rng.integers(0, 3, (alleles, persons)).astype(np.uint8)
    for i in range(1, alleles):
        same = rng.random(persons) < rng.choice([0.0, 0.6, 0.9, 1.0])
        codes[i] = np.where(same, codes[i - 1], codes[i])
        if rng.random() < 0.1:
            codes[i] = rng.integers(0, 3)
    codes[rng.random(codes.shape) < rng.choice([0.0, 0.1])] = MISSING
    return codes
