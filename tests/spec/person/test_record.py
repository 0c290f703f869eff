"""Q2: a person's whole record: every table, every published column, and nothing else."""

from __future__ import annotations

import pytest

from precisionchain.errors import UsageError
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

TABLES = """
    person
    id | gender_concept_id | year_of_birth | birth_datetime      | provider_id | person_source_value
    7  | 8507              | 1950          | 1950-02-03 04:05:06 | 77          | MRN-0007
    -8 | 8532              | 1960          |                     | 77          | MRN-0008
    9  | 8532              | 1990          |                     |             | MRN-0009

    provider
    id | provider_name
    77 | Dr Who

    location
    id | city  | zip
    5  | Paris | 75001

    observation_period
    id | person | start      | end
    1  | 7      | 2010-01-01 | 2020-12-31

    death
    person | concept | start
    -8     |         | 2020-01-06

    condition_occurrence
    id | person | concept | start      | condition_source_value | stop_reason
    1  | 7      | 10      | 2015-01-02 | MRN-0007 has gout      | felt better
    2  | 7      | 20      | 2015-01-03 |                        |
    3  | -8     | 10      | 2015-01-03 |                        |

    measurement
    id | person | concept | start      | measurement_datetime | value_as_number | value_source_value
    4  | 7      | 30      | 2015-01-04 | 2015-01-04 10:11:12  | 6.25            | 6.25 mmol/l

    note
    id | person | concept | start      | note_title | note_text
    1  | 7      | 40      | 2015-01-05 | A title    | MRN-0007 slept badly.

    note_nlp
    id | note_id | note_nlp_concept_id | lexical_variant | nlp_date
    1  | 1       | 41                  | slept badly     | 2016-01-01

    episode
    id | person | concept | start
    1  | -8     | 50      | 2019-01-01

    episode_event
    episode_id | event_id | episode_event_field_concept_id
    1          | 3        | 51

    condition_era
    id | person | concept | start      | end
    1  | 7      | 10      | 2015-01-02 | 2015-02-02
    """

RECORD_OF_7 = {
    "person": """
        person | gender_concept_id | year_of_birth | birth_datetime
        A:7    | 8507              | 1950          | 1950-02-03 04:05:06
        """,
    "observation_period": """
        person | id | start      | end
        A:7    | 1  | 2010-01-01 | 2020-12-31
        """,
    "condition_occurrence": """
        person | id | concept | start
        A:7    | 1  | 10      | 2015-01-02
        A:7    | 2  | 20      | 2015-01-03
        """,
    "measurement": """
        person | id | concept | start      | measurement_datetime | value_as_number
        A:7    | 4  | 30      | 2015-01-04 | 2015-01-04 10:11:12  | 6.25
        """,
    "note": """
        person | id | concept | start
        A:7    | 1  | 40      | 2015-01-05
        """,
    "note_nlp": """
        person | id | note_id | note_nlp_concept_id | nlp_date
        A:7    | 1  | 1       | 41                  | 2016-01-01
        """,
    "condition_era": """
        person | id | concept | start      | end
        A:7    | 1  | 10      | 2015-01-02 | 2015-02-02
        """,
}


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest(TABLES)
    return site


def test_the_record_holds_every_table_with_rows_of_the_person(site: BuiltSite) -> None:
    record = site.person("A:7")
    assert sorted(record) == sorted(RECORD_OF_7)
    for table, expected in RECORD_OF_7.items():
        assert_same(answer_rows(record[table], drawn(expected).headings), expected)


def test_only_columns_on_the_allow_list_are_answered(site: BuiltSite) -> None:
    """Free text, source values and staff stay at the site, and so does every number of theirs."""
    record = site.person("A:7")
    assert {table: rows.columns[3:] for table, rows in record.items() if table != "person"} == {
        "condition_era": [
            "condition_era_id",
            "condition_concept_id",
            "condition_era_start_date",
            "condition_era_end_date",
        ],
        "condition_occurrence": [
            "condition_occurrence_id",
            "condition_concept_id",
            "condition_start_date",
        ],
        "measurement": [
            "measurement_id",
            "measurement_concept_id",
            "measurement_date",
            "measurement_datetime",
            "value_as_number",
        ],
        "note": ["note_id", "note_date", "note_class_concept_id"],
        "note_nlp": ["note_nlp_id", "note_id", "note_nlp_concept_id", "nlp_date"],
        "observation_period": [
            "observation_period_id",
            "observation_period_start_date",
            "observation_period_end_date",
        ],
    }
    assert record["person"].columns == [
        "site",
        "person_id",
        "table",
        "gender_concept_id",
        "year_of_birth",
        "birth_datetime",
    ]
    for rows in record.values():
        assert rows.columns[:3] == ["site", "person_id", "table"]


def test_rows_without_a_person_of_their_own_follow_their_parent(site: BuiltSite) -> None:
    record = site.person("A:-8")
    assert sorted(record) == ["condition_occurrence", "death", "episode", "episode_event", "person"]
    expected = """
        person | episode_id | event_id | episode_event_field_concept_id
        A:-8   | 1          | 3        | 51
        """
    assert_same(answer_rows(record["episode_event"], drawn(expected).headings), expected)


def test_a_person_without_events_has_a_row_in_person(site: BuiltSite) -> None:
    assert list(site.person("A:9")) == ["person"]


def test_one_table_is_answered_when_asked_for(site: BuiltSite) -> None:
    assert list(site.person("A:7", table="measurement")) == ["measurement"]
    assert list(site.person("A:7", table="MEASUREMENT")) == ["measurement"]
    assert site.person("A:9", table="measurement") == {}


@pytest.mark.parametrize("table", ["measurements", "location", "provider", "concept"])
def test_what_is_no_table_of_persons_is_refused(site: BuiltSite, table: str) -> None:
    with pytest.raises(UsageError, match="not a table of persons"):
        site.person("A:7", table=table)
