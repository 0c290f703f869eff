"""Calls of alleles told by the alleles near them: what is stored of a variant block.

Neighbours on a chromosome are inherited together, so the row of an allele is often nearly that of
one some rows before it. A row is stored as the bits in which it differs from such a row, from
everybody's having two copies, or from nobody's having any; where few bits are left, as a list.
docs/reference/genotype-blocks.md has the rules and the bytes.

>>> packed = PackedCalls(3, np.array([[0b11_00_01], [0b11_00_01]], np.uint8), "all")
>>> packed_calls(near_calls(packed)).codes.tolist() == packed.codes.tolist()
True
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from precisionchain.schemas.calls import Bytes2, PackedCalls, Phase

Bytes1 = npt.NDArray[np.uint8]
Places = npt.NDArray[np.uint16]
Ints = npt.NDArray[np.int64]

EVERYBODY: Final = 255
"""`Links.back` of a row told by what it lacks of two copies in everybody."""

MAX_BACK: Final = 254
"""How many rows before it the row lies at most that a row is told by."""

MAX_STEPS: Final = 64
"""Over how many rows, one told by the other, a row is told at most: what reading takes."""

LONG: Final = 255
"""`Links.size` of a row that is stored bit by bit."""


@dataclass(frozen=True, slots=True)
class Links:
    """How the rows of a run of alleles are told.

    Attributes:
        back: uint8 [n_alleles]; 0: by nobody's having a copy; `EVERYBODY`; else by the row so many
            before it.
        size: uint8 [n_alleles]; how many bits are listed, or `LONG`.
    """

    back: Bytes1
    size: Bytes1

    @classmethod
    def from_bytes(cls, content: bytes) -> Links:
        """Return the links that `to_bytes` wrote."""
        back, size = np.frombuffer(content, np.uint8).reshape(2, -1)
        return cls(back, size)

    def to_bytes(self) -> bytes:
        """Return all ``back``, then all ``size``."""
        return self.back.tobytes() + self.size.tobytes()

    @property
    def long(self) -> npt.NDArray[np.bool_]:
        """Which rows are stored bit by bit."""
        is_long: npt.NDArray[np.bool_] = self.size == LONG
        return is_long

    @property
    def listed(self) -> Ints:
        """How many bits of each row are listed, int64."""
        return np.where(self.size == LONG, 0, self.size).astype(np.int64)

    def steps(self) -> Iterator[tuple[Ints, Ints]]:
        """Yield rows and the rows they are told by, in an order in which the latter are known."""
        n = len(self.back)
        rows = np.arange(n, dtype=np.int64)
        linked = (self.back > 0) & (self.back != EVERYBODY)
        base = np.append(np.where(linked, rows - self.back, n), n)
        depth, ahead = np.append(linked.astype(np.int64), 0), base
        while bool((ahead < n).any()):  # each round doubles how far is seen
            depth, ahead = depth + depth[ahead], ahead[ahead]
        order = np.argsort(depth[:n], kind="stable")
        ends = np.searchsorted(depth[order], np.arange(1, int(depth.max()) + 2))
        for first, last in pairwise(ends):
            now = order[first:last]
            yield now, base[now]


def joined(links: Sequence[Links]) -> Links:
    """Return the links of runs, one after the other."""
    return Links(
        np.concatenate([one.back for one in links]), np.concatenate([one.size for one in links])
    )


@dataclass(frozen=True, slots=True)
class NearCalls:
    """`PackedCalls` with each row told by another; bits count from the low end of a row.

    Attributes:
        n_persons, phase, missing, phased, haploid: as in `PackedCalls`.
        links: how the rows are told.
        places: uint16, the bits listed, row by row, ascending.
        long: uint8 [rows, ceil(n_persons / 4)], the rows stored bit by bit.
    """

    n_persons: int
    phase: Phase
    links: Links
    places: Places
    long: Bytes2
    missing: Bytes2 | None = None
    phased: Bytes2 | None = None
    haploid: Bytes2 | None = None

    @property
    def n_alleles(self) -> int:
        """Number of rows."""
        return len(self.links.back)


def near_calls(packed: PackedCalls, window: int = MAX_BACK) -> NearCalls:
    """Return packed calls with each row told by the nearest of those before it.

    Args:
        packed: the calls.
        window: how many rows before it a row is looked for; `MAX_BACK` at most.
    """
    from precisionchain.schemas import near_kernels as kernels

    n = packed.n_persons
    width = packed.codes.shape[1]
    words = _words(packed.codes ^ _nobody(packed.phase, n))
    back, weight = kernels.nearest_rows(words, 2 * n, (window, MAX_STEPS))
    most = min(LONG - 1, width // 8)
    places, long = kernels.split_rows(words, 2 * n, back, weight, most)
    size = np.where(weight > most, LONG, weight).astype(np.uint8)
    return NearCalls(
        n,
        packed.phase,
        Links(back, size),
        places,
        np.ascontiguousarray(long.view(np.uint8)[:, :width]),
        packed.missing,
        packed.phased,
        packed.haploid,
    )


def packed_calls(near: NearCalls) -> PackedCalls:
    """Return the calls with every row as it is."""
    n, links = near.n_persons, near.links
    codes = np.zeros((near.n_alleles, -(-n // 4)), np.uint8)
    codes[links.long] = near.long
    row = np.repeat(np.arange(near.n_alleles), links.listed)
    bits: Any = np.left_shift(np.uint8(1), (near.places & 7).astype(np.uint8))
    np.bitwise_xor.at(codes, (row, near.places >> 3), bits)
    codes[links.back == EVERYBODY] ^= _full_row(n)
    for rows, bases in links.steps():
        codes[rows] ^= codes[bases]
    codes ^= _nobody(near.phase, n)
    return PackedCalls(n, codes, near.phase, near.missing, near.phased, near.haploid)


def to_gaps(places: Places, size: npt.NDArray[np.integer[Any]]) -> Bytes1:
    """Return lists of ascending bits as bytes: how far each is from the one before it in its list
    (the first: from 0), first all low bytes, then all high bytes; they compress best so.

    Args:
        places: uint16, list by list.
        size: length of each list.
    """
    gaps = places.copy()
    gaps[1:] -= places[:-1]
    first = (np.cumsum(size, dtype=np.int64) - size)[size > 0]
    gaps[first] = places[first]
    return np.concatenate([(gaps & 255).astype(np.uint8), (gaps >> 8).astype(np.uint8)])


def from_gaps(content: Bytes1, size: npt.NDArray[np.integer[Any]], bits: int) -> Places:
    """Return the lists that `to_gaps` was given.

    Raises:
        ValueError: a list goes beyond as many bits.
    """
    low, high = content.reshape(2, -1)
    ends = np.cumsum(low.astype(np.int64) + 256 * high.astype(np.int64))
    before = np.append(0, ends)[np.cumsum(size, dtype=np.int64) - size]
    places = ends - np.repeat(before, size)
    if len(places) and int(places.max()) >= bits:
        raise ValueError("a bit beyond the last")
    kept: Places = places.astype(np.uint16)
    return kept


def _full_row(n: int) -> Bytes1:
    """Return a row of two set bits a person."""
    return np.packbits(np.arange(8 * -(-n // 4)) < 2 * n, bitorder="little")


def _nobody(phase: Phase, n: int) -> Bytes1:
    """Return the row in which nobody has a copy."""
    return _full_row(n) if phase == "none" else np.zeros(-(-n // 4), np.uint8)


def _words(codes: Bytes2) -> npt.NDArray[np.uint64]:
    """Return rows as 64-bit words, filled up with zeros."""
    rows, width = codes.shape
    wide = np.zeros((rows, 8 * -(-width // 8)), np.uint8)
    wide[:, :width] = codes
    return wide.view(np.uint64)
