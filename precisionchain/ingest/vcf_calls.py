"""One record's genotypes -> dosage, ploidy and phase of each of its ALT alleles.

The rules of ploidy and sex are the table in docs/reference/vcf-staging.md.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final, Literal, get_args

import numba
import numpy as np
import numpy.typing as npt

from precisionchain.schemas.calls import MISSING

HalfCall = Literal["missing", "haploid", "reference", "error"]
HALF_CALLS: Final = get_args(HalfCall)
"""What to do with a call such as ``0/.``; a policy's place here is its number in the kernel."""


class Ploidy(IntEnum):
    """Which rule of ploidy holds at a position."""

    DIPLOID = 0
    X = 1
    Y = 2
    MT = 3


class Verdict(IntEnum):
    """What became of a record's genotypes."""

    TAKEN = 0
    PLOIDY = 1
    ALLELE = 2
    HALF_CALL = 3


COUNTERS: Final = (
    "half_calls",
    "made_haploid",
    "male_x_het",
    "male_y_het",
    "female_y",
    "mt_het",
    "haploid_calls",
    "phased_calls",
)
"""Calls counted by `split_calls`, in the order of its ``counters``.

``made_haploid`` were written as diploid homozygotes where one copy is expected; ``male_x_het``,
``male_y_het``, ``female_y`` and ``mt_het`` became missing.
"""

_ABSENT = -2  # cyvcf2's filler where a call has fewer alleles than the widest of its record


# Ploidy, Verdict and COUNTERS by number: numba reads globals, not enums.
_X, _Y, _MT = int(Ploidy.X), int(Ploidy.Y), int(Ploidy.MT)
_MALE, _FEMALE = 1, 2
_HAPLOID, _REFERENCE, _ERROR = 1, 2, 3
_HALF_CALLS, _MADE_HAPLOID, _MALE_X, _MALE_Y, _FEMALE_Y, _MT_HET, _SINGLE, _PHASED = range(8)


@numba.njit(cache=True, nogil=True)
def split_calls(  # noqa: PLR0917 - numba knows no keyword-only arguments
    genotypes: npt.NDArray[np.int16],
    columns: npt.NDArray[np.int64],
    sex: npt.NDArray[np.uint8],
    rule: int,
    half_call: int,
    n_alts: int,
    alts: npt.NDArray[np.int16],
    dosage: npt.NDArray[np.uint8],
    haploid: npt.NDArray[np.bool_],
    phase: npt.NDArray[np.uint8],
    counters: npt.NDArray[np.int64],
) -> int:
    """Write one row per allele of ``alts``.

    Args:
        genotypes: int16 [samples, width + 1] as cyvcf2 gives them: allele numbers, -1 missing,
            -2 filler; the last column is 1 where the call is phased.
        columns: the sample of each person, in the order of the rows to write.
        sex: uint8 [persons]; 1 male, 2 female, 0 unknown.
        rule: a `Ploidy`.
        half_call: index into ``HALF_CALLS``.
        n_alts: ALT alleles of the record.
        alts: int16 [k], numbers of the alleles wanted (0 asks for a row without copies).
        dosage: out, uint8 [k, persons].
        haploid: out, bool [k, persons]; where missing, whether one copy at most is expected, but
            not where a call is missing because it is heterozygous there (`vcf_overruled`).
        phase: out, uint8 [k, persons]; 0 where missing or haploid.
        counters: in and out, int64 in the order of ``COUNTERS``; only of records taken.

    Returns:
        A `Verdict`; the rows are meaningless unless it is ``TAKEN``.
    """
    half_calls, verdict = _inspect(genotypes, n_alts)
    if verdict != 0:
        return verdict
    if half_calls > 0 and half_call == _ERROR:
        return 3
    counters[_HALF_CALLS] += half_calls
    width = genotypes.shape[1] - 1
    for person in range(len(columns)):
        i = columns[person]
        first = genotypes[i, 0]
        second = genotypes[i, 1] if width > 1 else np.int16(_ABSENT)
        if second != _ABSENT and (first < 0) != (second < 0):
            first, second = _half(first, second, half_call)
        called = first >= 0 and second != -1
        overruled = False
        if called and rule != 0:
            called, second = _by_sex(first, second, rule, sex[person], counters)
            overruled = not called and not (rule == _Y and sex[person] == _FEMALE)
        single = called and second == _ABSENT
        phased = genotypes[i, width] == 1 and called and not single
        counters[_SINGLE] += single
        counters[_PHASED] += phased
        if not called:
            single = not overruled and (rule in (_Y, _MT) or (rule == _X and sex[person] == _MALE))
        for k in range(len(alts)):
            left = called and alts[k] > 0 and first == alts[k]
            right = called and alts[k] > 0 and second == alts[k]
            haploid[k, person] = single
            dosage[k, person] = np.uint8(left) + np.uint8(right) if called else MISSING
            phase[k, person] = (2 if left and not right else 1) if phased else 0
    return 0


@numba.njit(cache=True, nogil=True)
def _inspect(genotypes: npt.NDArray[np.int16], n_alts: int) -> tuple[int, int]:
    """Return the number of half-calls, and whether a call makes the record unusable."""
    half_calls = 0
    width = genotypes.shape[1] - 1
    for i in range(genotypes.shape[0]):
        called, missing = 0, 0
        for j in range(width):
            allele = genotypes[i, j]
            if allele == _ABSENT:
                continue
            if j > 1:
                return 0, 1
            if allele > n_alts:
                return 0, 2
            missing += allele < 0
            called += allele >= 0
        half_calls += called == 1 and missing == 1
    return half_calls, 0


@numba.njit(cache=True, nogil=True)
def _half(first: np.int16, second: np.int16, half_call: int) -> tuple[np.int16, np.int16]:
    """Return what the policy makes of a diploid call with one missing allele."""
    if half_call == _HAPLOID:
        return max(first, second), np.int16(_ABSENT)
    if half_call == _REFERENCE:
        return max(first, np.int16(0)), max(second, np.int16(0))
    return np.int16(-1), np.int16(-1)


@numba.njit(cache=True, nogil=True)
def _by_sex(
    first: np.int16, second: np.int16, rule: int, sex: int, counters: npt.NDArray[np.int64]
) -> tuple[bool, np.int16]:
    """Return whether a called call stays called where ploidy depends on sex, and its second."""
    if rule == _Y and sex == _FEMALE:
        counters[_FEMALE_Y] += 1
        return False, second
    if second == _ABSENT or (rule != _MT and sex != _MALE):
        return True, second
    if first == second:
        counters[_MADE_HAPLOID] += 1
        return True, np.int16(_ABSENT)
    counters[_MALE_X if rule == _X else _MALE_Y if rule == _Y else _MT_HET] += 1
    return False, second
