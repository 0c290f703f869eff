"""Loops that find near rows of calls, compiled by numba: see `near_calls`."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt
from numba import njit

from precisionchain.schemas.bit_words import set_bits

Bytes1 = npt.NDArray[np.uint8]
Counts1 = npt.NDArray[np.int32]
Places1 = npt.NDArray[np.uint16]
Words1 = npt.NDArray[np.uint64]
Words2 = npt.NDArray[np.uint64]

_FOLD = 8  # words of a folded row: 512 bits, a register of the widest


@njit(cache=True, nogil=True)
def _difference(words: Words2, i: int, j: int, stride: int) -> int:
    """Return in how many bits every ``stride``-th word of two rows differs."""
    differ = np.uint64(0)
    if stride == 1:  # a loop of its own: over neighbours it takes many words at once
        for k in range(words.shape[1]):
            differ += set_bits(words[i, k] ^ words[j, k])
    else:
        for k in range(0, words.shape[1], stride):
            differ += set_bits(words[i, k] ^ words[j, k])
    return np.int64(differ)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def _folded(row: Words1, fold: Words1) -> int:
    """Write the exclusive or of a row's pieces of `_FOLD` words; return the row's set bits."""
    n, total = len(row), np.uint64(0)
    whole = n // _FOLD * _FOLD
    fold[:] = 0
    for begin in range(0, whole, _FOLD):
        for k in range(_FOLD):
            fold[k] ^= row[begin + k]
    for k in range(whole, n):
        fold[k % _FOLD] ^= row[k]
    for k in range(n):
        total += set_bits(row[k])
    return np.int64(total)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def _least_difference(folds: Words2, i: int, j: int) -> int:
    """Return in how many bits two folded rows differ: the rows differ in as many at least.

    Most rows have few bits, which lie apart when folded: then it is hardly less.
    """
    differ = np.uint64(0)
    for k in range(_FOLD):
        differ += set_bits(folds[i, k] ^ folds[j, k])
    return np.int64(differ)  # type: ignore[return-value]


@njit(cache=True, nogil=True)
def nearest_rows(words: Words2, n_bits: int, limits: tuple[int, int]) -> tuple[Bytes1, Counts1]:
    """Find, for each row, the row before it that it differs from in the fewest bits.

    Args:
        words: [rows, n] rows of bits.
        n_bits: bits of a row.
        limits: how many rows before it a row is looked for (at most 254), and over how many rows
            a row may be told at most.

    Returns:
        uint8 [rows]: how many rows before; 0 = an empty row is as near, 255 = a full row is
        nearest; and int32 [rows], the bits in which the two differ.
    """
    rows, n = words.shape
    window, steps = limits
    back, weight = np.zeros(rows, np.uint8), np.zeros(rows, np.int32)
    total, depth = np.zeros(rows, np.int32), np.zeros(rows, np.int32)
    folds = np.empty((rows, _FOLD), np.uint64)
    stride = max(1, n // 8)
    for i in range(rows):
        own = _folded(words[i], folds[i])
        total[i] = own
        best, at = own - 3, 0  # a link takes a byte, and three bits listed hardly more
        if n_bits - own < best:
            best, at = n_bits - own, 255
        for j in range(i - 1, max(-1, i - 1 - window), -1):
            if abs(own - total[j]) >= best or depth[j] >= steps:
                continue
            if _least_difference(folds, i, j) >= best:
                continue
            if stride > 1 and stride * _difference(words, i, j, stride) > 2 * best + 16 * stride:
                continue  # far, as an eighth of the words or less tell
            differ = _difference(words, i, j, 1)
            if differ < best:
                best, at = differ, i - j
        if at == 0:
            best = own
        back[i], weight[i] = at, best
        if 0 < at < 255:
            depth[i] = depth[i - at] + 1
    return back, weight


@njit(cache=True, nogil=True)
def split_rows(
    words: Words2, n_bits: int, back: Bytes1, weight: Counts1, most: int
) -> tuple[Places1, Words2]:
    """Part what is left of rows, after what they are told by, into lists of bits and whole rows.

    Args:
        words: [rows, n] rows of bits.
        n_bits: bits of a row.
        back: as `nearest_rows` returns it.
        weight: as `nearest_rows` returns it.
        most: bits that are listed at most.

    Returns:
        uint16, the bits of rows of at most ``most``, ascending in each; and [long, n], the others.
    """
    rows, n = words.shape
    n_listed, n_long = 0, 0
    for i in range(rows):
        n_listed += weight[i] if weight[i] <= most else 0
        n_long += weight[i] > most
    places = np.empty(n_listed, np.uint16)
    long = np.empty((n_long, n), np.uint64)
    at, to = 0, 0
    for i in range(rows):
        for k in range(n):
            word = words[i, k]
            if back[i] == 255:
                bits = min(64, max(0, n_bits - 64 * k))
                if bits == 64:
                    word = ~word
                elif bits > 0:
                    word ^= (np.uint64(1) << np.uint64(bits)) - np.uint64(1)
            elif back[i]:
                word ^= words[i - back[i], k]
            if weight[i] > most:
                long[to, k] = word
                continue
            while word:
                below = (word & (~word + np.uint64(1))) - np.uint64(1)
                places[at] = 64 * k + np.int64(set_bits(below))
                at += 1
                word &= word - np.uint64(1)
        to += weight[i] > most
    return places, long
