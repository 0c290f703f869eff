"""The page of an OMOP run says what a slow reading of the files says, and nothing of a person."""

from __future__ import annotations

import csv
import json
import os
import re
import sqlite3
import subprocess
import sys
from collections import Counter
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import precisionchain as pc
from precisionchain.cli.app import app
from precisionchain.errors import SiteError, UsageError
from tests.lib.page_reader import Page, number, read_page

MRN = "MRN-7391-ZQ"
SENTENCE = "she asked that nobody be told"
HOSTILE_FILE = "<img src=x onerror=alert(1)>&.csv"
HOSTILE_COLUMN = "<script>alert(2)</script>"
SOURCE = 'ward <b>9</b> "x" $HOME `id` it\'s'
PERSONS = range(1, 41)
STRANGERS = range(900, 930)

Rejected = dict[tuple[str, str], list[tuple[int, int]]]
"""Records and lines by rule and column."""


def write_export(folder: Path) -> Path:
    """Forty persons; conditions of which some are dirty, one with a text over two lines."""
    folder.mkdir()
    persons = [[str(p), "8507", "1950", "0", "0", f"{MRN}-{p}"] for p in PERSONS]
    _write(
        folder / "person.csv",
        "person_id gender_concept_id year_of_birth race_concept_id ethnicity_concept_id"
        " person_source_value",
        persons,
    )
    conditions = []
    for n in range(1, 201):
        date = "20150302" if n % 5 == 0 else "2015-3-2" if n % 7 == 0 else "2015-03-02"
        concept = "0" if n % 4 == 0 else "201826"
        text = f"{MRN}\nsecond line" if n == 3 else MRN
        conditions.append([str(n), str(n % 40 + 1), concept, date, "32020", text, "+1"])
    for n, stranger in enumerate(STRANGERS, 300):
        conditions.insert(3 * n % 150, [str(n), str(stranger), "1", "2015-01-01", "1", MRN, ""])
    conditions[10][3] = "02/03/2015"
    conditions[20][0] = "abc"
    conditions[30][0] = conditions[29][0]
    conditions[40][2] = ""
    heads = (
        "condition_occurrence_id person_id condition_concept_id condition_start_date"
        " condition_type_concept_id condition_source_value"
    )
    _write(folder / "condition_occurrence.csv", f"{heads} {HOSTILE_COLUMN}", conditions)
    notes = [["1", "1", "2015-03-02", "1", SENTENCE, "2", "3", "4"]]
    _write(
        folder / "note.csv",
        "note_id person_id note_date note_type_concept_id note_text note_class_concept_id"
        " encoding_concept_id language_concept_id",
        notes,
    )
    (folder / "death.csv").write_text("person_id,death_date,cause_concept_id\n", encoding="utf-8")
    (folder / HOSTILE_FILE).write_text("a\n", encoding="utf-8")
    return folder


def _write(path: Path, heads: str, rows: list[list[str]]) -> None:
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(heads.split(" "))
        writer.writerows(rows)


def slow_conditions(path: Path) -> tuple[Rejected, list[dict[str, str]], int]:
    """Judge the conditions record by record: rejected by rule and column, accepted, records."""
    rejected: Rejected = {}
    accepted: list[dict[str, str]] = []
    seen: set[str] = set()
    with path.open(encoding="utf-8", newline="") as file:
        reader = csv.reader(file)
        heads = next(reader)
        line, records = 2, 0
        for records, cells in enumerate(reader, 1):
            row = dict(zip(heads, cells, strict=True))
            reasons = []
            if not re.fullmatch(r"-?\d+", row["condition_occurrence_id"]):
                reasons.append(("type:Integer64", "condition_occurrence_id"))
            if not re.fullmatch(r"\d{4}-\d{1,2}-\d{1,2}|\d{8}", row["condition_start_date"]):
                reasons.append(("type:Date", "condition_start_date"))
            if not row["condition_concept_id"]:
                reasons.append(("required", "condition_concept_id"))
            if int(row["person_id"]) not in PERSONS:
                reasons.append(("unknown_person", "person_id"))
            if not reasons and row["condition_occurrence_id"] in seen:
                reasons.append(("duplicate_key", "condition_occurrence_id"))
            for reason in reasons:
                rejected.setdefault(reason, []).append((records, line))
            if not reasons:
                seen.add(row["condition_occurrence_id"])
                accepted.append(row)
            line = reader.line_num + 1
    return rejected, accepted, records


