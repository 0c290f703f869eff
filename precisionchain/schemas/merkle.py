"""Merkle trees over ordered leaves, their proofs and the checks of proofs: RFC 9162, section 2.1.

The tree hash of no leaves is SHA-256 of nothing; a leaf is hashed with a 0x00 prefix and an inner
node with 0x01, so that neither can be taken for the other.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from hashlib import sha256

HASH_BYTES = 32


def leaf_hash(entry: bytes) -> bytes:
    """Return the 32-byte hash of one leaf's bytes (RFC 9162, 2.1.1)."""
    return sha256(b"\x00" + entry).digest()


def node_hash(left: bytes, right: bytes) -> bytes:
    """Return the 32-byte hash of an inner node."""
    return sha256(b"\x01" + left + right).digest()


def merkle_root(leaf_hashes: Sequence[bytes]) -> bytes:
    """Return the tree hash of already hashed leaves, in order.

    Pairing neighbours level by level and carrying an odd last node up gives the same tree as the
    recursive split at the largest power of two in RFC 9162.
    """
    if not leaf_hashes:
        return sha256(b"").digest()
    level = list(leaf_hashes)
    while len(level) > 1:
        paired = [node_hash(level[i], level[i + 1]) for i in range(0, len(level) - 1, 2)]
        if len(level) % 2:
            paired.append(level[-1])
        level = paired
    return level[0]


class MerkleTree:
    """A tree that only grows, with the proofs of any of its earlier sizes.

    It keeps the hash of every complete subtree, 64 bytes a leaf, each right after the two that it
    was made of; where one stands follows from its place in the tree. So appending costs two
    hashes on average, and a root or proof of any size about log2(size) of them.

    Args:
        nodes: those of another tree, as its ``nodes`` gave them.
        size: that tree's number of leaves.

    Raises:
        ValueError: that many leaves have not that many nodes.
    """

    __slots__ = ("_nodes", "size")

    def __init__(self, nodes: bytes = b"", size: int = 0) -> None:
        if len(nodes) != HASH_BYTES * _nodes_before(size):
            message = f"{len(nodes)} bytes are no tree of {size} leaves"
            raise ValueError(message)
        self._nodes, self.size = bytearray(nodes), size

    @property
    def nodes(self) -> bytes:
        """All kept hashes: a later tree's begin with the same ones."""
        return bytes(self._nodes)

    def append(self, leaf: bytes) -> None:
        """Add an already hashed leaf at the end."""
        self._nodes += leaf
        at, width, whole = len(self._nodes), HASH_BYTES, leaf
        index = self.size
        while index & 1:  # the subtree just completed is a right one: join it with its left one
            left = bytes(self._nodes[at - HASH_BYTES - width : at - width])
            whole = node_hash(left, whole)
            self._nodes += whole
            at, width, index = at + HASH_BYTES, 2 * width + HASH_BYTES, index >> 1
        self.size += 1

    def leaf(self, index: int) -> bytes:
        """Return a leaf's hash."""
        return self._subtree(index, 0)

    def root(self, size: int | None = None) -> bytes:
        """Return the tree hash of the first ``size`` leaves, of all by default.

        Raises:
            ValueError: there are fewer.
        """
        return self._range(0, self._checked(self.size if size is None else size))

    def inclusion(self, index: int, size: int | None = None) -> list[bytes]:
        """Return the audit path of a leaf in the tree of ``size`` leaves (RFC 9162, 2.1.3.1).

        Raises:
            ValueError: there is no such leaf in it, or the tree has fewer.
        """
        end = self._checked(self.size if size is None else size)
        if not 0 <= index < end:
            message = f"a tree of {end} leaves has no leaf {index}"
            raise ValueError(message)
        start, path = 0, list[bytes]()
        while end - start > 1:
            split = start + _split(end - start)
            if index < split:
                path.append(self._range(split, end))
                end = split
            else:
                path.append(self._range(start, split))
                start = split
        return path[::-1]

    def consistency(self, first: int, size: int | None = None) -> list[bytes]:
        """Return the proof that the tree of ``size`` leaves begins with that of ``first``.

        It is empty where ``first`` is 0 or ``size`` (RFC 9162, 2.1.4.1).

        Raises:
            ValueError: ``first`` is larger than ``size``, or the tree has fewer leaves.
        """
        end = self._checked(self.size if size is None else size)
        if not 0 <= first <= end:
            message = f"a tree of {first} leaves is not the beginning of one of {end}"
            raise ValueError(message)
        if first in (0, end):
            return []
        start, path, known = 0, list[bytes](), True
        while first != end:
            split = start + _split(end - start)
            if first <= split:
                path.append(self._range(split, end))
                end = split
            else:
                path.append(self._range(start, split))
                start, known = split, False
        if not known:
            path.append(self._range(start, end))
        return path[::-1]

    def _checked(self, size: int) -> int:
        if not 0 <= size <= self.size:
            message = f"the tree has {self.size} leaves, not {size}"
            raise ValueError(message)
        return size

    def _range(self, start: int, end: int) -> bytes:
        """Return the tree hash of leaves from ``start``, where a complete subtree of that size
        could begin, up to ``end``.
        """
        if start == end:
            return sha256(b"").digest()
        parts = []
        while start < end:
            level = (end - start).bit_length() - 1
            parts.append(self._subtree(start >> level, level))
            start += 1 << level
        whole = parts.pop()
        while parts:
            whole = node_hash(parts.pop(), whole)
        return whole

    def _subtree(self, index: int, level: int) -> bytes:
        """Return the hash of the ``index``-th complete subtree of 2**level leaves."""
        last = ((index + 1) << level) - 1
        at = HASH_BYTES * (_nodes_before(last) + level)
        return bytes(self._nodes[at : at + HASH_BYTES])


