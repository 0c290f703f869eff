"""Runs are whole or absent, and their views can be read while a job writes."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import duckdb
import pytest

from precisionchain.errors import SiteError
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import PartialRun, Staging
from precisionchain.ingest.validate import validate_omop

DESCRIPTION = {"source": "s", "source_id": "00", "inputs": []}


@pytest.fixture
def staging(tmp_path: Path) -> Staging:
    return Staging.open(tmp_path / "site" / "staging")


@pytest.fixture
def export(tmp_path: Path) -> Path:
    folder = tmp_path / "omop"
    folder.mkdir()
    (folder / "person.csv").write_text("person_id,year_of_birth\n1,1950\n2,1960\nx,1970\n")
    return folder


def folders(staging: Staging) -> list[str]:
    return sorted(path.name for path in (staging.directory / "runs").iterdir())


def write(partial: PartialRun, text: str) -> None:
    (partial.path / "note").write_text(text)
    partial.describe(DESCRIPTION)


def test_opening_makes_nothing(staging: Staging) -> None:
    assert staging.runs() == []
    assert staging.latest() is None
    assert not staging.directory.exists()


def test_runs_are_numbered_over_all_kinds(staging: Staging) -> None:
    for kind in ("omop", "vcf", "omop"):
        with staging.new_run(kind) as partial:
            partial.describe(DESCRIPTION)
    assert [run.name for run in staging.runs()] == ["000001-omop", "000002-vcf", "000003-omop"]
    latest = staging.latest("vcf", "s")
    assert latest is not None
    assert (latest.name, latest.kind, latest.validated) == ("000002-vcf", "vcf", True)
    assert staging.latest("omop", "other") is None
    assert [run.name for run in staging.newest()] == ["000002-vcf", "000003-omop"]
    assert (staging.directory.stat().st_mode & 0o777) == 0o700


def test_a_run_that_fails_leaves_nothing(staging: Staging) -> None:
    def die(partial: PartialRun) -> None:
        write(partial, "half")
        raise RuntimeError

    with pytest.raises(RuntimeError), staging.new_run("omop") as partial:
        die(partial)
    assert folders(staging) == []


def test_a_job_that_died_is_tidied_by_the_next(staging: Staging) -> None:
    with staging.new_run("omop") as partial:
        write(partial, "first")
    runs = staging.directory / "runs"
    (runs / ".000002-omop.partial").mkdir()
    (runs / "000001-omop").rename(runs / ".000001-omop.replaced")
    # Between two renames the older form is still what readers see.
    assert [run.name for run in staging.runs()] == ["000001-omop"]
    with staging.new_run("vcf") as partial:
        write(partial, "second")
    assert folders(staging) == ["000001-omop", "000002-vcf"]


@pytest.mark.parametrize("dies", [False, True])
def test_a_new_form_replaces_a_run_or_nothing_changes(staging: Staging, dies: bool) -> None:
    with staging.new_run("omop") as partial:
        write(partial, "old")
    (run,) = staging.runs()
    try:
        with staging.revise(run) as partial:
            partial.keep(run, "note")
            (partial.path / "more").write_text("new")
            partial.describe({**run.description, "validated": True})
            if dies:
                raise KeyboardInterrupt
    except KeyboardInterrupt:
        pass
    assert folders(staging) == ["000001-omop"]
    (now,) = staging.runs()
    assert (now.path / "note").read_text() == "old"
    assert ((now.path / "more").exists(), now.validated) == (not dies, not dies)


def test_another_format_is_refused_with_both_numbers(staging: Staging) -> None:
    with staging.new_run("omop") as partial:
        partial.describe({**DESCRIPTION, "format": 7})
    with pytest.raises(SiteError, match="format 7, not 1"):
        staging.runs()


def test_an_unknown_run_is_refused(staging: Staging) -> None:
    with pytest.raises(SiteError, match="no such run"):
        staging.read("000009-omop")


def test_plain_duckdb_reads_the_views_whatever_the_working_directory(
    staging: Staging, export: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(tmp_path)
    relative = Staging.open(Path("site") / "staging")
    run = stage_omop(relative, export)
    relative.refresh_views()
    monkeypatch.chdir("/")
    with duckdb.connect(str(staging.views), read_only=True) as database:
        assert database.sql("SELECT person_id, _record FROM raw_person").fetchall() == [
            ("1", 1),
            ("2", 2),
            ("x", 3),
        ]
        assert database.sql("SELECT count(*) FROM rejected").fetchall() == [(0,)]
    validate_omop(staging, staging.read(run.name))
    staging.refresh_views()
    with duckdb.connect(str(staging.views), read_only=True) as database:
        assert database.sql("SELECT person_id, _source FROM person").fetchall() == [
            (1, "omop"),
            (2, "omop"),
        ]
        assert database.sql(
            "SELECT table_name, rule, file, record, line, column_name FROM rejected"
        ).fetchall() == [("person", "type:Integer64", "person.csv", 3, 4, "person_id")]
        assert database.sql("SELECT run, source, validated FROM runs").fetchall() == [
            ("000001-omop", "omop", True)
        ]


def test_views_exist_before_anything_is_staged(staging: Staging) -> None:
    with staging.database() as database:
        for view in ("rejected", "warnings", "normalised", "tables", "runs"):
            assert database.execute(f"SELECT * FROM {view}").fetchall() == []


def test_an_analyst_who_holds_the_file_open_stops_no_job(staging: Staging, export: Path) -> None:
    run = stage_omop(staging, export)
    staging.refresh_views()
    with duckdb.connect(str(staging.views)) as analyst:
        analyst.execute("CREATE TABLE mine AS SELECT * FROM raw_person")  # writes ahead of the file
        validate_omop(staging, run)
        staging.refresh_views()
        assert analyst.execute("SELECT count(*) FROM raw_person").fetchall() == [(3,)]
    with duckdb.connect(str(staging.views), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM person").fetchall() == [(2,)]


def test_views_are_written_again_when_runs_or_their_file_are_others(
    staging: Staging, export: Path
) -> None:
    stage_omop(staging, export)
    first = staging.refresh_views().stat().st_ino
    assert staging.refresh_views().stat().st_ino == first  # of the same runs: left
    second_run = stage_omop(staging, export, source="b")
    staging.refresh_views()
    with duckdb.connect(str(staging.views)) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchall() == [(2,)]
        database.execute("DROP VIEW runs")
    staging.refresh_views()
    shutil.rmtree(second_run.path)
    Staging.open(staging.directory).refresh_views()  # as another process would
    with duckdb.connect(str(staging.views), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]
    staging.refresh_views()
    with duckdb.connect(str(staging.views), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM runs").fetchall() == [(1,)]
    staging.views.unlink()
    assert staging.refresh_views().is_file()


def test_views_join_the_newest_run_of_each_source(staging: Staging, export: Path) -> None:
    stage_omop(staging, export, source="a")
    (export / "person.csv").write_text("person_id,race_concept_id\n7,0\n")
    for source in ("a", "b"):
        validate_omop(staging, stage_omop(staging, export, source=source))
    with staging.database() as database:
        assert database.execute(
            "SELECT person_id, _source FROM person ORDER BY _source"
        ).fetchall() == [(7, "a"), (7, "b")]


def test_a_moved_site_has_its_views_again_after_the_next_refresh(
    staging: Staging, export: Path, tmp_path: Path
) -> None:
    stage_omop(staging, export)
    shutil.move(tmp_path / "site", tmp_path / "moved")
    moved = Staging.open(tmp_path / "moved" / "staging")
    moved.refresh_views()
    with duckdb.connect(str(moved.views), read_only=True) as database:
        assert database.execute("SELECT count(*) FROM raw_person").fetchall() == [(3,)]


def test_the_description_is_readable_json(staging: Staging, export: Path) -> None:
    run = stage_omop(staging, export, source="ehr")
    written = json.loads((run.path / "run.json").read_text())
    assert written == run.description
    assert (written["format"], written["run"], written["kind"]) == (1, "000001-omop", "omop")
