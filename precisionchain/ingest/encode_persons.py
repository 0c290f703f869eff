"""The Variant-Person view: variant blocks turned, so that a person's genotypes lie together.

A person block holds at most 256 persons and a run of blocks of one chromosome; its site lists are
those of the variant blocks, named by digest (``schemas/person_blocks.py``).
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from hashlib import sha256
from typing import Final

import numpy as np
import polars as pl

from precisionchain.ingest.drafts import Draft
from precisionchain.schemas.genetic_payloads import PERSON_BLOCK
from precisionchain.schemas.genotypes import VariantBlock, unpack_variant_block
from precisionchain.schemas.items import Codec, Payload
from precisionchain.schemas.known_blocks import (
    PersonRows,
    known_variant_block,
    remember_person_block,
    remember_variant_block,
)
from precisionchain.schemas.person_blocks import PERSON_GROUP, person_bodies, runs
from precisionchain.schemas.streams import person_key, variant_person_family

WINDOW_BYTES: Final = 32 * 2**20
"""Bodies held back so that those of one family follow each other: a manifest lists families by
runs of ordinals, and every run of blocks gives one body to each group."""


@dataclass(frozen=True, slots=True)
class PersonGroup:
    """Persons whose calls share person blocks.

    Attributes:
        first: index of the first person; the others follow in column order.
        size: number of persons.
        offset: index of the first person of the variant blocks these persons are in.
        bucket: number of their family, from 1.
    """

    first: int
    size: int
    offset: int
    bucket: int


def person_groups(blocks: pl.DataFrame, buckets: int) -> list[PersonGroup]:
    """Return the groups of a batch, at most 256 persons of one variant block each.

    Args:
        blocks: the batch's blocks.
        buckets: families of a chromosome; group *g* goes to bucket *g* mod ``buckets`` + 1.
    """
    groups: list[PersonGroup] = []
    spans = blocks.select("person_offset", "n_persons").unique().sort("person_offset")
    for offset, persons in spans.iter_rows():
        for start in range(0, persons, PERSON_GROUP):
            size = min(PERSON_GROUP, persons - start)
            groups.append(PersonGroup(offset + start, size, offset, len(groups) % buckets + 1))
    return groups


def person_view(
    blocks: pl.DataFrame,
    body_of: Callable[[int], bytes],
    person_ids: Sequence[int],
    groups: Sequence[PersonGroup],
) -> Iterator[Draft]:
    """Yield the person blocks of a batch; none where there are no groups.

    Args:
        blocks: the batch's blocks.
        body_of: a block's body by its number.
        person_ids: the batch's persons, in column order.
        groups: the batch's groups.
    """
    keys = {
        group.first: tuple(
            person_key(person) for person in person_ids[group.first : group.first + group.size]
        )
        for group in groups
    }
    by_offset: dict[int, list[PersonGroup]] = defaultdict(list)
    for group in groups:
        by_offset[group.offset].append(group)
    if not groups:
        return
    for (chrom, offset), part in blocks.group_by("chrom", "person_offset", maintain_order=True):
        held: dict[int, list[Draft]] = defaultdict(list)
        size = 0
        numbers = part["block"].to_list()
        for run in runs(part["n_alleles"].to_list()):
            bodies = _turned([body_of(numbers[i]) for i in run], by_offset[offset])
            for group, body in zip(by_offset[offset], bodies, strict=True):
                family = variant_person_family(str(chrom), group.bucket)
                payload = Payload(PERSON_BLOCK, Codec.ARROW, body)
                held[group.bucket].append(Draft(family, keys[group.first], payload))
                size += len(body)
            if size > WINDOW_BYTES:
                yield from _released(held)
                size = 0
        yield from _released(held)


def _turned(bodies: Sequence[bytes], groups: Sequence[PersonGroup]) -> Iterator[bytes]:
    """Yield the person block of each group over some variant blocks of the same persons."""
    named = [_named(body) for body in bodies]
    _, first = named[0]
    turned = person_bodies(
        [(name, block.near) for name, block in named],
        [np.arange(group.size) + (group.first - group.offset) for group in groups],
        chrom=first.chrom,
        person_set=first.person_set,
        person_offset=first.person_offset,
    )
    blocks = tuple((name, block.n_alleles) for name, block in named)
    for group, body in zip(groups, turned, strict=True):
        persons = np.arange(group.first, group.first + group.size, dtype=np.int32)
        rows = PersonRows(first.chrom, first.person_set, persons, blocks)
        remember_person_block(sha256(body).hexdigest(), rows)
        yield body


def _named(body: bytes) -> tuple[str, VariantBlock]:
    """Return the name of a body, and what it holds."""
    name = sha256(body).hexdigest()
    block = known_variant_block(name)
    if block is None:
        block = unpack_variant_block(body)
        remember_variant_block(name, block)
    return name, block


def _released(held: dict[int, list[Draft]]) -> Iterator[Draft]:
    for bucket in sorted(held):
        yield from held.pop(bucket)
