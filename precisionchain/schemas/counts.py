"""Allele counts: facts of one batch that add up over batches.

>>> import numpy as np
>>> counts = allele_counts(Calls(np.array([[0, 1, 2, 3]], np.uint8)))
>>> counts.ac.tolist(), counts.an.tolist(), counts.n_missing.tolist()
([3], [6], [1])
>>> maf(counts.ac + 2, counts.an).to_pylist()
[0.16666666666666666]
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.schemas.arrow_values import column_of
from precisionchain.schemas.calls import PAIR_DOSAGES, STATE_DOSAGES, Calls, PackedCalls

Ints = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class AlleleCounts:
    """Counts a split ALT allele (int32 arrays of one length), over the persons of one batch.

    ``ac`` is also ``n_het + 2 * n_hom_alt + n_hemi``.

    Attributes:
        ac: copies of this ALT.
        an: called alleles, whichever they are: 2 for a diploid call, 1 for a haploid one, 0 for
            a missing one. So all ALTs of a record have one AN.
        n_het: diploid calls of one copy (``1/2`` counts for both ALTs).
        n_hom_alt: calls of two copies.
        n_hemi: haploid calls of the ALT.
        n_missing: persons whose call is missing.
    """

    ac: Ints
    an: Ints
    n_het: Ints
    n_hom_alt: Ints
    n_hemi: Ints
    n_missing: Ints

    def __add__(self, other: AlleleCounts) -> AlleleCounts:
        """Return the counts of two batches of different persons at the same alleles."""
        return AlleleCounts(*(getattr(self, n) + getattr(other, n) for n in COUNT_COLUMNS))

    def columns(self) -> dict[str, Ints]:
        """Return the arrays under their names in tables, in order."""
        return {name: getattr(self, name) for name in COUNT_COLUMNS}


COUNT_COLUMNS: Final = tuple(field.name for field in fields(AlleleCounts))
"""``ac, an, n_het, n_hom_alt, n_hemi, n_missing``."""


def allele_counts(calls: Calls) -> AlleleCounts:
    """Count calls, a number an allele."""
    from precisionchain.schemas.genotype_kernels import count_dosages

    haploid = np.zeros((0, 0), np.bool_)
    if calls.haploid is not None:
        haploid = np.ascontiguousarray(calls.haploid)
    return _counts(count_dosages(np.ascontiguousarray(calls.dosage), haploid), calls.n_persons)


def packed_counts(packed: PackedCalls) -> AlleleCounts:
    """Count packed calls, a number an allele, without unpacking them."""
    none = np.zeros((0, 0), np.uint8)
    missing = none if packed.missing is None else packed.missing
    n, states = packed.n_persons, packed.phase == "none"
    if packed.haploid is None:
        from precisionchain.schemas.packed_kernels import count_diploid

        return _counts(count_diploid(np.ascontiguousarray(packed.codes), n, states, missing), n)
    from precisionchain.schemas.genotype_kernels import count_codes

    haploid = packed.haploid
    kinds = _STATE_KINDS if states else _PAIR_KINDS
    return _counts(count_codes(packed.codes, n, kinds, haploid, missing), n)


def af(ac: npt.ArrayLike, an: npt.ArrayLike) -> pa.DoubleArray:
    """Return allele frequencies ``ac / an``, null where nothing is called."""
    return _ratio(np.asarray(ac), np.asarray(an))


def maf(ac: npt.ArrayLike, an: npt.ArrayLike) -> pa.DoubleArray:
    """Return minor allele frequencies ``min(ac, an - ac) / an``, null where nothing is called."""
    copies, called = np.asarray(ac), np.asarray(an)
    return _ratio(np.minimum(copies, called - copies), called)


def _ratio(copies: npt.NDArray[Any], called: npt.NDArray[Any]) -> pa.DoubleArray:
    unknown = called == 0
    ratios: Any = column_of(copies / np.where(unknown, 1, called), unknown)
    return ratios  # type: ignore[no-any-return]


def _counts(found: Ints, n_persons: int) -> AlleleCounts:
    """Return counts from what the kernels give (see `count_dosages`)."""
    ones, hemi, twos, missing, single = (np.ascontiguousarray(column) for column in found.T)
    return AlleleCounts(
        ac=ones + 2 * twos,
        an=2 * (n_persons - missing) - single,
        n_het=ones - hemi,
        n_hom_alt=twos,
        n_hemi=hemi,
        n_missing=missing,
    )


def _kinds(dosages: npt.NDArray[np.uint32]) -> npt.NDArray[np.uint8]:
    """Return, for dosage 1, 2 and 3, which of the four calls of each byte have it, as 4 bits."""
    calls = dosages.view(np.uint8).reshape(256, 4)
    weights = np.array([1, 2, 4, 8], np.uint8)
    return np.stack([(calls == dosage) @ weights for dosage in (1, 2, 3)]).astype(np.uint8)


_STATE_KINDS: Final = _kinds(STATE_DOSAGES)
_PAIR_KINDS: Final = _kinds(PAIR_DOSAGES)
