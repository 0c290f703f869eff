"""Q4: persons by their state at a variant."""

from __future__ import annotations

import polars as pl
import pytest

from precisionchain.errors import RegionError, UsageError
from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

SITE_A = """
    place   | ref | alt | 1   | 2   | 3   | -4
    9:100   | A   | G   | 0:1 | 1:0 | 1/1 | 0/0
    9:200   | C   | T,G | 0/1 | 1:2 | ./. | ./1
    9:300   | CTT | CT  | 0/1 | 0/0 | 0/0 | 0/0
    """
SITE_B = """
    place   | ref | alt | 1
    9:100   | A   | T   | 0/1
    """
EVERY_STATE = ("0", "1", "2", "missing", "not_assayed")


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    ingest_genotypes(network.site("A"), SITE_A)
    ingest_genotypes(network.site("B"), SITE_B, source="other")
    network.site("A").site.sync()
    return network


def ask(network: BuiltNetwork, variant: str, *genotype: str) -> pl.DataFrame:
    with network.site("A").network() as door:
        return door.variant(variant, genotype=genotype or None)


def test_carriers_are_answered_by_default_with_their_phase(network: BuiltNetwork) -> None:
    expected = """
        person | genotype | ploidy | phase
        A:1    | 1        | 2      | 0:1
        A:2    | 1        | 2      | 1:0
        A:3    | 2        | 2      |
        """
    assert_answer(ask(network, "9:100:A:G"), expected)


def test_each_alternate_allele_of_a_record_is_a_variant_of_its_own(network: BuiltNetwork) -> None:
    """In ``1|2`` both have one copy; a half-call is missing."""
    of_t = """
        person | genotype | ploidy | phase
        A:1    | 1        | 2      |
        A:2    | 1        | 2      | 1:0
        A:3    | missing  |        |
        A:-4   | missing  |        |
        """
    of_g = """
        person | genotype | phase
        A:2    | 1        | 0:1
        """
    assert_answer(ask(network, "9:200:C:T", "1", "2", "missing"), of_t)
    assert_answer(ask(network, "9:200:C:G"), of_g)


def test_an_unlisted_allele_at_a_listed_position_is_no_copy(network: BuiltNetwork) -> None:
    """Who is missing there is missing for every allele. 9:100 A>T is listed by site B alone."""
    expected = """
        person | genotype | ploidy
        A:1    | 0        | 2
        A:2    | 0        | 2
        A:3    | 0        | 2
        A:-4   | 0        | 2
        B:1    | 1        | 2
        """
    assert_answer(ask(network, "9:100:A:T", *EVERY_STATE), expected)
    missing = """
        person | genotype
        A:3    | missing
        A:-4   | missing
        """
    assert_answer(ask(network, "9:200:C:A", "missing"), missing)


def test_a_position_nobody_listed_is_not_assayed(network: BuiltNetwork) -> None:
    expected = """
        person | genotype    | ploidy | batch
        A:1    | not_assayed |        |
        A:2    | not_assayed |        |
        A:3    | not_assayed |        |
        A:-4   | not_assayed |        |
        B:1    | not_assayed |        |
        """
    assert_answer(ask(network, "9:150:A:G", *EVERY_STATE), expected)
    assert ask(network, "9:150:A:G").is_empty()


def test_a_variant_is_found_however_it_is_spelt(network: BuiltNetwork) -> None:
    """9:300 CTT>CT is stored as the shortest text that says the same, 9:300 CT>C."""
    expected = """
        person | genotype
        A:1    | 1
        """
    for spelt in ("9:300:CT:C", "9:300:CTT:CT", "chr9:300:ctt:ct", "9:298:AACTT:AACT"):
        assert_answer(ask(network, spelt), expected)


def test_what_is_no_variant_or_no_genotype_is_refused(network: BuiltNetwork) -> None:
    with pytest.raises(RegionError):
        ask(network, "9:100")
    with pytest.raises(UsageError):
        ask(network, "9:100:A:G", "3")


def test_without_genetic_batches_the_answer_is_empty(build: Build) -> None:
    with build().site().network() as door:
        assert door.variant("9:100:A:G", genotype=EVERY_STATE).is_empty()
