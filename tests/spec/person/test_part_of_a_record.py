"""Q2: of a person's record what starts within some days, and what is of some concepts."""

from __future__ import annotations

from typing import Any

import pytest

from precisionchain.errors import UnknownConceptError, UsageError
from tests.lib.site_builder import BuiltSite
from tests.spec.conftest import Build

TABLES = """
    concept_ancestor
    ancestor_concept_id | descendant_concept_id
    10                  | 11

    person
    id | year_of_birth
    7  | 1950

    observation_period
    id | person | start      | end
    1  | 7      | 2010-01-01 | 2020-12-31

    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-02
    2  | 7      | 11      | 2015-01-03
    3  | 8      | 10      | 2015-01-03

    drug_exposure
    id | person | concept | start
    4  | 7      | 20      | 2015-01-03

    death
    person | concept | start
    7      |         | 2016-01-06
    """


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest(TABLES)
    return site


@pytest.mark.parametrize(
    ("given", "rows"),
    [
        ({}, "condition 2 death 1 drug 1 observation_period 1 person 1"),
        ({"since": "2015-01-03"}, "condition 1 death 1 drug 1 person 1"),
        ({"until": "2015-01-02"}, "condition 1 observation_period 1 person 1"),
        ({"since": "2015-01-03", "until": "2015-01-03"}, "condition 1 drug 1 person 1"),
        ({"concepts": 10}, "condition 2"),
        ({"concepts": 10, "descendants": False}, "condition 1"),
        ({"concepts": [11, 20], "until": "2015-12-31"}, "condition 1 drug 1"),
        ({"concepts": 0}, "death 1"),
        ({"table": "drug_exposure", "since": "2015-01-04"}, ""),
    ],
)
def test_a_part_of_the_record(site: BuiltSite, given: dict[str, Any], rows: str) -> None:
    with site.network() as network:
        record = network.person("A:7", **given)
    short = {"condition_occurrence": "condition", "drug_exposure": "drug"}
    shown = " ".join(f"{short.get(name, name)} {rows.height}" for name, rows in record.items())
    assert shown == rows


def test_what_is_asked_for_must_be_there(site: BuiltSite) -> None:
    with site.network() as network:
        with pytest.raises(UnknownConceptError):
            network.person("A:7", concepts=99)
        with pytest.raises(UsageError, match="not a date"):
            network.person("A:7", since="2015")
