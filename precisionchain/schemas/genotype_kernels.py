"""Loops over calls, compiled by numba: packing, counting and turning of 2-bit calls.

Arrays are C-contiguous, bits and calls are counted from the low end of each byte. What the two
codes of a call mean stands in docs/reference/genotype-blocks.md:

* a *state* is PLINK's: 0 = two copies, 1 = missing, 2 = one copy, 3 = no copy;
* a *haplotype pair* has bit 0 for an ALT on the first haplotype and bit 1 for the second.

This module and `near_kernels` alone import numba. The functions that read blocks do without it, so
that a query does not wait for it.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

Bytes2 = npt.NDArray[np.uint8]
Flags2 = npt.NDArray[np.bool_]
Counts2 = npt.NDArray[np.int32]
Places = npt.NDArray[np.int32]

BAD = 1 << 62
"""What `pack_haplotypes` adds to its count of missing calls when a call contradicts itself."""


@njit(cache=True, nogil=True)
def pack_states(dosage: Bytes2, codes: Bytes2) -> int:
    """Write states of ``dosage`` [rows, n] to ``codes`` [rows, ceil(n / 4)].

    Returns:
        The bitwise or of all dosages: more than 3 means that one was not a dosage.
    """
    state = (3, 2, 0, 1)
    rows, n = dosage.shape
    seen = 0
    for row in range(rows):
        for j in range(n // 4):
            i = 4 * j
            a, b = dosage[row, i], dosage[row, i + 1]
            c, d = dosage[row, i + 2], dosage[row, i + 3]
            seen |= a | b | c | d
            codes[row, j] = state[a & 3] | state[b & 3] << 2 | state[c & 3] << 4 | state[d & 3] << 6
        last = 0
        for i in range(n - n % 4, n):
            seen |= dosage[row, i]
            last |= state[dosage[row, i] & 3] << 2 * (i % 4)
        if n % 4:
            codes[row, n // 4] = last
    return seen


@njit(cache=True, nogil=True)
def pack_haplotypes(
    dosage: Bytes2, phase: Bytes2, haploid: Flags2
) -> tuple[Bytes2, Bytes2, Bytes2, tuple[int, int, int]]:
    """Write haplotype pairs and two bitmaps.

    Args:
        dosage: [rows, n].
        phase: [rows, n], as in `Calls`.
        haploid: [rows, n], or [0, 0] for none.

    Returns:
        Haplotype pairs [rows, ceil(n / 4)], where an unphased heterozygous call and a haploid ALT
        are written as ``0|1``; bitmaps [rows, ceil(n / 8)] of missing calls and of diploid called
        calls that are phased; and three numbers: calls that are diploid, called and phased; such
        that are unphased; missing ones (plus `BAD` if a dosage or phase is out of range or
        contradicts the ploidy).
    """
    rows, n = dosage.shape
    codes = np.zeros((rows, (n + 3) // 4), np.uint8)
    missing = np.zeros((rows, (n + 7) // 8), np.uint8)
    phased = np.zeros((rows, (n + 7) // 8), np.uint8)
    some_haploid = haploid.shape[0] > 0
    n_phased, n_unphased, n_missing, bad = 0, 0, 0, False
    for row in range(rows):
        for byte in range((n + 7) // 8):
            if 8 * byte + 8 <= n and not some_haploid:
                other = 0  # than 0|0, which most calls are
                for i in range(8 * byte, 8 * byte + 8):
                    other |= dosage[row, i] | (phase[row, i] ^ 1)
                if other == 0:
                    phased[row, byte] = 255
                    n_phased += 8
                    continue
            gone, ordered, pairs = 0, 0, 0
            for i in range(8 * byte, min(8 * byte + 8, n)):
                copies, order, k = dosage[row, i], phase[row, i], i - 8 * byte
                if copies >= 3:
                    gone |= 1 << k
                    n_missing += 1
                    bad |= copies > 3
                elif some_haploid and haploid[row, i]:
                    pairs |= 2 * copies << 2 * k
                    bad |= copies == 2
                else:
                    bad |= order > 2 or (order == 2 and copies != 1)
                    known = order > 0
                    n_phased += known
                    n_unphased += not known
                    ordered |= known << k
                    # no copy 0, two copies 3, one copy 2 (0|1), or 1 where its phase is 2 (1|0)
                    pair = (copies > 0) * (2 + (copies == 2) - (order == 2))
                    pairs |= pair << 2 * k
            missing[row, byte], phased[row, byte] = gone, ordered
            codes[row, 2 * byte] = pairs & 255
            if 2 * byte + 1 < codes.shape[1]:
                codes[row, 2 * byte + 1] = pairs >> 8
    return codes, missing, phased, (n_phased, n_unphased, n_missing + (BAD if bad else 0))


@njit(cache=True, nogil=True)
def count_dosages(dosage: Bytes2, haploid: Flags2) -> Counts2:
    """Count calls by kind.

    Args:
        dosage: [rows, n].
        haploid: [rows, n], or [0, 0] for none.

    Returns:
        int32 [rows, 5]: calls of one copy, those of them that are haploid, calls of two copies,
        missing calls, haploid calls that are not missing.
    """
    rows, n = dosage.shape
    some_haploid = haploid.shape[0] > 0
    out = np.zeros((rows, 5), np.int32)
    for row in range(rows):
        ones, twos, threes, hemi, single = 0, 0, 0, 0, 0
        for i in range(n):
            copies = dosage[row, i]
            ones += copies == 1
            twos += copies == 2
            threes += copies == 3
        if some_haploid:
            for i in range(n):
                single += haploid[row, i] and dosage[row, i] != 3
                hemi += haploid[row, i] and dosage[row, i] == 1
        out[row, 0], out[row, 1], out[row, 2] = ones, hemi, twos
        out[row, 3], out[row, 4] = threes, single
    return out


@njit(cache=True, nogil=True)
def count_codes(codes: Bytes2, n: int, kinds: Bytes2, haploid: Bytes2, missing: Bytes2) -> Counts2:
    """Count packed calls by kind without unpacking them.

    Args:
        codes: [rows, ceil(n / 4)].
        n: calls a row.
        kinds: [3, 256], for each byte of codes which of its four calls (as 4 bits) have one
            copy, two copies, or are missing.
        haploid: bitmap [rows, ceil(n / 8)], or [1, ...] for all rows, or [0, 0] for none.
        missing: bitmap [rows, ceil(n / 8)] of calls missing beside the codes, or [0, 0].

    Returns:
        As `count_dosages`.
    """
    rows, width = codes.shape
    ones, twos, lost = kinds[0], kinds[1], kinds[2]
    pop = np.array([0, 1, 1, 2, 1, 2, 2, 3, 1, 2, 2, 3, 2, 3, 3, 4], np.uint8)
    some_haploid, some_missing = haploid.shape[0] > 0, missing.shape[0] > 0
    out = np.zeros((rows, 5), np.int32)
    for row in range(rows):
        het, hemi, hom, gone, single = 0, 0, 0, 0, 0
        from_row = row if haploid.shape[0] > 1 else 0
        for j in range(width):
            mask = 15 if j < width - 1 else (1 << (n - 4 * j)) - 1
            byte = codes[row, j]
            absent = lost[byte] & mask
            if some_missing:
                absent |= (missing[row, j >> 1] >> 4 * (j & 1)) & mask
            het += pop[ones[byte] & mask]
            hom += pop[twos[byte] & mask]
            gone += pop[absent]
            if some_haploid:
                flags = (haploid[from_row, j >> 1] >> 4 * (j & 1)) & mask
                hemi += pop[ones[byte] & flags]
                single += pop[flags & ~absent]
        out[row, 0], out[row, 1], out[row, 2] = het, hemi, hom
        out[row, 3], out[row, 4] = gone, single
    return out


@njit(cache=True, nogil=True)
def turn_states(codes: Bytes2, row_of: Places, start: int, out: Bytes2) -> None:
    """Turn states by person: call (row a, column p) becomes (row ``row_of[p]``, call start + a).

    Args:
        codes: [n_alleles, ceil(n / 4)] states, a row an allele.
        row_of: int32 [n], the row of ``out`` a column goes to, or -1 = it is not taken.
        start: the place of the first allele in the rows of ``out``.
        out: [persons, bytes], every call set to 3 (no copy); bytes of codes that are all "no
            copy", by far the most, are passed over.
    """
    n = row_of.shape[0]
    for a in range(codes.shape[0]):
        place, shift = (start + a) >> 2, 2 * ((start + a) & 3)
        for j in range(codes.shape[1]):
            copies = 255 ^ codes[a, j]
            p = 4 * j
            while copies and p < n:
                if copies & 3 and row_of[p] >= 0:
                    out[row_of[p], place] ^= (copies & 3) << shift
                copies >>= 2
                p += 1


@njit(cache=True, nogil=True)
def _transposed(square: np.uint64) -> np.uint64:
    """Return eight bytes of eight bits with bit *i* of byte *k* as bit *k* of byte *i*.

    Warren, Hacker's Delight, 2nd edition, 7-3.
    """
    swap = (square ^ (square >> np.uint64(7))) & np.uint64(0x00AA00AA00AA00AA)
    square ^= swap ^ (swap << np.uint64(7))
    swap = (square ^ (square >> np.uint64(14))) & np.uint64(0x0000CCCC0000CCCC)
    square ^= swap ^ (swap << np.uint64(14))
    swap = (square ^ (square >> np.uint64(28))) & np.uint64(0x00000000F0F0F0F0)
    return square ^ swap ^ (swap << np.uint64(28))


_BYTE, _EIGHT, _SIXTEEN = np.uint64(255), np.uint64(8), np.uint64(16)


@njit(cache=True, nogil=True)
def turn_pairs(codes: Bytes2, row_of: Places, start: int, out: Bytes2) -> None:
    """Turn haplotype pairs by person, into two planes of bits a person.

    Args:
        codes: [n_alleles, ceil(n / 4)] haplotype pairs, a row an allele.
        row_of: as for `turn_states`.
        start: the place of the first allele in the planes.
        out: zeros [persons, 2 * bytes]; the first half of a row are the ALTs on the first
            haplotype, the second half those on the second.
    """
    n = row_of.shape[0]
    half = out.shape[1] // 2
    n_alleles = codes.shape[0]
    for place in range(start >> 3, (start + n_alleles + 7) >> 3):
        first = 8 * place - start
        for j in range(codes.shape[1]):
            square = np.uint64(0)  # eight alleles, a byte each, of four persons
            for a in range(max(first, 0), min(first + 8, n_alleles)):
                square |= np.uint64(codes[a, j]) << np.uint64(8 * (a - first))
            if square:
                square = _transposed(square)
                for p in range(4 * j, min(4 * j + 4, n)):
                    if row_of[p] >= 0:
                        out[row_of[p], place] |= np.uint8(square & _BYTE)
                        out[row_of[p], half + place] |= np.uint8((square >> _EIGHT) & _BYTE)
                    square >>= _SIXTEEN


@njit(cache=True, nogil=True)
def turn_bits(bits: Bytes2, row_of: Places, alleles: tuple[int, int], out: Bytes2) -> None:
    """Turn a bitmap by person: bit (row a, column p) becomes (row ``row_of[p]``, bit start + a).

    Args:
        bits: [n_alleles, ceil(n / 8)], or [1, ceil(n / 8)] if all alleles have the same.
        row_of: as for `turn_states`.
        alleles: start, the place of the first allele in the rows of ``out``, and their number.
        out: zeros [persons, bytes].
    """
    n = row_of.shape[0]
    start, n_alleles = alleles
    for a in range(n_alleles):
        place, bit = (start + a) >> 3, 1 << ((start + a) & 7)
        row = a if bits.shape[0] > 1 else 0
        for j in range(bits.shape[1]):
            byte = bits[row, j]
            p = 8 * j
            while byte and p < n:
                if byte & 1 and row_of[p] >= 0:
                    out[row_of[p], place] |= bit
                byte >>= 1
                p += 1
