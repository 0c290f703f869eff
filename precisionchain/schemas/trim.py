"""Trimming of alleles, many sites at once: `variant.trim` over columns.

>>> import pyarrow as pa
>>> pos, ref, alt = trim_sites(np.array([100], np.int32), pa.array(["CTT"]), pa.array(["CT"]))
>>> pos.tolist(), ref.to_pylist(), alt.to_pylist()
([100], ['CT'], ['C'])
"""

from __future__ import annotations

from typing import Any, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa
from numba import njit

Ints = npt.NDArray[np.int32]
Bytes = npt.NDArray[np.uint8]

_IS_BASE = np.zeros(256, np.bool_)
_IS_BASE[np.frombuffer(b"ACGTNRYSWKMBDHVacgtnryswkmbdhv", np.uint8)] = True


def trim_sites(
    pos: Ints, ref: pa.Array[Any], alt: pa.Array[Any]
) -> tuple[Ints, pa.StringArray, pa.StringArray]:
    """Return sites with shared bases removed, as `variant.trim` does for one site.

    Args:
        pos: int32 positions.
        ref: strings, without nulls.
        alt: strings, without nulls; symbolic alleles, breakends and ``*`` keep their site as
            it is.
    """
    if ref.null_count or alt.null_count or not len(pos) == len(ref) == len(alt):
        raise ValueError("sites need a position and both alleles")
    ref_ends, ref_bytes = _text(ref)
    alt_ends, alt_bytes = _text(alt)
    cuts = _cuts(ref_ends, ref_bytes, alt_ends, alt_bytes, _IS_BASE)
    moved = pos + cuts[0]
    ref_cut = _cut(ref_ends, ref_bytes, cuts)
    alt_cut = _cut(alt_ends, alt_bytes, cuts)
    return moved.astype(np.int32), _strings(*ref_cut), _strings(*alt_cut)


def _text(column: pa.Array[Any]) -> tuple[Ints, Bytes]:
    """Return a string column's offsets [n + 1], from 0, and its bytes."""
    plain: Any = pa.concat_arrays([cast("Any", column.cast(pa.string()))])
    _, offsets, values = plain.buffers()
    ends = np.zeros(len(plain) + 1, np.int32)
    if len(plain):
        ends = np.frombuffer(offsets, np.int32, len(plain) + 1, 4 * plain.offset)
    whole = np.frombuffer(values or b"", np.uint8)[ends[0] : ends[-1]]
    return ends - ends[0], whole


def _strings(ends: Ints, values: Bytes) -> pa.StringArray:
    offsets, text = (pa.py_buffer(cast("Any", x)) for x in (ends, values))
    return pa.StringArray.from_buffers(len(ends) - 1, offsets, text)


@njit(cache=True, nogil=True)
def _cuts(ref_ends: Ints, ref: Bytes, alt_ends: Ints, alt: Bytes, is_base: Any) -> Ints:
    """Return int32 [2, n]: how many bases go from the front and from the back of both alleles."""
    n = ref_ends.shape[0] - 1
    cuts = np.zeros((2, n), np.int32)
    for i in range(n):
        a, b = ref_ends[i], ref_ends[i + 1]
        c, d = alt_ends[i], alt_ends[i + 1]
        if b - a < 2 or d - c < 2:
            continue
        plain = True
        for k in range(a, b):
            plain = plain and is_base[ref[k]]
        for k in range(c, d):
            plain = plain and is_base[alt[k]]
        if not plain:
            continue
        while b - a > 1 and d - c > 1 and ref[b - 1] == alt[d - 1]:
            b -= 1
            d -= 1
            cuts[1, i] += 1
        while b - a > 1 and d - c > 1 and ref[a] == alt[c]:
            a += 1
            c += 1
            cuts[0, i] += 1
    return cuts


@njit(cache=True, nogil=True)
def _cut(ends: Ints, text: Bytes, cuts: Ints) -> tuple[Ints, Bytes]:
    """Return the offsets and bytes of strings after `_cuts`."""
    n = ends.shape[0] - 1
    new_ends = np.zeros(n + 1, np.int32)
    new_text = np.empty(text.shape[0] - cuts.sum(), np.uint8)
    done = 0
    for i in range(n):
        for k in range(ends[i] + cuts[0, i], ends[i + 1] - cuts[1, i]):
            new_text[done] = text[k]
            done += 1
        new_ends[i + 1] = done
    return new_ends, new_text
