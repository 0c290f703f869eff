"""Real exports stage and validate: no record lost, rejects as known, cells as pydantic has them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.validate import summary, validate_omop
from precisionchain.schemas.omop import TABLES, canonical_column

ROWS_BY_PYDANTIC = 2_000

# folder -> delimiter, CDM version told, and the rejected records by table and rule.
SETS: dict[str, tuple[str, str, dict[tuple[str, str], int]]] = {
    # 2,649 persons of observation periods have no row in person (its README).
    "omop_gibleed/csv": (",", "5.4", {("observation_period", "unknown_person"): 2_649}),
    "omop_mimic_iv_demo/csv": (",", "5.3", {}),
    "omop_synthea27nj/csv": (",", "5.4", {}),
    "omop_omoplite/100": ("\t", "5.4", {}),
    "omop_vocab_dbtsynthea/csv": (",", "5.4", {}),
    "precisionchain_original/files/data/clinical": (",", "5.3", {}),
}


@dataclass(frozen=True)
class Staged:
    """A real export, validated."""

    folder: Path
    name: str
    run: Run
    staging: Staging

    def rows(self, file: str) -> Iterator[list[str]]:
        """Rows of a file by Python's csv module, the header first, empty lines left out."""
        with (self.folder / file).open(encoding="utf-8-sig", newline="") as text:
            yield from filter(None, csv.reader(text, delimiter=SETS[self.name][0]))

    def ask(self, query: str) -> list[tuple[Any, ...]]:
        with self.staging.database() as database:
            return database.execute(query).fetchall()


@pytest.fixture(scope="module", params=list(SETS))
def staged(
    request: pytest.FixtureRequest, shared_data: Path, tmp_path_factory: pytest.TempPathFactory
) -> Staged:
    folder = shared_data / request.param
    if not folder.is_dir():
        pytest.skip(f"{request.param} is not among the real files here")
    staging = Staging.open(tmp_path_factory.mktemp("site") / "staging")
    run = validate_omop(staging, stage_omop(staging, folder))
    return Staged(folder, request.param, run, staging)


def test_every_record_is_accepted_or_rejected(staged: Staged) -> None:
    for row in summary(staged.run).to_pylist():
        records = sum(1 for _ in staged.rows(row["file"])) - 1
        assert records == row["n_records"] == row["n_accepted"] + row["n_rejected"], row["file"]
        path = staged.run.path / "accepted" / f"{row['table_name']}.parquet"
        assert pq.read_metadata(path).num_rows == row["n_accepted"]


def test_every_file_named_as_a_table_is_staged(staged: Staged) -> None:
    named = {
        path.stem.lower()
        for path in staged.folder.iterdir()
        if path.suffix.lower() == ".csv" and path.stem.lower() in TABLES
    }
    assert named == {entry["table"] for entry in staged.run.description["inputs"]}


def test_the_version_and_the_rejects_are_as_known(staged: Staged) -> None:
    _, version, expected = SETS[staged.name]
    assert staged.run.description["cdm_version"] == version
    found = staged.ask("SELECT table_name, rule, count(*) FROM rejected GROUP BY ALL")
    assert {(table, rule): n for table, rule, n in found} == expected


def test_rejected_lines_are_where_the_record_is(staged: Staged) -> None:
    rejected = staged.ask("SELECT file, record, line FROM rejected")
    for file in {file for file, *_ in rejected}:
        lines = (staged.folder / file).read_text(encoding="utf-8").splitlines()
        rows = list(staged.rows(file))
        for _, record, line in (row for row in rejected if row[0] == file):
            assert next(csv.reader([lines[line - 1]])) == rows[record]


def test_accepted_cells_are_what_pydantic_reads(staged: Staged) -> None:
    for entry in staged.run.description["inputs"]:
        table = TABLES[entry["table"]]
        path = staged.run.path / "accepted" / f"{table.name}.parquet"
        rows: pa.Table = pq.read_table(path).sort_by("_record")
        by_record = {row["_record"]: row for row in rows.slice(0, ROWS_BY_PYDANTIC).to_pylist()}
        names = [name for name in rows.column_names if not name.startswith("_")]
        written = staged.rows(entry["file"])
        header = [_canonical(table.name, cell) for cell in next(written)]
        for record, cells in enumerate(written, start=1):
            if record in by_record:
                known = {n: c for n, c in zip(header, cells, strict=True) if n in names}
                model = table.model.model_validate(known)
                accepted = [by_record[record][name] for name in names]
                assert accepted == [getattr(model, name) for name in names]
            if record > ROWS_BY_PYDANTIC:
                break


def _canonical(table: str, cell: str) -> str:
    name = cell.strip().lower().removeprefix("date(").removesuffix(",'unixepoch')")
    return canonical_column(table, name)
