"""Judging rows: what rejects them, what is only counted, and in which order tables depend."""

from __future__ import annotations

import doctest
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from precisionchain.errors import SiteError
from precisionchain.ingest import rules
from precisionchain.ingest.rules import RULES
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.validate import summary, validate_omop
from precisionchain.schemas.omop import TABLES
from tests.lib.omop_builder import write_omop


class Judged:
    """A validated export, and questions to it."""

    def __init__(self, folder: Path, text: str, known: list[int] | None = None) -> None:
        self.staging = Staging.open(folder / "site" / "staging")
        self.staged = stage_omop(self.staging, write_omop(folder / "omop", text))
        persons = None if known is None else pa.table({"person_id": pa.array(known, pa.int64())})
        self.run = validate_omop(self.staging, self.staged, known_persons=persons)

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.staging.database() as database:
            return database.execute(query).fetchall()

    def rejected(self, table: str) -> list[tuple[int, str, str]]:
        return self.ask(
            "SELECT record, rule, column_name FROM rejected"
            f" WHERE table_name = '{table}' ORDER BY ALL"
        )

    def warned(self) -> dict[tuple[str, str], int]:
        return {
            (rule, column): n
            for rule, column, n in self.ask("SELECT rule, column_name, n FROM warnings")
            if rule != "missing_column"
        }


def accepted(run: Run, table: str, column: str) -> list[Any]:
    rows = pq.read_table(run.path / "accepted" / f"{table}.parquet").sort_by("_record")
    return rows[column].to_pylist()


def test_a_row_is_rejected_for_every_reason_it_has(tmp_path: Path) -> None:
    judged = Judged(
        tmp_path,
        """
        person
        id
        1

        condition_occurrence
        id | person | concept | start      | condition_end_date
        1  | 1      | 201826  | 2020-01-01 |
        2  |        |         | 2020-02-30 | soon
        x  | 1      | 201826  |            |
        4  | 1      | 1.5     | 2020-01-01 |
        """,
    )
    assert judged.rejected("condition_occurrence") == [
        (2, "required", "condition_concept_id"),
        (2, "required", "person_id"),
        (2, "type:Date", "condition_end_date"),
        (2, "type:Date", "condition_start_date"),
        (3, "required", "condition_start_date"),
        (3, "type:Integer64", "condition_occurrence_id"),
        (4, "type:Integer64", "condition_concept_id"),
    ]
    assert accepted(judged.run, "condition_occurrence", "condition_occurrence_id") == [1]


def test_of_rows_with_one_key_the_first_that_could_be_accepted_stays(tmp_path: Path) -> None:
    judged = Judged(
        tmp_path,
        """
        person
        id
        1
        1

        condition_occurrence
        id | person | start
        7  | 1      | never
        7  | 1      | 2020-01-02
        8  | 1      | 2020-01-03
        7  | 1      | 2020-01-04
        07 | 1      | 2020-01-05
        """,
    )
    assert judged.rejected("person") == [(2, "duplicate_key", "person_id")]
    assert judged.rejected("condition_occurrence") == [
        (1, "type:Date", "condition_start_date"),
        (4, "duplicate_key", "condition_occurrence_id"),
        (5, "duplicate_key", "condition_occurrence_id"),
    ]
    assert accepted(judged.run, "condition_occurrence", "_record") == [2, 3]


def test_persons_are_those_accepted_here_or_in_an_earlier_batch(tmp_path: Path) -> None:
    text = """
        person
        id | year_of_birth
        1  | 1950
        2  | MCMLX

        condition_occurrence
        id | person
        1  | 1
        2  | 2
        3  | 3
        4  | -9
        """
    strangers = [(n, "unknown_person", "person_id") for n in (2, 3, 4)]
    assert Judged(tmp_path / "a", text).rejected("condition_occurrence") == strangers
    later = Judged(tmp_path / "b", text, known=[3, -9])
    assert later.rejected("condition_occurrence") == strangers[:1]
    nobody = Judged(
        tmp_path / "c",
        """
        person
        id
        x

        condition_occurrence
        id | person
        1  | 3
        2  |
        """,
    )
    assert nobody.rejected("condition_occurrence") == [
        (1, "unknown_person", "person_id"),
        (2, "required", "person_id"),
    ]


def test_children_follow_an_accepted_parent(tmp_path: Path) -> None:
    judged = Judged(
        tmp_path,
        """
        person
        id
        1

        note
        id | person | start
        1  | 1      | 2020-01-01
        2  | 9      | 2020-01-01

        note_nlp
        id | note_id
        1  | 1
        2  | 2
        3  | 3

        episode_event
        episode_id | event_id | episode_event_field_concept_id
        1          | 1        | 0
        """,
    )
    assert judged.rejected("note_nlp") == [
        (2, "unknown_parent", "note_id"),
        (3, "unknown_parent", "note_id"),
    ]
    assert judged.rejected("episode_event") == [(1, "unknown_parent", "episode_id")]


def test_deaths_need_no_cause_and_have_no_key(tmp_path: Path) -> None:
    judged = Judged(
        tmp_path,
        """
        death
        person | start      | cause_concept_id
        1      | 2020-01-01 |
        1      | 2020-01-01 |
        """,
    )
    assert judged.rejected("death") == []
    assert accepted(judged.run, "death", "person_id") == [1, 1]


