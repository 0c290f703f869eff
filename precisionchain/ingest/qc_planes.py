"""Calls as bit planes, a person a bit: what quality control counts with, compiled by numba.

A *plane* has a word of 64 persons after another, from the low end. Three of an allele say who has
two copies of ALT (or a haploid ALT), who has none, and who is called; who is called and in neither
of the first two is heterozygous. They come from packed calls without a byte a call between.
"""

from __future__ import annotations

from typing import Final

import numpy as np
import numpy.typing as npt
from numba import njit

from precisionchain.ingest.qc_kernels import Planes, bits_set
from precisionchain.schemas.calls import PackedCalls

Words = npt.NDArray[np.uint64]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

TWO: Final = 0
NONE: Final = 1
KNOWN: Final = 2
"""The planes of an allele, by number."""

_LEVELS: Final = 32
"""Bits of a counter that is kept across words, a level a word: 2^32 alleles of one block."""


def packed_planes(packed: PackedCalls) -> Planes:
    """Return the planes of packed calls, uint64 [alleles, 3, ceil(persons / 64)]."""
    rows, n = packed.n_alleles, packed.n_persons
    words = -(-n // 64)
    nothing = np.zeros((0, words), np.uint64)
    return _planes(
        _as_words(packed.codes, 2 * words),
        nothing if packed.missing is None else _as_words(packed.missing, words),
        nothing if packed.haploid is None else _as_words(packed.haploid, words),
        mask(np.ones(n, np.bool_)),
        packed.phase != "none",
        rows,
    )


def mask(persons: npt.NDArray[np.bool_]) -> Words:
    """Return flags of persons as words."""
    words = -(-len(persons) // 64)
    bits = np.packbits(persons[None], axis=1, bitorder="little")
    row: Words = _as_words(bits, words)[0]
    return row


def _as_words(bits: npt.NDArray[np.uint8], words: int) -> Words:
    """Return rows of bytes as rows of words, the last one filled up with zeros."""
    padded = np.zeros((bits.shape[0], 8 * words), np.uint8)
    padded[:, : bits.shape[1]] = bits
    words_of: Words = padded.view("<u8").astype(np.uint64, copy=False)
    return words_of


@njit(cache=True, nogil=True, inline="always")
def _even_bits(word: np.uint64) -> np.uint64:
    """Return bits 0, 2, 4, ... of a word side by side."""
    word &= np.uint64(0x5555555555555555)
    word = (word | (word >> np.uint64(1))) & np.uint64(0x3333333333333333)
    word = (word | (word >> np.uint64(2))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    word = (word | (word >> np.uint64(4))) & np.uint64(0x00FF00FF00FF00FF)
    word = (word | (word >> np.uint64(8))) & np.uint64(0x0000FFFF0000FFFF)
    return (word | (word >> np.uint64(16))) & np.uint64(0x00000000FFFFFFFF)


@njit(cache=True, nogil=True)
def _planes(  # noqa: PLR0917 - numba knows no keyword-only arguments
    codes: Words, missing: Words, haploid: Words, valid: Words, pairs: bool, rows: int
) -> Planes:
    """Return the planes of words of codes; bitmaps have a row an allele, one row, or none.

    ``pairs``: whether a code is a pair of haplotypes, not one of PLINK's states.
    """
    words = valid.shape[0]
    out = np.zeros((rows, 3, words), np.uint64)
    for row in range(rows):
        of_missing = min(row, missing.shape[0] - 1)
        of_haploid = min(row, haploid.shape[0] - 1)
        for w in range(words):
            first, last = codes[row, 2 * w], codes[row, 2 * w + 1]
            low = _even_bits(first) | (_even_bits(last) << np.uint64(32))
            high = _even_bits(first >> np.uint64(1)) | (
                _even_bits(last >> np.uint64(1)) << np.uint64(32)
            )
            known = valid[w]
            if pairs:
                two, none, one = low & high, ~(low | high), low ^ high
                if of_missing >= 0:
                    known &= ~missing[of_missing, w]
            else:
                two, none, one = ~(low | high), low & high, high & ~low
                known &= ~(low & ~high)
            if of_haploid >= 0:
                two |= one & haploid[of_haploid, w]
            out[row, 0, w], out[row, 1, w], out[row, 2, w] = two & known, none & known, known
    return out


@njit(cache=True, nogil=True)
def count_classes(planes: Planes, classes: Words) -> npt.NDArray[np.int64]:
    """Count the calls of classes of persons.

    Args:
        planes: of some alleles.
        classes: uint64 [k, words], a mask each.

    Returns:
        int64 [alleles, k, 3]: persons with no copy, one and two.
    """
    rows, _, words = planes.shape
    out = np.zeros((rows, classes.shape[0], 3), np.int64)
    for row in range(rows):
        for k in range(classes.shape[0]):
            none, two, known = 0, 0, 0
            for w in range(words):
                two += bits_set(planes[row, 0, w] & classes[k, w])
                none += bits_set(planes[row, 1, w] & classes[k, w])
                known += bits_set(planes[row, 2, w] & classes[k, w])
            out[row, k, 0], out[row, k, 1], out[row, k, 2] = none, known - none - two, two
    return out


@njit(cache=True, nogil=True)
def add_missing(planes: Planes, out: Ints) -> None:
    """Add to ``out`` [persons] the alleles at which each person is not called."""
    rows, _, words = planes.shape
    counters = np.zeros((words, _LEVELS), np.uint64)
    for row in range(rows):
        for w in range(words):
            _count_up(counters, w, ~planes[row, 2, w])
    _add_counters(counters, out)


@njit(cache=True, nogil=True)
def add_persons(  # noqa: PLR0917 - numba knows no keyword-only arguments
    planes: Planes, valid: Words, expected: Floats, het: Ints, missing: Ints, offset: Floats
) -> None:
    """Add to each person's sums the heterozygous and the missing calls of some alleles.

    Args:
        planes: of the alleles.
        valid: mask of all persons.
        expected: [alleles], the expected share of homozygotes; 1 = the allele does not vary, and
            is left out.
        het: in and out [persons].
        missing: in and out [persons].
        offset: in and out [persons], ``expected`` of the alleles at which the person is missing.
    """
    rows, _, words = planes.shape
    counters = np.zeros((words, _LEVELS), np.uint64)
    for row in range(rows):
        if expected[row] == 1.0:
            continue
        for w in range(words):
            known = planes[row, 2, w]
            _count_up(counters, w, known & ~planes[row, 0, w] & ~planes[row, 1, w])
            lost = valid[w] & ~known
            while lost != np.uint64(0):
                rest = lost & (lost - np.uint64(1))
                i = 64 * w + bits_set((lost ^ rest) - np.uint64(1))
                missing[i] += 1
                offset[i] += expected[row]
                lost = rest
    _add_counters(counters, het)


@njit(cache=True, nogil=True, inline="always")
def _count_up(counters: Words, w: int, bits: np.uint64) -> None:
    """Add 1 to the counter of each person whose bit is set: level k holds bit k of 64 counters."""
    level = 0
    while bits != np.uint64(0):
        carried = counters[w, level] & bits
        counters[w, level] ^= bits
        bits = carried
        level += 1


@njit(cache=True, nogil=True)
def _add_counters(counters: Words, out: Ints) -> None:
    for i in range(out.shape[0]):
        for level in range(counters.shape[1]):
            bit = (counters[i >> 6, level] >> np.uint64(i & 63)) & np.uint64(1)
            out[i] += np.int64(bit) << level


@njit(cache=True, nogil=True)
def centred_planes(  # noqa: PLR0917 - numba knows no keyword-only arguments
    planes: Planes,
    rows: Ints,
    flipped: npt.NDArray[np.bool_],
    there: Words,
    one_copy: Words,
    halved: Words,
) -> Planes:
    """Return the planes of some alleles as pruning takes them: of 1, of -1, and of the known.

    Args:
        planes: of all alleles.
        rows: which of them.
        flipped: bool [len(rows)]; true counts copies of REF instead of ALT.
        there: mask of the persons who count.
        one_copy: mask of those whose heterozygous calls are missing.
        halved: mask of those who count 0 or 1 instead of 0 or 2.
    """
    words = planes.shape[2]
    out = np.zeros((rows.shape[0], 3, words), np.uint64)
    for at in range(rows.shape[0]):
        row = rows[at]
        for w in range(words):
            two, none = planes[row, 0, w], planes[row, 1, w]
            known = planes[row, 2, w] & there[w] & (two | none | ~one_copy[w])
            high, low = (none, two) if flipped[at] else (two, none)
            out[at, 0, w] = high & known & ~halved[w]
            out[at, 1, w] = low & known
            out[at, 2, w] = known
    return out
