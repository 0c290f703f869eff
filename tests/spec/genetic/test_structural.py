"""F27: structural variants: whose they are, what batches that do not list them say, overlap."""

from __future__ import annotations

import json
from collections.abc import Iterable
from contextlib import nullcontext
from typing import Any

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.errors import RegionError
from tests.lib.drawn_genotypes import assert_answer, ingest_genotypes
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

SMALL = """
    place  | ref | alt | 1   | 2   | 3
    9:100  | A   | G   | 0/1 | 1/1 | ./.
    9:5000 | C   | T   | 0/0 | 0/1 | 0/0
    """
STRUCTURAL = """
    place  | ref | alt           | info                  | 1   | 2   | 3
    9:100  | A   | <DEL>         | END=400;CIPOS=-5,5    | 0:1 | 0/0 | 1/1
    9:200  | N   | <CN0>,<CN3>   | END=900               | 1/2 | 0/2 | 0/0
    9:300  | T   | <INS:ME:ALU>  | SVLEN=281             | 0/1 | ./. | 0/0
    9:350  | G   | G]chr10:777]  | SVTYPE=BND            | 0/0 | 0/1 | 0/0
    9:380  | T   | <INV>         | SVLEN=20              | 0/0 | 0/0 | 0/1
    9:390  | T   | <CPX>         | END=500               | 0/1 | 0/1 | 0/1
    10:777 | A   | A]9:350]      | SVTYPE=BND;MATEID=x   | 0/0 | 0/1 | 0/0
    """
MIXED = f"""
    place  | ref | alt           | info                  | 4   | 5
    9:100  | A   | C             | .                     | 0/1 | 0/0
    9:100  | A   | <DEL>         | END=400               | 0/0 | 0/1
    9:150  | A   | T,<DUP>       | END=190               | 1/2 | 0/2
    9:160  | A   | A{"C" * 50}   | .                     | 0/1 | 1/1
    9:170  | A{"G" * 60} | A     | .                     | 0/1 | 0/0
    """
DELETION = "9:100:A:<DEL;END=400>"
STATES = ("0", "1", "2", "missing", "not_assayed")


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build(genetic=True)
    site = network.site("A")
    ingest_genotypes(site, SMALL, bed=["9 0 10000"], source="small")
    # Of the same persons, inside the extent of the other: the kinds do not meet.
    ingest_genotypes(site, STRUCTURAL, bed=["9 0 10000"], source="structural")
    ingest_genotypes(network.site("B"), MIXED, bed=["9 0 1000"], source="mixed")
    site.site.sync()
    return network


def states(network: BuiltNetwork, variant: str) -> dict[int, str]:
    with network.site("A").network() as door:
        rows = door.variant(variant, genotype=STATES)
    return dict(rows.select("person_id", "genotype").iter_rows())


ASKED = {
    "a deletion": (DELETION, "1 0 2 0 1"),
    "as it is written elsewhere": ("chr9:100:a:<del;end=400>", "1 0 2 0 1"),
    "a copy number": ("9:200:N:<CNV;END=900;CN=0>", "1 0 0 0 0"),
    "another of the record": ("9:200:N:<CNV;END=900;CN=3>", "1 1 0 0 0"),
    "an insertion": ("9:300:T:<INS:ME:ALU;SVLEN=281>", "1 missing 0 0 0"),
    "a breakend": ("9:350:G:G]chr10:777]", "0 1 0 0 0"),
    "its mate is another": ("10:777:A:A]9:350]", "0 1 0 not_assayed not_assayed"),
    "beside bases": ("9:150:A:<DUP;END=190>", "0 0 0 1 1"),
    "bases beside it": ("9:150:A:T", "0 0 0 1 0"),
    # A small variant at the position of a structural one, and the other way round.
    "a SNV where both are listed": ("9:100:A:G", "1 2 missing 0 0"),
    "a SNV where only others are": ("9:300:T:C", "0 0 0 0 0"),
    "another deletion there": ("9:100:A:<DEL;END=401>", "0 0 0 0 0"),
    "outside of all extents": ("9:20000:A:<DEL;END=20100>", " ".join(["not_assayed"] * 5)),
    "a deletion where only a SNV is listed": (
        "9:5000:C:<DEL;END=5100>",
        "0 0 0 not_assayed not_assayed",
    ),
    "of a record that was refused": (
        "9:390:T:<INV;END=500>",
        "not_assayed not_assayed not_assayed 0 0",
    ),
}


