"""Where ordered runs are cut into blocks."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.ingest.vcf_blocks import allele_limit, block_runs, person_groups
from precisionchain.ingest.vcf_run import RUN_SITES, CallRun
from precisionchain.schemas.calls import Calls, pack_calls, unpack_calls
from precisionchain.schemas.genome import bin_of, tile_of

TILE = 2**14
BIN = 2**24


def run(chrom: str, positions: list[int]) -> CallRun:
    n = len(positions)
    columns: dict[str, list[Any]] = {name: [None] * n for name in RUN_SITES.names}
    columns |= {"pos": positions, "record": list(range(n))}
    dosage = np.array(positions, dtype=np.int64).reshape(n, 1) % 3
    sites = pa.table(columns, schema=RUN_SITES)
    return CallRun(chrom, sites, pack_calls(Calls(dosage.astype(np.uint8))), 0, last=True)


def positions_of(block: CallRun) -> list[int]:
    return [int(pos) for pos in block.sites["pos"].to_numpy()]


def blocks(limit: int, *runs: CallRun) -> list[tuple[str, list[int]]]:
    return [(b.chrom, positions_of(b)) for b in block_runs(runs, limit)]


def test_whole_tiles_up_to_the_limit() -> None:
    positions = [1, 2, TILE + 1, TILE + 2, 2 * TILE + 1]
    assert blocks(4, run("9", positions)) == [("9", positions[:4]), ("9", positions[4:])]
    assert blocks(3, run("9", positions)) == [("9", positions[:2]), ("9", positions[2:])]


def test_a_tile_over_the_limit_is_cut_and_its_rest_stands_alone() -> None:
    positions = [1, TILE + 1, TILE + 2, TILE + 3, TILE + 4, TILE + 5, 2 * TILE + 1, 2 * TILE + 2]
    assert blocks(3, run("9", positions)) == [
        ("9", positions[:1]),
        ("9", positions[1:4]),
        ("9", positions[4:6]),
        ("9", positions[6:]),
    ]


def test_bins_and_contigs_are_never_crossed() -> None:
    assert blocks(10, run("9", [BIN, BIN + 1]), run("X", [5])) == [
        ("9", [BIN]),
        ("9", [BIN + 1]),
        ("X", [5]),
    ]


POSITIONS = st.lists(
    st.one_of(st.integers(1, 3 * TILE), st.integers(BIN - 50, BIN + 2 * TILE)), max_size=60
).map(sorted)


@given(POSITIONS, st.integers(1, 9), st.lists(st.integers(0, 60), max_size=8))
def test_blocks_do_not_depend_on_how_the_reader_cut_its_runs(
    positions: list[int], limit: int, cuts: list[int]
) -> None:
    edges = sorted({0, len(positions), *(min(cut, len(positions)) for cut in cuts)})
    pieces = [run("9", positions[a:b]) for a, b in pairwise(edges)]
    found = blocks(limit, *pieces)
    assert found == blocks(limit, run("9", positions))
    assert [p for _, block in found for p in block] == positions
    for i, (_, block) in enumerate(found):
        assert 1 <= len(block) <= limit
        assert len({bin_of(p) for p in block}) == 1
        tiles = {tile_of(p) for p in block}
        others = {tile_of(p) for j, (_, other) in enumerate(found) if j != i for p in other}
        assert len(tiles) == 1 or not tiles & others


def test_calls_go_with_their_alleles() -> None:
    positions = [*range(1, 40), TILE * 3 + 1]
    for block in block_runs([run("9", positions[:7]), run("9", positions[7:])], 10):
        expected = [p % 3 for p in positions_of(block)]
        assert unpack_calls(block.calls).dosage[:, 0].tolist() == expected


def test_person_groups_are_even_and_at_most_8192() -> None:
    assert person_groups(8192) == [slice(0, 8192)]
    assert person_groups(8193) == [slice(0, 4096), slice(4096, 8193)]
    groups = person_groups(100_000)
    assert groups[-1].stop == 100_000
    assert max(g.stop - g.start for g in groups) <= 8192


def test_the_limit_shrinks_with_the_number_of_persons() -> None:
    limits = [allele_limit(n) for n in (1, 284, 2504, 8192, 100_000, 10**9)]
    assert limits == sorted(limits, reverse=True)
    assert limits[2] == 2512
    assert limits[-1] == 1
