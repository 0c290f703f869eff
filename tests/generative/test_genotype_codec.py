"""Any calls come back from a block, by variant and by person; any damage is found."""

from __future__ import annotations

import hashlib
from itertools import pairwise
from typing import Any

import numpy as np
import numpy.typing as npt
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp

from precisionchain.errors import CodecError
from precisionchain.schemas.counts import COUNT_COLUMNS, AlleleCounts, allele_counts, packed_counts
from precisionchain.schemas.genotypes import (
    Calls,
    pack_calls,
    pack_variant_block,
    unpack_calls,
    unpack_variant_block,
)
from precisionchain.schemas.near_calls import joined, near_calls
from precisionchain.schemas.person_blocks import person_bodies, runs, unpack_person_block

WHO = "ab" * 32


def bools(rows: int, n: int) -> st.SearchStrategy[npt.NDArray[np.bool_]]:
    return hnp.arrays(np.bool_, (rows, n), elements=st.booleans())


@st.composite
def calls_of(draw: st.DrawFn, n: int, max_rows: int = 9) -> Calls:
    """Calls of ``n`` persons in every phase and ploidy mode, rare or dense, some missing."""
    rows = draw(st.integers(1, max_rows))
    values = draw(st.sampled_from([[0, 1, 2, 3], [0, 0, 0, 0, 0, 1], [0, 1, 2], [3], [2]]))
    dosage = draw(hnp.arrays(np.uint8, (rows, n), elements=st.sampled_from(values)))
    haploid = None
    mode = draw(st.sampled_from(["none", "absent", "persons", "mixed"]))
    if mode == "absent":
        haploid = np.zeros((rows, n), np.bool_)
    if mode == "persons":
        haploid = np.repeat(draw(bools(1, n)), rows, axis=0)
    if mode == "mixed":
        haploid = draw(bools(rows, n))
    if haploid is not None:
        dosage = np.where(haploid & (dosage == 2), 1, dosage).astype(np.uint8)
    phase = None
    mode = draw(st.sampled_from(["none", "absent", "all", "mixed"]))
    if mode == "absent":
        phase = np.zeros((rows, n), np.uint8)
    if mode in ("all", "mixed"):
        orders = np.where(draw(bools(rows, n)), np.uint8(2), np.uint8(1))
        phase = np.where(dosage == 1, orders, 1).astype(np.uint8)
        if mode == "mixed":
            phase *= draw(bools(rows, n))
    return Calls(dosage, haploid, phase)


some_calls = st.integers(1, 40).flatmap(calls_of)


def as_lists(calls: Calls) -> list[Any]:
    """What a codec must keep, call by call: dosage, haploid, phase (0 where it has no meaning)."""
    rows = []
    for a in range(calls.n_alleles):
        row = []
        for p in range(calls.n_persons):
            haploid = calls.haploid is not None and bool(calls.haploid[a, p])
            dosage = int(calls.dosage[a, p])
            phase = 0 if calls.phase is None or haploid or dosage == 3 else int(calls.phase[a, p])
            row.append((dosage, haploid, phase))
        rows.append(row)
    return rows


def exactly(calls: Calls) -> list[Any]:
    """Calls as they are, call by call; a codec leaves no phase where it has no meaning."""
    haploid = np.zeros(calls.dosage.shape) if calls.haploid is None else calls.haploid
    phase = np.zeros(calls.dosage.shape) if calls.phase is None else calls.phase
    whole = np.stack([calls.dosage, haploid, phase], axis=2).astype(int).tolist()
    return [[(dosage, bool(one), order) for dosage, one, order in row] for row in whole]


def slow_counts(calls: Calls) -> dict[str, list[int]]:
    """Counts told call by call."""
    counts: dict[str, list[int]] = {name: [] for name in COUNT_COLUMNS}
    for row in as_lists(calls):
        called = [(dosage, haploid) for dosage, haploid, _ in row if dosage != 3]
        counts["ac"].append(sum(dosage for dosage, _ in called))
        counts["an"].append(sum(1 if haploid else 2 for _, haploid in called))
        counts["n_het"].append(called.count((1, False)))
        counts["n_hom_alt"].append(called.count((2, False)))
        counts["n_hemi"].append(called.count((1, True)))
        counts["n_missing"].append(len(row) - len(called))
    return counts


def plain(counts: AlleleCounts) -> dict[str, list[int]]:
    assert all(column.dtype == np.int32 for column in counts.columns().values())
    return {name: column.tolist() for name, column in counts.columns().items()}


def sites(n: int) -> pa.Table:
    pos = pa.array(np.arange(n, dtype=np.int32) * 7 + 1000)
    return pa.table({"pos": pos, "ref": ["A"] * n, "alt": [("C", "GT")[i % 2] for i in range(n)]})


