"""Answers as tables, JSON, CSV and Parquet, on stdout and in files, as a user types them."""

from __future__ import annotations

import csv
import io
import json
import re
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.functional.conftest import SmallSite
from tests.functional.test_cli import Done, ok, run


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, shared_site: SmallSite) -> Iterator[Path]:
    """A folder for outputs beside a site with three persons, as ``-C site``."""
    (tmp_path / "site").symlink_to(shared_site.path)
    with chdir(tmp_path):
        yield tmp_path


def _csv(text: str) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(text, newline="")))


def _rows(query: str) -> list[tuple[Any, ...]]:
    with duckdb.connect() as database:
        return database.execute(query).fetchall()


VARIANT = "-C site query variant 9:100:A:G --genotype 0 --genotype 1 --genotype 2"


def test_the_four_formats_hold_the_same_rows() -> None:
    objects = ok(f"{VARIANT} --json").rows
    assert len(objects) == 3
    assert ok(f"{VARIANT} --format json").rows == objects
    expected = [{name: str(value) for name, value in row.items()} for row in objects]
    on_stdout = _csv(ok(f"{VARIANT} --format csv").out)
    assert [{k: v for k, v in row.items() if v} for row in on_stdout] == expected
    assert ok(f"{VARIANT} --output answer.parquet").out == ""
    read = _rows("select person_id, genotype, phase from 'answer.parquet'")
    assert read == [(row["person_id"], str(row["genotype"]), row.get("phase")) for row in objects]
    table = ok(VARIANT).out.splitlines()
    assert table[-1] == "3 rows"
    assert [line.split()[:3] for line in table[1:-1]] == [
        [row["site"], row["person_id"], row["genotype"]] for row in expected
    ]


@pytest.mark.parametrize("suffix", ["json", "csv", "txt"])
def test_a_file_is_what_stdout_would_be(suffix: str, folder: Path) -> None:
    form = {"txt": "table"}.get(suffix, suffix)
    printed = ok(f"{VARIANT} --format {form}").out
    assert ok(f"{VARIANT} --output answer.{suffix}").out == ""
    assert (folder / f"answer.{suffix}").read_text(encoding="utf-8") == printed
    assert (folder / f"answer.{suffix}").stat().st_mode & 0o777 == 0o600


def test_sql_in_csv_parts_null_from_empty_and_writes_lists_dates_and_wide_numbers() -> None:
    statement = (
        "select null::varchar as a, '' as b, 'x,\"y\nz' as c, date '2020-02-29' as d,"
        " timestamp '2020-02-29 01:02:03' as e, [1, null, 3] as f, null::int[] as g,"
        " {'k': 'v'} as h, 170141183460469231731687303715884105727::hugeint as i,"
        " '\\x01'::blob as j"
    )
    command = f'-C site sql "{statement}"'.replace('"y', '\\"y')
    text = ok(f"{command} --format csv").out
    assert text.splitlines()[1].startswith(',"","x,""y')
    (row,) = _csv(text)
    assert row["c"] == 'x,"y\nz'
    assert (row["d"], row["e"]) == ("2020-02-29", "2020-02-29T01:02:03")
    assert (json.loads(row["f"]), row["g"], json.loads(row["h"])) == ([1, None, 3], "", {"k": "v"})
    assert row["i"] == str(2**127 - 1)
    assert row["j"] == "01"


def test_a_wide_number_in_parquet_is_one_that_others_read() -> None:
    ok('-C site sql "select sum(1::bigint << 62) as n from range(3)" --output n.parquet')
    assert _rows("select n from 'n.parquet'") == [(3 << 62,)]


def test_a_table_never_cuts_in_silence(folder: Path) -> None:
    command = '-C site sql "select * from range(60)"'
    assert ok(command).out.splitlines()[-1].startswith("60 rows, 10 more not shown")
    assert len(ok(f"{command} --format csv").out.splitlines()) == 61
    ok(f"{command} --output all.txt")
    assert (folder / "all.txt").read_text(encoding="utf-8").splitlines()[-1] == "60 rows"


