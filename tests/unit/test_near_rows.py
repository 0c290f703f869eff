"""By which row a row is told, against a slow search by numpy."""

from __future__ import annotations

import numpy as np
import pytest

from precisionchain.schemas.calls import PackedCalls
from precisionchain.schemas.near_calls import MAX_BACK, MAX_STEPS, near_calls, packed_calls


def _rows(persons: int, seed: int) -> PackedCalls:
    """Return calls of which some are near others: copies with errors of rare and common rows."""
    rng = np.random.default_rng(seed)
    bits = rng.random((400, 2 * persons)) < rng.choice([0.002, 0.1, 0.5, 0.97], (400, 1))
    for i in range(60, 400, 2):
        bits[i] = bits[i - rng.integers(1, 60)] ^ (rng.random(2 * persons) < 0.002)
    return PackedCalls(persons, np.packbits(bits, axis=1, bitorder="little"), "all")


def _nearest(bits: np.ndarray[tuple[int, int], np.dtype[np.bool_]]) -> list[tuple[int, int]]:
    """Return by which row each is told (0: none, 255: everybody), and the bits that differ."""
    width = -(-bits.shape[1] // 64)
    stride = max(1, width // 8)
    seen = (np.arange(bits.shape[1]) // 64) % stride == 0
    found: list[tuple[int, int]] = []
    depths: list[int] = []
    for i, row in enumerate(bits):
        own = int(row.sum())
        best, at = own - 3, 0
        if len(row) - own < best:
            best, at = len(row) - own, 255
        for back in range(1, min(i, MAX_BACK) + 1):
            apart = row ^ bits[i - back]
            differ = int(apart.sum())
            far = stride > 1 and stride * int(apart[seen].sum()) > 2 * best + 16 * stride
            if differ < best and depths[i - back] < MAX_STEPS and not far:
                best, at = differ, back
        depths.append(depths[i - at] + 1 if 0 < at < 255 else 0)
        found.append((at, own if at == 0 else best))
    return found


@pytest.mark.parametrize("persons", [3, 32, 200, 257, 700])
def test_a_row_is_told_by_the_nearest_before_it(persons: int) -> None:
    packed = _rows(persons, persons)
    near = near_calls(packed)
    bits = np.unpackbits(packed.codes, axis=1, bitorder="little", count=2 * persons).astype(bool)
    wanted = _nearest(bits)
    assert near.links.back.tolist() == [at for at, _ in wanted]
    listed = near.links.size < 255
    assert near.links.size[listed].tolist() == [
        w for (_, w), is_one in zip(wanted, listed, strict=True) if is_one
    ]
    assert packed_calls(near).codes.tolist() == packed.codes.tolist()