@settings(max_examples=300, deadline=None)
@given(calls=some_calls)
def test_packed_calls_come_back(calls: Calls) -> None:
    packed = pack_calls(calls)
    back = unpack_calls(packed)
    assert exactly(back) == as_lists(calls)
    assert (back.haploid is None) == (calls.haploid is None or not calls.haploid.any())
    assert packed.codes.shape == (calls.n_alleles, (calls.n_persons + 3) // 4)


@settings(max_examples=200, deadline=None)
@given(calls=some_calls, data=st.data())
def test_rows_come_back_one_by_one(calls: Calls, data: st.DataObject) -> None:
    body = pack_variant_block(sites(calls.n_alleles), calls, chrom="9", person_set=WHO)
    block = unpack_variant_block(body)
    assert block.sites.equals(sites(calls.n_alleles))
    assert (block.n_alleles, block.n_persons) == calls.dosage.shape
    rows = data.draw(st.lists(st.integers(0, calls.n_alleles - 1), max_size=5))
    expected = as_lists(calls)
    assert exactly(block.calls(np.array(rows, np.int64))) == [expected[row] for row in rows]
    assert exactly(block.calls()) == expected


@settings(max_examples=200, deadline=None)
@given(calls=some_calls)
def test_counts_agree_with_counting_one_by_one(calls: Calls) -> None:
    expected = slow_counts(calls)
    assert plain(allele_counts(calls)) == expected
    assert plain(packed_counts(pack_calls(calls))) == expected


@settings(max_examples=100, deadline=None)
@given(calls=some_calls, cut=st.integers(1, 39))
def test_counts_of_two_batches_add_up(calls: Calls, cut: int) -> None:
    def part(taken: slice) -> AlleleCounts:
        haploid = None if calls.haploid is None else calls.haploid[:, taken]
        return allele_counts(Calls(calls.dosage[:, taken], haploid))

    assert plain(part(slice(cut)) + part(slice(cut, None))) == plain(allele_counts(calls))


@settings(max_examples=200, deadline=None)
@given(data=st.data(), n=st.integers(1, 30))
def test_a_person_has_the_same_calls_in_both_views(data: st.DataObject, n: int) -> None:
    """Blocks of any phase and ploidy mode in one run, any persons in any order."""
    blocks = data.draw(st.lists(calls_of(n, max_rows=11), min_size=1, max_size=4))
    order = data.draw(st.permutations(range(n)))
    cuts = sorted({0, n, *data.draw(st.lists(st.integers(0, n), max_size=2))})
    groups = [np.array(order[a:b], np.int32) for a, b in pairwise(cuts)]
    parts = [
        (hashlib.sha256(bytes([i])).hexdigest(), near_calls(pack_calls(c)))
        for i, c in enumerate(blocks)
    ]
    bodies = list(person_bodies(parts, groups, chrom="X", person_set=WHO, person_offset=100))
    links = joined([near.links for _, near in parts])
    alleles = [row for calls in blocks for row in as_lists(calls)]
    assert len(bodies) == len(groups)
    for body, group in zip(bodies, groups, strict=True):
        block = unpack_person_block(body)
        assert block.persons.tolist() == [100 + p for p in group]
        assert block.blocks == tuple((digest, near.n_alleles) for digest, near in parts)
        assert exactly(block.calls(links)) == [[row[p] for p in group] for row in alleles]
        last = len(group) - 1
        assert exactly(block.calls(links, [last])) == [[row[group[last]]] for row in alleles]
        which, row_in = block.places()
        sizes = [calls.n_alleles for calls in blocks]
        places = [(b, row) for b, size in enumerate(sizes) for row in range(size)]
        assert list(zip(which.tolist(), row_in.tolist(), strict=True)) == places


@given(sizes=st.lists(st.integers(1, 50), max_size=20), limit=st.integers(1, 60))
def test_runs_cover_all_blocks_in_order_within_the_limit(sizes: list[int], limit: int) -> None:
    found = list(runs(sizes, limit))
    assert [index for run in found for index in run] == list(range(len(sizes)))
    for run in found:
        assert len(run) == 1 or sum(sizes[i] for i in run) <= limit
    for run, following in pairwise(found):
        assert sum(sizes[i] for i in run) + sizes[following[0]] > limit


def bodies_of(calls: Calls) -> list[tuple[Any, bytes]]:
    body = pack_variant_block(sites(calls.n_alleles), calls, chrom="9", person_set=WHO)
    persons = np.arange(calls.n_persons)
    parts = [(hashlib.sha256(body).hexdigest(), near_calls(pack_calls(calls)))]
    turned = next(person_bodies(parts, [persons], chrom="9", person_set=WHO))
    return [(unpack_variant_block, body), (unpack_person_block, turned)]


@settings(max_examples=60, deadline=None)
@given(calls=some_calls, place=st.floats(0, 1, exclude_max=True), mask=st.integers(1, 255))
def test_a_changed_byte_is_found(calls: Calls, place: float, mask: int) -> None:
    for unpack, body in bodies_of(calls):
        damaged = bytearray(body)
        damaged[int(place * len(body))] ^= mask
        with pytest.raises(CodecError):
            unpack(bytes(damaged))


@settings(max_examples=40, deadline=None)
@given(calls=some_calls, keep=st.floats(0, 1, exclude_max=True))
def test_a_body_cut_short_is_found(calls: Calls, keep: float) -> None:
    for unpack, body in bodies_of(calls):
        with pytest.raises(CodecError):
            unpack(body[: int(keep * len(body))])
