"""Every rule finds what is planted for it in a small CDM, and nothing in a clean one."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from precisionchain.ingest.quality_scopes import SCOPES, Delivered, subjects
from precisionchain.ingest.rules import RULES
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Staging
from precisionchain.ingest.validate import validate_omop
from precisionchain.schemas.lexical import DATE, DATETIME, FLAG, FLOAT, INTEGER64
from precisionchain.schemas.omop import TABLES
from tests.lib.quality_builder import FEMALE, Rows, clean_rows, csv_text

Files = dict[str, bytes]
Found = dict[tuple[str, str, str], int]
"""(rule, table, column) -> rows that violate."""


def found_in(folder: Path, files: Files) -> tuple[Found, Found]:
    """Return n_violating and n_checked of every rule in an export."""
    folder.joinpath("omop").mkdir(parents=True)
    for name, content in files.items():
        (folder / "omop" / f"{name}.csv").write_bytes(content)
    staging = Staging.open(folder / "staging")
    validate_omop(staging, stage_omop(staging, folder / "omop"))
    with staging.database() as database:
        rows: list[Any] = database.execute(
            "SELECT rule, table_name, column_name, n_violating, n_checked FROM quality"
        ).fetchall()
    violating = {(rule, table, column): n for rule, table, column, n, _ in rows}
    return violating, {(rule, table, column): n for rule, table, column, _, n in rows}


def files_of(rows: Rows) -> Files:
    return {name: csv_text(each).encode() for name, each in rows.items()}


def cells(table: str, row: int = 0, **values: str) -> Callable[[Rows], None]:
    """Plant values into a row."""

    def plant(rows: Rows) -> None:
        assert rows[table][row].keys() >= values.keys()
        rows[table][row].update(values)

    return plant


def column(table: str, name: str, value: str) -> Callable[[Rows], None]:
    """Plant a column: a value in the first row, the clean one in the others."""

    def plant(rows: Rows) -> None:
        for number, row in enumerate(rows[table]):
            row[name] = value if number == 0 else "1"

    return plant


def without(table: str, name: str) -> Callable[[Rows], None]:
    def plant(rows: Rows) -> None:
        for row in rows[table]:
            del row[name]

    return plant


def of_concept(concept: str, **values: str) -> Callable[[Rows], None]:
    def plant(rows: Rows) -> None:
        next(row for row in rows["concept"] if row["concept_id"] == concept).update(values)

    return plant


def without_rows(table: str, n: int) -> Callable[[Rows], None]:
    def plant(rows: Rows) -> None:
        if n == len(rows[table]):
            del rows[table]
        else:
            del rows[table][-n:]

    return plant


CONDITION, DRUG, MEASUREMENT = "condition_occurrence", "drug_exposure", "measurement"
PROCEDURE, PERIOD = "procedure_occurrence", "observation_period"

PLANTED: dict[str, tuple[Callable[[Rows], None], str, str, int]] = {
    "type:Integer64": (cells(CONDITION, condition_concept_id="1e3"), CONDITION, "", 1),
    "type:Float": (cells(MEASUREMENT, value_as_number="1,5"), MEASUREMENT, "", 1),
    "type:Date": (cells(CONDITION, condition_start_date="2015-02-29"), CONDITION, "", 1),
    "type:Datetime": (cells(CONDITION, condition_end_datetime="noon"), CONDITION, "", 1),
    "type:Flag": (of_concept("201826", standard_concept="yes"), "concept", "", 1),
    "required": (cells(CONDITION, condition_concept_id=""), CONDITION, "", 1),
    "unknown_person": (cells(CONDITION, person_id="9"), CONDITION, "", 1),
    "unknown_parent": (cells("note_nlp", note_id="9"), "note_nlp", "", 1),
    "duplicate_key": (cells(CONDITION, condition_occurrence_id="2"), CONDITION, "", 1),
    "expected": (
        cells(CONDITION, condition_type_concept_id=""),
        CONDITION,
        "condition_type_concept_id",
        1,
    ),
    "missing_column": (
        without(CONDITION, "condition_type_concept_id"),
        CONDITION,
        "condition_type_concept_id",
        3,
    ),
    "length": (cells(CONDITION, stop_reason="a" * 21), CONDITION, "stop_reason", 1),
    "concept_zero": (
        cells(CONDITION, condition_concept_id="0"),
        CONDITION,
        "condition_concept_id",
        1,
    ),
    "concept_unknown": (
        cells(CONDITION, condition_concept_id="77"),
        CONDITION,
        "condition_concept_id",
        1,
    ),
    "concept_domain": (
        cells(CONDITION, condition_concept_id="1127433"),
        CONDITION,
        "condition_concept_id",
        1,
    ),
    "concept_standard": (
        of_concept("201826", standard_concept=""),
        CONDITION,
        "condition_concept_id",
        3,
    ),
    "concept_invalid": (
        of_concept("201826", invalid_reason="U"),
        CONDITION,
        "condition_concept_id",
        3,
    ),
    "concept_class": (
        cells("drug_era", drug_concept_id="1127433"),
        "drug_era",
        "drug_concept_id",
        1,
    ),
    "datetime_differs": (
        cells(CONDITION, condition_start_datetime="2015-02-28 10:00:00"),
        CONDITION,
        "condition_start_datetime",
        1,
    ),
    "date_order": (
        cells(CONDITION, condition_end_date="2015-02-28"),
        CONDITION,
        "condition_end_date",
        1,
    ),
    "time_order": (
        cells(CONDITION, condition_end_datetime="2015-03-01 09:59:59"),
        CONDITION,
        "condition_end_datetime",
        1,
    ),
    "before_birth": (
        cells("person", 0, year_of_birth="2016"),
        CONDITION,
        "condition_start_date",
        1,
    ),
    "after_death": (
        cells(CONDITION, 2, condition_start_date="2019-08-30"),
        CONDITION,
        "condition_start_date",
        1,
    ),
    "birth_range": (cells("person", day_of_birth="32"), "person", "day_of_birth", 1),
    "rows_rejected": (cells(CONDITION, person_id="9"), CONDITION, "", 1),
    "no_rows": (without_rows("observation", 3), "observation", "", 1),
    "person_completeness": (without_rows("observation", 1), "observation", "", 1),
    "value_completeness": (cells(DRUG, days_supply=""), DRUG, "days_supply", 1),
    "source_concept_zero": (
        cells(CONDITION, condition_source_concept_id="0"),
        CONDITION,
        "condition_source_concept_id",
        1,
    ),
    "source_value_unmapped": (
        cells(CONDITION, condition_concept_id="0", condition_source_value="local"),
        CONDITION,
        "condition_source_value",
        1,
    ),
    "foreign_key": (
        cells(CONDITION, visit_occurrence_id="77"),
        CONDITION,
        "visit_occurrence_id",
        1,
    ),
    "visit_of_another": (
        cells(PROCEDURE, visit_occurrence_id="2"),
        PROCEDURE,
        "procedure_date",
        1,
    ),
    "outside_visit": (
        cells(CONDITION, condition_start_date="2015-03-09"),
        CONDITION,
        "condition_start_date",
        1,
    ),
    "field_range": (cells(DRUG, days_supply="366"), DRUG, "days_supply", 1),
    "value_low": (cells(MEASUREMENT, value_as_number="9.9"), MEASUREMENT, "", 1),
    "value_high": (cells(MEASUREMENT, value_as_number="351"), MEASUREMENT, "", 1),
    "unit_unexpected": (cells(MEASUREMENT, unit_concept_id="9202"), MEASUREMENT, "", 1),
    "sex_of_concept": (
        cells("person", gender_concept_id=FEMALE),
        PROCEDURE,
        "procedure_concept_id",
        1,
    ),
    "outside_period": (
        cells(CONDITION, condition_start_date="2009-12-31"),
        CONDITION,
        "condition_start_date",
        1,
    ),
    "period_overlap": (cells(PERIOD, 1, person_id="1"), PERIOD, "", 1),
    "after_export": (
        cells(CONDITION, condition_start_date="2020-01-01"),
        CONDITION,
        "condition_start_date",
        1,
    ),
}
"""Rule -> what is planted, and the table, column and number of rows in which it is found."""

LOOKED_UP = {"concept", "person", "observation_period", "visit_occurrence", "death", "note"}
"""Tables that rules look at beside the one they are asked of."""


def _about(table: str, rows: Rows) -> Rows:
    """Return those of the tables that a rule of one of them needs, to be quick."""
    return {name: rows[name] for name in rows if name in {table, *LOOKED_UP}}


BYTES: dict[str, Callable[[bytes], bytes]] = {
    "encoding": lambda text: text.replace(b"words", b"w\xffrds", 1),
    "quoting": lambda text: text.replace(b"words", b'"wor"ds', 1),
    "ragged": lambda text: text.replace(b"words", b"words,words", 1),
    "too_long": lambda text: text.replace(b"words", b"a" * 2_000_001, 1),
}
"""Rule -> what is done to the bytes of condition_occurrence.csv."""


@pytest.fixture(scope="module")
def clean(tmp_path_factory: pytest.TempPathFactory) -> tuple[Found, Found]:
    return found_in(tmp_path_factory.mktemp("clean"), files_of(clean_rows()))


def test_no_rule_finds_fault_with_a_clean_cdm(clean: tuple[Found, Found]) -> None:
    assert {key: n for key, n in clean[0].items() if n} == {}


def test_every_rule_has_something_to_look_at_in_the_clean_cdm(clean: tuple[Found, Found]) -> None:
    looked_at = {rule for (rule, *_), n in clean[1].items() if n}
    # No column of a clean CDM is absent, and Flag is of vocabulary tables, told by breaches alone.
    assert {*RULES} - looked_at == {"missing_column", "type:Flag"}


def test_every_rule_has_something_planted_for_it() -> None:
    assert {*PLANTED, *BYTES, "lines_swallowed"} == {*RULES}


@pytest.mark.parametrize("rule", PLANTED)
def test_a_rule_finds_what_is_planted(rule: str, tmp_path: Path) -> None:
    plant, table, name, n = PLANTED[rule]
    rows = clean_rows()
    plant(rows)
    found, checked = found_in(tmp_path, files_of(_about(table, rows)))
    assert found[rule, table, name] == n
    assert checked[rule, table, name] >= n


@pytest.mark.parametrize("rule", BYTES)
def test_a_rule_finds_the_bytes_that_are_planted(rule: str, tmp_path: Path) -> None:
    files = files_of(_about(CONDITION, clean_rows()))
    files[CONDITION] = BYTES[rule](files[CONDITION])
    found, checked = found_in(tmp_path, files)
    assert (found[rule, CONDITION, ""], checked[rule, CONDITION, ""]) == (1, 3)
    assert found["rows_rejected", CONDITION, ""] == 1


@pytest.mark.parametrize(("more", "n"), [(9, 0), (10, 11)])
def test_lines_after_an_open_quotation_mark_are_counted_if_many(
    more: int, n: int, tmp_path: Path
) -> None:
    files = files_of(_about(CONDITION, clean_rows()))
    header, first, second, last = files[CONDITION].splitlines(keepends=True)
    files[CONDITION] = b"".join((header, first, b'"' + second, *[last] * more))
    found, checked = found_in(tmp_path, files)
    assert (found["quoting", CONDITION, ""], checked["quoting", CONDITION, ""]) == (1, 2)
    here = ("lines_swallowed", CONDITION, "")
    assert (found[here], checked[here]) == (n, more + 2)


def test_every_scope_is_used_and_finds_columns_of_the_cdm() -> None:
    used = {rule.each for rule in RULES.values() if rule.each}
    assert used == {*SCOPES}
    for each in used - {"absent column"}:
        for subject in subjects(each, Delivered.everything()):
            assert subject.column in {"", *TABLES[subject.table].columns}
        assert list(subjects(each, Delivered.everything())), each


@pytest.mark.parametrize("kind", [INTEGER64, FLOAT, DATE, DATETIME, FLAG], ids=lambda k: k.name)
def test_the_expression_that_a_lexical_rule_prints_is_the_one_that_decides(kind: Any) -> None:
    definition = RULES[f"type:{kind.name}"].definition
    assert f"^(?:{kind.accepted})$" in definition.splitlines()
