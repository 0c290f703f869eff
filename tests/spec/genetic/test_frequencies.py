"""Q6: alleles by minor allele frequency over all sealed batches."""

from __future__ import annotations

import pytest

from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

SITE_A = """
    place   | ref | alt | 1   | 2
    2:50    | T   | C   | 1/1 | 0/1
    9:100   | A   | G   | 0/1 | 0/0
    9:200   | C   | T,G | 0/1 | 1/2
    9:300   | G   | A   | ./. | ./.
    10:1    | A   | G   | 0/0 | 0/0
    """
SITE_B = """
    place   | ref | alt | 1   | 2   | 3
    9:100   | A   | G   | 0/1 | ./. | 1/1
    9:100   | A   | C   | 0/0 | ./. | 0/0
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    ingest_genotypes(network.site("A"), SITE_A)
    ingest_genotypes(network.site("B"), SITE_B, source="other")
    network.site("A").site.sync()
    return network


def test_counts_add_up_over_batches_in_genome_order(network: BuiltNetwork) -> None:
    """9:100 A>C is listed by site B; site A listed the position, so its persons have no copy.

    9:300 has a record and no call: it has no frequency.
    """
    with network.site("A").network() as door:
        answer = door.maf(0, 0.5)
    expected = """
        chrom | pos | ref | alt | ac | an | af    | maf   | batches
        2     | 50  | T   | C   | 3  | 4  | 0.75  | 0.25  | 1
        9     | 100 | A   | C   | 0  | 8  | 0     | 0     | 2
        9     | 100 | A   | G   | 4  | 8  | 0.5   | 0.5   | 2
        9     | 200 | C   | G   | 1  | 4  | 0.25  | 0.25  | 1
        9     | 200 | C   | T   | 2  | 4  | 0.5   | 0.5   | 1
        10    | 1   | A   | G   | 0  | 4  | 0     | 0     | 1
        """
    assert_answer(answer, expected)
    order = answer.select("chrom", "pos", "alt").rows()
    assert order == [
        ("2", 50, "C"),
        ("9", 100, "C"),
        ("9", 100, "G"),
        ("9", 200, "G"),
        ("9", 200, "T"),
        ("10", 1, "G"),
    ]


CLOSED = {
    (0.25, 0.25): [("2", 50, "C"), ("9", 200, "G")],
    (0.0, 0.0): [("9", 100, "C"), ("10", 1, "G")],
    (0.26, 0.49): [],
    (0.5, 0.5): [("9", 100, "G"), ("9", 200, "T")],
}


@pytest.mark.parametrize("interval", CLOSED)
def test_intervals_are_closed(network: BuiltNetwork, interval: tuple[float, float]) -> None:
    with network.site("A").network() as door:
        answer = door.maf(*interval)
    assert answer.select("chrom", "pos", "alt").rows() == CLOSED[interval]


REGIONS = {
    "9": [100, 100, 200, 200],
    "9:100": [100, 100],
    "9:101-200": [200, 200],
    "9:100-199": [100, 100],
    "3": [],
}


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_is_where_pos_lies(network: BuiltNetwork, region: str) -> None:
    with network.site("A").network() as door:
        answer = door.maf(0, 0.5, region=region)
    assert answer["pos"].to_list() == REGIONS[region]


def test_without_genetic_batches_no_allele_has_a_frequency(build: Build) -> None:
    with build().site().network() as door:
        assert door.maf(0, 0.5).is_empty()
