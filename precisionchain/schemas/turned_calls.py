"""Calls turned: a row a person instead of a row an allele.

What is turned is what `near_calls` leaves of the rows, so a person's calls are known with the links
of the alleles, which the variant blocks hold. The dense matrix of calls is never made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import CodecError
from precisionchain.schemas.calls import (
    MISSING,
    Bytes2,
    Calls,
    Phase,
    Rows,
    pack_bits,
    unpack_bits,
)
from precisionchain.schemas.near_calls import EVERYBODY, Links, NearCalls, joined

Counts = npt.NDArray[np.uint16]


@dataclass(frozen=True, slots=True)
class TurnedCalls:
    """Near calls with a row a person.

    Attributes:
        states: for each variant block of the run, how many alleles it has, and whether its codes
            are states (else haplotype pairs).
        planes: uint8 [n_persons, 2 * ceil(alleles stored bit by bit / 8)]: of these alleles, in
            order, the low bits of a person's codes, then the high bits.
        size: uint16 [n_persons], how many bits of the other alleles are listed.
        places: uint16, those bits, person by person, ascending: twice the allele, plus 1 for the
            high bit.
        phase: as in `PackedCalls`, over all alleles of the run.
        missing: bitmap uint8 [n_persons, ceil(n_alleles / 8)] or None, as there.
        phased: such a bitmap, or None unless ``mixed``.
        haploid: such a bitmap, or None if no call is haploid.
    """

    states: tuple[tuple[int, bool], ...]
    planes: Bytes2
    size: Counts
    places: Counts
    phase: Phase
    missing: Bytes2 | None
    phased: Bytes2 | None
    haploid: Bytes2 | None

    @property
    def n_alleles(self) -> int:
        """Number of alleles."""
        return sum(size for size, _ in self.states)

    @property
    def nbytes(self) -> int:
        """Bytes of the arrays."""
        arrays = (self.planes, self.size, self.places, self.missing, self.phased, self.haploid)
        return sum(array.nbytes for array in arrays if array is not None)

    def rows(self, rows: Rows) -> TurnedCalls:
        """Return the same of some persons; bitmaps with nobody in them are left out."""
        missing, haploid = (
            None if bits is None or not bits[rows].any() else bits[rows]
            for bits in (self.missing, self.haploid)
        )
        phased = None if self.phased is None else self.phased[rows]
        ends = np.cumsum(self.size, dtype=np.int64)
        size = self.size[rows]
        first = (ends - self.size)[rows]
        shift = first - (np.cumsum(size, dtype=np.int64) - size)
        taken = np.arange(int(size.sum())) + np.repeat(shift, size)
        return TurnedCalls(
            self.states,
            self.planes[rows],
            size,
            self.places[taken],
            self.phase,
            missing,
            phased,
            haploid,
        )


def turn(parts: Sequence[NearCalls], columns: npt.NDArray[np.integer]) -> TurnedCalls:
    """Turn the calls of a run of alleles by person, without unpacking them.

    Args:
        parts: calls of the same persons, in the order of their alleles.
        columns: the persons (columns) taken, each once, in the order of the rows to be made.
    """
    row_of = np.full(parts[0].n_persons, -1, np.int32)
    row_of[columns] = np.arange(len(columns), dtype=np.int32)
    if len(columns) != int((row_of >= 0).sum()) or any(
        part.n_persons != len(row_of) for part in parts
    ):
        raise ValueError("blocks of different persons, or a person twice")
    size, places = _turned_places(parts, row_of, len(columns))
    phases = {part.phase for part in parts}
    phase: Phase = parts[0].phase if len(phases) == 1 else "mixed"
    missing = [part.missing for part in parts]
    phased = [_phased_bits(part) for part in parts] if phase == "mixed" else None
    haploid = [part.haploid for part in parts]
    return TurnedCalls(
        tuple((part.n_alleles, part.phase == "none") for part in parts),
        _turned_planes(parts, row_of, len(columns)),
        size,
        places,
        phase,
        _turned_bits(parts, missing, row_of, len(columns)),
        None if phased is None else _turned_bits(parts, phased, row_of, len(columns)),
        _turned_bits(parts, haploid, row_of, len(columns)),
    )


def unpack_turned(turned: TurnedCalls, links: Links) -> Calls:
    """Return the calls [n_alleles, persons] of turned calls.

    Args:
        turned: the calls.
        links: of the alleles, as the variant blocks hold them.

    Raises:
        CodecError: the links are not of these alleles.
    """
    n = turned.n_alleles
    if len(links.back) != n or turned.planes.shape[1] != 2 * -(-int(links.long.sum()) // 8):
        raise CodecError("a person block does not fit to the variant blocks that it names")
    pairs = _pairs(turned, links)
    first, second = pairs[:, :, 0], pairs[:, :, 1]
    states = np.repeat([s for _, s in turned.states], [size for size, _ in turned.states])
    dosage = first + second
    if states.any():  # these are told by the copies that nobody has: see `_STATES`
        dosage[states] = _STATES[first[states] + 2 * second[states]]
    missing, phased, haploid = (
        None if bits is None else np.ascontiguousarray(unpack_bits(bits, n).T)
        for bits in (turned.missing, turned.phased, turned.haploid)
    )
    if missing is not None:
        dosage[missing] = MISSING
    if turned.phase == "none":
        return Calls(dosage, haploid)
    phase = np.where((first == 1) & (second == 0), np.uint8(2), np.uint8(1))
    if phased is not None:
        phase *= phased
    for unknown in (missing, haploid):
        if unknown is not None:
            phase[unknown] = 0
    return Calls(dosage, haploid, phase)


_STATES: Final = np.array([0, 1, MISSING, 2], np.uint8)
"""The dosage of a state, exclusive or `11`."""


def _pairs(turned: TurnedCalls, links: Links) -> npt.NDArray[np.uint8]:
    """Return the two bits of each call, uint8 [n_alleles, persons, 2]; of states, or `11`."""
    persons, n = len(turned.size), turned.n_alleles
    pairs = np.zeros((n, persons, 2), np.uint8)
    long = np.flatnonzero(links.long)
    half = turned.planes.shape[1] // 2
    for bit, plane in enumerate((turned.planes[:, :half], turned.planes[:, half:])):
        pairs[long, :, bit] = unpack_bits(plane, len(long)).T
    person = np.repeat(np.arange(persons), turned.size)
    pairs[turned.places >> 1, person, turned.places & 1] = 1
    pairs[links.back == EVERYBODY] ^= 1
    for rows, bases in links.steps():
        pairs[rows] ^= pairs[bases]
    return pairs


def _turned_places(
    parts: Sequence[NearCalls], row_of: npt.NDArray[np.int32], persons: int
) -> tuple[Counts, Counts]:
    """Return how many bits of each person are listed, and these."""
    links = joined([part.links for part in parts])
    allele = np.repeat(np.arange(len(links.back)), links.listed)
    listed = np.concatenate([part.places for part in parts])
    person = row_of[listed >> 1]
    places = (2 * allele + (listed & 1)).astype(np.uint16)
    taken = person >= 0
    if not taken.all():
        person, places = person[taken], places[taken]
    order = np.argsort(person.astype(np.uint16), kind="stable")
    return np.bincount(person, minlength=persons).astype(np.uint16), places[order]


def _turned_planes(
    parts: Sequence[NearCalls], row_of: npt.NDArray[np.int32], persons: int
) -> Bytes2:
    """Return the alleles stored bit by bit as two planes of bits a person."""
    from precisionchain.schemas import genotype_kernels as kernels

    planes = np.zeros((persons, 2 * -(-sum(len(part.long) for part in parts) // 8)), np.uint8)
    start = 0
    for part in parts:
        kernels.turn_pairs(part.long, row_of, start, planes)
        start += len(part.long)
    return planes


def _turned_bits(
    parts: Sequence[NearCalls],
    bitmaps: Sequence[Bytes2 | None],
    row_of: npt.NDArray[np.int32],
    persons: int,
) -> Bytes2 | None:
    """Return bitmaps of the parts (None: no bit is set) as one bitmap a person, None if all are."""
    from precisionchain.schemas import genotype_kernels as kernels

    if all(bits is None for bits in bitmaps):
        return None
    turned = np.zeros((persons, -(-sum(part.n_alleles for part in parts) // 8)), np.uint8)
    start = 0
    for part, bits in zip(parts, bitmaps, strict=True):
        if bits is not None:
            kernels.turn_bits(bits, row_of, (start, part.n_alleles), turned)
        start += part.n_alleles
    return turned


def _phased_bits(part: NearCalls) -> Bytes2 | None:
    """Return the bitmap of phased calls; None where there is none."""
    if part.phase != "all":
        return part.phased
    whole = pack_bits(np.ones((1, part.n_persons), np.bool_))
    phased = np.repeat(whole, part.n_alleles, axis=0)
    for other in (part.missing, part.haploid):
        if other is not None:
            phased &= ~other
    return phased