@pytest.mark.parametrize("case", ASKED)
def test_states(network: BuiltNetwork, case: str) -> None:
    """Persons 1 to 3 have small and structural variants from different files, 4 and 5 from one."""
    variant, expected = ASKED[case]
    assert states(network, variant) == dict(zip(range(1, 6), expected.split(), strict=True))


def texts(answer: pl.DataFrame) -> list[str]:
    return [
        f"{c}:{p} {a if len(a) < 40 else 'long'}"
        for c, p, a in answer.select("chrom", "pos", "alt").iter_rows()
    ]


def shown(network: BuiltNetwork, region: str, **asked: Any) -> pl.DataFrame:
    with network.site("A").network() as door:
        return door.structural(region, **asked)


def test_the_answer_has_counts_of_the_network(network: BuiltNetwork) -> None:
    """Persons 4 and 5 add to AN where their file lists nothing: its extent says they have 0."""
    expected = """
        pos | alt                    | svtype | end | length | copies | mate   | cipos | ac | an
        100 | <DEL;END=400>          | DEL    | 400 | 300    |        |        | -5,5  | 4  | 10
        200 | <CNV;END=900;CN=0>     | CNV    | 900 | 700    | 0      |        |       | 1  | 10
        200 | <CNV;END=900;CN=3>     | CNV    | 900 | 700    | 3      |        |       | 2  | 10
        300 | <INS:ME:ALU;SVLEN=281> | INS    | 300 | 281    |        |        |       | 1  | 8
        350 | G]10:777]              | BND    | 350 |        |        | 10:777 |       | 1  | 10
        380 | <INV;END=400>          | INV    | 400 | 20     |        |        |       | 1  | 10
        777 | A]9:350]               | BND    | 777 |        |        | 9:350  |       | 1  | 6
        """
    assert_answer(shown(network, "9:299-1000"), expected)


REACHED: dict[str, tuple[str, dict[str, Any], list[str]]] = {
    "by type": ("9:100-200", {"svtype": "dup"}, ["9:150 <DUP;END=190>"]),
    "long indels": ("9:165-175", {"svtype": ["DEL", "INS"]}, ["9:100 <DEL;END=400>", "9:170 A"]),
    "an insertion is a point": ("9:160", {"svtype": "INS"}, ["9:160 long"]),
    "and nowhere else": ("9:161-169", {"svtype": "INS"}, []),
    "within": (
        "9:150-230",
        {"overlap": "within"},
        ["9:150 <DUP;END=190>", "9:160 long", "9:170 A"],
    ),
    "covers": (
        "9:401-899",
        {"overlap": "covers"},
        ["9:200 <CNV;END=900;CN=0>", "9:200 <CNV;END=900;CN=3>"],
    ),
    "start": (
        "9:101-200",
        {"overlap": "start", "svtype": "CNV"},
        ["9:200 <CNV;END=900;CN=0>", "9:200 <CNV;END=900;CN=3>"],
    ),
    "half of both": ("9:250-549", {"reciprocal": 0.5}, ["9:100 <DEL;END=400>"]),
    "more than half": ("9:250-549", {"reciprocal": 0.51}, []),
    "the whole": ("9:150-190", {"reciprocal": 1}, ["9:150 <DUP;END=190>"]),
    "a mate on another chromosome": ("10:770-780", {}, ["9:350 G]10:777]", "10:777 A]9:350]"]),
    "a mate has no share": ("10:777-777", {"reciprocal": 0.5}, ["10:777 A]9:350]"]),
    "nothing": ("9:2000-3000", {}, []),
}


