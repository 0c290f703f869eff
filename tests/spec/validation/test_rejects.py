"""A row is accepted or rejected; rejects are listed by rule, file, record, line and column."""

from __future__ import annotations

import pytest

from precisionchain.errors import UnknownConceptError
from precisionchain.ingest.rules import RULES
from precisionchain.schemas.omop import TABLES
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

PERSON = """\
person_id,gender_concept_id,year_of_birth
1,8507,1950
2,8532,1960
,8532,1970
2,8507,1980
x,8507,1990
3,8507,19.5
"""

CONDITION = b"""\
condition_occurrence_id,person_id,condition_concept_id,condition_start_date,stop_reason
1,1,10,2015-01-01,"two
lines"
2,1,10,2015-02-30,
3,1,10,2015-01-01
4,1,10,2015-01-01,a,b
5,1,10,2015-01-01,\xff
6,1,10,2015-01-01,"open" end
7,99,10,2015-01-01,
8,,10,,
1,2,10,2015-01-01,
9,2,,2015-01-01,
10,3,10,2015-01-01,
11,2,10,2015-01-01 10:30,
12,2,10.5,2015-01-01,
13,2,10,2015-01-01,x
"""

MEASUREMENT = """\
measurement_id,person_id,measurement_concept_id,measurement_date,measurement_datetime,value_as_number
1,1,20,2015-01-01,2015-01-01 25:00:00,1
2,1,20,2015-01-01,,abc
3,1,20,2015-01-01,,1e999
4,1,20,2015-01-01,2015-01-01 10:00:00,1.5
"""

NOTE = "note_id,person_id,note_class_concept_id,note_date\n1,1,30,2015-01-01\n2,99,30,2015-01-01\n"
NOTE_NLP = "note_nlp_id,note_id,term_exists\n1,1,Y\n2,2,Y\n3,1,yes\n"
OBSERVATION = (
    "observation_id,person_id,observation_concept_id,observation_date,value_as_string\n"
    f"1,1,40,2015-01-01,{'a' * 2_000_001}\n2,1,40,2015-01-01,b\n"
)

REJECTED = """
    table_name           | rule           | record | line | column_name
    person               | required       | 3      | 4    | person_id
    person               | duplicate_key  | 4      | 5    | person_id
    person               | type:Integer64 | 5      | 6    | person_id
    person               | type:Integer64 | 6      | 7    | year_of_birth
    condition_occurrence | type:Date      | 2      | 4    | condition_start_date
    condition_occurrence | ragged         | 3      | 5    |
    condition_occurrence | ragged         | 4      | 6    |
    condition_occurrence | encoding       | 5      | 7    |
    condition_occurrence | quoting        | 6      | 8    |
    condition_occurrence | unknown_person | 7      | 9    | person_id
    condition_occurrence | required       | 8      | 10   | person_id
    condition_occurrence | required       | 8      | 10   | condition_start_date
    condition_occurrence | duplicate_key  | 9      | 11   | condition_occurrence_id
    condition_occurrence | required       | 10     | 12   | condition_concept_id
    condition_occurrence | unknown_person | 11     | 13   | person_id
    condition_occurrence | type:Date      | 12     | 14   | condition_start_date
    condition_occurrence | type:Integer64 | 13     | 15   | condition_concept_id
    measurement          | type:Datetime  | 1      | 2    | measurement_datetime
    measurement          | type:Float     | 2      | 3    | value_as_number
    measurement          | type:Float     | 3      | 4    | value_as_number
    note                 | unknown_person | 2      | 3    | person_id
    note_nlp             | unknown_parent | 2      | 3    | note_id
    note_nlp             | type:Flag      | 3      | 4    | term_exists
    observation          | too_long       | 1      | 2    |
    """

COUNTS = """
    table_name           | n_records | n_accepted | n_rejected
    person               | 6         | 2          | 4
    condition_occurrence | 14        | 2          | 12
    measurement          | 4         | 1          | 3
    note                 | 2         | 1          | 1
    note_nlp             | 3         | 1          | 2
    observation          | 2         | 1          | 1
    """


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest_files(
        person=PERSON,
        condition_occurrence=CONDITION,
        measurement=MEASUREMENT,
        note=NOTE,
        note_nlp=NOTE_NLP,
        observation=OBSERVATION,
    )
    return site


def test_each_reject_names_its_rule_record_line_and_column(site: BuiltSite) -> None:
    """A record is counted from 1 after the header; a line is the physical line it begins on."""
    found = site.site.sql("select table_name, rule, record, line, column_name from rejected")
    assert_same(answer_rows(found, found.columns), REJECTED)


def test_every_rule_that_rejects_is_shown_here() -> None:
    shown = {row["rule"] for row in drawn(REJECTED).rows}
    assert shown == {rule.name for rule in RULES.values() if rule.severity == "error"}


def test_rejects_name_their_file_and_severity(site: BuiltSite) -> None:
    found = site.site.sql(
        "select distinct table_name || '.csv' = file as same, severity from rejected"
    )
    assert found.to_dicts() == [{"same": True, "severity": "error"}]


def test_every_record_is_accepted_or_rejected_once(site: BuiltSite) -> None:
    found = site.site.sql("select table_name, n_records, n_accepted, n_rejected from tables")
    assert_same(answer_rows(found, found.columns), COUNTS)


def test_accepted_rows_answer_and_rejected_ones_do_not(site: BuiltSite) -> None:
    """Of two rows with one key the first that is not rejected otherwise is kept."""
    for concept, expected in (
        (10, "person | id | start\n A:1 | 1 | 2015-01-01\n A:2 | 13 | 2015-01-01"),
        (20, "person | id | value_as_number\n A:1 | 4 | 1.5"),
        (40, "person | id\n A:1 | 2"),
    ):
        assert_same(answer_rows(site.domain(concept), drawn(expected).headings), expected)
    record = site.person("A:1")
    assert record["note_nlp"]["note_nlp_id"].to_list() == [1]


def test_nothing_of_a_rejected_person_is_published(site: BuiltSite) -> None:
    with site.network() as network:
        for table in ("person", "condition_occurrence"):
            assert network.person("A:1", table=table)
        with pytest.raises(Exception, match="no clinical record"):
            network.person("A:3")


def test_every_main_concept_and_start_date_is_required_of_event_tables() -> None:
    for table in TABLES.values():
        if table.domain_prefix and table.name != "death":
            assert table.concept_column
            assert table.start_date_column
            assert table.field(table.concept_column).must, table.name
            assert table.field(table.start_date_column).must, table.name


def test_a_source_whose_rows_are_all_rejected_publishes_no_row(build: Build) -> None:
    site = build().site()
    done = site.ingest_files(
        person="person_id,year_of_birth\nx,1950\n",
        condition_occurrence=(
            "condition_occurrence_id,person_id,condition_concept_id,condition_start_date\n"
            "1,1,10,2015-01-01\n"
        ),
    )
    assert dict(done.counts) == {"records": 2, "accepted": 0, "rejected": 2}
    with pytest.raises(UnknownConceptError):
        site.domain(10)
