"""Variants and regions as values, and trimming of one site or many."""

from __future__ import annotations

import random
import time

import numpy as np
import pyarrow as pa
import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.errors import RegionError
from precisionchain.schemas.genome import MAX_POSITION
from precisionchain.schemas.trim import trim_sites
from precisionchain.schemas.variant import Region, Variant, trim


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9:22098574:A:G", Variant("9", 22098574, "A", "G")),
        ("chr9:22,098,574:a:g", Variant("9", 22098574, "A", "G")),
        (" chrX:5:AT:A ", Variant("X", 5, "AT", "A")),
        ("M:73:A:G", Variant("MT", 73, "A", "G")),
        ("GL000191.1:7:N:A", Variant("GL000191.1", 7, "N", "A")),
        ("1:100:N:<DEL>", Variant("1", 100, "N", "<DEL>")),
        ("1:100:N:<INS:ME:ALU>", Variant("1", 100, "N", "<INS:ME:ALU>")),
        ("1:100:T:]chr2:321681]T", Variant("1", 100, "T", "]2:321681]T")),
        ("1:0:N:.A", Variant("1", 0, "N", ".A")),
    ],
)
def test_a_variant_is_read_as_it_is_commonly_written(text: str, expected: Variant) -> None:
    assert Variant.parse(text) == expected
    assert Variant.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    [
        "",
        "9",
        "9:22098574",
        "9:22098574:A",
        "9:22098574:A:",
        "9::A:G",
        "9:x:A:G",
        "9:-5:A:G",
        "9:5.0:A:G",
        "9:1,00:A:G",
        "9:22098574:A:G:T",
        "9:22098574:A:G,T",
        "9:22098574:A:*",
        "9:22098574:Z:G",
        "9:22098574:A:Z",
        "9:22098574:A:.",
        "9:2147483648:A:G",
        "9:٣:A:G",
        "9 22098574 A G",
        "rs1333049",
    ],
)
def test_a_malformed_variant_is_refused(text: str) -> None:
    with pytest.raises(RegionError):
        Variant.parse(text)


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("9", Region("9", 1, MAX_POSITION)),
        ("chr9", Region("9", 1, MAX_POSITION)),
        ("9:22000000-22130000", Region("9", 22000000, 22130000)),
        ("chr9:22,000,000-22,130,000", Region("9", 22000000, 22130000)),
        ("chr9:5-9", Region("9", 5, 9)),
        ("X:7", Region("X", 7, 7)),
        ("chr1_KI270706v1_random:1-2", Region("chr1_KI270706v1_random", 1, 2)),
    ],
)
def test_a_region_is_read_as_it_is_commonly_written(text: str, expected: Region) -> None:
    assert Region.parse(text) == expected
    assert Region.parse(str(expected)) == expected


@pytest.mark.parametrize(
    "text",
    ["", ":", "9:", "9:-5", "9:5-", "9:9-5", "9:0-5", "9-5", "chr9-5-10", "9:5-9-11", "9:a-b",
     "9 5 9", "9:1-2147483648", "9:5,0-70", "9,10"],
)  # fmt: skip
def test_a_malformed_region_is_refused(text: str) -> None:
    with pytest.raises(RegionError) as caught:
        Region.parse(text)
    assert caught.value.exit_code == 2
    assert caught.value.hint


def test_a_region_is_closed_on_both_sides() -> None:
    region = Region.parse("9:5-9")
    assert [region.contains("9", pos) for pos in (4, 5, 9, 10)] == [False, True, True, False]
    assert not region.contains("8", 5)