@pytest.mark.parametrize("case", REACHED)
def test_what_reaches_a_region(network: BuiltNetwork, case: str) -> None:
    """Deletion 100-400 and region 250-549 share 151 bases, of 301 and of 300."""
    region, asked, expected = REACHED[case]
    assert texts(shown(network, region, **asked)) == expected


def test_carriers_of_what_reaches_a_region(network: BuiltNetwork) -> None:
    """True for carriers, unknown for who is not called somewhere, false for the others."""
    with network.site("A").network() as door:
        deleted = door.cohort(pc.carries_structural("9:250-549", svtype="DEL", reciprocal=0.5))
        any_of = door.cohort(
            'carries_structural(9:300, svtype=[INS]) | carries("9:380:T:<INV;END=400>")'
        )
        entries = door.audit.entries()
    assert persons(deleted.persons) == ["A:1", "A:3", "B:5"]
    assert deleted.n_unknown == 0
    assert (persons(any_of.persons), persons(any_of.unknown)) == (["A:1", "A:3"], ["A:2"])
    asked = entries.filter(pl.col("kind") == "request")["question"].to_list()
    assert any('"svtype":["DEL"]' in question for question in asked)


CARRIED = {
    # Alleles with POS inside: G and C at 100; with overlap the deletions that reach from 100.
    "carries(9:101-149)": ([], 5),
    "carries(9:101-149, overlap=true)": (["A:1", "A:3", "B:5"], 0),
    "carries(9:101-149, maf(0.3..0.5), overlap=true)": (["A:1", "A:3", "B:5"], 0),
    "carries(9:101-149, maf(0..0.3), overlap=true)": ([], 0),
    "carries(9:229, overlap=true)": (["A:1", "A:2", "A:3", "B:4", "B:5"], 0),
}


@pytest.mark.parametrize("text", CARRIED)
def test_carriers_of_any_allele_that_reaches_a_region(network: BuiltNetwork, text: str) -> None:
    with network.site("A").network() as door:
        cohort = door.cohort(text)
    assert (persons(cohort.persons), cohort.n_unknown) == CARRIED[text]


def persons(rows: pl.DataFrame) -> list[str]:
    return [f"{site}:{person}" for site, person in rows.select("site", "person_id").iter_rows()]


def test_who_asked_and_whose_counts_they_saw_is_logged(network: BuiltNetwork) -> None:
    with network.site("A").network() as door:
        door.structural("9:299-1000", svtype="CNV", reciprocal=0.5)
        last = door.audit.entries().filter(operation="structural", kind="result")[-1]
    counts = ("n_persons_returned", "n_persons_contributed", "n_variants_returned")
    assert last.select(counts).row(0) == (0, 5, 2)


TYPED = {
    "2:9:N:<DEL;END=20>": "2:9:N:<DEL;END=20>",
    "2:9:N:N]chrX:7]": "2:9:N:N]X:7]",
    "2:9:N:N]MRN-00777:7]": "?",
    "2:9:N:<MRN-00777>": "?",
}


@pytest.mark.parametrize("typed", TYPED)
def test_a_name_typed_in_an_allele_is_not_logged(network: BuiltNetwork, typed: str) -> None:
    refused = pytest.raises(RegionError) if typed.endswith("<MRN-00777>") else nullcontext()
    with network.site("A").network() as door:
        with refused:
            assert door.variant(typed).is_empty()
        last = door.audit.entries().filter(operation="variant", kind="request")[-1]
    assert json.loads(last["question"][0])["variant"] == TYPED[typed]


WRONG: dict[str, tuple[str, dict[str, Any], type[Exception]]] = {
    "a type": ("9:1-2", {"svtype": "CPX"}, pc.PrecisionChainError),
    "no type": ("9:1-2", {"svtype": []}, pc.PrecisionChainError),
    "an overlap": ("9:1-2", {"overlap": "around"}, pc.PrecisionChainError),
    "no share": ("9:1-2", {"reciprocal": 0}, pc.PrecisionChainError),
    "a share of a chromosome": ("9", {"reciprocal": 0.5}, pc.PrecisionChainError),
    "a region": ("9-1", {}, pc.PrecisionChainError),
}


