"""The paper's example: cases of ALS (4317965) parted by site (4022057) of onset, bulbar or limb.

A site records it as an observation with a value; persons with another site are left out.
"""

from __future__ import annotations

import pytest

import precisionchain as pc
from precisionchain.errors import UnknownConceptError
from precisionchain.query.criteria import Criterion
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build

BULBAR, LIMB = 2_000_001_001, 2_000_001_002

TABLES = """
    concept_ancestor
    ancestor_concept_id | descendant_concept_id
    2000001002          | 2000001003

    observation
    person | concept | qualifier_concept_id | value_as_concept_id | start
    1      | 4317965 | 4022057              | 2000001001          | 2015-01-01
    2      | 4317965 | 4022057              | 2000001002          | 2015-01-01
    3      | 4317965 | 4022057              | 2000001003          | 2015-01-01
    4      | 4317965 | 4022057              | 2000001001          | 2015-01-01
    4      | 4317965 | 4022057              | 2000001002          | 2016-01-01
    5      | 4317965 | 4022057              | 2000001004          | 2015-01-01
    6      | 4317965 |                      | 2000001001          | 2015-01-01
    7      | 4317965 | 4022057              |                     | 2015-01-01
    8      | 11      | 4022057              | 2000001001          | 2015-01-01
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    network.site().ingest(TABLES)
    return network


def members(network: BuiltNetwork, criterion: Criterion) -> list[int]:
    with network.site().network() as asked:
        found: list[int] = asked.cohort(criterion).persons["person_id"].to_list()
    return found


def test_cases_are_parted_by_site_of_onset(network: BuiltNetwork) -> None:
    """2000001003, a kind of limb onset, is one; 4 has both, 5 another site, 6 no site at all."""
    bulbar, limb = (
        pc.observation(4317965, qualifier=4022057, value_concept=site) for site in (BULBAR, LIMB)
    )
    assert members(network, bulbar & ~limb) == [1]
    assert members(network, limb & ~bulbar) == [2, 3]
    assert members(network, bulbar & limb) == [4]
    assert members(network, pc.observation(4317965, value_concept=0)) == [7]
    with network.site().network() as asked:
        shown = asked.domain(4317965, qualifier=4022057, value_concept=[BULBAR, LIMB])
    assert sorted(shown["person_id"].to_list()) == [1, 2, 3, 4, 4]


def test_a_site_of_onset_that_nobody_records_is_told(network: BuiltNetwork) -> None:
    with pytest.raises(UnknownConceptError):
        members(network, pc.observation(4317965, value_concept=2_000_001_009))
