"""Who carries what: states at a variant and in a region, over several batches and assays."""

from __future__ import annotations

from itertools import combinations

import pytest

from precisionchain.query import expressions as of
from precisionchain.query.criteria import STATES, Criterion
from precisionchain.query.criterion_scope import CriterionScope
from tests.lib.asked_cohorts import answer, scope_of
from tests.lib.drawn_genotypes import ingest_genotypes
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

# Of A: 1 to 4 on an array, 5 inside an exome's extent, 2 on both. 8 has a clinical record alone.
ARRAY = """
    place | ref | alt | 1   | 2   | 3   | 4
    9:100 | A   | G   | 0/1 | ./. | 0/0 | 1/1
    9:200 | C   | T,A | 1/2 | 0/0 | 0/0 | ./.
    9:900 | A   | G   | 0/0 | 0/0 | 0/0 | 0/0
    """
EXOME = """
    place | ref | alt | 5   | 2
    9:150 | A   | G   | 0/0 | 0/1
    """
AT_B = """
    place | ref | alt | 1
    9:100 | A   | G   | 0/1
    """
CLINICAL = """
    condition_occurrence
    person | concept | start
    1      | 10      | 2015-01-01
    8      | 10      | 2015-01-01
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    """Three batches of two sites."""
    network = build(genetic=True)
    ingest_genotypes(network.site("A"), ARRAY, source="array")
    ingest_genotypes(network.site("A"), EXOME, source="exome", bed=("9 120 180",))
    ingest_genotypes(network.site("B"), AT_B, source="array")
    network.site("A").ingest(CLINICAL)
    return network


@pytest.fixture(scope="module")
def scope(network: BuiltNetwork) -> CriterionScope:
    return scope_of(network)


CASES: dict[str, tuple[Criterion, str, str]] = {
    "a copy": (of.carries("9:100:A:G"), "A:1 A:4 B:1", "A:2 A:5 A:8"),
    "no copy": (~of.carries("9:100:A:G"), "A:3", "A:2 A:5 A:8"),
    "each allele of a record by itself": (of.carries("9:200:C:A"), "A:1", "A:4 A:5 A:8 B:1"),
    "written longer": (of.carries("9:99:TA:TG"), "A:1 A:4 B:1", "A:2 A:5 A:8"),
    "an allele nobody lists": (of.carries("9:160:A:G"), "", "A:1 A:3 A:4 A:8 B:1"),
    "a position nobody looked at": (of.carries("9:5:A:G"), "", "A:1 A:2 A:3 A:4 A:5 A:8 B:1"),
    "assayed": (of.assayed("9:200:C:T"), "A:1 A:2 A:3 A:4", ""),
    "missing": (of.genotype("9:200:C:T", "missing"), "A:4", ""),
    "not assayed": (of.genotype("9:200:C:T", "not_assayed"), "A:5 A:8 B:1", ""),
    "one copy": (of.genotype("9:100:A:G", 1), "A:1 B:1", "A:2 A:5 A:8"),
    "two or none": (of.genotype("9:100:A:G", 0, 2), "A:3 A:4", "A:2 A:5 A:8"),
    "any of a region": (of.carries("9:100-200"), "A:1 A:2 A:4 B:1", "A:3 A:5 A:8"),
    "none of a region": (~of.carries("9:900-900"), "A:1 A:2 A:3 A:4", "A:5 A:8 B:1"),
    "a region nobody lists": (of.carries("9:300-800"), "", "A:1 A:2 A:3 A:4 A:5 A:8 B:1"),
    # 9:100: 4 of 8; 9:150: 1 of 4; 9:200: 1 of 6; 9:900: 0 of 8.
    "common in the network": (
        of.carries("9:100-900", of.maf((0.3, 0.5))),
        "A:1 A:4 B:1",
        "A:2 A:5 A:8",
    ),
    "nobody's allele": (of.carries("9:100-900", of.maf((0, 0))), "", "A:5 A:8 B:1"),
    "no such frequency": (of.carries("9:900-900", of.maf((0.1, 0.5))), "", "A:8"),
    "frequency where no allele is": (
        of.carries("9:300-800", of.maf((0, 0.5))),
        "",
        "A:1 A:2 A:3 A:4 A:5 A:8 B:1",
    ),
    # Among A:1, A:3: 9:100 1 of 4, 9:200:T 1 of 4, 9:200:A 1 of 4, 9:150 nobody called.
    "frequency among some": (
        of.carries("9:100-300", of.maf((0.25, 0.25), within=of.persons("A:1", "A:3"))),
        "A:1 A:4 B:1",
        "A:2 A:5 A:8",
    ),
    "frequency among those whom nobody called": (
        of.carries("9:100-300", of.maf((0, 0.5), within=of.persons("A:8"))),
        "",
        "A:8",
    ),
    "with a clinical criterion": (of.carries("9:100:A:G") & of.condition(10), "A:1", "A:8"),
}


@pytest.mark.parametrize("case", CASES)
def test_genotypes(scope: CriterionScope, case: str) -> None:
    criterion, true, unknown = CASES[case]
    assert answer(scope, criterion) == (true, unknown)


VARIANTS = ("9:100:A:G", "9:200:C:T", "9:200:C:A", "9:150:A:G", "9:160:A:G", "9:900:A:G", "9:5:A:C")


@pytest.mark.parametrize("variant", VARIANTS)
def test_states_are_those_of_the_question_by_variant(
    network: BuiltNetwork, scope: CriterionScope, variant: str
) -> None:
    with network.site().network() as door:
        known = door.variant(variant, genotype=STATES)
    states = {f"{s}:{p}": g for s, p, g in known.select("site", "person_id", "genotype").rows()}
    states["A:8"] = "not_assayed"
    for size in (1, 2, 5):
        for asked in combinations(STATES, size):
            of_copies = any(state in "012" for state in asked)
            true = [person for person, state in sorted(states.items()) if state in asked]
            unknown = [
                person
                for person, state in sorted(states.items())
                if of_copies and state not in "012" and state not in asked
            ]
            expected = (" ".join(true), " ".join(unknown))
            assert answer(scope, of.genotype(variant, *asked)) == expected


def test_a_region_is_the_or_of_its_alleles(scope: CriterionScope) -> None:
    listed = ("9:100:A:G", "9:150:A:G", "9:200:C:A", "9:200:C:T", "9:900:A:G")
    of_each = of.any_of(*(of.carries(variant) for variant in listed))
    assert answer(scope, of.carries("9")) == answer(scope, of_each)
