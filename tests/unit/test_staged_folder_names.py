"""What the folders above a site are called is no column of its rows."""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Staging
from precisionchain.ingest.validate import validate_omop
from tests.lib.omop_builder import write_omop


@pytest.mark.parametrize("folder", ["year=2024", "person_id=7", "a b/[x]*?/it's"])
def test_rows_are_those_of_the_files(tmp_path: Path, folder: str) -> None:
    export = write_omop(
        tmp_path / "export",
        """
        condition_occurrence
            id | person | start
             1 | 1      | 2020-01-01
             1 | 2      | 2020-01-02
            +2 | 2      | 2020-01-03
        """,
    )
    staging = Staging(tmp_path / folder / "staging")
    validate_omop(staging, stage_omop(staging, export))
    with staging.database() as database:
        columns = database.sql("SELECT * FROM condition_occurrence").columns
        rows = database.sql(
            "SELECT condition_occurrence_id, person_id FROM condition_occurrence"
        ).fetchall()
        read = database.sql("SELECT person_id FROM raw_condition_occurrence").fetchall()
    assert rows == [(1, 1), (2, 2)]
    assert read == [("1",), ("2",), ("2",)]
    assert not {"year", "a"} & set(columns)