class Built:
    """A site with a published export, the export, and its page."""

    def __init__(self, folder: Path) -> None:
        self.export = write_export(folder / "export")
        self.site = pc.Site.init(folder / "site_a", site="A", build="GRCh37")
        self.site.ingest_omop(self.export, source=SOURCE)
        self.file = self.site.report()
        self.html = self.file.read_text(encoding="utf-8")
        self.page = read_page(self.html)
        self.conditions = slow_conditions(self.export / "condition_occurrence.csv")


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Built:
    return Built(tmp_path_factory.mktemp("report"))


def test_the_page_lies_in_reports_for_its_owner_alone(built: Built) -> None:
    assert built.file == built.site.folder.root / "reports" / "000001-omop.html"
    assert built.file.stat().st_mode & 0o777 == 0o600
    assert built.file.parent.stat().st_mode & 0o777 == 0o700


def test_records_accepted_and_rejected_by_table(built: Built) -> None:
    rejected, accepted, records = built.conditions
    refused = {place for places in rejected.values() for place in places}
    rows = {row[0]: [number(cell) for cell in row[1:4]] for row in built.page.rows("t-tables")}
    assert rows == {
        "person": [40, 40, 0],
        "condition_occurrence": [records, len(accepted), len(refused)],
        "note": [1, 1, 0],
    }
    assert [number(cell) for cell in built.page.tables["t-tables"][-1][1:4]] == [
        records + 41,
        len(accepted) + 41,
        len(refused),
    ]
    assert "death" in built.page.texts["empty"]


def test_every_reason_has_its_count_and_the_first_records_and_lines(built: Built) -> None:
    rejected = built.conditions[0]
    shown = {(row[2], row[1]): number(row[3]) for row in built.page.rows("t-rejected")}
    assert shown == {reason: len(places) for reason, places in rejected.items()}
    assert len(rejected["unknown_person", "person_id"]) == 30
    for n, row in enumerate(built.page.rows("t-rejected"), 1):
        places = rejected[row[2], row[1]]
        card = built.page.texts[f"rejected-{n}"]
        read = [
            (int(r), int(at)) for r, at in re.findall(r"^(\d+) line (\d+)$", card, re.MULTILINE)
        ]
        assert read == places[:20]
        assert ("First 20 of 30 records" in card) == (len(places) == 30)


def test_a_record_after_a_text_of_two_lines_has_another_line_than_record(built: Built) -> None:
    places = [place for each in built.conditions[0].values() for place in each]
    assert {line - record for record, line in places} == {1, 2}


def test_the_commands_of_a_rule_give_all_its_records(built: Built) -> None:
    for n, row in enumerate(built.page.rows("t-rejected"), 1):
        places = built.conditions[0][row[2], row[1]]
        listed, with_cells = built.page.commands[2 * n - 2 : 2 * n]
        assert listed in built.page.texts[f"rejected-{n}"]
        assert [(each["record"], each["line"]) for each in answer(built.site, listed)] == places
        rows = answer(built.site, with_cells)
        assert [(each["_record"], each["line"]) for each in rows] == places
        assert all(each["condition_source_value"].startswith(MRN) for each in rows)


def test_a_command_can_be_typed_into_a_shell(built: Built) -> None:
    command = built.page.commands[0]
    assert typed(command, built.site.folder.root) == answer(built.site, command)


def answer(site: pc.Site, command: str) -> list[dict[str, Any]]:
    """Answer the statement a shell would hand over."""
    assert command.startswith("precisionchain sql --json ")
    said = command.replace("precisionchain sql --json", "printf %s", 1)
    done = subprocess.run(["sh", "-c", said], capture_output=True, text=True, check=True)
    return site.sql(done.stdout).to_dicts()


