"""Values, each once."""

from __future__ import annotations

import numpy as np
import pytest

from precisionchain.schemas.distinct import distinct

_DRAW = np.random.default_rng(3)


@pytest.mark.parametrize(
    "values",
    [
        [],
        [7],
        [7, 7, 7],
        [3, -1, 3, 2**62, -(2**63)],
        _DRAW.integers(-50, 50, 1_000).tolist(),
        _DRAW.integers(-(2**60), 2**60, 1_000).tolist(),
    ],
    ids=len,
)
def test_each_value_is_there_once_and_in_order(values: list[int]) -> None:
    given = np.array(values, np.int64)
    assert distinct(given).tolist() == sorted(set(values))
    assert given.tolist() == values
