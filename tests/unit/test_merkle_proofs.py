"""Proofs are those of RFC 9162: published vectors, and the RFC's own recursive definitions."""

from __future__ import annotations

import random
from hashlib import sha256

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.schemas.merkle import (
    MerkleTree,
    is_consistent,
    is_included,
    leaf_hash,
    merkle_root,
)

# The leaves and proofs that Certificate Transparency's implementations test with.
INPUTS = [
    bytes.fromhex(text)
    for text in (
        *("", "00", "10", "2021", "3031", "40414243", "5051525354555657"),
        "606162636465666768696a6b6c6d6e6f",
    )
]
_A = "96a296d224f285c67bee93c30f8a309157f0daa35dc5b87e410b78630a09cfc7"
_B = "5f083f0a1a33ca076a95279832580db3e0ef4584bdff1f54c8a360f50de3031e"
_C = "6b47aaf29ee3c2af9af889bc1fb9254dabd31177f16232dd6aab035ca39bf6e4"
_D = "bc1a0643b12e4d2d7c77918f44e0f4f79a838b6cf9ec5b5c283e1f4d88599e6b"
_E = "ca854ea128ed050b41b35ffc1b87b8eb2bde461e9e3b5596ece6b9d5975a0ae0"
_F = "d37ee418976dd95753c1c73862b9398fa2a2cf9b4ff0fdfe8b30cd95209614b7"
_G = "fac54203e7cc696cf0dfcb42c92a1d9dbaf70ad9e621f4bd8d98662f00e3c125"
_H = "6e340b9cffb37a989ca544e6bb780a2c78901d3fb33738768511a30617afa01d"
_I = "0ebc5d3437fbe2db158b9f126a1d118e308181031d0a949f8dededebc558ef6a"
# (index from 0, size): path
INCLUSION = {
    (0, 1): [],
    (0, 8): [_A, _B, _C],
    (5, 8): [_D, _E, _F],
    (2, 3): [_G],
    (1, 5): [_H, _B, _D],
}
# (first, second): path
CONSISTENCY = {
    (1, 1): [],
    (1, 8): [_A, _B, _C],
    (6, 8): [_I, _E, _F],
    (2, 5): [_B, _D],
}


def tree_of(leaves: list[bytes]) -> MerkleTree:
    tree = MerkleTree()
    for leaf in leaves:
        tree.append(leaf)
    return tree


@pytest.mark.parametrize("place", INCLUSION)
def test_published_inclusion_proofs(place: tuple[int, int]) -> None:
    index, size = place
    tree = tree_of([leaf_hash(entry) for entry in INPUTS])
    path = tree.inclusion(index, size)
    assert [node.hex() for node in path] == INCLUSION[place]
    assert is_included(tree.leaf(index), index, size, path, tree.root(size))


@pytest.mark.parametrize("sizes", CONSISTENCY)
def test_published_consistency_proofs(sizes: tuple[int, int]) -> None:
    tree = tree_of([leaf_hash(entry) for entry in INPUTS])
    path = tree.consistency(*sizes)
    assert [node.hex() for node in path] == CONSISTENCY[sizes]
    assert is_consistent(sizes[0], tree.root(sizes[0]), sizes[1], tree.root(sizes[1]), path)


# ----------------------------------------------------- the RFC's definitions, written out slowly


def split_of(n: int) -> int:
    k = 1
    while k * 2 < n:
        k *= 2
    return k


def mth(d: list[bytes]) -> bytes:
    """2.1.1, over leaf hashes."""
    if not d:
        return sha256(b"").digest()
    if len(d) == 1:
        return d[0]
    k = split_of(len(d))
    return sha256(b"\x01" + mth(d[:k]) + mth(d[k:])).digest()


def path_of(m: int, d: list[bytes]) -> list[bytes]:
    """2.1.3.1."""
    if len(d) == 1:
        return []
    k = split_of(len(d))
    if m < k:
        return [*path_of(m, d[:k]), mth(d[k:])]
    return [*path_of(m - k, d[k:]), mth(d[:k])]


def subproof(m: int, d: list[bytes], b: bool) -> list[bytes]:
    """2.1.4.1."""
    if m == len(d):
        return [] if b else [mth(d)]
    k = split_of(len(d))
    if m <= k:
        return [*subproof(m, d[:k], b), mth(d[k:])]
    return [*subproof(m - k, d[k:], False), mth(d[:k])]


LEAVES = [leaf_hash(b"%d" % number) for number in range(70)]
TREE = tree_of(LEAVES)
ROOTS = [mth(LEAVES[:size]) for size in range(71)]


