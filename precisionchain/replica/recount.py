"""A sealed VCF batch checked from its genotypes up: counts, person view and mappings.

Only what a batch's items say of each other is looked at; that they are the sealed items is checked
before. Memory is bounded by a family's counts and, for the person view, by one number a person and
variant block: a random linear digest of the person's calls, the weights drawn anew for each check,
so that calls which differ have equal digests only by chance (2^-56 each).
"""

from __future__ import annotations

import secrets
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field
from hashlib import sha256
from itertools import groupby
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.errors import CodecError
from precisionchain.replica.genetic_frames import block_sites, counts_rows, joined_rows, table_frame
from precisionchain.schemas.calls import Calls, unpack_calls
from precisionchain.schemas.corrections import CORRECTED_COUNTS
from precisionchain.schemas.counts import COUNT_COLUMNS
from precisionchain.schemas.genetic_payloads import (
    ALLELE_KEY,
    PERSON_BLOCK,
    VARIANT_BLOCK,
    counter_family,
    genetic_rows,
)
from precisionchain.schemas.genome import tiles
from precisionchain.schemas.genotypes import MAX_ALLELES, VariantBlock, unpack_variant_block
from precisionchain.schemas.items import Item
from precisionchain.schemas.near_calls import Links, joined
from precisionchain.schemas.person_blocks import unpack_person_block
from precisionchain.schemas.streams import family_of, variant_person_family

Digests = npt.NDArray[np.uint64]

ROWS_AT_ONCE: Final = 512
"""Alleles digested at once: eight bytes a call."""


def recount(items: Iterable[Item]) -> Iterator[str]:
    """Yield what is wrong in a batch, a sentence each; nothing where all agrees.

    Args:
        items: the items of a VCF batch, all of a family together, variant blocks first.
    """
    check = _Recount()
    for family, found in groupby(items, key=lambda item: family_of(item.stream)):
        ordered = sorted(found, key=lambda item: item.ordinal)
        try:
            yield from check.family(family, ordered)
        except CodecError as error:
            yield f"{error.message} in {family}"
    yield from check.mappings()


