"""Q5: what a person carries."""

from __future__ import annotations

from typing import Any

import polars as pl
import pytest

from precisionchain.errors import UnknownPersonError
from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

FIRST = """
    place     | ref | alt | 1   | 2
    9:100     | A   | G   | 0:1 | 0/0
    9:200     | C   | T,G | 1:2 | 0/1
    9:300     | G   | A   | ./. | 1/1
    X:100000  | A   | G   | 0/1 | 0/0
    X:5000000 | A   | T   | 1   | 0/1
    """
SECOND = """
    place   | ref | alt | 1   | -3
    2:50    | T   | C   | 1/1 | 0/1
    """
SITE_B = """
    place   | ref | alt | 1
    9:100   | A   | G   | 0/0
    9:200   | C   | T   | 0/0
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    ingest_genotypes(network.site("A"), FIRST, source="one", sexes={"1": "M", "2": "F"})
    ingest_genotypes(network.site("A"), SECOND, source="two")
    ingest_genotypes(network.site("B"), SITE_B, source="other")
    network.site("A").site.sync()
    return network


def ask(network: BuiltNetwork, person: str, *region: str, **options: Any) -> pl.DataFrame:
    with network.site("A").network() as door:
        return door.person_variants(person, *region, **options)


def test_a_person_has_the_variants_of_all_batches_in_genome_order(network: BuiltNetwork) -> None:
    """Copies of each allele; missing calls are none; a man's X is one copy of ploidy 1."""
    expected = """
        chrom | pos     | ref | alt | genotype | ploidy | phase
        2     | 50      | T   | C   | 2        | 2      |
        9     | 100     | A   | G   | 1        | 2      | 0:1
        9     | 200     | C   | G   | 1        | 2      | 0:1
        9     | 200     | C   | T   | 1        | 2      | 1:0
        X     | 100000  | A   | G   | 1        | 2      |
        X     | 5000000 | A   | T   | 1        | 1      |
        """
    answer = ask(network, "A:1")
    assert_answer(answer, expected)
    assert answer["chrom"].to_list() == ["2", *["9"] * 3, *["X"] * 2]


def test_ids_may_be_negative(network: BuiltNetwork) -> None:
    expected = """
        person | chrom | pos | genotype
        A:-3   | 2     | 50  | 1
        """
    assert_answer(ask(network, "A:-3"), expected)


def test_the_same_id_at_another_site_is_another_person(network: BuiltNetwork) -> None:
    assert ask(network, "B:1").is_empty()


REGIONS = {
    "9": [100, 200, 200],
    "9:100-199": [100],
    "9:200": [200, 200],
    "9:201-1000000": [],
    "3": [],
}


@pytest.mark.parametrize("region", REGIONS)
def test_a_region_is_where_pos_lies(network: BuiltNetwork, region: str) -> None:
    assert ask(network, "A:1", region)["pos"].to_list() == REGIONS[region]


def test_frequencies_are_those_of_the_whole_network(network: BuiltNetwork) -> None:
    """Over both sites 9:100 A>G has 1 copy of 6, 9:200 C>T 2 of 6 and 9:200 C>G 1 of 6."""
    expected = """
        pos | ref | alt
        100 | A   | G
        200 | C   | G
        """
    assert_answer(ask(network, "A:1", "9", maf=(0.16, 0.17)), expected)
    assert ask(network, "A:1", "9", maf=(1 / 3, 1 / 3))["alt"].to_list() == ["T"]


def test_a_person_nobody_published_is_an_error(network: BuiltNetwork) -> None:
    with pytest.raises(UnknownPersonError):
        ask(network, "A:77")
