"""Rows of random events, asked for through the door, are what SQL on the CSV files finds."""

from __future__ import annotations

from datetime import date
from pathlib import Path

import polars as pl
import pytest

from precisionchain.errors import UsageError
from precisionchain.query.criteria import Event
from precisionchain.schemas.omop import TABLES
from tests.lib.clinical_expressions import ClinicalExpressions
from tests.lib.clinical_inputs import write_clinical
from tests.lib.clinical_sql import ClinicalSql, RefusedError
from tests.lib.ledger_places import PLACES
from tests.lib.site_builder import BuiltNetwork

ASKED = 40


def test_rows_of_random_events_are_those_of_sql(tmp_path: Path) -> None:
    folder = write_clinical(tmp_path / "files", persons=30, seed=8)
    network = BuiltNetwork(tmp_path, PLACES["memory"](tmp_path))
    network.site("A").site.ingest_omop(folder, source="ehr")
    oracle = ClinicalSql(folder)
    drawn, answered, nested = ClinicalExpressions(oracle, 5), 0, 0
    with network.site("A").network() as asking:
        for number in range(ASKED):
            events = drawn.events(number)
            try:
                must = oracle.rows(events)
            except RefusedError:
                with pytest.raises(UsageError, match="units"):
                    asking.domain(events)
                continue
            got = asking.domain(events.text if number % 2 else events)
            assert sorted_rows(got) == must, events.text
            answered += bool(must)
            nested += bool(must) and not isinstance(events, Event)
    assert answered > ASKED / 3
    assert nested > ASKED / 20


def sorted_rows(rows: pl.DataFrame) -> list[tuple[str, int, date, int]]:
    """Return table, person, start date and key of each row, sorted."""
    found = []
    for row in rows.iter_rows(named=True):
        table = TABLES[row["table"]]
        key = 0 if table.primary_key is None else row[table.primary_key]
        found.append((table.name, row["person_id"], row[str(table.start_date_column)], key))
    return sorted(found)
