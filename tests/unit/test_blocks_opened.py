"""How many blocks a question opens: one for a variant, of a person those of the person's group."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import numpy as np
import pytest

from precisionchain.query.person_variants import person_variants
from precisionchain.query.variants import variant_calls
from precisionchain.replica import genetic_batch
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.pack import read_packed
from precisionchain.schemas import genotypes
from precisionchain.schemas.genotypes import VariantBlock, unpack_variant_block
from precisionchain.schemas.person_blocks import PersonBlock, unpack_person_block
from precisionchain.schemas.variant import Region, Variant
from tests.lib.genetic_runs import Batch, Person, Record, replica

Block = TypeVar("Block")

PERSONS = 300
"""Two groups of persons."""
PLACES = [("1", 100 * (1 + i), "A", "G") for i in range(12)] + [("2", 5, "T", "C")]
"""Blocks of two alleles: six of chromosome 1, one of chromosome 2."""


@pytest.fixture(scope="module")
def snapshot(tmp_path_factory: pytest.TempPathFactory) -> Snapshot:
    rng = np.random.default_rng(5)
    records = tuple(
        Record(chrom, pos, ref, (alt,), tuple(rng.choice(["0|0", "0|1", "1|1"], PERSONS).tolist()))
        for chrom, pos, ref, alt in PLACES
    )
    batch = Batch(tuple(Person(i) for i in range(PERSONS)), records)
    return replica(tmp_path_factory.mktemp("replica"), [batch], alleles=2)


class Opened:
    """What was opened: variant blocks, person blocks; and the blocks whose rows were restored."""

    def __init__(self, patch: pytest.MonkeyPatch) -> None:
        self.variant: list[VariantBlock] = []
        self.person: list[PersonBlock] = []
        self.read: list[bytes] = []

        def counted(folder: Path, start: int, size: int) -> bytes:
            self.read.append(read_packed(folder, start, size))
            return self.read[-1]

        patch.setattr(genetic_batch, "read_packed", counted)
        patch.setattr(
            genetic_batch, "unpack_variant_block", _kept(unpack_variant_block, self.variant)
        )
        patch.setattr(genetic_batch, "unpack_person_block", _kept(unpack_person_block, self.person))


def _kept(unpack: Callable[[bytes], Block], found: list[Block]) -> Callable[[bytes], Block]:
    def opened(body: bytes) -> Block:
        block = unpack(body)
        found.append(block)
        return block

    return opened


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> Opened:
    return Opened(monkeypatch)


def test_a_variant_is_read_from_one_block(snapshot: Snapshot, opened: Opened) -> None:
    found = variant_calls(snapshot, Variant("1", 700, "A", "G"), frozenset({"1", "2"}))
    assert found.height > 0
    assert [block.sites["pos"].to_pylist() for block in opened.variant] == [[700, 800]]
    assert opened.person == []
    assert next(map(unpack_variant_block, opened.read)).n_alleles == 2
    assert len(opened.read) == 1


def test_a_person_is_read_from_the_blocks_of_the_persons_group(
    snapshot: Snapshot, opened: Opened, monkeypatch: pytest.MonkeyPatch
) -> None:
    def no_rows(*_: object) -> None:
        raise AssertionError("a person needs the calls of no variant block")

    monkeypatch.setattr(genotypes, "packed_calls", no_rows)
    assert person_variants(snapshot, "A", 280).height > 0
    assert [(block.chrom, 280 in block.persons) for block in opened.person] == [
        ("1", True),
        ("2", True),
    ]
    assert opened.variant == []
    of_links = [len(content) for content in opened.read if len(content) == 4]
    assert len(of_links) == 6, "two bytes an allele of each variant block, that of one allele too"
    assert len(opened.read) == 2 + 6 + 1


def test_a_region_of_a_person_is_read_from_the_blocks_that_meet_it(
    snapshot: Snapshot, opened: Opened
) -> None:
    assert person_variants(snapshot, "A", 3, Region.parse("2:1-10")).height <= 1
    assert [block.chrom for block in opened.person] == ["2"]
    assert opened.variant == []
