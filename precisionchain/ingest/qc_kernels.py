"""Loops of quality control over calls, compiled by numba.

A *code* is a call as PLINK 1 stores it: copies of ALT, where a haploid ALT is two, and 3 = missing.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Codes = npt.NDArray[np.uint8]
Planes = npt.NDArray[np.uint64]


@njit(cache=True, nogil=True)
def bit_planes(
    codes: Codes, flipped: npt.NDArray[np.bool_], halved: npt.NDArray[np.bool_]
) -> Planes:
    """Return centred dosages, -1, 0 and 1, as bits: a person a bit, from the low end of each word.

    Args:
        codes: [rows, n].
        flipped: bool [rows]; true counts copies of REF instead of ALT.
        halved: bool [n]; persons with one copy, who count 0 or 1 instead of 0 or 2.

    Returns:
        uint64 [rows, 3, ceil(n / 64)]: where the dosage is 2, where it is 0, where it is known.
    """
    rows, n = codes.shape
    out = np.zeros((rows, 3, (n + 63) // 64), np.uint64)
    for row in range(rows):
        for word in range(out.shape[2]):
            high, low, known = np.uint64(0), np.uint64(0), np.uint64(0)
            for i in range(64 * word, min(64 * word + 64, n)):
                code = codes[row, i]
                if code == 3:
                    continue
                bit = np.uint64(1) << np.uint64(i & 63)
                known |= bit
                copies = 2 - code if flipped[row] else code
                if copies == 0:
                    low |= bit
                elif copies == 2 and not halved[i]:
                    high |= bit
            out[row, 0, word], out[row, 1, word], out[row, 2, word] = high, low, known
    return out


@njit(cache=True, nogil=True, inline="always")
def bits_set(word: np.uint64) -> int:
    """Return the number of bits set."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    word = (word & np.uint64(0x3333333333333333)) + (
        (word >> np.uint64(2)) & np.uint64(0x3333333333333333)
    )
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return int(np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56)))


@njit(cache=True, nogil=True)
def correlation(one: Planes, other: Planes) -> tuple[float, int]:
    """Return r squared of two alleles over the persons known at both, and how many these are.

    Args:
        one: uint64 [3, words] of `bit_planes`.
        other: the same.

    Returns:
        r squared, -1 where one of them does not vary among these persons.
    """
    n, same, opposite = 0, 0, 0
    high1, low1, high2, low2 = 0, 0, 0, 0
    for w in range(one.shape[1]):
        a, b, c, d = one[0, w], one[1, w], other[0, w], other[1, w]
        n += bits_set(one[2, w] & other[2, w])
        same += bits_set((a & c) | (b & d))
        opposite += bits_set((a & d) | (b & c))
        high1 += bits_set(a & other[2, w])
        low1 += bits_set(b & other[2, w])
        high2 += bits_set(c & one[2, w])
        low2 += bits_set(d & one[2, w])
    sum1, sum2 = high1 - low1, high2 - low2
    vary1 = float((high1 + low1) * n - sum1 * sum1)
    vary2 = float((high2 + low2) * n - sum2 * sum2)
    if vary1 == 0.0 or vary2 == 0.0:
        return -1.0, n
    shared = float((same - opposite) * n - sum1 * sum2)
    return shared * shared / (vary1 * vary2), n


@njit(cache=True, nogil=True)
def do_not_vary(planes: Planes) -> npt.NDArray[np.bool_]:
    """Return which alleles have the same dosage in all persons known, or are known in none."""
    rows, _, words = planes.shape
    out = np.zeros(rows, np.bool_)
    for row in range(rows):
        n, high, low = 0, 0, 0
        for w in range(words):
            high += bits_set(planes[row, 0, w])
            low += bits_set(planes[row, 1, w])
            n += bits_set(planes[row, 2, w])
        out[row] = (high + low) * n == (high - low) * (high - low)
    return out


@njit(cache=True, nogil=True)
def known_persons(planes: Planes) -> npt.NDArray[np.int64]:
    """Return how many persons are known at each allele."""
    out = np.zeros(planes.shape[0], np.int64)
    for row in range(planes.shape[0]):
        for w in range(planes.shape[2]):
            out[row] += bits_set(planes[row, 2, w])
    return out
