"""Person blocks: variant blocks turned, so that one person's calls lie together.

A person block holds a group of persons (rows) over a run of variant blocks. It repeats neither a
site nor how an allele's calls are told by another's: its metadata lists the variant blocks it was
made of by the SHA-256 of their bodies, so allele i of a person is a row of one of them.
docs/reference/genotype-blocks.md is the definition of the bytes.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.arrow_values import column_of, one_chunk, values_of
from precisionchain.schemas.calls import Calls, Rows
from precisionchain.schemas.columns import restore, shrink, to_body
from precisionchain.schemas.genotypes import (
    FORMAT,
    LEVEL,
    MAX_ALLELES,
    from_binary,
    has,
    in_pieces,
    out_of_pieces,
    read_said,
    text_of,
    to_binary,
    with_said,
)
from precisionchain.schemas.near_calls import Links, NearCalls, from_gaps, to_gaps
from precisionchain.schemas.turned_calls import TurnedCalls, turn, unpack_turned

PERSON_GROUP: Final = 256
"""The most persons in a person block."""

RUN_ALLELES: Final = MAX_ALLELES
"""The most alleles in a person block; longer runs compress worse, not better (measured)."""

ONE_VIEW_PERSONS: Final = 64
"""Up to so many persons a variant block serves both views."""

Places = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True)
class PersonBlock:
    """A person block as read; calls are unpacked when asked for.

    Attributes:
        chrom: canonical chromosome of all alleles.
        person_set: hex digest that names the batch's person list.
        persons: int32, the index of each row's person in that list.
        blocks: (SHA-256 of the body in hex, number of alleles) of each variant block, in order.
        turned: the calls, still packed.
    """

    chrom: str
    person_set: str
    persons: Places
    blocks: tuple[tuple[str, int], ...]
    turned: TurnedCalls

    @property
    def n_alleles(self) -> int:
        """Number of alleles of each person."""
        return self.turned.n_alleles

    def calls(self, links: Links, rows: Rows | None = None) -> Calls:
        """Return calls [n_alleles, persons] of some rows (all by default).

        Args:
            links: of the alleles, as the variant blocks have them.
            rows: which persons.
        """
        return unpack_turned(self.turned if rows is None else self.turned.rows(rows), links)

    def places(self) -> tuple[Places, Places]:
        """Return, for each allele, the index of its variant block and its row in there."""
        sizes = np.array([n for _, n in self.blocks], np.int32)
        block = np.repeat(np.arange(len(sizes), dtype=np.int32), sizes)
        before = np.repeat(np.cumsum(sizes, dtype=np.int32) - sizes, sizes)
        return block, np.arange(self.n_alleles, dtype=np.int32) - before


def serves_both_views(n_persons: int) -> bool:
    """Return whether variant blocks of so many persons need no person view beside them."""
    return n_persons <= ONE_VIEW_PERSONS


def runs(sizes: Sequence[int], limit: int = RUN_ALLELES) -> Iterator[range]:
    """Cut variant blocks into runs for person blocks.

    Args:
        sizes: number of alleles of each variant block, in order.
        limit: the most alleles in a run; a longer block is a run of its own.

    Yields:
        Ranges of indices of ``sizes``, together all of them.
    """
    first, alleles = 0, 0
    for index, size in enumerate(sizes):
        if alleles and alleles + size > limit:
            yield range(first, index)
            first, alleles = index, 0
        alleles += size
    if first < len(sizes):
        yield range(first, len(sizes))


def person_bodies(
    parts: Sequence[tuple[str, NearCalls]],
    groups: Sequence[npt.NDArray[np.integer[Any]]],
    *,
    chrom: str,
    person_set: str,
    person_offset: int = 0,
    level: int = LEVEL,
) -> Iterator[bytes]:
    """Turn a run of variant blocks once, and give the body of each group of persons.

    Args:
        parts: SHA-256 of the body in hex, and calls, of each variant block of the run; all of the
            same persons.
        groups: columns of the blocks that make up each person block, in the order of its rows;
            no column twice, at most `PERSON_GROUP` a group.
        chrom: canonical chromosome of all alleles.
        person_set: hex digest that names the batch's person list.
        person_offset: index of the blocks' first person in that list.
        level: zstd level.
    """
    turned = turn([calls for _, calls in parts], np.concatenate(groups))
    blocks = [digest for digest, _ in parts]
    said = {"format": FORMAT, "view": "person", "chrom": chrom, "person_set": person_set}
    done = 0
    for group in groups:
        rows = slice(done, done + len(group))
        done += len(group)
        if not 0 < len(group) <= PERSON_GROUP:
            raise ValueError(f"a person block holds 1 to {PERSON_GROUP} persons")
        persons = np.asarray(group, np.int32) + np.int32(person_offset)
        yield pack_person_block(turned.rows(rows), persons, {**said, "blocks": blocks}, level)


def pack_person_block(
    turned: TurnedCalls, persons: Places, said: dict[str, Any], level: int = LEVEL
) -> bytes:
    """Return the body of a person block from its calls, persons and metadata."""
    columns: dict[str, Any] = {"person": column_of(persons), "size": column_of(turned.size)}
    if turned.planes.size:
        columns["planes"] = to_binary(turned.planes)
    if turned.places.size:
        gaps = to_gaps(turned.places, turned.size)
        columns["places"] = to_binary(in_pieces(gaps, len(persons)))
    for name in ("missing", "phased", "haploid"):
        bits = getattr(turned, name)
        if bits is not None:
            columns[name] = to_binary(bits)
    blocks = [
        [digest, alleles, "states" if states else "pairs"]
        for digest, (alleles, states) in zip(said["blocks"], turned.states, strict=True)
    ]
    told = {"phase": turned.phase, "n_alleles": turned.n_alleles, "blocks": blocks}
    return to_body(with_said(shrink(pa.table(columns)), {**said, **told}), level)


def unpack_person_block(body: bytes) -> PersonBlock:
    """Return the person block of a body.

    Raises:
        CodecError: the bytes are damaged, of another format, or not a person block.
    """
    table, said = read_said(body, "person")
    table = restore(table)
    try:
        blocks = tuple((str(digest), int(n)) for digest, n, _ in said["blocks"])
        codes = [str(code) for _, _, code in said["blocks"]]
        n = int(said["n_alleles"])
        phase = said["phase"]
        if n != sum(size for _, size in blocks) or min(size for _, size in blocks) < 1:
            raise ValueError("number of alleles")
        if not {"states", "pairs"}.issuperset(codes):
            raise ValueError("codes")
        if phase not in ("none", "all", "mixed") or (phase == "mixed") != has(table, "phased"):
            raise ValueError("phase mode")
        wide = -(-n // 8)
        persons, sizes = table.column("person"), table.column("size")
        if persons.type != pa.int32() or sizes.type != pa.uint16():
            raise ValueError("person or size column")
        if persons.null_count or sizes.null_count:
            raise ValueError("a null")
        size = values_of(one_chunk(sizes))
        planes = np.zeros((len(size), 0), np.uint8)
        if has(table, "planes"):
            planes = _present(from_binary(table, "planes", table.column("planes").type.byte_width))
        places = from_gaps(out_of_pieces(table, "places", 2 * int(size.sum())), size, 2 * n)
        bitmaps = (from_binary(table, name, wide) for name in ("missing", "phased", "haploid"))
        turned = TurnedCalls(
            tuple((n, code == "states") for (_, n), code in zip(blocks, codes, strict=True)),
            planes,
            size,
            places,
            phase,
            *bitmaps,
        )
        return PersonBlock(
            chrom=text_of(said, "chrom"),
            person_set=text_of(said, "person_set"),
            persons=values_of(one_chunk(persons)),
            blocks=blocks,
            turned=turned,
        )
    except (AttributeError, LookupError, TypeError, ValueError) as error:
        raise CodecError("a payload is not a person block of ours") from error


def _present(bits: npt.NDArray[np.uint8] | None) -> npt.NDArray[np.uint8]:
    if bits is None or bits.shape[1] % 2:
        raise ValueError("two planes")
    return bits
