"""The models of OMOP tables: complete, of the CDM's types, and careful about what may leave."""

from __future__ import annotations

import csv
import re
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from precisionchain.schemas.omop import TABLES, Field, canonical_column, cdm_version
from precisionchain.schemas.omop.versions import RENAMED_SINCE_5_3

ALL_FIELDS = [(table, field) for table in TABLES.values() for field in table.fields]
ONLY_5_3 = {"attribute_definition", "cohort_attribute"}

PREFIXES = {
    "condition_occurrence": "CONDITION",
    "drug_exposure": "DRUG",
    "procedure_occurrence": "PROCEDURE",
    "device_exposure": "DEVICE",
    "measurement": "MEASUREMENT",
    "observation": "OBSERVATION",
    "visit_occurrence": "VISIT",
    "visit_detail": "VISITDET",
    "specimen": "SPECIMEN",
    "death": "DEATH",
    "note": "NOTE",
    "episode": "EPISODE",
    "condition_era": "CONDERA",
    "drug_era": "DRUGERA",
    "dose_era": "DOSEERA",
}


def specified(shared_data: Path, version: str) -> Iterator[tuple[str, str, dict[str, str]]]:
    """(table, field, what the CDM says of it) from OHDSI's own field list."""
    path = shared_data / "omop_cdm_spec" / f"OMOP_CDMv{version}_Field_Level.csv"
    with path.open(encoding="utf-8-sig", newline="") as file:
        for row in csv.DictReader(file):
            yield row["cdmTableName"], row["cdmFieldName"].strip('"'), row


def lexical_name(datatype: str, field: Field) -> str:
    sized = re.fullmatch(r"varchar\((\w+)\)", datatype.lower())
    if sized is None:
        names = {"integer": "Integer64", "float": "Float", "date": "Date", "datetime": "Datetime"}
        return names[datatype.lower()]
    if sized[1] == "1" and field.lexical.name == "Flag":
        return "Flag"
    return "Varchar" if sized[1] == "max" else f"Varchar({sized[1]})"


def test_every_field_of_5_4_is_there_in_its_order_and_type(shared_data: Path) -> None:
    written: dict[str, list[str]] = {}
    for table, name, row in specified(shared_data, "5.4"):
        field = TABLES[table].field(name)
        written.setdefault(table, []).append(name)
        assert field.lexical.name == lexical_name(row["cdmDatatype"], field), (table, name)
        assert field.expected >= (row["isRequired"] == "Yes"), (table, name)
        if row["isForeignKey"] == "Yes":
            assert field.references == row["fkTableName"].lower(), (table, name)
        if row["fkDomain"] not in ("NA", ""):
            assert field.domains == tuple(row["fkDomain"].split(", ")), (table, name)
        if row["isPrimaryKey"] == "Yes" and table != "metadata":
            assert TABLES[table].primary_key == name
    assert {
        name: list(table.columns) for name, table in TABLES.items() if name not in ONLY_5_3
    } == (written)


def test_every_field_of_5_3_has_a_place(shared_data: Path) -> None:
    older: dict[str, set[str]] = {}
    for name, column, _ in specified(shared_data, "5.3"):
        field = TABLES[name].field(canonical_column(name, column))
        older.setdefault(name, set()).add(field.name)
        assert field.since == "5.3", (name, column)
    for table, field in ALL_FIELDS:
        if table.name in older and field.name not in older[table.name]:
            assert field.since == "5.4", (table.name, field.name)


def test_tables_with_a_main_concept_have_a_stream_prefix() -> None:
    assert {n: t.domain_prefix for n, t in TABLES.items() if t.domain_prefix} == PREFIXES
    for name, prefix in PREFIXES.items():
        table = TABLES[name]
        assert table.concept_column in table.columns
        assert table.start_date_column in table.columns
        assert table.person_column == "person_id"
        assert len(prefix) <= 11
    assert {t.name for t in TABLES.values() if t.is_era} == {
        "condition_era",
        "drug_era",
        "dose_era",
    }


def test_rows_without_a_person_of_their_own_follow_a_parent_or_are_not_persons() -> None:
    for table in TABLES.values():
        if table.scope == "person" and table.person_column is None:
            assert table.parent is not None
            assert TABLES[table.parent].primary_key in table.columns
        elif table.scope != "person":
            assert (table.person_column, table.parent, table.domain_prefix) == (None, None, None)


