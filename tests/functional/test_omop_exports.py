"""Exports of other forms, typed: what goes in, what the page shows, which options go together."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import duckdb
import pytest

import precisionchain as pc
from tests.functional.conftest import CONDITION, MARKED, PERSON, SmallSite, omop_folder
from tests.lib.typed_commands import refused, run, typed

OMOP = ("-C", "site_a", "ingest", "omop")


@pytest.fixture
def folder(own_site: SmallSite) -> Path:
    """A folder with a small site, and an export as CSV, Parquet and DuckDB file."""
    root = own_site.path.parent
    csv = omop_folder(root / "csv")
    (root / "parquet").mkdir()
    with duckdb.connect(str(root / "export.duckdb")) as database:
        for table in ("person", "condition_occurrence"):
            rows = f"read_csv('{csv}/{table}.csv', header = true)"
            database.execute(f"create table {table} as from {rows}")
            database.execute(f"copy {table} to '{root}/parquet/{table}.parquet'")
    return root


def sealed_settings(own_site: SmallSite) -> list[dict[str, Any]]:
    """What the batches of the ward are said to be shaped by, oldest first."""
    with pc.Site(own_site.path)._opened() as opened:
        history = opened.publisher().history()
    return [dict(seal.manifest.settings) for seal in history.chain("ward")]


def test_a_source_changes_its_form_and_nothing_is_new(folder: Path) -> None:
    first = json.loads(run(folder, *OMOP, "csv", "--source", "ward", "--json"))
    done = json.loads(run(folder, *OMOP, "parquet", "--source", "ward", "--json"))
    assert (done["records"], done["accepted"]) == (first["records"], first["accepted"])
    counts = done["changes"]["condition_occurrence"]
    assert counts == {"new": 0, "changed": 0, "gone": 0, "unchanged": 2, "withheld": 0}
    # The same rows in the same order are the same content, whatever holds them.
    for place in ("parquet", "export.duckdb"):
        again = json.loads(run(folder, *OMOP, place, "--source", "ward", "--json"))
        assert again["new_items"] == 0


def test_rows_on_no_line_are_shown_by_their_number(folder: Path) -> None:
    with duckdb.connect(str(folder / "export.duckdb")) as database:
        database.execute("insert into condition_occurrence by name select 9 as"
                         " condition_occurrence_id, 99 as person_id")  # fmt: skip
    run(folder, "-C", "site_a", "stage", "omop", "export.duckdb")
    run(folder, "-C", "site_a", "validate")
    page = run(folder, "-C", "site_a", "report").strip()
    text = (folder / page).read_text(encoding="utf-8")
    assert "main.condition_occurrence" in text
    assert "<li>3</li>" in text


def test_what_is_left_out_is_the_last_word(folder: Path) -> None:
    (folder / "csv" / "conditions_occurrence.csv").write_text(CONDITION)
    (folder / "csv" / "note.csv").write_bytes(b"\x1f\x8b" + MARKED.encode())
    line = refused(folder, 4, *OMOP, "csv", "--source", "ward")
    assert "note.csv" in line
    assert "--skip-table note" in line
    code, _, err = typed(folder, *OMOP, "csv", "--source", "ward", "--skip-table", "note")
    assert code == 0
    assert "conditions_occurrence.csv (nearly condition_occurrence)" in err.splitlines()[-1]
    line = refused(
        folder, 4, *OMOP, "csv", "--source", "ward", "--skip-table", "note", "--strict-files"
    )
    assert "conditions_occurrence.csv" in line
    assert MARKED not in line
    page = run(folder, "-C", "site_a", "report").strip()
    assert 'id="skipped"' in (folder / page).read_text(encoding="utf-8")


def test_skipped_tables_and_maps_are_sealed_with_the_batch(
    folder: Path, own_site: SmallSite
) -> None:
    (folder / "csv" / "condition_occurrence.csv").rename(folder / "csv" / "dx.csv")
    (folder / "map.toml").write_text('[files]\n"dx.csv" = "condition_occurrence"\n'
                                     '[person.constants]\nlocation_id = 7\n')  # fmt: skip
    (folder / "csv" / "death.csv").write_text("person_id\n")
    more = ("--source", "ward", "--columns", "map.toml", "--skip-table", "death")
    run(folder, *OMOP, "csv", *more)
    (settings,) = sealed_settings(own_site)
    assert settings["skipped"] == ["death"]
    assert len(settings["columns"]) == 64
    assert "dx" not in json.dumps(settings)


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ((), "no export is named"),
        (("csv", "--postgres", "dbname=x"), "two exports are named"),
        (("csv", "--no-header"), "--cdm-version 5.3 or 5.4"),
        (("csv", "--cdm-version", "5.3"), "--no-header"),
        (("csv", "--skip-table", "persons"), "did you mean person"),
        (("--postgres", "dbname=x password=y"), "service file"),
    ],
)
def test_options_that_do_not_go_together_are_refused(
    folder: Path, options: tuple[str, ...], said: str
) -> None:
    assert said in refused(folder, 2, "-C", "site_a", "stage", "omop", *options)


def test_a_dump_without_a_header_is_recognised_as_one(folder: Path) -> None:
    bare = folder / "bare"
    bare.mkdir()
    rows = [row.split(",") for row in PERSON.splitlines()[1:]]
    (bare / "person.csv").write_text(
        "".join(f"{p},{g},{y},,,,{r},{e},,,,{s},,,,,,\n" for p, g, y, r, e, s in rows)
    )
    line = refused(folder, 4, "-C", "site_a", "stage", "omop", "bare")
    assert "--no-header" in line
    assert MARKED not in line
    options = ("--no-header", "--cdm-version", "5.3", "--source", "ward", "--json")
    done = json.loads(run(folder, *OMOP, "bare", *options))
    assert (done["records"], done["accepted"]) == (3, 3)