@pytest.mark.parametrize("form", ["csv", "parquet"])
def test_a_person_s_record_is_a_folder_with_a_file_a_table(form: str, folder: Path) -> None:
    ok(f"-C site query person A:1 --format {form} --output record")
    names = sorted(path.name for path in (folder / "record").iterdir())
    assert names == [f"condition_occurrence.{form}", f"person.{form}"]
    rows = _rows(f"select condition_concept_id from 'record/{names[0]}'")
    assert rows == [(201826,)]
    assert _refused(f"-C site query person A:1 --format {form} --output record")
    ok(f"-C site query person A:2 --format {form} --output record --overwrite")
    assert _rows(f"select person_id from 'record/person.{form}'") == [(2,)]


def test_a_folder_of_other_things_is_not_overwritten(folder: Path) -> None:
    (folder / "home").mkdir()
    (folder / "home" / "thesis.tex").write_text("years of work")
    assert _refused("-C site query person A:1 --format csv --output home --overwrite")
    assert (folder / "home" / "thesis.tex").read_text() == "years of work"


def test_an_audit_table_leaves_out_columns_that_csv_has() -> None:
    ok(VARIANT)
    entries = _csv(ok("-C site audit entries --format csv").out)
    asked = next(e for e in reversed(entries) if e["operation"] == "variant")
    assert json.loads(asked["question"])["variant"] == "9:100:A:G"
    assert asked["time"].endswith("+00:00")
    as_json = [
        row for row in ok("-C site audit entries --json").rows if row["operation"] == "variant"
    ]
    assert asked["time"] in [row["time"] for row in as_json]


def test_a_table_is_for_people_times_to_the_second_truth_as_elsewhere_and_one_row() -> None:
    ok(VARIANT)
    (shown, _, *_) = re.findall(r"[0-9]{4}-[0-9-]{5} [0-9:.+]+", ok("-C site audit entries").out)
    assert re.fullmatch("[0-9-]{10} [0-9]{2}:[0-9]{2}:[0-9]{2}", shown)
    statement = "select true as t, timestamp '2020-02-29 01:02:03.5' as e"
    table = ok(f'-C site sql "{statement}"').out.splitlines()
    assert table[1].split() == ["true", "2020-02-29", "01:02:03.500000"]
    assert table[2] == "1 row"
    (row,) = ok(f'-C site sql "{statement}" --json').rows
    assert row == {"t": True, "e": "2020-02-29T01:02:03.500000"}


@pytest.mark.parametrize(
    "options",
    [
        "--format parquet",
        "--output answer.xlsx",
        "--json --format csv",
        "--output nowhere/answer.csv",
        "--output taken.csv",
    ],
)
def test_what_cannot_be_written_is_refused_before_it_is_asked(
    options: str, folder: Path, shared_site: SmallSite
) -> None:
    (folder / "taken.csv").write_text("mine")
    before = shared_site.ledger.state()
    assert _refused(f"{VARIANT} {options}")
    assert shared_site.ledger.state() == before
    assert sorted(path.name for path in folder.iterdir()) == ["site", "taken.csv"]
    assert (folder / "taken.csv").read_text() == "mine"


def test_a_question_that_fails_leaves_no_file(folder: Path) -> None:
    assert run("-C site query variant nonsense --output answer.csv").code == 2
    assert sorted(path.name for path in folder.iterdir()) == ["site"]


def test_an_answer_without_rows_is_a_file_with_a_header(folder: Path, tmp_path: Path) -> None:
    ok("-C site query variant 9:100:A:T --output none.csv")
    (header,) = (folder / "none.csv").read_text(encoding="utf-8").splitlines()
    assert header == "site,person_id,genotype,ploidy,phase,batch"


def _refused(command: str) -> Done | None:
    """The command, if it ended as a malformed request with one line that is an error."""
    done = run(command)
    lines = done.err.splitlines()
    one = done.code == 2 and not done.out and len(lines) == 1 and lines[0].startswith("error: ")
    return done if one else None
