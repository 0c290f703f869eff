"""Calls at listed sites in two bits and one, there and back."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.errors import CodecError
from precisionchain.schemas.site_lists import (
    CALLS,
    CALLS_KIND,
    pack_bits,
    pack_dosages,
    read_sites,
    site_payload,
    unpack_bits,
    unpack_dosages,
)


@given(st.integers(0, 5), st.integers(0, 21), st.randoms(use_true_random=False))
def test_dosages_and_bits_come_back(rows: int, persons: int, numbers: object) -> None:
    drawn = np.random.default_rng(hash(repr(numbers)) % 2**32)
    dosage = drawn.integers(0, 4, (rows, persons)).astype(np.uint8)
    packed = pack_dosages(dosage)
    assert {len(row) for row in packed} <= {-(-persons // 4)}
    assert unpack_dosages(packed, persons).tolist() == dosage.tolist()
    bits = dosage == 1
    kept = pack_bits(bits)
    assert [row is None for row in kept] == [not row.any() for row in bits]
    assert unpack_bits(kept, persons).tolist() == bits.tolist()


def test_the_layout_is_that_of_the_page() -> None:
    """Two bits a person, one bit a person, from the low end of each byte."""
    assert pack_dosages(np.array([[1, 2, 3, 0, 2]], np.uint8)) == [bytes([0b00_11_10_01, 0b10])]
    assert pack_bits(np.array([[False, True, True]])) == [bytes([0b110])]


def test_rows_of_another_length_are_refused() -> None:
    with pytest.raises(CodecError):
        unpack_dosages([b"\0\0"], 4)
    with pytest.raises(CodecError):
        unpack_bits([None, b"\0\0"], 8)


@pytest.mark.parametrize(
    "said",
    [
        {},
        {"list": "other"},
        {"list": "kinship", "digest": "", "listed": 1, "fates": {}},
        {"list": "kinship", "digest": "", "listed": "1", "fates": {"absent": 1}},
    ],
)
def test_calls_that_do_not_say_of_what_are_refused(said: dict[str, object]) -> None:
    with pytest.raises(CodecError):
        read_sites(site_payload(CALLS_KIND, CALLS.empty_table(), said))
