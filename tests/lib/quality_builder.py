"""A small CDM without a fault, as rows of text by table."""

from __future__ import annotations

import csv
import io
from collections.abc import Iterable

from precisionchain.schemas.omop import TABLES, Field

Rows = dict[str, list[dict[str, str]]]

MALE, FEMALE = "8507", "8532"
PERSONS = ("1", "2", "3")
_CONCEPTS = {
    "8507": ("Gender", "Gender"),
    "8532": ("Gender", "Gender"),
    "8527": ("Race", "Race"),
    "38003564": ("Ethnicity", "Ethnicity"),
    "32817": ("Type Concept", "Type Concept"),
    "9202": ("Visit", "Visit"),
    "201826": ("Condition", "Clinical Finding"),
    "200962": ("Condition", "Clinical Finding"),
    "1127433": ("Drug", "Clinical Drug"),
    "1125315": ("Drug", "Ingredient"),
    "4330583": ("Procedure", "Procedure"),
    "3027018": ("Measurement", "Clinical Observation"),
    "8541": ("Unit", "Unit"),
    "4013886": ("Observation", "Observable Entity"),
    "44814637": ("Note", "Note Type"),
    "1147127": ("Metadata", "Field"),
}
"""concept_id -> domain_id, concept_class_id."""
_OF_DOMAIN = {
    "Gender": "8507",
    "Race": "8527",
    "Ethnicity": "38003564",
    "Type Concept": "32817",
    "Visit": "9202",
    "Condition": "201826",
    "Drug": "1127433",
    "Procedure": "4330583",
    "Measurement": "3027018",
    "Unit": "8541",
    "Observation": "4013886",
    "Metadata": "1147127",
}
_EVENTS = (
    *("observation_period", "visit_occurrence", "visit_detail", "condition_occurrence"),
    *("drug_exposure", "procedure_occurrence", "measurement", "observation", "note"),
    *("condition_era", "drug_era"),
)
_ALSO = {
    "person": ("month_of_birth", "day_of_birth"),
    "concept": ("standard_concept", "invalid_reason"),
    "condition_occurrence": (
        *("condition_end_date", "condition_start_datetime", "condition_end_datetime"),
        *("condition_source_value", "condition_source_concept_id", "stop_reason"),
        "visit_occurrence_id",
    ),
    "drug_exposure": ("days_supply",),
    "measurement": ("value_as_number", "unit_concept_id"),
    "procedure_occurrence": ("visit_occurrence_id",),
}
"""Columns that the CDM does not require, of which rules are."""
_VALUES = {
    ("drug_era", "drug_concept_id"): "1125315",
    ("measurement", "value_as_number"): "72",
    ("measurement", "unit_concept_id"): "8541",
    ("drug_exposure", "days_supply"): "30",
    ("person", "year_of_birth"): "1950",
    ("person", "month_of_birth"): "6",
    ("person", "day_of_birth"): "30",
    ("observation_period", "observation_period_start_date"): "2010-01-01",
    ("observation_period", "observation_period_end_date"): "2019-12-31",
    ("condition_occurrence", "condition_source_concept_id"): "201826",
}


def clean_rows() -> Rows:
    """Return the CDM: three persons with a row in each table, of the tables that rules look at."""
    rows: Rows = {
        "concept": [
            _row("concept", concept_id=one, domain_id=domain, concept_class_id=kind)
            | {"standard_concept": "S", "invalid_reason": ""}
            for one, (domain, kind) in _CONCEPTS.items()
        ],
        "person": [_row("person", person_id=one) for one in PERSONS],
        "death": [_row("death", person_id="3", death_date="2019-06-30")],
    }
    for name in _EVENTS:
        table = TABLES[name]
        rows[name] = [
            _row(name, **{str(table.primary_key): one, "person_id": one}) for one in PERSONS
        ]
    for name in _EVENTS:
        for row in rows[name]:
            if "visit_occurrence_id" in row:
                row["visit_occurrence_id"] = row["person_id"]
    rows["note_nlp"] = [_row("note_nlp", note_nlp_id=one, note_id=one) for one in PERSONS]
    for one in rows["note"]:
        one["note_class_concept_id"] = "44814637"
    return rows


def csv_text(rows: Iterable[dict[str, str]]) -> str:
    """Return rows as CSV under the columns of the first of them."""
    listed = list(rows)
    text = io.StringIO()
    writer = csv.DictWriter(text, list(listed[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(listed)
    return text.getvalue()


def _row(table: str, **values: str) -> dict[str, str]:
    wanted = {*_ALSO.get(table, ()), *values}
    return {
        each.name: values.get(each.name) or _VALUES.get((table, each.name)) or _cell(each)
        for each in TABLES[table].fields
        if each.expected or each.name in wanted
    }


def _cell(field: Field) -> str:
    if field.references == "concept":
        return next((_OF_DOMAIN[one] for one in field.domains if one in _OF_DOMAIN), "32817")
    if field.references:
        return "1"
    kinds = {"Integer64": "1", "Float": "1", "Date": "2015-03-01", "Flag": "S"}
    kinds["Datetime"] = "2015-03-01 10:00:00"
    return kinds.get(field.lexical.name, "words")
