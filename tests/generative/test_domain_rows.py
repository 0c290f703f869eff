"""Rows of random events, asked for through the door, are what SQL on the CSV files finds."""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.errors import UsageError
from precisionchain.query.criteria import Event
from tests.lib.clinical_expressions import ClinicalExpressions
from tests.lib.clinical_inputs import write_clinical
from tests.lib.clinical_sql import ClinicalSql, RefusedError
from tests.lib.domain_answers import assert_rows
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
            assert_rows(events, got, must)
            answered += bool(must)
            nested += bool(must) and not isinstance(events, Event)
    assert answered > ASKED / 3
    assert nested > ASKED / 20