def test_parents_and_persons_are_judged_before_their_children() -> None:
    order = list(TABLES)
    for table in TABLES.values():
        before = table.parent or ("person" if table.person_column else None)
        if before and table.name != "person":
            assert order.index(before) < order.index(table.name)


def test_what_may_leave_is_never_free_text_or_staff() -> None:
    for table, field in ALL_FIELDS:
        text = field.lexical.name.startswith("Varchar")
        code = field.references in ("domain", "vocabulary", "concept_class", "relationship")
        local = table.name == "source_to_concept_map"
        staff = table.name == "provider" or field.name in ("provider_id", "latitude", "longitude")
        if staff or field.name.endswith("_source_value"):
            expected = False
        elif text:
            expected = not local and (code or table.scope == "vocabulary")
        else:
            expected = True
        assert field.published == expected, (table.name, field.name)


def test_named_columns_stay() -> None:
    stay = {
        "note": {"note_text", "note_title", "note_source_value"},
        "note_nlp": {"snippet", "lexical_variant", "term_modifiers"},
        "drug_exposure": {"sig", "lot_number", "stop_reason", "drug_source_value"},
        "device_exposure": {"unique_device_id", "production_id"},
        "observation": {"value_as_string", "value_source_value"},
        "person": {"person_source_value", "provider_id"},
        "location": {"address_1", "city", "zip", "latitude", "location_source_value"},
        "care_site": {"care_site_name"},
        "cdm_source": {"cdm_source_name", "source_description"},
    }
    for table, columns in stay.items():
        assert columns.isdisjoint(TABLES[table].published_columns)
    assert TABLES["provider"].published_columns == ()


def test_a_row_rejects_for_its_keys_and_types_and_keeps_what_else_is_missing() -> None:
    row = TABLES["condition_occurrence"].model
    good = {
        "condition_occurrence_id": "1",
        "person_id": "-42",
        "condition_concept_id": "201826",
        "condition_start_date": "20150201",
    }
    assert row.faults(good) == set()
    assert row.faults({**good, "condition_type_concept_id": "", "stop_reason": " "}) == set()
    assert row.faults({**good, "person_id": " ", "condition_end_date": "2015-02-30"}) == {
        ("required", "person_id"),
        ("type:Date", "condition_end_date"),
    }
    assert {column for _, column in row.faults({})} == set(good)


def test_messages_of_a_row_do_not_quote_its_cells() -> None:
    with pytest.raises(ValueError, match="condition_start_date") as refused:
        TABLES["condition_occurrence"].model.model_validate({"condition_start_date": "MRN-77"})
    assert "MRN-77" not in str(refused.value)


def test_the_version_is_told_from_columns_alone() -> None:
    older = {"visit_occurrence": ["visit_occurrence_id", "admitting_source_concept_id"]}
    newer = {"visit_occurrence": ["visit_occurrence_id", "admitted_from_concept_id"]}
    assert cdm_version(older) == "5.3"
    assert cdm_version(newer) == "5.4"
    assert cdm_version({"person": ["person_id"]}) == "5.4"
    assert cdm_version({"episode": ["episode_id"], **older}) == "5.4"
    assert cdm_version({"attribute_definition": [], **older}) == "5.3"


def test_renames_lead_to_columns_that_exist() -> None:
    for table, names in RENAMED_SINCE_5_3.items():
        assert set(names.values()) <= set(TABLES[table].columns)
        assert set(names).isdisjoint(TABLES[table].columns)


def test_a_table_that_is_asked_for_is_read_without_the_models_of_others() -> None:
    script = (
        "import sys; from precisionchain.schemas.omop import TABLES;"
        "print(TABLES['drug_exposure'].concept_column, *(name for name in sys.modules"
        " if name.startswith('precisionchain.schemas.omop.') and name.endswith('s')))"
    )
    done = subprocess.run(
        [sys.executable, "-c", script], capture_output=True, text=True, check=True
    )
    read = {name.rpartition(".")[2] for name in done.stdout.split()}
    assert read == {"drug_concept_id", "events", "versions"}


def test_what_is_no_table_is_not_found() -> None:
    assert "drug" not in TABLES
    assert TABLES.get("drug") is None
