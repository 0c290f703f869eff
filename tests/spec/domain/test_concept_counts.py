"""Persons and records by concept count within observation periods, over the network or one site."""

from __future__ import annotations

import polars as pl
import pytest

from precisionchain.errors import UsageError
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltNetwork
from tests.lib.tables import assert_same
from tests.spec.conftest import Build

SITE_A = """
    concept
    concept_id | concept_name | domain_id
    10         | fever        | Condition
    20         | cough        | Condition

    observation_period
    person | start      | end
    1      | 2015-01-01 | 2015-12-31
    1      | 2015-06-01 | 2016-06-30
    2      | 2015-01-01 | 2015-01-31

    condition_occurrence
    person | concept | start
    1      | 10      | 2015-01-01
    1      | 10      | 2015-07-01
    1      | 10      | 2016-06-30
    1      | 10      | 2016-07-01
    2      | 10      | 2014-12-31
    2      | 20      | 2015-01-31
    2      | 0       | 2015-01-15
    3      | 20      | 2015-01-15

    condition_era
    person | concept | start
    1      | 10      | 2015-02-01
    """

SITE_B = """
    observation_period
    person | start      | end
    1      | 2015-01-01 | 2015-12-31

    condition_occurrence
    person | concept | start
    1      | 20      | 2015-02-01
    1      | 30      | 2015-02-01

    measurement
    person | concept | start
    1      | 40      | 2015-02-01
    1      | 40      | 2015-02-02
    """

COLUMNS = ("concept_id", "concept_name", "persons", "records")


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build()
    network.site("A").ingest(SITE_A)
    network.site("B").ingest(SITE_B)
    return network


def asked(built: BuiltNetwork, table: str, site: str | None = None) -> pl.DataFrame:
    with built.site("B").network() as network:
        return network.concept_counts(table, site=site)


def test_what_lies_in_a_period_of_its_person_counts_once(network: BuiltNetwork) -> None:
    answer = asked(network, "condition_occurrence")
    assert_same(
        answer_rows(answer, COLUMNS),
        """
        concept_id | concept_name | persons | records
        20         | cough        | 2       | 2
        10         | fever        | 1       | 3
        0          |              | 1       | 1
        30         |              | 1       | 1
        """,
    )
    assert answer["persons"].to_list() == [2, 1, 1, 1]


def test_one_site_s_persons_are_counted_alone(network: BuiltNetwork) -> None:
    here = asked(network, "condition", "B")
    assert here.select("concept_id", "persons", "records").rows() == [(20, 1, 1), (30, 1, 1)]
    assert asked(network, "measurement", "A").is_empty()
    assert asked(network, "measurement").select("persons", "records").rows() == [(1, 2)]


def test_tables_that_cannot_be_counted_are_refused(network: BuiltNetwork) -> None:
    with pytest.raises(UsageError, match="not an event table"):
        asked(network, "person")
    with pytest.raises(UsageError, match="derived, and not counted"):
        asked(network, "condition_era")


def test_a_withdrawn_person_counts_no_more_and_who_counted_is_logged(build: Build) -> None:
    network = build()
    network.site("A").ingest(SITE_A)
    with network.site("A").network() as asking:
        asking.concept_counts("condition")
        seen = asking.audit.who_saw(person="A:2")
        assert seen["operation"].to_list() == ["concept-counts"]
        assert asking.audit.who_saw(person="A:3").is_empty()  # in no period
    network.site("A").site.withdraw_persons([2])
    with network.site("A").network() as asking:
        answer = asking.concept_counts("condition")
    assert answer.select("concept_id", "persons", "records").rows() == [(10, 1, 3)]
