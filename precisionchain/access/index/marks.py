"""How many distinct numbers the runs of each group hold: a loop over runs, compiled by numba.

This module alone of ``access`` imports numba; `entries` and `who_saw` do without it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ONES = np.uint64(2**64 - 1)
_63 = np.uint64(63)


@njit(cache=True, nogil=True)
def _ones_in(word: np.uint64) -> np.int64:
    """Return how many bits of a word are set."""
    word -= (word >> np.uint64(1)) & np.uint64(0x5555555555555555)
    two = np.uint64(0x3333333333333333)
    word = (word & two) + ((word >> np.uint64(2)) & two)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def _mark(words: NDArray[np.uint64], first: int, last: int) -> None:
    """Set the bits from first to last, inclusive."""
    begin, end = first >> 6, last >> 6
    head = _ONES << (np.uint64(first) & _63)
    tail = _ONES >> (_63 - (np.uint64(last) & _63))
    if begin == end:
        words[begin] |= head & tail
        return
    words[begin] |= head
    for word in range(begin + 1, end):
        words[word] = _ONES
    words[end] |= tail


@njit(cache=True, nogil=True)
def count_marked(  # noqa: PLR0917 - numba knows no keyword-only arguments
    group: NDArray[np.int64],
    base: NDArray[np.int64],
    first_run: NDArray[np.int64],
    n_runs: NDArray[np.int64],
    in_tail: NDArray[np.bool_],
    starts: NDArray[np.int32],
    lengths: NDArray[np.int32],
    tail_starts: NDArray[np.int32],
    tail_lengths: NDArray[np.int32],
    site_of_word: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Count the distinct numbers of each group, by site.

    Args:
        group: [pieces] ascending.
        base: [pieces] the bit of the site's number 0, a multiple of 64.
        first_run: [pieces] the piece's first run, in the tail's runs or in the others.
        n_runs: [pieces]
        in_tail: [pieces]
        starts: [runs] first number.
        lengths: [runs] how many numbers.
        tail_starts: the same of the tail.
        tail_lengths: the same of the tail.
        site_of_word: [words] the site whose numbers a word of 64 bits stands for.
        counts: [groups, sites] added to.
    """
    words = np.zeros(site_of_word.size, np.uint64)
    low, high = site_of_word.size, -1
    for piece in range(group.size):
        for run in range(first_run[piece], first_run[piece] + n_runs[piece]):
            if in_tail[piece]:
                first = base[piece] + np.int64(tail_starts[run])
                last = first + np.int64(tail_lengths[run]) - 1
            else:
                first = base[piece] + np.int64(starts[run])
                last = first + np.int64(lengths[run]) - 1
            low = min(low, first >> 6)
            high = max(high, last >> 6)
            if first == last:
                words[first >> 6] |= np.uint64(1) << (np.uint64(first) & _63)
            else:
                _mark(words, first, last)
        if piece + 1 == group.size or group[piece + 1] != group[piece]:
            for word in range(low, high + 1):
                if words[word]:
                    counts[group[piece], site_of_word[word]] += _ones_in(words[word])
                    words[word] = np.uint64(0)
            low, high = site_of_word.size, -1
