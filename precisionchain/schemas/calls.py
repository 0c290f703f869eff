"""Genotype calls of a run of alleles and a group of persons, plain and packed in two bits.

Packed calls come in two layouts. Without phase a call is one of PLINK's four *states*. With
phase it is a *haplotype pair*, which keeps the phase at no cost and compresses better; missing
calls then stand in a bitmap of their own. docs/reference/genotype-blocks.md has the tables.

>>> calls = Calls(np.array([[0, 1, 2, 3, 0]], np.uint8))
>>> packed = pack_calls(calls)
>>> packed.phase, packed.codes.tolist() == [[0b01_00_10_11, 0b11]]
('none', True)
>>> unpack_calls(packed).dosage.tolist()
[[0, 1, 2, 3, 0]]
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt

MISSING: Final = 3
"""The dosage of a call with at least one missing allele."""

Phase = Literal["none", "all", "mixed"]
Bytes2 = npt.NDArray[np.uint8]
Rows = npt.NDArray[np.integer[Any]] | Sequence[int] | slice


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of ``n_alleles`` split ALT alleles (rows) by ``n_persons`` persons (columns).

    Attributes:
        dosage: uint8 [n_alleles, n_persons]; copies of this ALT: 0, 1, 2, or 3 = missing.
            A haploid call is 0, 1 or 3.
        haploid: bool [n_alleles, n_persons], or None = every call is diploid.
        phase: uint8 [n_alleles, n_persons], or None = nothing is phased. 0 = unphased;
            1 = phased, and for a heterozygous call ALT on the second haplotype (``0|1``);
            2 = heterozygous with ALT on the first haplotype (``1|0``). Without meaning, and
            not kept, where the call is missing or haploid.
    """

    dosage: npt.NDArray[np.uint8]
    haploid: npt.NDArray[np.bool_] | None = None
    phase: npt.NDArray[np.uint8] | None = None

    @property
    def n_alleles(self) -> int:
        """Number of rows."""
        return int(self.dosage.shape[0])

    @property
    def n_persons(self) -> int:
        """Number of columns."""
        return int(self.dosage.shape[1])


@dataclass(frozen=True, slots=True)
class PackedCalls:
    """`Calls` in two bits a call; bits and calls are counted from the low end of each byte.

    Attributes:
        n_persons: number of calls a row.
        codes: uint8 [n_alleles, ceil(n_persons / 4)]: states if ``phase`` is ``none``, else
            haplotype pairs. Bits past the last person are 0.
        phase: ``none``; ``all`` = every diploid called call is phased; ``mixed`` = some are.
        missing: bitmap uint8 [n_alleles, ceil(n_persons / 8)] of missing calls; None if states
            (which tell) or if none is missing.
        phased: bitmap of the same shape, of phased calls; None unless ``mixed``.
        haploid: bitmap of haploid calls, or [1, ...] = that one for every allele, or None.
    """

    n_persons: int
    codes: Bytes2
    phase: Phase = "none"
    missing: Bytes2 | None = None
    phased: Bytes2 | None = None
    haploid: Bytes2 | None = None

    @property
    def n_alleles(self) -> int:
        """Number of rows."""
        return int(self.codes.shape[0])


