"""Attributes of rows are the published columns of the event tables, by the page's names."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from precisionchain.errors import UsageError
from precisionchain.query import expressions as of
from precisionchain.query.criteria import (
    ANY_EVENT,
    CALENDAR,
    CONCEPT_COLUMNS,
    EVENT_TABLES,
    LENGTH,
    NUMBER_COLUMNS,
    VISIT,
    concept_attributes,
    number_attributes,
)
from precisionchain.schemas.omop import TABLES

PAGE = (Path(__file__).parents[2] / "docs/reference/cohorts.md").read_text(encoding="utf-8")
FUNCTIONS = {function: table for function, table in EVENT_TABLES.items() if table != ANY_EVENT}
LINKS = {"measurement_event_id", "observation_event_id"}
"""Numbers that are keys of other rows."""


@pytest.mark.parametrize("function", FUNCTIONS)
def test_every_published_concept_and_number_is_an_attribute(function: str) -> None:
    table = TABLES[FUNCTIONS[function]]
    others = [
        field
        for field in table.fields
        if field.published and field.name not in (table.primary_key, table.concept_column)
    ]
    concepts = {field.name for field in others if field.references == "concept"}
    numbers = {
        field.name
        for field in others
        if field.references is None and field.lexical.name in ("Integer64", "Float")
    }
    assert set(CONCEPT_COLUMNS.get(table.name, {}).values()) == concepts
    assert set(NUMBER_COLUMNS.get(table.name, {}).values()) == numbers - LINKS
    linked = "visit_occurrence_id" in table.columns and table.name != "visit_occurrence"
    assert (VISIT in concept_attributes(table.name)) == linked
    assert (LENGTH in number_attributes(table.name)) == (table.end_date_column is not None)


@pytest.mark.parametrize("function", FUNCTIONS)
def test_the_page_lists_the_attributes_of_each_table(function: str) -> None:
    row = re.search(rf"^\| `{function}` \|(.*)\|(.*)\|$", PAGE, re.MULTILINE)
    assert row
    concepts, numbers = (set(re.findall(r"`(\w+)`", cell)) for cell in row.groups())
    table = FUNCTIONS[function]
    assert concepts == concept_attributes(table)
    assert numbers == number_attributes(table) - set(CALENDAR)


def test_a_table_without_an_attribute_names_those_that_have_it() -> None:
    with pytest.raises(UsageError, match="drug have it") as refused:
        of.condition(1, route=5)
    assert "condition has" in str(refused.value)
    assert "status" in str(refused.value)
