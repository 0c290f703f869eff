"""Allele numbers of calls -> packed calls of each ALT allele, by the rules of ploidy and sex.

The rules of ploidy and sex are the table in docs/reference/vcf-staging.md.
"""

from __future__ import annotations

from enum import IntEnum
from typing import Final

import numba
import numpy as np
import numpy.typing as npt


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
    NO_GENOTYPES = 3
    NOT_VCF = 4


COUNTERS: Final = (
    "half_calls",
    "made_haploid",
    "male_x_het",
    "male_y_het",
    "female_y",
    "mt_het",
    "haploid_calls",
    "phased_calls",
    "low_gq",
    "low_dp",
)
"""Calls counted, in the order of `write_calls`' ``counters``.

``made_haploid`` were written as diploid homozygotes where one copy is expected; ``male_x_het``,
``male_y_het``, ``female_y`` and ``mt_het`` became missing, and so did ``low_gq`` and ``low_dp``,
whose GQ or DP is below the least asked for.
"""

_ABSENT = -2  # cyvcf2's filler where a call has fewer alleles than the widest of its record


# Ploidy, Verdict and COUNTERS by number: numba reads globals, not enums.
_X, _Y, _MT = int(Ploidy.X), int(Ploidy.Y), int(Ploidy.MT)
_MALE, _FEMALE = 1, 2
_HAPLOID, _REFERENCE, _ERROR = 1, 2, 3
_HALF_CALLS, _MADE_HAPLOID, _MALE_X, _MALE_Y, _FEMALE_Y, _MT_HET, _SINGLE, _PHASED = range(8)


@numba.njit(cache=True, nogil=True)
def write_calls(  # noqa: PLR0917 - numba knows no keyword-only arguments
    first: npt.NDArray[np.int16],
    second: npt.NDArray[np.int16],
    phased: npt.NDArray[np.uint8],
    columns: npt.NDArray[np.int64],
    sex: npt.NDArray[np.uint8],
    rules: npt.NDArray[np.int64],
    half_call: int,
    alts: npt.NDArray[np.int16],
    edges: npt.NDArray[np.int64],
    rows: npt.NDArray[np.int64],
    codes: npt.NDArray[np.uint8],
    missing: npt.NDArray[np.uint8],
    ordered: npt.NDArray[np.uint8],
    haploid: npt.NDArray[np.uint8],
    counters: npt.NDArray[np.int64],
) -> None:
    """Write the calls of records as packed rows, one for each allele wanted of them.

    Args:
        first: int16 [records, samples], allele numbers; -1 missing.
        second: int16 [records, samples]; -1 missing, -2 where the call is haploid.
        phased: uint8 [records, samples], whether the two are in order.
        columns: the sample of each person, in the order of the columns to write.
        sex: uint8 [persons]; 1 male, 2 female, 0 unknown.
        rules: int64 [records], a `Ploidy` each.
        half_call: index into `vcf_settings.HALF_CALLS`.
        alts: int16 [alleles], numbers of the alleles wanted (0 asks for a row without copies).
        edges: int64 [records + 1], where each record's alleles begin in ``alts``.
        rows: int64 [alleles], the row of each in the arrays below, which are zeros there.
        codes: out, haplotype pairs [rows, ceil(persons / 4)].
        missing: out, bitmap [rows, ceil(persons / 8)] of missing calls.
        ordered: out, bitmap of phased calls; not of missing or haploid ones.
        haploid: out, bitmap of haploid calls, and of missing ones where one copy is expected, but
            not of a call that is missing because it is heterozygous there (`vcf_overruled`).
        counters: in and out, int64 in the order of ``COUNTERS``.
    """
    for record in range(len(rules)):
        rule = rules[record]
        for person in range(len(columns)):
            i = columns[person]
            one, two = first[record, i], second[record, i]
            if two != _ABSENT and (one < 0) != (two < 0):
                one, two = _half(one, two, half_call)
            called = one >= 0 and two != -1
            overruled = False
            if called and rule != 0:
                called, two = _by_sex(one, two, rule, sex[person], counters)
                overruled = not called and not (rule == _Y and sex[person] == _FEMALE)
            single = called and two == _ABSENT
            bar = phased[record, i] == 1 and called and not single
            counters[_SINGLE] += single
            counters[_PHASED] += bar
            if not called:
                one_copy = rule in (_Y, _MT) or (rule == _X and sex[person] == _MALE)
                single = one_copy and not overruled
            byte, bit, shift = person >> 3, person & 7, 2 * (person & 3)
            for k in range(edges[record], edges[record + 1]):
                row = rows[k]
                missing[row, byte] |= (not called) << bit
                haploid[row, byte] |= single << bit
                ordered[row, byte] |= bar << bit
                if called and alts[k] > 0:
                    left, right = one == alts[k], two == alts[k]
                    if single or not bar:  # without an order, one copy is the second
                        left, right = left and right, left or right
                    codes[row, person >> 2] |= (left | right << 1) << shift


@numba.njit(cache=True, nogil=True)
def inspect_calls(genotypes: npt.NDArray[np.int16], n_alts: int) -> tuple[int, int]:
    """Return the number of half-calls, and a `Verdict` on a record.

    Args:
        genotypes: int16 [samples, width + 1] as cyvcf2 gives them: allele numbers, -1 missing,
            -2 filler; the last column is 1 where the call is phased.
        n_alts: ALT alleles of the record.
    """
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
