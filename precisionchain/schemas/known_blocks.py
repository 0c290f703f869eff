"""Blocks that a job packed itself, and need not unpack again.

Who publishes genotypes packs each variant block, turns it by person, and makes the replica's files
of both. Within `packed_here`, what a body was made of is remembered by the SHA-256 of that body:
whoever holds an item with the very same body knows its content. All else is checked as ever: the
item's leaf, the root, and whether the items belong together. What does not fit into `MAX_BYTES` is
unpacked, as everything is outside.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from dataclasses import dataclass, field, replace
from typing import Final

from precisionchain.schemas.genotypes import VariantBlock
from precisionchain.schemas.near_calls import NearCalls
from precisionchain.schemas.person_blocks import Places

MAX_BYTES: Final = 96 * 2**20
"""What all that is remembered may take; variant blocks of 2,504 persons and 270,000 sites fit."""

_ENTRY_BYTES: Final = 2048


@dataclass(frozen=True, slots=True)
class PersonRows:
    """Whose calls a person block holds, and of which variant blocks; fields as of `PersonBlock`."""

    chrom: str
    person_set: str
    persons: Places
    blocks: tuple[tuple[str, int], ...]

    @property
    def n_alleles(self) -> int:
        """Number of alleles of each person."""
        return sum(size for _, size in self.blocks)


@dataclass(slots=True)
class _Known:
    """What bodies were made of, by their SHA-256 in hex, and the bytes that it takes."""

    variant: dict[str, VariantBlock] = field(default_factory=dict)
    person: dict[str, PersonRows] = field(default_factory=dict)
    bytes: int = 0

    def has_room(self, size: int) -> bool:
        """Take room for something, if there is so much."""
        if self.bytes + size + _ENTRY_BYTES > MAX_BYTES:
            return False
        self.bytes += size + _ENTRY_BYTES
        return True


_here: Final[ContextVar[_Known | None]] = ContextVar("known_blocks", default=None)


@contextmanager
def packed_here() -> Iterator[None]:
    """Remember blocks until the end of the outermost such context."""
    if _here.get() is not None:
        yield
        return
    token = _here.set(_Known())
    try:
        yield
    finally:
        _here.reset(token)


def remember_variant_block(name: str, block: VariantBlock) -> None:
    """Remember what a body holds; its name is the SHA-256 of the body in hex."""
    known = _here.get()
    if known is None or name in known.variant:
        return
    near = _own(block.near)
    if known.has_room(_bytes_of(near) + block.table.get_total_buffer_size()):
        known.variant[name] = replace(block, near=near)


def known_variant_block(name: str) -> VariantBlock | None:
    """Return what the body of this name holds, if it is remembered."""
    known = _here.get()
    return None if known is None else known.variant.get(name)


def remember_person_block(name: str, rows: PersonRows) -> None:
    """Remember whose calls a body holds; its name is the SHA-256 of the body in hex."""
    known = _here.get()
    if known is not None and known.has_room(rows.persons.nbytes):
        known.person[name] = rows


def known_person_block(name: str) -> PersonRows | None:
    """Return whose calls the body of this name holds, if it is remembered."""
    known = _here.get()
    return None if known is None else known.person.get(name)


def _own(near: NearCalls) -> NearCalls:
    """Return calls whose bitmaps are no views of something larger."""
    missing, phased, haploid = (
        bits if bits is None or bits.base is None else bits.copy()
        for bits in (near.missing, near.phased, near.haploid)
    )
    return replace(near, missing=missing, phased=phased, haploid=haploid)


def _bytes_of(near: NearCalls) -> int:
    arrays = (near.places, near.long, near.missing, near.phased, near.haploid)
    return sum(array.nbytes for array in arrays if array is not None) + 2 * near.n_alleles
