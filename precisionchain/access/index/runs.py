"""Sets of numbers as runs, and runs as aligned blocks: the two forms postings are indexed in.

A set of small numbers (persons of a site, alleles) is kept as its *runs* of consecutive numbers: a
universe is one run, whatever the ids are. To find who holds a number without unfolding anybody's
set, each run is cut into *blocks*: block ``b`` of level ``l`` is the numbers ``b * 2**l`` up to the
next, and a run of n numbers is at most ``2 * log2(n)`` of them. Whoever holds a number holds one of
its blocks, one a level.
"""

from __future__ import annotations

from typing import Final, TypeAlias

import numpy as np
from numpy.typing import NDArray

Ints: TypeAlias = NDArray[np.int64]
Int32s: TypeAlias = NDArray[np.int32]

_LEVEL_BITS, _BLOCK_BITS = 6, 40
LEVELS: Final = 33
"""A number is below 2**32: levels 0 to 32."""


def runs_of(numbers: Ints, owners: Ints | None = None) -> tuple[Ints, Ints, Ints]:
    """Return the runs of ascending numbers: where each begins, its start, and its length.

    Args:
        numbers: ascending and distinct; with ``owners``, within each owner.
        owners: whose number it is; the numbers of one lie together, and no run spans two.
    """
    if not numbers.size:
        none = np.empty(0, np.int64)
        return none, none, none
    apart = np.diff(numbers) != 1
    if owners is not None:
        apart |= np.diff(owners) != 0
    first = np.concatenate(([0], np.flatnonzero(apart) + 1))
    return first, numbers[first], np.diff(np.append(first, numbers.size))


def block_keys(code: Ints, starts: Ints | Int32s, lengths: Ints | Int32s) -> tuple[Ints, Ints]:
    """Return the keys of all blocks of some runs, and the index of each block's run.

    Args:
        code: [runs] what kind of number it is, 0 <= code < 2**16.
        starts: [runs] first number.
        lengths: [runs] how many, at least 1.
    """
    which = np.arange(starts.size)
    low, high = starts.astype(np.int64), starts.astype(np.int64) + lengths
    code = code.astype(np.int64)
    keys, runs = [], []
    for level in range(LEVELS):
        if not which.size:
            break
        odd = (low & 1) == 1
        keys.append(_key(code[odd], level, low[odd]))
        runs.append(which[odd])
        low = (low + odd) >> 1
        odd = ((high & 1) == 1) & (high > 2 * low)
        keys.append(_key(code[odd], level, high[odd] - 1))
        runs.append(which[odd])
        high >>= 1
        left = low < high
        which, low, high, code = which[left], low[left], high[left], code[left]
    if not keys:
        return which, which
    return np.concatenate(keys), np.concatenate(runs)


def keys_of(code: int, number: int) -> Ints:
    """Return the keys of the blocks that a number lies in, ascending."""
    levels = np.arange(LEVELS)
    return _key(np.full(LEVELS, code), levels, number >> levels)


def code_in(keys: Ints) -> Ints:
    """Return the codes that keys carry."""
    return keys >> (_LEVEL_BITS + _BLOCK_BITS)


def _key(code: Ints, level: int | Ints, block: Ints) -> Ints:
    return (code << (_LEVEL_BITS + _BLOCK_BITS)) | (level << _BLOCK_BITS) | block
