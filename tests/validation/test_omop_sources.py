"""Real exports as Parquet, DuckDB and Athena files: the rows of their CSV files, and no others.

The other forms are written by DuckDB from the CSV files, typed by OHDSI's field list and not by us.
"""

from __future__ import annotations

import csv
import json
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import duckdb
import pytest

from precisionchain.ingest.column_map import ColumnMap, read_column_map
from precisionchain.ingest.omop_reading import Reading
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.validate import summary, validate_omop
from precisionchain.schemas.omop import TABLES, specified_columns
from tests.validation.conftest import OMOP_FOLDERS, objects, run_cli
from tests.validation.omop_oracle import OmopSource

FORMS = ("parquet", "parts", "duckdb")
VOCABULARY = ("concept", "vocabulary", "domain", "concept_ancestor", "concept_relationship")


@dataclass(frozen=True)
class Forms:
    """A folder of CSV files, and the same tables in other forms."""

    csv: Path
    oracle: OmopSource
    root: Path

    @property
    def tables(self) -> list[str]:
        return list(self.oracle.files)

    @cached_property
    def text(self) -> Run:
        """The CSV files, validated."""
        return validated(self.root / "text", self.csv)

    def written(self, form: str) -> Path:
        """Write a form once; return what is to be staged."""
        target = self.root / ("export.duckdb" if form == "duckdb" else form)
        if target.exists():
            return target
        if form == "duckdb":
            self.oracle.database.execute(f"attach '{target}' as target")
            for table in self.tables:
                # In an order that is not the files'.
                self.oracle.database.execute(
                    f"create table target.{table} as select * exclude (_record) from {table}"
                    " order by hash(_record)"
                )
            self.oracle.database.execute("detach target")
            return target
        target.mkdir()
        for table in self.tables:
            rows = (
                f"(select * exclude (_record) from {table} where _record % 2 = ? order by _record)"
            )
            if form == "parts":
                (target / table).mkdir()
                for part in (0, 1):
                    self._copy(rows.replace("?", str(part)), target / table / f"{part}.parquet")
            else:
                self._copy(
                    f"(select * exclude (_record) from {table} order by _record)",
                    target / f"{table.upper()}.parquet",
                )
        return target

    def _copy(self, rows: str, target: Path) -> None:
        self.oracle.database.execute(f"copy {rows} to '{target}' (format parquet)")


@pytest.fixture(scope="module")
def forms(shared_data: Path, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Forms]:
    made: dict[str, Forms] = {}

    def of(name: str) -> Forms:
        if name not in made:
            folder = shared_data / OMOP_FOLDERS[name]
            specification = shared_data / "omop_cdm_spec" / "OMOP_CDMv5.4_Field_Level.csv"
            oracle = OmopSource(folder, specification, {})
            made[name] = Forms(folder, oracle, tmp_path_factory.mktemp(name))
        return made[name]

    return of


def validated(folder: Path, place: Path, **options: Any) -> Run:
    staging = Staging.open(folder / "staging")
    return validate_omop(staging, stage_omop(staging, place, **options))


def differing(run: Run, other: Run, table: str) -> int:
    """How many accepted rows one of two runs has alone, as multisets of the CDM's columns."""
    first, second = (f"'{one.path}/accepted/{table}.parquet'" for one in (run, other))
    with duckdb.connect() as database:
        rows = [
            f"(select * exclude (_file, _record) from {one} except all"
            f" select * exclude (_file, _record) from {two})"
            for one, two in ((first, second), (second, first))
        ]
        query = f"select count(*) from ({rows[0]} union all {rows[1]})"
        return int(database.execute(query).fetchall()[0][0])