@dataclass(slots=True)
class _Recount:
    """What the variant blocks say, for comparison with what follows them."""

    weights: Digests = field(
        default_factory=lambda: np.frombuffer(secrets.token_bytes(8 * MAX_ALLELES), np.uint64)
    )
    counted: dict[str, str] = field(default_factory=dict)
    calls: dict[str, tuple[int, Digests]] = field(default_factory=dict)
    links: dict[str, Links] = field(default_factory=dict)
    listed: set[tuple[str, int, str]] = field(default_factory=set)
    mapped: set[tuple[str, int, str]] = field(default_factory=set)
    placed: dict[int, int] = field(default_factory=dict)
    buckets: dict[int, int | None] = field(default_factory=dict)

    def family(self, family: str, items: list[Item]) -> Iterator[str]:
        """Check one family's items, or remember what others are to be compared with.

        Corrections of earlier batches' counts are compared with those (`signed_counts`).
        """
        items = [item for item in items if item.payload.kind != CORRECTED_COUNTS]
        if not items:
            return
        kind = items[0].payload.kind
        if kind == VARIANT_BLOCK:
            self._variant_blocks(family, items)
        elif kind == PERSON_BLOCK:
            for item in items:
                yield from self._person_block(family, item)
        elif kind == "counts":
            counted = table_frame(joined_rows([counts_rows(item.payload) for item in items]))
            if _digest(counted) != self.counted.pop(family, None):
                yield f"the counts in {family} are not those of the genotypes"
        elif kind == "map-variant":
            for item in items:
                self.mapped.update(table_frame(genetic_rows(item.payload)).iter_rows())
        elif kind == "map-sample":
            for item in items:
                rows = table_frame(genetic_rows(item.payload)).select("index", "family_bucket")
                self.buckets.update(rows.iter_rows())

    def _variant_blocks(self, family: str, items: list[Item]) -> None:
        parts: list[pl.DataFrame] = []
        for item in items:
            block = unpack_variant_block(item.payload.body)
            name = sha256(item.payload.body).hexdigest()
            self.calls[name] = (block.person_offset, self._of_persons(block))
            self.links[name] = block.near.links
            counts = pl.DataFrame(block.counts().columns())
            if block.person_offset:
                # The same alleles of other persons: counts add up.
                for column in COUNT_COLUMNS:
                    counts = counts.with_columns(parts[-1][column] + counts[column])
                parts[-1] = parts[-1].with_columns(counts.get_columns())
                continue
            sites = table_frame(block_sites(block))
            parts.append(pl.concat([sites.select(*ALLELE_KEY, "record"), counts], how="horizontal"))
            for column in ("pos", "record_pos"):
                at = np.unique(tiles(sites[column].to_numpy()))
                self.listed.update((block.chrom, tile, family) for tile in at.tolist())
        self.counted[counter_family(family)] = _digest(pl.concat(parts))

    def _of_persons(self, block: VariantBlock) -> Digests:
        """Return a digest of each person's calls in a block, uint64 [persons]."""
        total = np.zeros(block.n_persons, np.uint64)
        for start in range(0, block.n_alleles, ROWS_AT_ONCE):
            rows = slice(start, min(start + ROWS_AT_ONCE, block.n_alleles))
            total += self._digests(unpack_calls(block.packed, rows), start)
        return total

    def _digests(self, calls: Calls, start: int) -> Digests:
        code = calls.dosage.astype(np.uint64)
        if calls.haploid is not None:
            code += calls.haploid.astype(np.uint64) << np.uint64(2)
        if calls.phase is not None:
            code += calls.phase.astype(np.uint64) << np.uint64(3)
        weights = self.weights[start : start + calls.n_alleles]
        digests: Digests = (code * weights[:, None]).sum(axis=0, dtype=np.uint64)
        return digests

    def _person_block(self, family: str, item: Item) -> Iterator[str]:
        block = unpack_person_block(item.payload.body)
        bucket = int(family.rpartition("_")[2])
        if family != variant_person_family(block.chrom, bucket):
            yield f"person blocks of chromosome {block.chrom} are in {family}"
        if any(name not in self.links for name, _ in block.blocks):
            yield f"a person block in {family} is of calls that no variant block holds"
            return
        self.placed.update(dict.fromkeys(block.persons.tolist(), bucket))
        try:
            calls = block.calls(joined([self.links[name] for name, _ in block.blocks]))
        except CodecError:
            yield f"a person block in {family} has other calls than the variant blocks"
            return
        at = 0
        for name, size in block.blocks:
            offset, of_persons = self.calls.get(name, (0, np.zeros(0, np.uint64)))
            columns = block.persons - offset
            if not len(of_persons) or columns.min() < 0 or columns.max() >= len(of_persons):
                yield f"a person block in {family} is of calls that no variant block holds"
                return
            found = np.zeros(len(columns), np.uint64)
            for start in range(0, size, ROWS_AT_ONCE):
                rows = slice(at + start, at + min(start + ROWS_AT_ONCE, size))
                found += self._digests(_rows(calls, rows), start)
            at += size
            if not np.array_equal(found, of_persons[columns]):
                yield f"a person block in {family} has other calls than the variant blocks"

    def mappings(self) -> Iterator[str]:
        """Check, after the last item, that all is counted and that the mappings lead to all."""
        for family in sorted(self.counted):
            yield f"no counts in {family}, which has genotypes"
        unmapped = {family for _, _, family in self.listed - self.mapped}
        for family in sorted(unmapped):
            yield f"positions in {family} that no mapping leads to"
        persons = {index for index, bucket in self.buckets.items() if bucket is not None}
        wrong = sum(self.buckets.get(index) != bucket for index, bucket in self.placed.items())
        if wrong or persons != set(self.placed):
            yield "persons whose mapping does not lead to their person blocks"


def _rows(calls: Calls, rows: slice) -> Calls:
    return Calls(
        calls.dosage[rows],
        None if calls.haploid is None else calls.haploid[rows],
        None if calls.phase is None else calls.phase[rows],
    )


def _digest(counts: pl.DataFrame) -> str:
    """Return a digest of counts, row by row in their order, whatever pieces they came in."""
    text = counts.select(*ALLELE_KEY, "record", *COUNT_COLUMNS).write_csv(include_header=False)
    return sha256(text.encode()).hexdigest()