def typed(command: str, folder: Path) -> list[dict[str, Any]]:
    """Type a command into a shell, in a folder; return the rows it prints."""
    program = f"'{sys.executable}' -m precisionchain"
    done = subprocess.run(
        ["sh", "-c", command.replace("precisionchain", program, 1)],
        cwd=folder,
        capture_output=True,
        text=True,
        check=True,
        env=os.environ | {"PYTHONPATH": str(Path(pc.__file__).parents[1])},
    )
    return [json.loads(line) for line in done.stdout.splitlines()]


def test_warnings_concepts_and_spellings_are_counted(built: Built) -> None:
    _, accepted, _ = built.conditions
    zero = sum(row["condition_concept_id"] == "0" for row in accepted)
    unmapped = {
        row[0]: [number(c) for c in (*row[2:4], row[5])] for row in built.page.rows("t-unmapped")
    }
    assert unmapped["condition_occurrence"] == [len(accepted), zero, 0]
    warned = {tuple(row[:3]): number(row[3]) for row in built.page.rows("t-warnings")}
    assert warned["condition_occurrence", "condition_concept_id", "concept_zero"] == zero
    assert warned["person", "race_concept_id", "concept_zero"] == 40
    dates: Counter[str] = Counter()
    with (built.export / "condition_occurrence.csv").open(encoding="utf-8", newline="") as file:
        for row in csv.DictReader(file):
            text = row["condition_start_date"]
            dates["compact"] += bool(re.fullmatch(r"\d{8}", text))
            dates["short"] += bool(re.fullmatch(r"\d{4}-\d-\d", text))
    spelled = {tuple(row[:3]): number(row[3]) for row in built.page.rows("t-normalised")}
    assert spelled == {
        ("condition_occurrence", "condition_start_date", name): n for name, n in dates.items()
    }


def test_what_is_not_recognised_is_named_and_escaped(built: Built) -> None:
    assert built.page.rows("t-files") == [[HOSTILE_FILE, "–"]]
    assert built.page.rows("t-columns") == [["condition_occurrence", HOSTILE_COLUMN]]
    assert SOURCE in built.page.texts["facts"]
    assert not {"img", "script", "b"} & {
        tag for tag, attrs in built.page.tags if tag != "b" or attrs
    }
    for raw in (HOSTILE_FILE, HOSTILE_COLUMN, "<b>9</b>"):
        assert raw not in built.html


def test_columns_that_stay_are_those_not_on_the_ledger(built: Built) -> None:
    staying = {row[0]: row[2].split(", ") for row in built.page.rows("t-staying")}
    assert "note_text" in staying["note"]
    assert "person_source_value" in staying["person"]
    assert "condition_source_value" in staying["condition_occurrence"]
    assert all(
        len(columns) == number(row[1])
        for row, columns in zip(built.page.rows("t-staying"), staying.values(), strict=True)
    )


def test_bytes_are_those_of_the_ledger_s_file_and_of_the_source(built: Built) -> None:
    with sqlite3.connect(built.site.folder.root / "ledger.sqlite") as database:
        sizes = dict(
            database.execute(
                "select streams.name, sum(length(stored)) from items join streams using (stream)"
                " where name not like 'NETWORK%' and name not like 'ACCESS%'"
                " and name not like 'CHECKPOINT%' group by 1"
            ).fetchall()
        )
    database.close()
    files = [
        built.export / f"{name}.csv" for name in ("person", "condition_occurrence", "note", "death")
    ]
    source = sum(file.stat().st_size for file in files)
    total = built.page.tables["t-bytes"][-1]
    assert [number(cell) for cell in total[1:3]] == [source, sum(sizes.values())]
    rows = {row[0]: row[1:] for row in built.page.rows("t-bytes")}
    domain = sum(n for name, n in sizes.items() if name.startswith("CONDITION_"))
    assert number(rows["condition_occurrence"][3]) == domain
    person_view = sum(n for name, n in sizes.items() if name.startswith("CLIN_PERSON_"))
    assert number(total[5]) == person_view
    assert sum(number(row[4]) for row in rows.values() if row[4] not in ("–", "")) == person_view


def test_nothing_of_a_person_is_on_the_page(built: Built) -> None:
    assert MRN not in built.html
    assert SENTENCE not in built.html
    assert "second line" not in built.html


def test_the_page_asks_for_nothing_and_runs_nothing(built: Built) -> None:
    assert_self_contained(built.html, built.page)