@pytest.mark.parametrize("case", WRONG)
def test_questions_that_cannot_be(network: BuiltNetwork, case: str) -> None:
    region, asked, error = WRONG[case]
    with pytest.raises(error):
        shown(network, region, **asked)


def test_everything_is_verified(network: BuiltNetwork) -> None:
    checks = network.site("A").site.verify()
    assert [check.name for check in checks if not check.ok] == []


# ------------------------------------------------------------------------------------- corrections

CALLED = """
    place | ref | alt   | info    | 1   | 2   | 3
    9:100 | A   | <DEL> | END=400 | 0/1 | 1/1 | 0/0
    9:900 | A   | <DUP> | END=990 | 0/1 | 0/0 | 0/0
    """
CALLED_AGAIN = """
    place | ref | alt   | info    | 1   | 2
    9:100 | A   | <DEL> | END=420 | 0/1 | 1/1
    """
SNV = """
    place | ref | alt | 1   | 2
    9:100 | A   | G   | 0/1 | 1/1
    """


def counted(door: pc.Network, alleles: Iterable[str]) -> list[tuple[int, int]]:
    rows = door.maf(0, 0.5)
    found = {f"{r['pos']}:{r['alt']}": (r["ac"], r["an"]) for r in rows.iter_rows(named=True)}
    return [found.get(allele, (0, 0)) for allele in alleles]


def test_replaced_withdrawn_and_as_of(build: Build) -> None:
    """A later batch takes over structural alleles at its positions, and no small ones there."""
    network = build(genetic=True)
    site = network.site("A")
    ingest_genotypes(site, SNV, source="small")
    ingest_genotypes(site, CALLED, source="first")
    before = site.site.sync().position
    ingest_genotypes(site, CALLED_AGAIN, source="second", replace=True)
    alleles = ("100:<DEL;END=400>", "100:<DEL;END=420>", "900:<DUP;END=990>", "100:G")
    with site.network() as door:
        # Person 3 keeps the call of the first batch.
        assert counted(door, alleles) == [(0, 2), (3, 4), (1, 6), (3, 4)]
    site.site.withdraw_persons([2])
    with site.network() as door:
        assert counted(door, alleles) == [(0, 2), (1, 2), (1, 4), (1, 2)]
        assert door.variant(DELETION).is_empty()
    with site.network(as_of=before) as door:
        assert counted(door, alleles) == [(1, 4), (0, 0), (1, 4), (1, 2)]
        assert persons(door.variant(DELETION)) == ["A:1"]
    assert [check.name for check in site.site.verify() if not check.ok] == []


def test_the_same_positions_twice_are_an_overlap(build: Build) -> None:
    site = build(genetic=True).site("A")
    ingest_genotypes(site, CALLED, source="first")
    with pytest.raises(pc.PrecisionChainError, match="9:100"):
        ingest_genotypes(site, CALLED_AGAIN, source="second")


@pytest.mark.parametrize(
    ("text", "classes"),
    [
        (SNV, ["snv", "indel"]),
        (CALLED, ["sv"]),
        (MIXED, ["snv", "indel", "sv"]),
        (f"place | ref | alt | 1\n9:9 | A | A{'C' * 50} | 0/1", ["sv"]),
        (f"place | ref | alt | 1\n9:9 | A | A{'C' * 49} | 0/1", ["snv", "indel"]),
    ],
)
def test_what_a_file_assays_follows_from_what_it_holds(
    build: Build, text: str, classes: list[str]
) -> None:
    site = build(genetic=True).site("A")
    ingest_genotypes(site, text)
    (run,) = site.site.staging.runs()
    assert run.description["assay"]["classes"] == classes
