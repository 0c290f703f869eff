"""Loops over packed calls, compiled by numba: changing layout, cutting columns, comparing rows.

Arrays are C-contiguous, bits and calls are counted from the low end of each byte. What the codes
mean stands in docs/reference/genotype-blocks.md.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from precisionchain.schemas.bit_words import set_bits, word_at

Bytes1 = npt.NDArray[np.uint8]
Bytes2 = npt.NDArray[np.uint8]
Counts2 = npt.NDArray[np.int32]

_LOWS = np.uint64(0x5555_5555_5555_5555)  # the low bit of each of 32 calls


@njit(cache=True, nogil=True)
def _word(row: Bytes1, at: int) -> np.uint64:
    """Return eight bytes of a row, zeros where it has no more."""
    if at + 8 <= len(row):
        word: np.uint64 = word_at(row, at)
        return word
    word = np.uint64(0)
    for k in range(len(row) - at):
        word |= np.uint64(row[at + k]) << np.uint64(8 * k)
    return word


@njit(cache=True, nogil=True)
def _count_bits(row: Bytes1) -> int:
    found = np.uint64(0)
    for at in range(0, len(row), 8):
        found += set_bits(_word(row, at))
    return np.int64(found)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def count_diploid(codes: Bytes2, n: int, states: bool, missing: Bytes2) -> Counts2:
    """Count packed calls of which none is haploid, as `genotype_kernels.count_codes` does.

    Args:
        codes: [rows, ceil(n / 4)].
        n: calls a row.
        states: whether the codes are states, not haplotype pairs.
        missing: bitmap [rows, ceil(n / 8)] of calls missing beside the codes, or [0, 0].
    """
    out = np.zeros((codes.shape[0], 5), np.int32)
    for i in range(codes.shape[0]):
        row = codes[i]
        one, two, some = np.uint64(0), np.uint64(0), np.uint64(0)
        for at in range(0, len(row), 8):
            word = _word(row, at)
            low, high = word & _LOWS, (word >> np.uint64(1)) & _LOWS
            one += set_bits(high & ~low)
            some += set_bits(low & ~high)
            two += set_bits(low & high)
        if states:  # 10 is one copy, 01 missing, 11 none
            out[i, 0], out[i, 3] = one, some
            out[i, 2] = n - one - some - two
        else:
            out[i, 0], out[i, 2] = one + some, two
        if missing.shape[0]:
            out[i, 3] += _count_bits(missing[i])
    return out


@njit(cache=True, nogil=True)
def pairs_to_states(codes: Bytes2, missing: Bytes2, n: int) -> Bytes2:
    """Return states [rows, ceil(n / 4)] of haplotype pairs and the bitmap of missing calls."""
    rows, width = codes.shape
    states = np.empty((rows, width), np.uint8)
    last = 255 if n % 4 == 0 else (1 << 2 * (n % 4)) - 1
    for row in range(rows):
        for j in range(width):
            low, high = codes[row, j] & 0x55, (codes[row, j] >> 1) & 0x55
            four = missing[row, j >> 1] >> 4 * (j & 1)
            gone = four & 1 | (four & 2) << 1 | (four & 4) << 2 | (four & 8) << 3
            # 11 = no copy, 10 = one, 00 = two, 01 = missing: the pair's sum, from the other end
            upper = (~(low & high) & 0x55) & ~gone
            lower = (~(low | high) & 0x55) | gone
            states[row, j] = upper << 1 | lower
        states[row, width - 1] &= last
    return states


@njit(cache=True, nogil=True)
def states_to_pairs(states: Bytes2, n: int) -> tuple[Bytes2, Bytes2]:
    """Return haplotype pairs (one copy is ``0|1``) and the bitmap of missing calls of states."""
    rows, width = states.shape
    codes = np.empty((rows, width), np.uint8)
    missing = np.zeros((rows, (n + 7) // 8), np.uint8)
    last = 255 if n % 4 == 0 else (1 << 2 * (n % 4)) - 1
    for row in range(rows):
        for j in range(width):
            mask = last if j == width - 1 else 255
            low, high = states[row, j] & 0x55 & mask, (states[row, j] >> 1) & 0x55 & mask
            two = ~(low | high) & 0x55 & mask
            codes[row, j] = two | ((high & ~low) | two) << 1
            gone = low & ~high
            four = gone & 1 | (gone >> 1) & 2 | (gone >> 2) & 4 | (gone >> 3) & 8
            missing[row, j >> 1] |= four << 4 * (j & 1)
    return codes, missing


@njit(cache=True, nogil=True)
def cut_bits(bits: Bytes2, first: int, n: int) -> Bytes2:
    """Return bits ``first`` to ``first + n`` of each row [rows, ceil(n / 8)], filled with zeros."""
    rows, width = bits.shape
    out = np.empty((rows, (n + 7) // 8), np.uint8)
    shift, begin = first & 7, first >> 3
    last = 255 if n % 8 == 0 else (1 << (n % 8)) - 1
    for row in range(rows):
        for j in range(out.shape[1]):
            at = begin + j
            word = np.uint16(bits[row, at])
            if at + 1 < width:
                word |= np.uint16(bits[row, at + 1]) << 8
            out[row, j] = (word >> shift) & 255
        out[row, out.shape[1] - 1] &= last
    return out


@njit(cache=True, nogil=True)
def same_copies(one: Bytes1, other: Bytes1) -> bool:
    """Return whether two rows of haplotype pairs hold as many copies, call by call."""
    for j in range(one.shape[0]):
        a, b = one[j], other[j]
        both = (a & (a >> 1) & 0x55) ^ (b & (b >> 1) & 0x55)
        some = ((a | (a >> 1)) & 0x55) ^ ((b | (b >> 1)) & 0x55)
        if both | some:
            return False
    return True


@njit(cache=True, nogil=True)
def drop_phase(codes: Bytes1, phased: Bytes1, other_codes: Bytes1, other_phased: Bytes1) -> None:
    """Make calls unphased whose phase two rows of equal copies do not share.

    Args:
        codes: in and out, the haplotype pairs of the row that stays.
        phased: in and out, its bitmap of phased calls.
        other_codes: the other row's pairs.
        other_phased: the other row's phased calls.
    """
    for j in range(codes.shape[0]):
        shift = 4 * (j & 1)
        differ = codes[j] ^ other_codes[j]
        differ = (differ | differ >> 1) & 0x55
        apart = differ & 1 | (differ >> 1) & 2 | (differ >> 2) & 4 | (differ >> 3) & 8
        apart |= ((phased[j >> 1] ^ other_phased[j >> 1]) >> shift) & 15
        phased[j >> 1] &= ~(apart << shift)
        for k in range(4):
            # one copy without phase is written as 0|1
            if apart >> k & 1 and (codes[j] >> 2 * k) & 3 == 1:
                codes[j] ^= 3 << 2 * k