@pytest.mark.parametrize("size", range(71))
def test_roots_of_every_size_are_the_recursive_ones(size: int) -> None:
    assert TREE.root(size) == ROOTS[size] == merkle_root(LEAVES[:size])


@pytest.mark.parametrize("size", range(1, 71))
def test_every_proof_of_a_size_is_the_recursive_one_and_checks(size: int) -> None:
    for index in range(size):
        path = TREE.inclusion(index, size)
        assert path == path_of(index, LEAVES[:size])
        assert is_included(LEAVES[index], index, size, path, ROOTS[size])
    for first in range(1, size + 1):
        path = TREE.consistency(first, size)
        assert path == subproof(first, LEAVES[:size], True)
        assert is_consistent(first, ROOTS[first], size, ROOTS[size], path)


def test_no_inclusion_proof_holds_for_anything_else() -> None:
    for size in range(1, 20):
        for index in range(size):
            path = TREE.inclusion(index, size)
            for other in range(22):
                same = other == index
                assert is_included(LEAVES[index], other, size, path, ROOTS[size]) == same
                assert is_included(LEAVES[other], index, size, path, ROOTS[size]) == same
            assert not is_included(LEAVES[index], index, size, [*path, bytes(32)], ROOTS[size])
            assert not is_included(LEAVES[index], index, size, path, ROOTS[size + 1])
            assert not path or not is_included(LEAVES[index], index, size, path[:-1], ROOTS[size])


def test_no_consistency_proof_holds_for_anything_else() -> None:
    for second in range(1, 20):
        for first in range(second + 1):
            path = TREE.consistency(first, second)
            for other in range(22):
                held = is_consistent(first, ROOTS[other], second, ROOTS[second], path)
                assert held == (other == first)
                held = is_consistent(first, ROOTS[first], second, ROOTS[other], path)
                assert held == (other == second or first == 0)
            longer = [*path, bytes(32)]
            assert not is_consistent(first, ROOTS[first], second, ROOTS[second], longer)
            assert not is_consistent(second + 1, ROOTS[first], second, ROOTS[second], path)
            for at in range(len(path)):
                changed = [*path[:at], bytes(32), *path[at + 1 :]]
                assert not is_consistent(first, ROOTS[first], second, ROOTS[second], changed)
                shorter = [*path[:at], *path[at + 1 :]]
                assert not is_consistent(first, ROOTS[first], second, ROOTS[second], shorter)


def test_another_history_has_no_proof_of_consistency() -> None:
    """Whatever path somebody offers that holds for the later tree, the earlier root is not it."""
    forked = tree_of([*LEAVES[:9], leaf_hash(b"another"), *LEAVES[10:40]])
    for first in range(10, 40):
        path = forked.consistency(first, 40)
        assert not is_consistent(first, ROOTS[first], 40, forked.root(40), path)


@given(st.lists(st.binary(min_size=32, max_size=32), max_size=60), st.data())
def test_a_tree_goes_on_from_its_nodes(leaves: list[bytes], data: st.DataObject) -> None:
    at = data.draw(st.integers(0, len(leaves)))
    first = tree_of(leaves[:at])
    second = MerkleTree(first.nodes, first.size)
    for leaf in leaves[at:]:
        second.append(leaf)
    whole = tree_of(leaves)
    assert second.nodes == whole.nodes
    assert whole.nodes[: len(first.nodes)] == first.nodes
    assert second.root() == mth(leaves)


def test_what_cannot_be_is_refused() -> None:
    for call in (
        lambda: MerkleTree(b"x" * 32, 0),
        lambda: TREE.root(71),
        lambda: TREE.inclusion(5, 5),
        lambda: TREE.inclusion(0, 71),
        lambda: TREE.consistency(6, 5),
    ):
        with pytest.raises(ValueError, match="tree"):
            call()


def test_proofs_of_a_large_tree_are_short() -> None:
    tree = MerkleTree()
    for number in range(100_000):
        tree.append(leaf_hash(b"%d" % number))
    rng = random.Random(1)
    for _ in range(200):
        size = rng.randrange(1, 100_001)
        index, first = rng.randrange(size), rng.randrange(1, size + 1)
        path = tree.inclusion(index, size)
        assert len(path) <= 17
        assert is_included(tree.leaf(index), index, size, path, tree.root(size))
        path = tree.consistency(first, size)
        assert len(path) <= 18
        assert is_consistent(first, tree.root(first), size, tree.root(size), path)
