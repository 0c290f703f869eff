"""Tree hashes are those of RFC 9162: published vectors, and the RFC's own recursive definition."""

from __future__ import annotations

from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.schemas.merkle import leaf_hash, merkle_root, node_hash

# The inputs and roots that Certificate Transparency's implementations test with
# (certificate-transparency-go, merkletree/; the same tree in every later log library).
INPUTS = [
    bytes.fromhex(text)
    for text in (
        "",
        "00",
        "10",
        "2021",
        "3031",
        "40414243",
        "5051525354555657",
        "606162636465666768696a6b6c6d6e6f",
    )
]
ROOTS = [
    "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855",
    "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d",
    "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125",
    "aeb6bcfe274b70a14fb067a5e5578264db0fa9b51af5e0ba159158f329e06e77",
    "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7",
    "4e3bbb1f7b478dcfe71fb631631519a3bca12c9aefca1612bfce4c13a86264d4",
    "76e67dadbcdf1e10e1b74ddc608abd2f98dfb16fbce75277b5232a127f2087ef",
    "ddb89be403809e325750d3d263cd78929c2942b7942a34b77e122c9594a74c8c",
    "5dc9da79a70659a9ad559cb701ded9a2ab9d823aad2f4960cfe370eff4604328",
]


@pytest.mark.parametrize("size", range(9))
def test_roots_are_the_published_ones(size: int) -> None:
    assert merkle_root([leaf_hash(entry) for entry in INPUTS[:size]]).hex() == ROOTS[size]


def recursive_root(entries: list[bytes]) -> bytes:
    """RFC 9162, 2.1.1, word for word: split at the largest power of two below n."""
    if not entries:
        return sha256(b"").digest()
    if len(entries) == 1:
        return sha256(b"\x00" + entries[0]).digest()
    split = 1
    while split * 2 < len(entries):
        split *= 2
    left, right = recursive_root(entries[:split]), recursive_root(entries[split:])
    return sha256(b"\x01" + left + right).digest()


@pytest.mark.parametrize("size", [*range(70), 127, 128, 129, 1000, 1023, 1024, 1025])
def test_roots_of_all_sizes_are_the_recursive_ones(size: int) -> None:
    entries = [b"%d" % number for number in range(size)]

    assert merkle_root([leaf_hash(entry) for entry in entries]) == recursive_root(entries)


@given(st.lists(st.binary(max_size=5), max_size=40))
def test_roots_are_the_recursive_ones(entries: list[bytes]) -> None:
    leaves = [leaf_hash(entry) for entry in entries]

    assert merkle_root(leaves) == recursive_root(entries)
    assert leaves == [leaf_hash(entry) for entry in entries], "the leaves are left as they were"


@given(st.lists(st.binary(max_size=3), min_size=1, max_size=20), st.data())
def test_another_leaf_or_order_is_another_root(entries: list[bytes], data: st.DataObject) -> None:
    leaves = [leaf_hash(entry) for entry in entries]
    at = data.draw(st.integers(0, len(leaves) - 1))
    other = data.draw(st.integers(0, len(leaves) - 1))
    exchanged = list(leaves)
    exchanged[at], exchanged[other] = exchanged[other], exchanged[at]

    assert (merkle_root(exchanged) == merkle_root(leaves)) == (exchanged == leaves)
    assert merkle_root([*leaves[:at], bytes(32), *leaves[at + 1 :]]) != merkle_root(leaves)
    assert merkle_root(leaves[:-1]) != merkle_root(leaves)
    assert merkle_root([*leaves, leaves[-1]]) != merkle_root(leaves)


def test_a_node_cannot_be_taken_for_a_leaf() -> None:
    left, right = leaf_hash(b"a"), leaf_hash(b"b")

    assert node_hash(left, right) != leaf_hash(left + right)
    assert merkle_root([left, right]) == node_hash(left, right)
