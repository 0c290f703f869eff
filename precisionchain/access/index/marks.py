"""Loops over runs, compiled by numba: distinct numbers a group, and numbers in order of rank.

Sets are marked as bits, 64 to a word, so a universe takes a few hundred steps. This module alone of
``access`` imports numba; `entries` and `who_saw` do without it.
"""

from __future__ import annotations

import numpy as np
from numba import njit
from numpy.typing import NDArray

_ONES = np.uint64(2**64 - 1)
_ONE = np.uint64(1)
_6 = np.uint64(6)
_63 = np.uint64(63)


@njit(cache=True, nogil=True)
def _ones_in(word: np.uint64) -> np.int64:
    """Return how many bits of a word are set."""
    word -= (word >> _ONE) & np.uint64(0x5555555555555555)
    two = np.uint64(0x3333333333333333)
    word = (word & two) + ((word >> np.uint64(2)) & two)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def _mark(
    words: NDArray[np.uint64],
    base: np.uint64,
    starts: NDArray[np.int32],
    lengths: NDArray[np.int32],
) -> None:
    """Set the bits of some runs."""
    for run in range(starts.size):
        first = base + np.uint64(starts[run])
        begin = first >> _6
        if lengths[run] == 1:
            words[begin] |= _ONE << (first & _63)
            continue
        last = first + np.uint64(lengths[run] - 1)
        end = last >> _6
        head, tail = _ONES << (first & _63), _ONES >> (_63 - (last & _63))
        if begin == end:
            words[begin] |= head & tail
            continue
        words[begin] |= head
        for word in range(begin + _ONE, end):
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
        n_runs: [pieces] at least 1.
        in_tail: [pieces]
        starts: [runs] first number; ascending within a piece.
        lengths: [runs] how many numbers.
        tail_starts: the same of the tail.
        tail_lengths: the same of the tail.
        site_of_word: [words] the site whose numbers a word of 64 bits stands for.
        counts: [groups, sites] added to.
    """
    words = np.zeros(site_of_word.size, np.uint64)
    low, high = site_of_word.size, -1
    for piece in range(group.size):
        first, last = first_run[piece], first_run[piece] + n_runs[piece]
        if in_tail[piece]:
            some, long = tail_starts[first:last], tail_lengths[first:last]
        else:
            some, long = starts[first:last], lengths[first:last]
        low = min(low, (base[piece] + some[0]) >> 6)
        high = max(high, (base[piece] + some[-1] + long[-1] - 1) >> 6)
        _mark(words, np.uint64(base[piece]), some, long)
        if piece + 1 == group.size or group[piece + 1] != group[piece]:
            for word in range(low, high + 1):
                if words[word]:
                    counts[group[piece], site_of_word[word]] += _ones_in(words[word])
                    words[word] = np.uint64(0)
            low, high = site_of_word.size, -1


@njit(cache=True, nogil=True)
def by_rank(  # noqa: PLR0917 - numba knows no keyword-only arguments
    base: NDArray[np.int64],
    first_run: NDArray[np.int64],
    n_runs: NDArray[np.int64],
    in_tail: NDArray[np.bool_],
    starts: NDArray[np.int32],
    lengths: NDArray[np.int32],
    tail_starts: NDArray[np.int32],
    tail_lengths: NDArray[np.int32],
    rank: NDArray[np.int64],
    found: NDArray[np.uint32],
) -> None:
    """Write the ranks of each piece's numbers, ascending within the piece.

    Args:
        base: [pieces] the place of the site's number 0 in ``rank``.
        first_run: [pieces] the piece's first run, in the tail's runs or in the others.
        n_runs: [pieces]
        in_tail: [pieces]
        starts: [runs] first number.
        lengths: [runs] how many numbers.
        tail_starts: the same of the tail.
        tail_lengths: the same of the tail.
        rank: the rank of each number of each site.
        found: [numbers of all pieces] written.
    """
    words = np.zeros((rank.size >> 6) + 1, np.uint64)
    at = 0
    for piece in range(base.size):
        low, high = words.size, -1
        for run in range(first_run[piece], first_run[piece] + n_runs[piece]):
            if in_tail[piece]:
                start, length = np.int64(tail_starts[run]), np.int64(tail_lengths[run])
            else:
                start, length = np.int64(starts[run]), np.int64(lengths[run])
            for place in range(base[piece] + start, base[piece] + start + length):
                word = rank[place] >> 6
                words[word] |= _ONE << (np.uint64(rank[place]) & _63)
                low, high = min(low, word), max(high, word)
        for word in range(low, high + 1):
            left = words[word]
            words[word] = np.uint64(0)
            while left:
                lowest = left & (~left + _ONE)
                found[at] = (word << 6) + _ones_in(lowest - _ONE)
                at += 1
                left ^= lowest
