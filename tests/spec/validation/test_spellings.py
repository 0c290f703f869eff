"""Cells in other spellings than their values are written are accepted, and counted by column."""

from __future__ import annotations

import pytest

from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

CONDITION = """\
condition_occurrence_id,person_id,condition_concept_id,condition_start_date,condition_end_date
1,7,10.0,20150401,2015-04-01 00:00:00
+2,7, 10,2015-4-1,
3,7,10,2015-04-01,""
4,07,10,2015-04-01,
"""

NORMALISED = """
    column_name             | normalisation | n
    condition_occurrence_id | plus_sign     | 1
    person_id               | leading_zeros | 1
    condition_concept_id    | decimal_point | 1
    condition_concept_id    | blanks        | 1
    condition_start_date    | compact       | 1
    condition_start_date    | short         | 1
    condition_end_date      | midnight_time | 1
    condition_end_date      | empty_quotes  | 1
    """

ANSWER = """
    person | id | concept | start      | end
    A:7    | 1  | 10      | 2015-04-01 | 2015-04-01
    A:7    | 2  | 10      | 2015-04-01 |
    A:7    | 3  | 10      | 2015-04-01 |
    A:7    | 4  | 10      | 2015-04-01 |
    """


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest_files(person="person_id,year_of_birth\n7,1950\n", condition_occurrence=CONDITION)
    return site


def test_every_normalisation_is_counted_by_column(site: BuiltSite) -> None:
    found = site.site.sql("select column_name, normalisation, n from normalised")
    assert_same(answer_rows(found, found.columns), NORMALISED)


def test_the_answer_has_the_values(site: BuiltSite) -> None:
    assert_same(answer_rows(site.domain(10), drawn(ANSWER).headings), ANSWER)
