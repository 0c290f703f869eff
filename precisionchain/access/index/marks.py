"""Loops over sets of places, compiled by numba: made from runs, counted by group, listed.

A *place* is a number's rank among those of its site that the segments hold; numbers that only the
tail holds stay where they are, behind them. A set of places is written in cells of 64 bits: as its
runs (start << 32 | length) or, where that is shorter, as bits, from the word ``low`` of the site
on; ``low`` is -1 for runs. So a universe is one cell, and anybody's half of it a bit a person. This
module alone of ``access`` imports numba; `entries` and `who_saw` do without it.
"""

from __future__ import annotations

from typing import Any, TypeAlias

import numpy as np
from numba import njit
from numpy.typing import NDArray

Sets: TypeAlias = tuple[NDArray[np.int64], NDArray[np.int64], NDArray[np.int64], NDArray[np.uint64]]
"""Of each set its first cell, how many it has, and ``low``; and all cells."""
_ONES = np.uint64(2**64 - 1)
_ONE = np.uint64(1)
_6 = np.uint64(6)
_32 = np.uint64(32)
_63 = np.uint64(63)
_LENGTH = np.uint64(2**32 - 1)


@njit(cache=True, nogil=True)
def _ones_in(word: np.uint64) -> Any:  # int64
    """Return how many bits of a word are set."""
    word -= (word >> _ONE) & np.uint64(0x5555555555555555)
    two = np.uint64(0x3333333333333333)
    word = (word & two) + ((word >> np.uint64(2)) & two)
    word = (word + (word >> np.uint64(4))) & np.uint64(0x0F0F0F0F0F0F0F0F)
    return np.int64((word * np.uint64(0x0101010101010101)) >> np.uint64(56))


@njit(cache=True, nogil=True)
def sets_of(  # noqa: PLR0917 - numba knows no keyword-only arguments
    base: NDArray[np.int64],
    first_run: NDArray[np.int64],
    n_runs: NDArray[np.int64],
    starts: NDArray[np.int32],
    lengths: NDArray[np.int32],
    place: NDArray[np.int64],
    room: int,
) -> Any:
    """Return runs of numbers as sets of places.

    Args:
        base: [pieces] where in ``place`` the numbers of the piece's site begin.
        first_run: [pieces] the piece's first run.
        n_runs: [pieces] at least 1.
        starts: [runs] first number.
        lengths: [runs] how many numbers.
        place: the place of each number of each site.
        room: cells that certainly suffice: for each piece its numbers, or the words of its site.
    """
    first, size = np.empty(base.size, np.int64), np.empty(base.size, np.int64)
    low = np.full(base.size, -1)
    cells = np.empty(room, np.uint64)
    words = np.zeros((place.size >> 6) + 2, np.uint64)
    at = 0
    for piece in range(base.size):
        begin, end = words.size, -1
        for one in range(first_run[piece], first_run[piece] + n_runs[piece]):
            from_number = base[piece] + starts[one]
            for number in range(from_number, from_number + lengths[one]):
                word = place[number] >> 6
                words[word] |= _ONE << (np.uint64(place[number]) & _63)
                begin, end = min(begin, word), max(end, word)
        first[piece] = at
        found, carried = 0, np.uint64(0)
        for word in range(begin, end + 1):
            found += _ones_in(words[word] & ~((words[word] << _ONE) | carried))
            carried = words[word] >> _63
        if found > end - begin:
            low[piece] = begin
            for word in range(begin, end + 1):
                cells[at] = words[word]
                at += 1
        else:
            at = _write_runs(words, begin, end, cells, at)
        size[piece] = at - first[piece]
        words[begin : end + 1] = 0
    return first, size, low, cells[:at].copy()


@njit(cache=True, nogil=True)
def _write_runs(
    words: NDArray[np.uint64], begin: int, end: int, cells: NDArray[np.uint64], at: int
) -> Any:
    """Write the runs of the bits that are set, and return where the next cell is free."""
    last = np.int64(-2)
    for word in range(begin, end + 1):
        left = words[word]
        while left:
            lowest = left & (~left + _ONE)
            here = (word << 6) + _ones_in(lowest - _ONE)
            if here == last + 1:
                cells[at - 1] += _ONE
            else:
                cells[at] = (np.uint64(here) << _32) | _ONE
                at += 1
            last = here
            left ^= lowest
    return at


@njit(cache=True, nogil=True)
def _mark(words: NDArray[np.uint64], offset: Any, sets: Any, one: Any) -> Any:
    """Set the bits of a set; return the first and the last word.

    Args:
        words: bits of all sites.
        offset: the word where the site's begin.
        sets: `Sets`.
        one: which.
    """
    firsts, sizes, lows, cells = sets
    first, size, low = firsts[one], sizes[one], lows[one]
    if low >= 0:
        for cell in range(size):
            words[offset + low + cell] |= cells[first + cell]
        return offset + low, offset + low + size - 1
    for cell in range(first, first + size):
        start = (np.uint64(offset) << _6) + (cells[cell] >> _32)
        last = start + (cells[cell] & _LENGTH) - _ONE
        begin, end = start >> _6, last >> _6
        head, tail = _ONES << (start & _63), _ONES >> (_63 - (last & _63))
        if begin == end:
            words[begin] |= head & tail
            continue
        words[begin] |= head
        for word in range(begin + _ONE, end):
            words[word] = _ONES
        words[end] |= tail
    final = cells[first + size - 1]
    highest = (final >> _32) + (final & _LENGTH) - _ONE
    return offset + np.int64(cells[first] >> np.uint64(38)), offset + np.int64(highest >> _6)