def rejects(run: Run) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        return database.execute(
            "select table_name, rule, column_name, count(*) from read_parquet(?) group by all"
            " order by all",
            [str(run.path / "rejected.parquet")],
        ).fetchall()


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("name", OMOP_FOLDERS)
def test_every_form_gives_the_accepted_rows_of_the_csv_files(
    forms: Callable[[str], Forms], tmp_path: Path, name: str, form: str
) -> None:
    export = forms(name)
    text = export.text
    typed = validated(tmp_path / "typed", export.written(form))
    assert {row["table_name"] for row in summary(typed).to_pylist()} == set(export.tables)
    for row in summary(typed).to_pylist():
        records = export.oracle.files[row["table_name"]].records
        assert row["n_records"] == records == row["n_accepted"] + row["n_rejected"]
        assert differing(text, typed, row["table_name"]) == 0, row["table_name"]
    assert rejects(typed) == rejects(text)
    assert sum(row["n_accepted"] for row in summary(typed).to_pylist()) > 2_500


def test_a_source_may_change_its_form_and_nothing_is_published_anew(
    forms: Callable[[str], Forms], tmp_path: Path
) -> None:
    export = forms("gibleed")
    site = tmp_path / "site_a"
    run_cli("init", site, "--site", "A", "--build", "GRCh37")
    ingest = ("-C", site, "ingest", "omop")
    first = objects(run_cli(*ingest, export.csv, "--source", "ehr", "--json"))[0]
    for form in ("parquet", "duckdb"):
        done = objects(run_cli(*ingest, export.written(form), "--source", "ehr", "--json"))[0]
        totals = {fate: sum(t[fate] for t in done["changes"].values()) for fate in ("new", "gone")}
        assert totals == {"new": 0, "gone": 0}
        assert sum(table["changed"] for table in done["changes"].values()) == 0
        assert (done["records"], done["accepted"]) == (first["records"], first["accepted"])
        again = objects(run_cli(*ingest, export.written(form), "--source", "ehr", "--json"))[0]
        assert again["new_items"] == 0


def test_a_skipped_table_is_in_the_manifest_and_its_rows_are_untouched(
    forms: Callable[[str], Forms], tmp_path: Path
) -> None:
    export = forms("omoplite100")
    site = tmp_path / "site_a"
    run_cli("init", site, "--site", "A", "--build", "GRCh37")
    damaged = tmp_path / "damaged"
    damaged.mkdir()
    for path in export.csv.iterdir():
        (damaged / path.name).write_bytes(path.read_bytes())
    ingest = ("-C", site, "ingest", "omop")
    run_cli(*ingest, damaged)
    concept = export.oracle.database.sql(
        "select mode(specimen_concept_id) from specimen"
    ).fetchall()[0][0]
    asked = ("query", "domain", concept, "--table", "specimen", "--json")
    rows = objects(run_cli("-C", site, *asked))
    (damaged / "SPECIMEN.csv").write_bytes(b"\x1f\x8b damaged")
    refused = run_cli(*ingest, damaged, check=False)
    assert refused.returncode == 4
    assert "--skip-table specimen" in refused.stderr
    done = run_cli(*ingest, damaged, "--skip-table", "specimen", "--json")
    assert "DEVICES_EXPOSURE.csv (nearly device_exposure)" in done.stderr.splitlines()[-1]
    assert "specimen" not in objects(done)[0]["changes"]
    assert objects(run_cli("-C", site, *asked)) == rows
    assert len(rows) > 5
    (run, *_) = sorted((site / "staging" / "runs").iterdir(), reverse=True)
    assert json.loads((run / "run.json").read_text())["skipped_tables"] == ["specimen"]