def assert_self_contained(html: str, page: Page) -> None:
    """No script, no other file, no network; every link leads within the page."""
    assert not re.search(r"https?://|@import|url\(|javascript:", html, re.IGNORECASE)
    asks = {"src", "srcset", "href", "action", "data", "poster", "xlink:href", "style"}
    ids = {attrs["id"] for _, attrs in page.tags if attrs.get("id")}
    for tag, attrs in page.tags:
        assert tag not in {"script", "link", "iframe", "object", "embed", "img", "form", "base"}
        assert not [name for name in attrs if name.startswith("on")]
        for name in asks & set(attrs):
            target = attrs[name] or ""
            assert name == "href"
            assert target[0] == "#"
            assert target[1:] in ids
    assert len(ids) == len([1 for _, attrs in page.tags if attrs.get("id")])
    for tag, attrs in page.tags:
        if tag == "svg":
            assert (attrs.get("role") == "img" and attrs["aria-label"]) or "strip" in str(
                attrs["class"]
            )
        if tag == "th" and not attrs.get("aria-hidden"):
            assert attrs.get("scope") in ("col", "row")


def test_the_same_run_gives_the_same_page(built: Built, tmp_path: Path) -> None:
    again = built.site.report("000001-omop", tmp_path / "again.html")
    assert again.read_text(encoding="utf-8") == built.html


def test_a_run_that_is_not_published_says_so_and_one_that_is_not_validated(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export")
    site = pc.Site.init(tmp_path / "site", site="A", build="GRCh37")
    with pytest.raises(SiteError, match="nothing is staged"):
        site.report()
    site.stage_omop(export, source="ehr")
    page = read_page(site.report().read_text(encoding="utf-8"))
    assert "not validated yet" in page.text
    site.validate()
    page = read_page(site.report().read_text(encoding="utf-8"))
    assert "not published yet" in page.texts["facts"]
    assert "not validated" not in page.text
    assert "t-bytes" not in page.tables
    assert "note_text" in {row[0]: row[2] for row in page.rows("t-staying")}["note"]


def test_a_site_that_is_not_admitted_yet_reads_its_own_report(built: Built, tmp_path: Path) -> None:
    ledger = built.site.folder.root / "ledger.sqlite"
    waiting = pc.Site.init(tmp_path / "site", site="B", ledger=f"embedded:{ledger}")
    waiting.stage_omop(built.export, source=SOURCE)
    page = read_page(waiting.report().read_text(encoding="utf-8"))
    assert "not published yet" in page.texts["facts"]


def test_an_older_run_names_the_newer_one_and_its_commands_still_answer(tmp_path: Path) -> None:
    export = write_export(tmp_path / "export")
    site = pc.Site.init(tmp_path / "site", site="A", build="GRCh37")
    for _ in range(2):
        site.ingest_omop(export, source="ehr")
        (export / "condition_occurrence.csv").unlink(missing_ok=True)
    page = read_page(site.report("000001-omop").read_text(encoding="utf-8"))
    assert "A newer run of this source is staged: 000002-omop" in page.text
    assert "A later batch of this source is its head" in page.text
    assert len(typed(page.commands[0], site.folder.root)) == number(page.rows("t-rejected")[0][3])


def test_the_command_writes_one_page_or_all(built: Built, tmp_path: Path) -> None:
    def run(*words: str) -> Result:
        return CliRunner().invoke(app, ["-C", str(built.site.folder.root), "report", *words])

    written = run("000001-omop", "--output", str(tmp_path / "page.html"), "--json")
    assert json.loads(written.stdout) == {"page": str(tmp_path / "page.html")}
    assert (tmp_path / "page.html").read_text(encoding="utf-8") == built.html
    assert run("--all").stdout.splitlines() == [str(built.file)]
    assert isinstance(run("000001-omop", "--all").exception, UsageError)


def test_a_run_that_is_not_there_names_those_that_are(built: Built) -> None:
    with pytest.raises(SiteError, match=r"no run 000009-omop.*000001-omop"):
        built.site.report("000009-omop")
    with pytest.raises(SiteError, match="cannot be written"):
        built.site.report(output=built.export / "absent" / "page.html")
