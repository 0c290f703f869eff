"""Q1: which CDM tables answer: all event tables, or the one that is asked for; eras when asked."""

from __future__ import annotations

import pytest

from precisionchain.errors import UsageError
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

TABLES = """
    visit_occurrence
    id | person | concept | start      | end
    1  | 7      | 10      | 2015-01-01 | 2015-01-01

    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-02

    drug_exposure
    id | person | concept | start
    5  | 8      | 10      | 2015-01-03

    measurement
    id | person | concept | start      | value_as_number | unit_concept_id
    2  | 8      | 10      | 2015-01-04 | 6.5             | 8554

    death
    person | concept | start
    8      | 10      | 2015-01-05
    9      |         | 2015-01-06

    condition_era
    id | person | concept | start      | end        | condition_occurrence_count
    1  | 7      | 10      | 2015-01-01 | 2015-02-01 | 1

    drug_era
    id | person | concept | start      | end
    1  | 8      | 10      | 2015-01-03 | 2015-02-03
    """


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest(TABLES)
    return site


def ask(site: BuiltSite, concept: int, table: str | None, expected: str) -> None:
    answer = site.domain(concept, table=table)
    assert_same(answer_rows(answer, drawn(expected).headings), expected)


def test_every_event_table_answers_and_no_era(site: BuiltSite) -> None:
    expected = """
        table                | person | concept | start
        condition_occurrence | A:7    | 10      | 2015-01-02
        death                | A:8    | 10      | 2015-01-05
        drug_exposure        | A:8    | 10      | 2015-01-03
        measurement          | A:8    | 10      | 2015-01-04
        visit_occurrence     | A:7    | 10      | 2015-01-01
        """
    ask(site, 10, None, expected)


@pytest.mark.parametrize("table", ["measurement", "MEASUREMENT", "Measurement"])
def test_a_table_is_asked_by_name_or_domain_in_any_case(site: BuiltSite, table: str) -> None:
    expected = """
        table       | id | person | concept | start      | value_as_number | unit_concept_id
        measurement | 2  | A:8    | 10      | 2015-01-04 | 6.5             | 8554
        """
    ask(site, 10, table, expected)


def test_a_domain_is_the_event_table_and_not_its_era(site: BuiltSite) -> None:
    expected = """
        table                | id | person
        condition_occurrence | 1  | A:7
        """
    ask(site, 10, "condition", expected)
    ask(site, 10, "condition_occurrence", expected)


def test_an_era_answers_when_it_is_asked_for(site: BuiltSite) -> None:
    expected = """
        table         | id | person | start      | end        | condition_occurrence_count
        condition_era | 1  | A:7    | 2015-01-01 | 2015-02-01 | 1
        """
    ask(site, 10, "condition_era", expected)
    ask(site, 10, "drug_era", "table | id | person\n drug_era | 1 | A:8")


def test_a_table_without_rows_of_the_concept_is_an_empty_answer(site: BuiltSite) -> None:
    ask(site, 10, "procedure_occurrence", "table | id | person")


@pytest.mark.parametrize("table", ["conditions", "person", "concept", "", "observation_period"])
def test_what_is_no_event_table_is_refused(site: BuiltSite, table: str) -> None:
    with pytest.raises(UsageError, match="not an event table"):
        site.domain(10, table=table)


def test_columns_of_other_tables_are_null(site: BuiltSite) -> None:
    answer = site.domain(10)
    (condition,) = answer.filter(table="condition_occurrence").to_dicts()
    assert condition["condition_occurrence_id"] == 1
    assert condition["measurement_id"] is None
    assert condition["value_as_number"] is None
