"""Packed calls by rows and columns: taking, joining, comparing, without a byte a call.

Calls on their way to a block are *wide*: haplotype pairs with the bitmaps of missing and phased
calls, and of haploid ones if there are any, so that rows of any kind can lie together. Where every
call is diploid and phased, pairs say it all, and most files are so: they stay without bitmaps. A
block gets the smallest layout that keeps its calls (`narrowed`), which is what `calls.pack_calls`
makes.

>>> from precisionchain.schemas.calls import Calls, pack_calls, unpack_calls
>>> packed = pack_calls(Calls(np.array([[0, 1, 2, 3, 0], [1, 1, 0, 0, 3]], np.uint8)))
>>> packed.phase, widened(packed).phase, narrowed(widened(packed)).phase
('none', 'mixed', 'none')
>>> unpack_calls(take_persons(take_rows(widened(packed), slice(1, 2)), slice(3, 5))).dosage.tolist()
[[0, 3]]
"""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from precisionchain.schemas import packed_kernels as kernels
from precisionchain.schemas.calls import PackedCalls

Bytes2 = npt.NDArray[np.uint8]


def full_bits(n: int) -> npt.NDArray[np.uint8]:
    """Return a row of a bitmap in which all ``n`` calls are set."""
    return np.packbits(np.ones(n, np.bool_), bitorder="little")


def widened(packed: PackedCalls) -> PackedCalls:
    """Return the same calls as haplotype pairs with all their bitmaps."""
    n, rows = packed.n_persons, packed.n_alleles
    haploid = packed.haploid
    if haploid is not None and haploid.shape[0] != rows:
        haploid = np.repeat(haploid, rows, axis=0)
    if packed.phase == "none":
        codes, missing = kernels.states_to_pairs(np.ascontiguousarray(packed.codes), n)
        return PackedCalls(n, codes, "mixed", missing, np.zeros_like(missing), haploid)
    absent = packed.missing
    missing = np.zeros((rows, -(-n // 8)), np.uint8) if absent is None else absent
    phased = packed.phased
    if phased is None:
        phased = full_bits(n) & ~missing
        if haploid is not None:
            phased &= ~haploid
    return PackedCalls(n, packed.codes, "mixed", missing, phased, haploid)


def _only_pairs(packed: PackedCalls) -> bool:
    """Whether every call is diploid and phased, without a bitmap that says so."""
    return packed.phase == "all" and packed.missing is None and packed.haploid is None


def narrowed(packed: PackedCalls) -> PackedCalls:
    """Return the same calls in the smallest layout that keeps them."""
    if _only_pairs(packed):
        return packed
    wide = widened(packed)
    missing, phased = bits_of(wide)
    haploid = wide.haploid
    if haploid is not None and not haploid.any():
        haploid = None
    shared = haploid
    if haploid is not None and bool((haploid == haploid[0]).all()):
        shared = haploid[:1]
    n = wide.n_persons
    if not phased.any():
        codes = kernels.pairs_to_states(np.ascontiguousarray(wide.codes), missing, n)
        return PackedCalls(n, codes, haploid=shared)
    told = missing | phased
    if haploid is not None:
        told |= haploid
    mixed = bool((told != full_bits(n)).any())
    return PackedCalls(
        n_persons=n,
        codes=wide.codes,
        phase="mixed" if mixed else "all",
        missing=missing if missing.any() else None,
        phased=phased if mixed else None,
        haploid=shared,
    )


def bits_of(wide: PackedCalls) -> tuple[Bytes2, Bytes2]:
    """Return the bitmaps of missing and of phased calls of wide calls.

    Raises:
        ValueError: they are not wide.
    """
    if wide.phase != "mixed" or wide.missing is None or wide.phased is None:
        raise ValueError("the calls are not wide")
    return np.ascontiguousarray(wide.missing), np.ascontiguousarray(wide.phased)


def take_rows(packed: PackedCalls, rows: npt.NDArray[np.int64] | slice) -> PackedCalls:
    """Return some rows; of a slice, views."""

    def taken(bits: Bytes2 | None) -> Bytes2 | None:
        if bits is None or (bits.shape[0] == 1 and packed.n_alleles != 1):
            return bits
        return bits[rows]

    missing, phased, haploid = map(taken, (packed.missing, packed.phased, packed.haploid))
    return PackedCalls(packed.n_persons, packed.codes[rows], packed.phase, missing, phased, haploid)


def take_persons(packed: PackedCalls, persons: slice) -> PackedCalls:
    """Return the calls of some neighbouring persons; ``persons`` has a start and a stop."""
    first, n = persons.start, persons.stop - persons.start
    if (first, n) == (0, packed.n_persons):
        return packed

    def cut(bits: Bytes2 | None, width: int = 1) -> Bytes2 | None:
        if bits is None:
            return None
        return kernels.cut_bits(np.ascontiguousarray(bits), width * first, width * n)

    codes = kernels.cut_bits(np.ascontiguousarray(packed.codes), 2 * first, 2 * n)
    bitmaps = (cut(packed.missing), cut(packed.phased), cut(packed.haploid))
    return PackedCalls(n, codes, packed.phase, *bitmaps)


def join_rows(parts: Sequence[PackedCalls]) -> PackedCalls:
    """Return the rows of all parts, in order; wide, if there are several that are not all pairs."""
    parts = [part for part in parts if part.n_alleles] or parts[:1]
    if len(parts) == 1:
        return parts[0]
    if all(_only_pairs(part) for part in parts):
        codes = np.concatenate([part.codes for part in parts])
        return PackedCalls(parts[0].n_persons, codes, "all")
    wide = [widened(part) for part in parts]
    bitmaps = [bits_of(part) for part in wide]
    haploid = None
    if any(part.haploid is not None for part in wide):
        haploid = np.concatenate(
            [
                np.zeros_like(missing) if part.haploid is None else part.haploid
                for part, (missing, _) in zip(wide, bitmaps, strict=True)
            ]
        )
    return PackedCalls(
        n_persons=wide[0].n_persons,
        codes=np.concatenate([part.codes for part in wide]),
        phase="mixed",
        missing=np.concatenate([missing for missing, _ in bitmaps]),
        phased=np.concatenate([phased for _, phased in bitmaps]),
        haploid=haploid,
    )


def same_calls(wide: PackedCalls, one: int, other: int) -> bool:
    """Return whether two rows of wide calls agree in copies, missing calls and ploidy."""
    missing, _ = bits_of(wide)
    haploid = wide.haploid
    return (
        bool(kernels.same_copies(wide.codes[one], wide.codes[other]))
        and bool(np.array_equal(missing[one], missing[other]))
        and (haploid is None or bool(np.array_equal(haploid[one], haploid[other])))
    )


def agreed_phase(wide: PackedCalls, one: int, other: int) -> None:
    """Make calls of row ``one`` unphased where row ``other`` does not say the same phase."""
    if wide.phased is None:
        raise ValueError("the calls are not wide")
    kernels.drop_phase(wide.codes[one], wide.phased[one], wide.codes[other], wide.phased[other])
