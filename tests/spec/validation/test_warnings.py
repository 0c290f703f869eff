"""What is odd about a row is counted by rule and column, and the row is kept."""

from __future__ import annotations

import pytest

from precisionchain.ingest.rules import RULES
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

TABLES = f"""
    concept
    id | concept_name | domain_id   | standard_concept
    10 | Gout         | Condition   | S
    20 | Urate        | Measurement | S
    30 | Old gout     | Condition   |

    person
    id | gender_concept_id | year_of_birth | month_of_birth | day_of_birth
    1  | 0                 | 1950          | 13             | 1
    2  |                   |               | 2              | 32
    3  |                   | 2000          |                |

    death
    person | concept | start
    1      |         | 2015-03-01

    condition_occurrence
    id | person | concept | start      | condition_start_datetime | end        | stop_reason
    1  | 1      | 10      | 2015-01-01 | 2015-01-02 10:00:00      | 2014-12-31 | {"a" * 21}
    2  | 1      | 20      | 2015-04-30 | 2015-04-30 00:00:00      | 2015-04-30 | {"a" * 20}
    3  | 1      | 30      | 2015-05-01 |                          |            |
    4  | 3      | 99      | 1999-12-31 |                          |            |
    5  | 3      | 0       | 2000-01-01 |                          |            |
    """

# 60 days after a death something may still be written; 20 characters are the CDM's stop_reason.
WARNINGS = """
    table_name           | rule             | column_name              | n
    person               | concept_zero     | gender_concept_id        | 1
    person               | expected         | gender_concept_id        | 2
    person               | expected         | year_of_birth            | 1
    person               | birth_range      | month_of_birth           | 1
    person               | birth_range      | day_of_birth             | 1
    condition_occurrence | datetime_differs | condition_start_datetime | 1
    condition_occurrence | date_order       | condition_end_date       | 1
    condition_occurrence | length           | stop_reason              | 1
    condition_occurrence | after_death      | condition_start_date     | 1
    condition_occurrence | before_birth     | condition_start_date     | 1
    condition_occurrence | concept_domain   | condition_concept_id     | 1
    condition_occurrence | concept_standard | condition_concept_id     | 1
    condition_occurrence | concept_unknown  | condition_concept_id     | 1
    condition_occurrence | concept_zero     | condition_concept_id     | 1
    """
MISSING = """
    table_name           | rule           | column_name               | n
    condition_occurrence | missing_column | condition_type_concept_id | 5
    person               | missing_column | ethnicity_concept_id      | 3
    person               | missing_column | race_concept_id           | 3
    """


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest(TABLES)
    return site


def found(site: BuiltSite, condition: str) -> list[dict[str, str]]:
    answer = site.site.sql(
        "select table_name, rule, column_name, n from warnings"
        f" where table_name <> 'concept' and {condition}"
    )
    return answer_rows(answer, answer.columns)


def test_each_warning_is_counted_by_rule_and_column(site: BuiltSite) -> None:
    assert_same(found(site, "rule <> 'missing_column'"), WARNINGS)


def test_a_column_the_cdm_requires_and_the_export_lacks_is_a_warning(site: BuiltSite) -> None:
    assert_same(found(site, "rule = 'missing_column'"), MISSING)


def test_every_rule_that_warns_is_shown_here() -> None:
    shown = {row["rule"] for text in (WARNINGS, MISSING) for row in drawn(text).rows}
    assert shown == {rule.name for rule in RULES.values() if rule.severity == "warning"}


def test_rows_with_warnings_are_kept(site: BuiltSite) -> None:
    assert site.site.sql("select count(*) as n from rejected").item() == 0
    record = {**site.person("A:1"), **site.person("A:3", table="person")}
    expected = """
        person | id | concept | start      | end
        A:1    | 1  | 10      | 2015-01-01 | 2014-12-31
        A:1    | 2  | 20      | 2015-04-30 | 2015-04-30
        A:1    | 3  | 30      | 2015-05-01 |
        """
    rows = record["condition_occurrence"]
    assert_same(answer_rows(rows, drawn(expected).headings), expected)