@njit(cache=True, nogil=True)
def mark_all(
    offset: NDArray[np.int64], which: NDArray[np.int64], sets: Any, words: NDArray[np.uint64]
) -> None:
    """Set the bits of some sets; ``offset`` is, for each, the word where its site's begin."""
    for piece in range(which.size):
        _mark(words, offset[piece], sets, which[piece])


@njit(cache=True, nogil=True)
def count_marked(  # noqa: PLR0917 - numba knows no keyword-only arguments
    group: NDArray[np.int64],
    offset: NDArray[np.int64],
    which: NDArray[np.int64],
    in_tail: NDArray[np.bool_],
    stored: Any,
    tail: Any,
    site_of_word: NDArray[np.int64],
    counts: NDArray[np.int64],
) -> None:
    """Count the distinct places of each group, by site.

    Args:
        group: [pieces] ascending.
        offset: [pieces] the word where the site's bits begin.
        which: [pieces] the piece's set, of the tail's or of the others.
        in_tail: [pieces]
        stored: `Sets`.
        tail: the same of the tail.
        site_of_word: [words] the site whose places a word of 64 bits stands for.
        counts: [groups, sites] added to.
    """
    words = np.zeros(site_of_word.size, np.uint64)
    low, high = site_of_word.size, -1
    for piece in range(group.size):
        if in_tail[piece]:
            begin, end = _mark(words, offset[piece], tail, which[piece])
        else:
            begin, end = _mark(words, offset[piece], stored, which[piece])
        low, high = min(low, begin), max(high, end)
        if piece + 1 == group.size or group[piece + 1] != group[piece]:
            for word in range(low, high + 1):
                if words[word]:
                    counts[group[piece], site_of_word[word]] += _ones_in(words[word])
                    words[word] = np.uint64(0)
            low, high = site_of_word.size, -1


@njit(cache=True, nogil=True)
def list_labels(  # noqa: PLR0917 - numba knows no keyword-only arguments
    base: NDArray[np.int64],
    which: NDArray[np.int64],
    to: NDArray[np.int64],
    sets: Any,
    rank: NDArray[np.int64],
    label: NDArray[Any],
    found: NDArray[Any],
) -> None:
    """Write the labels of each piece's places, in ascending order of their ranks.

    Args:
        base: [pieces] where in ``rank`` and ``label`` those of the site begin.
        which: [pieces] the piece's set.
        to: [pieces] where in ``found`` its labels go.
        sets: `Sets`.
        rank: the rank of each place within its site; empty where each is its own.
        label: what is written for each rank.
        found: written.
    """
    firsts, sizes, lows, cells = sets
    words = np.zeros((max(rank.size, label.size) >> 6) + 2, np.uint64)
    for piece in range(which.size):
        at, one, site = to[piece], which[piece], base[piece]
        first, size, low = firsts[one], sizes[one], lows[one]
        if rank.size:
            begin, end = _mark(words, 0, sets, one)
            words_of, low = _ranked(words, begin, end, rank[site:]), np.int64(0)
            at = _labels(words_of, low, label[site:], found, at)
        elif low >= 0:
            at = _labels(cells[first : first + size], low, label[site:], found, at)
        else:
            for cell in range(first, first + size):
                start = site + np.int64(cells[cell] >> _32)
                for place in range(start, start + np.int64(cells[cell] & _LENGTH)):
                    found[at] = label[place]
                    at += 1


@njit(cache=True, nogil=True)
def _ranked(
    words: NDArray[np.uint64], begin: Any, end: Any, rank: NDArray[np.int64]
) -> NDArray[np.uint64]:
    """Return marked places as marked ranks, and unmark them."""
    found = np.zeros((rank.size >> 6) + 1, np.uint64)
    for word in range(begin, end + 1):
        left = words[word]
        words[word] = np.uint64(0)
        while left:
            lowest = left & (~left + _ONE)
            one = np.uint64(rank[(word << 6) + _ones_in(lowest - _ONE)])
            found[one >> _6] |= _ONE << (one & _63)
            left ^= lowest
    return found


@njit(cache=True, nogil=True)
def _labels(
    words: NDArray[np.uint64], low: Any, label: NDArray[Any], found: NDArray[Any], at: int
) -> Any:
    """Write the labels of the bits that are set; return where the next goes."""
    for word in range(words.size):
        left, here = words[word], (low + word) << 6
        while left:
            lowest = left & (~left + _ONE)
            found[at] = label[here + _ones_in(lowest - _ONE)]
            at += 1
            left ^= lowest
    return at