def test_accepted_rows_are_typed_in_cdm_order(tmp_path: Path) -> None:
    judged = Judged(
        tmp_path,
        """
        person
        id
        1

        measurement
        value_as_number | measurement_datetime | start    | concept | person | id | measurement_time
        1.50            | 2020-01-02           | 20200102 | 3.0     | +1     | 07 | noon
        """,
    )
    table = pq.read_table(judged.run.path / "accepted" / "measurement.parquet")
    kinds = {field.name: str(field.type) for field in table.schema}
    assert kinds == {
        "measurement_id": "int64",
        "person_id": "int64",
        "measurement_concept_id": "int64",
        "measurement_date": "date32[day]",
        "measurement_datetime": "timestamp[us]",
        "measurement_time": "string",
        "value_as_number": "double",
        "_file": "string",
        "_record": "int64",
    }
    assert list(kinds) == [c for c in TABLES["measurement"].columns if c in kinds] + [
        "_file",
        "_record",
    ]
    assert judged.ask("SELECT column_name, normalisation, n FROM normalised ORDER BY ALL") == [
        ("measurement_concept_id", "decimal_point", 1),
        ("measurement_date", "compact", 1),
        ("measurement_datetime", "date_only", 1),
        ("measurement_id", "leading_zeros", 1),
        ("person_id", "plus_sign", 1),
    ]


def test_empty_tables_have_typed_columns_too(tmp_path: Path) -> None:
    staging = Staging.open(tmp_path / "site" / "staging")
    (tmp_path / "death.csv").write_text("person_id,death_date,death_datetime,cause_source_value\n")
    run = validate_omop(staging, stage_omop(staging, tmp_path))
    schema = pq.read_schema(run.path / "accepted" / "death.parquet")
    assert [str(field.type) for field in schema] == [
        "int64",
        "date32[day]",
        "timestamp[us]",
        "string",
        "string",
        "int64",
    ]


def test_what_is_only_odd_is_counted_and_kept(tmp_path: Path) -> None:
    judged = Judged(
        tmp_path,
        """
        person
        id | year_of_birth | month_of_birth | day_of_birth | race_concept_id
        1  | 1950          | 13             | 31           | 0
        2  |               | 12             | 32           | 8527

        death
        person | start
        1      | 2020-01-01

        condition_occurrence
        id | person | concept | start      | end        | condition_start_datetime
        1  | 1      | 0       | 1949-12-31 | 1949-12-30 | 1949-12-31 08:00:00
        2  | 1      | 201826  | 2020-03-01 |            | 2020-03-02 00:00:00
        3  | 1      | 201826  | 2020-03-02 |            |

        drug_exposure
        id | person | concept | start      | stop_reason
        1  | 1      | 19      | 2019-01-01 | it was no longer needed
        2  | 1      | 19      | 2019-01-01 | enough
        """,
    )
    assert judged.ask("SELECT count(*) FROM condition_occurrence") == [(3,)]
    warned = judged.warned()
    assert {key: n for key, n in warned.items() if key[0] != "expected"} == {
        ("birth_range", "month_of_birth"): 1,
        ("birth_range", "day_of_birth"): 1,
        ("concept_zero", "race_concept_id"): 1,
        ("concept_zero", "condition_concept_id"): 1,
        ("date_order", "condition_end_date"): 1,
        ("before_birth", "condition_start_date"): 1,
        ("after_death", "condition_start_date"): 1,
        ("datetime_differs", "condition_start_datetime"): 1,
        ("length", "stop_reason"): 1,
    }
    assert warned["expected", "year_of_birth"] == 1


def test_concepts_are_compared_with_the_staged_vocabulary(tmp_path: Path) -> None:
    judged = Judged(
        tmp_path,
        """
        concept
        concept_id | concept_name | domain_id | standard_concept
        0          | none         | Metadata  |
        201826     | diabetes     | Condition | S
        4329847    | infarct      | Condition |
        8507       | male         | Gender    | S

        person
        id
        1

        condition_occurrence
        id | person | concept
        1  | 1      | 201826
        2  | 1      | 4329847
        3  | 1      | 8507
        4  | 1      | 99
        5  | 1      | 0
        """,
    )
    concept = {rule: n for (rule, c), n in judged.warned().items() if c == "condition_concept_id"}
    assert concept == {
        "concept_zero": 1,
        "concept_unknown": 1,
        "concept_domain": 1,
        "concept_standard": 1,
    }


def test_validating_again_changes_nothing_and_drops_only_vocabulary_cells(tmp_path: Path) -> None:
    judged = Judged(
        tmp_path,
        """
        concept
        concept_id | concept_name | standard_concept
        1          | a            | S
        x          | b            | SS

        person
        id
        1
        x
        """,
    )
    first, rejects = summary(judged.run), judged.ask("SELECT * FROM rejected ORDER BY ALL")
    assert [path.stem for path in (judged.run.path / "raw").iterdir()] == ["person"]
    again = validate_omop(judged.staging, judged.run)
    assert summary(again) == first
    assert judged.ask("SELECT * FROM rejected ORDER BY ALL") == rejects
    assert len(rejects) == 3


def test_runs_of_genotypes_are_not_validated_here(tmp_path: Path) -> None:
    staging = Staging.open(tmp_path / "staging")
    with staging.new_run("vcf") as partial:
        partial.describe({"source": "s", "source_id": "0"})
    with pytest.raises(SiteError, match="only OMOP runs"):
        validate_omop(staging, staging.runs()[0])


def test_the_registry_names_every_rule_that_is_reported(tmp_path: Path) -> None:
    assert doctest.testmod(rules).failed == 0
    types = {field.lexical.name for table in TABLES.values() for field in table.fields}
    named = {name for name in types if not name.startswith("Varchar")}
    assert {f"type:{name}" for name in named} == {n for n in RULES if n.startswith("type:")}
    pages = Path(__file__).resolve().parents[2] / "docs" / "reference"
    for rule in RULES.values():
        page = pages / ("quality.md" if rule.severity == "measure" else "staging.md")
        said = f"| `{rule.name}` | {rule.severity} | {rule.family} | {rule.description} |"
        assert said in page.read_text(encoding="utf-8")