@pytest.mark.parametrize("name", ["gibleed", "mimic"])
def test_files_without_a_header_are_those_with_one(
    forms: Callable[[str], Forms], tmp_path: Path, name: str
) -> None:
    export = forms(name)
    bare = tmp_path / "bare"
    bare.mkdir()
    for table in export.tables:
        columns = export.oracle.files[table].columns
        wanted = specified_columns(table, "5.3")
        path = export.oracle.files[table].path
        with path.open(encoding="utf-8-sig", newline="") as file:
            _, *rows = filter(
                None, csv.reader(file, delimiter=export.oracle.files[table].delimiter)
            )
        with (bare / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows(
                [row[columns.index(c)] if c in columns else "" for c in wanted] for row in rows
            )
    text = export.text
    headerless = validated(tmp_path / "bare", bare, reading=Reading(headerless="5.3"))
    assert rejects(headerless) == rejects(text)
    for row in summary(headerless).to_pylist():
        table = row["table_name"]
        assert row["n_records"] == export.oracle.files[table].records
        names = [
            c for c in export.oracle.files[table].columns if c in specified_columns(table, "5.3")
        ]
        listed = ", ".join(f'"{name}"' for name in names)
        first, second = (f"'{run.path}/accepted/{table}.parquet'" for run in (text, headerless))
        with duckdb.connect() as database:
            left = database.execute(
                f"select count(*) from (select {listed} from {first} except all"
                f" select {listed} from {second})"
            ).fetchall()
        assert left == [(0,)], table


def test_athena_s_files_are_read_as_they_are_written(
    shared_data: Path, forms: Callable[[str], Forms], tmp_path: Path
) -> None:
    """Tabs, no quoting, upper-case names, dates as 20991231; from two real vocabularies."""
    athena = tmp_path / "athena"
    athena.mkdir()
    folders = {"gibleed": forms("gibleed").csv, "dbt": shared_data / "omop_vocab_dbtsynthea/csv"}
    for table in VOCABULARY:
        name = "dbt" if table in ("concept_ancestor", "concept_relationship") else "gibleed"
        with (folders[name] / f"{table}.csv").open(encoding="utf-8-sig", newline="") as file:
            header, *rows = filter(None, csv.reader(file))
        dates = [place for place, column in enumerate(header) if "date" in column.lower()]
        lines = ["\t".join(column.split("(")[-1].split(",")[0].upper() for column in header)]
        for row in rows:
            for place in dates:
                row[place] = row[place][:10].replace("-", "")
            lines.append("\t".join(row))
        (athena / f"{table.upper()}.csv").write_text("\n".join(lines) + "\n", encoding="utf-8")
    (athena / "CONCEPT_CPT4.csv").write_text("concept_id\n")
    person = tmp_path / "person"
    person.mkdir()
    (person / "person.csv").write_text("person_id\n1\n")
    read = validated(tmp_path / "athena_site", person, vocabulary=athena)
    assert read.description["unrecognised_files"] == ["CONCEPT_CPT4.csv"]
    plain = {"gibleed": forms("gibleed").text, "dbt": validated(tmp_path / "dbt", folders["dbt"])}
    for table in VOCABULARY:
        name = "dbt" if table in ("concept_ancestor", "concept_relationship") else "gibleed"
        assert differing(plain[name], read, table) == 0, table
    assert rejects(read) == []
    with duckdb.connect() as database:
        path = str(read.path / "normalised.parquet")
        counted = database.execute("select distinct normalisation from read_parquet(?)", [path])
        assert counted.fetchall() == [("compact",)]


def test_files_with_names_of_their_own_are_mapped(shared_data: Path, tmp_path: Path) -> None:
    """MIMIC's vocabulary of its own, ``2b_*``, which no name tells as a table."""
    folder = shared_data / OMOP_FOLDERS["mimic"]
    own = tmp_path / "map.toml"
    own.write_text(
        '[files]\n"2b_concept.csv" = "concept"\n"2b_vocabulary.csv" = "vocabulary"\n'
        '"2b_concept_relationship.csv" = "concept_relationship"\n'
    )
    staging = Staging.open(tmp_path / "staging")
    plain = stage_omop(staging, folder)
    assert set(plain.description["nearest_tables"]) == {
        "2b_concept.csv",
        "2b_concept_relationship.csv",
        "2b_vocabulary.csv",
    }
    run = validate_omop(
        staging, stage_omop(staging, folder, reading=Reading(column_map=read_column_map(own)))
    )
    counts = {row["table_name"]: row for row in summary(run).to_pylist()}
    for table, file in read_column_map(own).files.items():
        with (folder / table).open(encoding="utf-8-sig", newline="") as text:
            records = sum(1 for row in csv.reader(text) if row) - 1
        assert counts[file]["n_records"] == records == counts[file]["n_accepted"]
    assert run.description["nearest_tables"] == {}
    assert set(TABLES) > set(counts)
    assert isinstance(read_column_map(own), ColumnMap)
