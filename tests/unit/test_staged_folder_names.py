"""What the folders above a site are called is no column of its rows."""

from __future__ import annotations

from pathlib import Path

import duckdb
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


@pytest.mark.parametrize(("folder", "beside"), [("e[1]", "e1"), ("e?", "e1"), ("e*", "e1")])
def test_parquet_of_a_folder_beside_is_not_read(tmp_path: Path, folder: str, beside: str) -> None:
    for name, year in ((folder, 1950), (beside, 1960)):
        (tmp_path / name).mkdir()
        columns = f"1 AS person_id, 8507 AS gender_concept_id, {year} AS year_of_birth"
        with duckdb.connect() as database:
            database.execute(f"COPY (SELECT {columns}) TO '{tmp_path}/person.parquet'")
        (tmp_path / "person.parquet").rename(tmp_path / name / "person.parquet")
    staging = Staging(tmp_path / folder / "staging")
    validate_omop(staging, stage_omop(staging, tmp_path / folder))
    with staging.database() as database:
        assert database.sql("SELECT year_of_birth FROM person").fetchall() == [(1950,)]
