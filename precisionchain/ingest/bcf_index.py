"""Finding records in decompressed BCF."""

from __future__ import annotations

import numba
import numpy as np
import numpy.typing as npt


@numba.njit(cache=True, nogil=True)
def index_bcf(
    body: npt.NDArray[np.uint8],
    contigs: npt.NDArray[np.int64],
    positions: npt.NDArray[np.int64],
) -> tuple[int, np.int64]:
    """Index the whole BCF records at the start of ``body`` (BCF2, VCF 4.x section 6.3.1).

    Args:
        body: uint8 [bytes], beginning with a record.
        contigs: out, CHROM of each record.
        positions: out, POS of each record, 1-based as in VCF.

    Returns:
        How many records, and how many bytes they take; -1 records if one cannot be.
    """
    at, n = np.int64(0), 0
    while at + 32 <= len(body):
        shared = _uint32(body, at)
        genotypes = _uint32(body, at + 4)
        if shared < 24 or shared > 2**31 or genotypes > 2**31:
            return -1, at
        end = at + 8 + shared + genotypes
        if end > len(body):
            break
        contigs[n] = _uint32(body, at + 8)
        position = _uint32(body, at + 12) + 1
        positions[n] = 0 if position == 2**32 else position
        n += 1
        at = end
    return n, at


@numba.njit(cache=True, nogil=True)
def _uint32(body: npt.NDArray[np.uint8], at: np.int64) -> np.int64:
    return (
        np.int64(body[at])
        | np.int64(body[at + 1]) << 8
        | np.int64(body[at + 2]) << 16
        | np.int64(body[at + 3]) << 24
    )