def _nodes_before(leaves: int) -> int:
    """Return how many complete subtrees there are once there are this many leaves."""
    return 2 * leaves - leaves.bit_count()


def _split(size: int) -> int:
    """Return the largest power of two below a size of at least two."""
    return 1 << ((size - 1).bit_length() - 1)


# ------------------------------------------------------------------------------------ the checks


def is_included(leaf: bytes, index: int, size: int, path: Sequence[bytes], root: bytes) -> bool:
    """Return whether a path proves a leaf hash at an index below a root (RFC 9162, 2.1.3.2)."""
    if not 0 <= index < size:
        return False
    node, last, found = index, size - 1, leaf
    for sibling in path:
        if last == 0:
            return False
        if node & 1 or node == last:
            found = node_hash(sibling, found)
            node, last = _up_from_left(node, last)
        else:
            found = node_hash(found, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and found == root


def is_consistent(
    first: int, first_root: bytes, second: int, second_root: bytes, path: Sequence[bytes]
) -> bool:
    """Return whether a path proves that a tree begins with an earlier one (RFC 9162, 2.1.4.2).

    An empty tree is the beginning of any; equal sizes need equal roots. Both take no path.
    """
    if not 0 <= first <= second:
        return False
    if first in (0, second):
        due = sha256(b"").digest() if first == 0 else second_root
        return not path and first_root == due
    nodes = _with_first(first, first_root, path)
    node, last = first - 1, second - 1
    while node & 1:
        node, last = node >> 1, last >> 1
    start = next(nodes, None)
    if start is None:
        return False
    earlier = later = start
    for sibling in nodes:
        if last == 0:
            return False
        if node & 1 or node == last:
            earlier, later = node_hash(sibling, earlier), node_hash(sibling, later)
            node, last = _up_from_left(node, last)
        else:
            later = node_hash(later, sibling)
        node, last = node >> 1, last >> 1
    return last == 0 and earlier == first_root and later == second_root


def _with_first(first: int, root: bytes, path: Sequence[bytes]) -> Iterator[bytes]:
    """Yield the path; before it the earlier root where that is itself a complete subtree."""
    if first & (first - 1) == 0 and path:
        yield root
    yield from path


def _up_from_left(node: int, last: int) -> tuple[int, int]:
    """Return both numbers shifted until the node is a right child or the leftmost one."""
    while node and not node & 1:
        node, last = node >> 1, last >> 1
    return node, last