def pack_calls(calls: Calls) -> PackedCalls:
    """Return calls packed, in the smallest layout that keeps them.

    Raises:
        ValueError: there is no person, arrays differ in shape, or a value is out of range or
            contradicts the ploidy (a haploid call of two copies, an order on a homozygote).
    """
    from precisionchain.schemas import genotype_kernels as kernels

    rows, n = calls.dosage.shape
    if n == 0:
        raise ValueError("a block needs at least one person")
    for other in (calls.haploid, calls.phase):
        if other is not None and other.shape != (rows, n):
            raise ValueError("the arrays of calls differ in shape")
    dosage = np.ascontiguousarray(calls.dosage)
    haploid = None
    if calls.haploid is not None and bool(calls.haploid.any()):
        haploid = np.ascontiguousarray(calls.haploid)
    if calls.phase is not None:
        codes, missing, phased, (n_phased, n_unphased, n_missing) = kernels.pack_haplotypes(
            dosage,
            np.ascontiguousarray(calls.phase),
            np.zeros((0, 0), np.bool_) if haploid is None else haploid,
        )
        if n_missing >= kernels.BAD:
            raise ValueError("a dosage or phase is out of range or contradicts the ploidy")
        if n_phased:
            return PackedCalls(
                n_persons=n,
                codes=codes,
                phase="mixed" if n_unphased else "all",
                missing=missing if n_missing else None,
                phased=phased if n_unphased else None,
                haploid=_haploid_bits(haploid),
            )
    codes = np.zeros((rows, -(-n // 4)), np.uint8)
    if kernels.pack_states(dosage, codes) > MISSING:
        raise ValueError("a dosage is out of range")
    if haploid is not None and bool(((dosage == 2) & haploid).any()):
        raise ValueError("a haploid call has two copies")
    return PackedCalls(n_persons=n, codes=codes, haploid=_haploid_bits(haploid))


def unpack_calls(packed: PackedCalls, rows: Rows | None = None) -> Calls:
    """Return the calls of some rows (all by default) without unpacking the others.

    Args:
        packed: packed calls.
        rows: indices of rows in the order wanted, or a slice.
    """
    n = packed.n_persons

    def taken(bits: Bytes2) -> Bytes2:
        return bits if rows is None else bits[rows]

    codes = taken(packed.codes)
    haploid = None
    if packed.haploid is not None:
        shared = packed.haploid.shape[0] == 1 and packed.n_alleles != 1
        bits = packed.haploid if shared else taken(packed.haploid)
        haploid = np.broadcast_to(unpack_bits(bits, n), (codes.shape[0], n))
    if packed.phase == "none":
        return Calls(unpack_codes(STATE_DOSAGES, codes, n), haploid)
    dosage = unpack_codes(PAIR_DOSAGES, codes, n)
    phase = unpack_codes(PAIR_PHASES, codes, n)
    if packed.phased is not None:
        phase *= unpack_bits(taken(packed.phased), n)
    if packed.missing is not None:
        missing = unpack_bits(taken(packed.missing), n)
        dosage[missing] = MISSING
        phase[missing] = 0
    if haploid is not None:
        phase[haploid] = 0
    return Calls(dosage, haploid, phase)


def pack_bits(flags: npt.NDArray[np.bool_]) -> Bytes2:
    """Return the bitmap [rows, ceil(n / 8)] of flags [rows, n], low bit first."""
    return np.packbits(flags, axis=1, bitorder="little")


def unpack_bits(bits: Bytes2, n: int) -> npt.NDArray[np.bool_]:
    """Return the flags [rows, n] of a bitmap."""
    return np.unpackbits(bits, axis=1, count=n, bitorder="little").view(np.bool_)


def unpack_codes(table: npt.NDArray[np.uint32], codes: Bytes2, n: int) -> Bytes2:
    """Return one byte a call [rows, n], looked up by bytes of codes in one of the tables below."""
    whole = table[codes].view(np.uint8)
    return np.ascontiguousarray(whole[:, :n])


def code_table(values: tuple[int, int, int, int]) -> npt.NDArray[np.uint32]:
    """Return, for each byte of codes, the values of its four calls as four bytes."""
    byte = np.arange(256, dtype=np.uint32)
    calls = np.stack([(byte >> shift) & 3 for shift in (0, 2, 4, 6)], axis=1)
    table: Any = np.array(values, np.uint8)[calls]
    return np.ascontiguousarray(table).view(np.uint32).reshape(256)


STATE_DOSAGES: Final = code_table((2, MISSING, 1, 0))
"""PLINK's states: 00 = two copies of ALT, 01 = missing, 10 = one copy, 11 = none."""

PAIR_DOSAGES: Final = code_table((0, 1, 1, 2))
"""Haplotype pairs: the number of bits set."""

PAIR_PHASES: Final = code_table((1, 2, 1, 1))
"""Haplotype pairs: 2 if ALT is on the first haplotype only, else 1."""


def _haploid_bits(haploid: npt.NDArray[np.bool_] | None) -> Bytes2 | None:
    """Return the bitmap of haploid calls, one row if it is the same for every allele."""
    if haploid is None:
        return None
    if bool((haploid == haploid[0]).all()):
        return pack_bits(haploid[:1])
    return pack_bits(haploid)
