"""No genotype is invented: 0 is inferred only where a batch says that it looked."""

from __future__ import annotations

import pytest

from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

LISTED = """
    place    | ref | alt | 1
    9:100    | A   | G   | 0/1
    X:100000 | A   | G   | 0/1
    """
INSIDE = """
    place | ref | alt | 2   | 3
    9:500 | A   | G   | 0/0 | ./.
    """
OUTSIDE = """
    place | ref | alt | 4
    9:500 | A   | G   | 0/1
    """
EVERY_STATE = ("0", "1", "2", "missing", "not_assayed")


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    """Three batches: listed sites alone; intervals around 9:100 and on X and Y; others."""
    network = build()
    site = network.site()
    ingest_genotypes(site, LISTED, source="array")
    ingest_genotypes(
        site,
        INSIDE,
        source="exome",
        sexes={"2": "F", "3": "M"},
        bed=("9 50 600", "X 50000 6000000", "Y 4999999 6000000"),
    )
    ingest_genotypes(site, OUTSIDE, source="panel", bed=("9 100 600",))
    return network


CASES = {
    "inside one extent, and a base before another": (
        "9:100:A:G",
        """
        person | genotype    | ploidy | phase
        A:1    | 1           | 2      |
        A:2    | 0           | 2      |
        A:3    | 0           | 2      |
        A:4    | not_assayed |        |
        """,
    ),
    "a missing call is not overruled by an extent": (
        "9:500:A:G",
        """
        person | genotype    | ploidy
        A:1    | not_assayed |
        A:2    | 0           | 2
        A:3    | missing     |
        A:4    | 1           | 2
        """,
    ),
    "a pseudo-autosomal position": (
        "X:100000:A:G",
        """
        person | genotype    | ploidy
        A:1    | 1           | 2
        A:2    | 0           | 2
        A:3    | 0           | 2
        A:4    | not_assayed |
        """,
    ),
    "X of a man and of a woman": (
        "X:5000000:A:G",
        """
        person | genotype    | ploidy
        A:1    | not_assayed |
        A:2    | 0           | 2
        A:3    | 0           | 1
        A:4    | not_assayed |
        """,
    ),
    "Y, which a woman has not": (
        "Y:5000000:A:G",
        """
        person | genotype    | ploidy
        A:1    | not_assayed |
        A:2    | not_assayed |
        A:3    | 0           | 1
        A:4    | not_assayed |
        """,
    ),
    "a class that was not called": (
        "9:101:A:<DEL;END=120>",
        """
        person | genotype
        A:1    | not_assayed
        A:2    | not_assayed
        A:3    | not_assayed
        A:4    | not_assayed
        """,
    ),
}


@pytest.mark.parametrize("case", CASES)
def test_a_state_is_what_the_assay_allows(network: BuiltNetwork, case: str) -> None:
    variant, expected = CASES[case]
    with network.site().network() as door:
        assert_answer(door.variant(variant, genotype=EVERY_STATE), expected)


EDGES = {"9:50:A:G": False, "9:51:A:G": True, "9:600:A:G": True, "9:601:A:G": False}


@pytest.mark.parametrize("variant", EDGES)
def test_an_extent_ends_where_its_interval_does(network: BuiltNetwork, variant: str) -> None:
    """BED's ``9 50 600`` is the bases 51 to 600."""
    with network.site().network() as door:
        found = door.variant(variant, genotype=EVERY_STATE)
    states = dict(found.select("person_id", "genotype").iter_rows())
    assert states[2] == ("0" if EDGES[variant] else "not_assayed")


def test_persons_inside_an_extent_count_in_an(network: BuiltNetwork) -> None:
    """9:100: one carrier, and two persons inside an extent; 9:500: one carrier, one no copy."""
    expected = """
        chrom | pos    | ac | an | batches
        9     | 100    | 1  | 6  | 2
        9     | 500    | 1  | 4  | 2
        X     | 100000 | 1  | 6  | 2
        """
    with network.site().network() as door:
        assert_answer(door.maf(0, 0.5), expected)
