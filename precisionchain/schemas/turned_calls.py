"""Packed calls turned: a row a person instead of a row an allele.

The turning works on packed bytes, and passes over bytes in which nobody carries the ALT; the dense
matrix of calls is never made.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from precisionchain.schemas.calls import (
    MISSING,
    STATE_DOSAGES,
    Calls,
    PackedCalls,
    Phase,
    Rows,
    pack_bits,
    unpack_bits,
    unpack_codes,
)

Bytes2 = npt.NDArray[np.uint8]


@dataclass(frozen=True, slots=True)
class TurnedCalls:
    """Packed calls with a row a person.

    Attributes:
        n_alleles: number of calls a row.
        codes: uint8 [n_persons, ...]: if ``phase`` is ``none``, states in two bits a call; else
            two planes of bits, first the ALTs on the first haplotype, then on the second.
        phase: as in `PackedCalls`, over all alleles of the run.
        missing: bitmap uint8 [n_persons, ceil(n_alleles / 8)] or None, as there.
        phased: such a bitmap, or None unless ``mixed``.
        haploid: such a bitmap, or None if no call is haploid.
    """

    n_alleles: int
    codes: Bytes2
    phase: Phase
    missing: Bytes2 | None
    phased: Bytes2 | None
    haploid: Bytes2 | None

    def rows(self, rows: Rows) -> TurnedCalls:
        """Return the same of some persons; bitmaps with nobody in them are left out."""
        missing, haploid = (
            None if bits is None or not bits[rows].any() else bits[rows]
            for bits in (self.missing, self.haploid)
        )
        phased = None if self.phased is None else self.phased[rows]
        return TurnedCalls(self.n_alleles, self.codes[rows], self.phase, missing, phased, haploid)


def turn(parts: Sequence[PackedCalls], columns: npt.NDArray[np.integer[Any]]) -> TurnedCalls:
    """Turn packed calls of a run of alleles by person, without unpacking them.

    Args:
        parts: packed calls of the same persons, in the order of their alleles.
        columns: the persons (columns) taken, each once, in the order of the rows to be made.
    """
    from precisionchain.schemas import genotype_kernels as kernels

    row_of = np.full(parts[0].n_persons, -1, np.int32)
    row_of[columns] = np.arange(len(columns), dtype=np.int32)
    if len(columns) != int((row_of >= 0).sum()) or any(
        part.n_persons != len(row_of) for part in parts
    ):
        raise ValueError("blocks of different persons, or a person twice")
    sizes = [part.n_alleles for part in parts]
    starts = np.cumsum([0, *sizes]).tolist()
    n = starts[-1]
    persons, wide = len(columns), -(-n // 8)
    haploid = None
    if any(part.haploid is not None for part in parts):
        haploid = np.zeros((persons, wide), np.uint8)
    for part, start in zip(parts, starts, strict=False):
        if haploid is not None and part.haploid is not None:
            kernels.turn_bits(part.haploid, row_of, (start, part.n_alleles), haploid)
    if all(part.phase == "none" for part in parts):
        codes = np.full((persons, -(-n // 4)), 255, np.uint8)
        for part, start in zip(parts, starts, strict=False):
            kernels.turn_states(part.codes, row_of, start, codes)
        if n % 4:
            codes[:, -1] &= (1 << 2 * (n % 4)) - 1
        return TurnedCalls(n, codes, "none", None, None, haploid)
    phase: Phase = "all" if all(part.phase == "all" for part in parts) else "mixed"
    codes = np.zeros((persons, 2 * wide), np.uint8)
    missing = np.zeros((persons, wide), np.uint8)
    phased = np.zeros((persons, wide), np.uint8) if phase == "mixed" else None
    for part, start in zip(parts, starts, strict=False):
        pairs, gone = _as_pairs(part)
        alleles = (start, part.n_alleles)
        kernels.turn_pairs(pairs, row_of, start, codes)
        if gone is not None:
            kernels.turn_bits(gone, row_of, alleles, missing)
        if phased is not None and part.phase != "none":
            kernels.turn_bits(_phased_bits(part), row_of, alleles, phased)
    return TurnedCalls(n, codes, phase, missing if missing.any() else None, phased, haploid)


def unpack_turned(turned: TurnedCalls) -> Calls:
    """Return the calls [n_alleles, persons] of turned calls."""
    n = turned.n_alleles
    haploid = None
    if turned.haploid is not None:
        haploid = unpack_bits(turned.haploid, n)
    if turned.phase == "none":
        dosage, phase = unpack_codes(STATE_DOSAGES, turned.codes, n), None
    else:
        half = turned.codes.shape[1] // 2
        first, second = (
            unpack_bits(plane, n) for plane in (turned.codes[:, :half], turned.codes[:, half:])
        )
        dosage = first.view(np.uint8) + second.view(np.uint8)
        phase = np.where(first & ~second, np.uint8(2), np.uint8(1))
        if turned.phased is not None:
            phase *= unpack_bits(turned.phased, n)
        if turned.missing is not None:
            missing = unpack_bits(turned.missing, n)
            dosage[missing] = MISSING
            phase[missing] = 0
        if haploid is not None:
            phase[haploid] = 0
    by_allele = [None if x is None else np.ascontiguousarray(x.T) for x in (haploid, phase)]
    return Calls(np.ascontiguousarray(dosage.T), *by_allele)


def _recoding(values: tuple[int, int, int, int]) -> npt.NDArray[np.uint8]:
    """Return, for each byte of four codes, the byte in which each code c is values[c]."""
    byte = np.arange(256)
    table = np.array(values)
    shifts = (0, 2, 4, 6)
    return sum((table[(byte >> shift) & 3] << shift for shift in shifts), byte * 0).astype(np.uint8)


_PAIRS_OF_STATES: Final = _recoding((3, 0, 2, 0))
"""A byte of states as a byte of haplotype pairs, one copy written ``0|1``."""


def _as_pairs(part: PackedCalls) -> tuple[Bytes2, Bytes2 | None]:
    """Return packed calls as haplotype pairs and the bitmap of missing calls."""
    if part.phase != "none":
        return part.codes, part.missing
    missing = unpack_codes(STATE_DOSAGES, part.codes, part.n_persons) == MISSING
    return _PAIRS_OF_STATES[part.codes], pack_bits(missing) if missing.any() else None


def _phased_bits(part: PackedCalls) -> Bytes2:
    """Return the bitmap of phased calls of calls that have some."""
    if part.phased is not None:
        return part.phased
    n = part.n_persons
    whole = pack_bits(np.ones((1, n), np.bool_))
    phased = np.repeat(whole, part.n_alleles, axis=0)
    for other in (part.missing, part.haploid):
        if other is not None:
            phased &= ~other
    return phased