def test_variants_and_regions_sort_in_genome_order() -> None:
    ordered = [
        Variant("2", 9, "A", "C"),
        Variant("2", 9, "A", "G"),
        Variant("2", 10, "A", "C"),
        Variant("10", 1, "A", "C"),
        Variant("X", 1, "A", "C"),
        Variant("Y", 1, "A", "C"),
        Variant("MT", 1, "A", "C"),
        Variant("GL000191.1", 1, "A", "C"),
    ]
    shuffled = ordered[:]
    random.Random(3).shuffle(shuffled)
    assert sorted(shuffled) == ordered
    regions = [Region("2", 1, 5), Region("2", 1, 6), Region("2", 2, 3), Region("10"), Region("X")]
    assert sorted([*regions[2:], *regions[:2]]) == regions


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ((100, "A", "G"), (100, "A", "G")),
        ((100, "AT", "GT"), (100, "A", "G")),
        ((100, "CA", "CG"), (101, "A", "G")),
        ((100, "CTT", "CT"), (100, "CT", "C")),
        ((100, "CT", "CTTT"), (100, "C", "CTT")),
        ((100, "GCGA", "GCA"), (101, "CG", "C")),
        ((100, "ATTTC", "ATC"), (100, "ATT", "A")),
        ((100, "AAAA", "AA"), (100, "AAA", "A")),
        ((100, "A", "A"), (100, "A", "A")),
        ((100, "AC", "*"), (100, "AC", "*")),
        ((100, "AC", "<DEL>"), (100, "AC", "<DEL>")),
        ((100, "AC", "AC[2:5["), (100, "AC", "AC[2:5[")),
    ],
)
def test_trimming_removes_shared_suffix_then_shared_prefix(
    before: tuple[int, str, str], after: tuple[int, str, str]
) -> None:
    assert trim(*before) == after
    assert Variant("1", *before).trimmed() == Variant("1", *after)


alleles = st.one_of(
    st.text("ACGT", min_size=1, max_size=8),
    st.text("A", min_size=1, max_size=5),
    st.sampled_from(["*", "<DEL>", "A]2:9]", "N"]),
)


@given(sites=st.lists(st.tuples(st.integers(1, 2**30), alleles, alleles), max_size=30))
def test_many_sites_are_trimmed_as_each_alone(sites: list[tuple[int, str, str]]) -> None:
    pos, ref, alt = ([site[i] for site in sites] for i in range(3))
    padded = pa.array(["TT", *ref], pa.string()).slice(1)
    got = trim_sites(np.array(pos, np.int32), padded, pa.array(alt, pa.string()))
    columns = [got[0].tolist(), got[1].to_pylist(), got[2].to_pylist()]
    assert list(zip(*columns, strict=True)) == [trim(*site) for site in sites]
    got[1].validate(full=True)


bases = st.text("ACGT", max_size=6)


@given(left=bases, ref=bases, alt=bases, right=bases, context=bases)
def test_a_trimmed_variant_makes_the_same_sequence(
    left: str, ref: str, alt: str, right: str, context: str
) -> None:
    """Read as an edit of the reference, before and after are one; nothing is left to trim."""
    ref, alt = "A" + left + ref + right, "A" + left + alt + right
    reference = context + ref + context
    pos, short_ref, short_alt = trim(len(context) + 1, ref, alt)
    assert reference[pos - 1 : pos - 1 + len(short_ref)] == short_ref
    edited = reference[: pos - 1] + short_alt + reference[pos - 1 + len(short_ref) :]
    assert edited == context + alt + context
    assert trim(pos, short_ref, short_alt) == (pos, short_ref, short_alt)
    if min(len(short_ref), len(short_alt)) > 1:
        assert short_ref[0] != short_alt[0]
        assert short_ref[-1] != short_alt[-1]


def test_a_quarter_million_sites_are_trimmed_in_well_under_a_second() -> None:
    rng = np.random.default_rng(1)
    n = 270_000
    pool = pa.array(["A", "C", "G", "AT", "ATT", "CTTT", "GCG"])
    ref, alt = (pool.take(rng.integers(0, len(pool), n)) for _ in range(2))
    pos = np.arange(1, n + 1, dtype=np.int32)
    trim_sites(pos[:1], ref[:1], alt[:1])
    start = time.perf_counter()
    trim_sites(pos, ref, alt)
    assert time.perf_counter() - start < 1
