"""A source exported month after month through the command line.

Answers and counts are held to DuckDB on the raw CSV files of the newest export and the one before.
"""

from __future__ import annotations

import csv
import json
import random
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb
import pytest

from tests.lib.typed_commands import typed

PERSONS = range(1, 61)
CONCEPTS = (201826, 317576, 4000)
COLUMNS = {
    "person": ("person_id", "year_of_birth", "person_source_value"),
    "condition_occurrence": (
        "condition_occurrence_id",
        "person_id",
        "condition_concept_id",
        "condition_start_date",
        "condition_source_value",
    ),
    "measurement": (
        "measurement_id",
        "person_id",
        "measurement_concept_id",
        "measurement_date",
        "value_as_number",
        "measurement_source_value",
    ),
    "death": ("person_id", "death_date"),
}
PUBLISHED = {
    name: tuple(column for column in columns if not column.endswith("source_value"))
    for name, columns in COLUMNS.items()
}
Tables = dict[str, list[list[str]]]


def january(draw: random.Random) -> Tables:
    """Sixty persons with 200 conditions and 400 measurements."""

    def day() -> str:
        return f"20{draw.randint(10, 19)}-{draw.randint(1, 12):02d}-{draw.randint(1, 28):02d}"

    def event(number: int, *more: str) -> list[str]:
        return [str(number), str(draw.choice(PERSONS)), str(draw.choice(CONCEPTS)), day(), *more]

    return {
        "person": [[str(n), str(1930 + n), "a name"] for n in PERSONS],
        "condition_occurrence": [event(n, "local") for n in range(1, 201)],
        "measurement": [
            event(n, draw.choice(["", "0", "-0.0", "1.5", f"{n}.25"]), "kg") for n in range(1, 401)
        ],
        "death": [["7", "2020-01-01"], ["8", "2020-02-02"]],
    }


def next_month(draw: random.Random, tables: Tables) -> Tables:
    """Change, drop and add two to four rows of every event table; rename what stays at the site."""
    later = {name: [list(row) for row in rows] for name, rows in tables.items()}
    for name in ("condition_occurrence", "measurement"):
        rows = later[name]
        for row in draw.sample(rows, 4):
            row[2] = str(draw.choice(CONCEPTS))
        for row in rows:
            row[-1] = "spelled otherwise"
        for row in draw.sample(rows, 3):
            rows.remove(row)
        top = max(int(row[0]) for row in rows)
        rows += [[str(top + n), *draw.choice(rows)[1:]] for n in (1, 2)]
        draw.shuffle(rows)
    later["death"].append([str(10 + len(later["death"])), "2021-03-03"])
    return later


def renumbered(draw: random.Random, tables: Tables) -> Tables:
    """Give all measurements other keys, and mend one of them."""
    later = next_month(draw, {**tables, "measurement": tables["measurement"]})
    rows = later["measurement"]
    draw.shuffle(rows)
    later["measurement"] = [[str(n), *row[1:]] for n, row in enumerate(rows, 1000)]
    return later


@dataclass
class Month:
    """An export as it was written, and the one before it."""

    folder: Path
    before: Path | None
    renumbers: bool = False

    def sql(self, question: str) -> list[tuple[Any, ...]]:
        """Ask the raw CSV files: ``{table}`` is this month's, ``{table_before}`` last month's."""
        files = {}
        for name in COLUMNS:
            for suffix, folder in (("", self.folder), ("_before", self.before)):
                files[name + suffix] = f"read_csv('{folder}/{name}.csv', all_varchar=true)"
        with duckdb.connect() as database:
            return database.execute(question.format(**files)).fetchall()


def written(folder: Path, tables: Mapping[str, Sequence[Sequence[str]]]) -> Path:
    """Write an export."""
    folder.mkdir()
    for name, rows in tables.items():
        with (folder / f"{name}.csv").open("w", encoding="utf-8", newline="") as file:
            csv.writer(file).writerows([COLUMNS[name], *rows])
    return folder


class Hospital:
    """A site folder that is typed at."""

    def __init__(self, root: Path) -> None:
        self.root = root
        self.typed("init", "site_a", "--site", "A")

    def typed(self, *arguments: str) -> str:
        """Type a command; return what it prints."""
        site = () if arguments[0] == "init" else ("-C", "site_a")
        code, out, err = typed(self.root, *site, *arguments)
        assert code == 0, err
        return out

    def rows(self, *arguments: str) -> list[dict[str, Any]]:
        """Type a command; return the objects it prints."""
        return [json.loads(line) for line in self.typed(*arguments, "--json").splitlines()]


@pytest.fixture(scope="module")
def hospital(tmp_path_factory: pytest.TempPathFactory) -> Hospital:
    return Hospital(tmp_path_factory.mktemp("hospital"))


@pytest.fixture(scope="module")
def months(hospital: Hospital) -> list[Month]:
    draw = random.Random(20261122)
    first = january(draw)
    february = next_month(draw, first)
    march = renumbered(draw, february)
    folders: list[Path] = []
    found = []
    for name, tables, renumbers in (
        ("january", first, False),
        ("february", february, False),
        ("march", march, True),
        ("january_again", first, True),
    ):
        before = folders[-1] if folders else None
        folders.append(written(hospital.root / name, tables))
        found.append(Month(folders[-1], before, renumbers))
    return found


def answers(hospital: Hospital, month: Month) -> Iterator[tuple[Counter[Any], Counter[Any]]]:
    """Yield, for each question, the answer and what the raw files say."""
    for concept in CONCEPTS:
        asked = hospital.rows("query", "domain", str(concept))
        for table in ("condition_occurrence", "measurement"):
            number = "" if table == "condition_occurrence" else ", value_as_number::double"
            date = f"{table.removesuffix('_occurrence')}_start_date".replace(
                "measurement_start", "measurement"
            )
            concept_column = f"{table.removesuffix('_occurrence')}_concept_id"
            due = month.sql(
                f"select person_id::int, {date}{number} from {{{table}}}"
                f" where {concept_column} = '{concept}'"
            )
            names = ["person_id", date, *(["value_as_number"] if number else [])]
            got = [tuple(r.get(n) for n in names) for r in asked if r["table"] == table]
            yield Counter(got), Counter(due)
    for person in (7, 30):
        shown = Counter(row["table"] for row in hospital.rows("query", "person", str(person)))
        due = month.sql(
            " union all ".join(
                f"select '{t}', count(*) from {{{t}}} where person_id = '{person}'"
                " having count(*) > 0"
                for t in COLUMNS
            )
        )
        yield shown, Counter(dict(due))


def counted(month: Month, table: str) -> dict[str, int]:
    """Return what a full join of two months on the key says of published columns."""
    key, *columns = PUBLISHED[table]
    one, two = (
        f"({', '.join(f'n.{c}' for c in columns)})",
        f"({', '.join(f'o.{c}' for c in columns)})",
    )
    ((new, changed, gone, unchanged),) = month.sql(
        f"select count(*) filter (o.{key} is null),"
        f" count(*) filter (o.{key} = n.{key} and {one} is distinct from {two}),"
        f" count(*) filter (n.{key} is null),"
        f" count(*) filter ({one} is not distinct from {two} and o.{key} = n.{key})"
        f" from {{{table}}} n full join {{{table}_before}} o on n.{key} = o.{key}"
    )
    return {"new": new, "changed": changed, "gone": gone, "unchanged": unchanged, "withheld": 0}


def test_each_month_is_answered_as_its_files_say(hospital: Hospital, months: list[Month]) -> None:
    for number, month in enumerate(months):
        export = ("ingest", "omop", str(month.folder), "--source", "ehr", "--allow-shrinking")
        if number:
            dry = hospital.rows(*export, "--dry-run")
            said = {row["table"]: row for row in dry if "new" in row}
        (done,) = hospital.rows(*export)
        for got, due in answers(hospital, month):
            assert got == due
        if number:
            for table, changes in done["changes"].items():
                assert said[table] == {"source": "ehr", "table": table, **changes}
            conditions = done["changes"]["condition_occurrence"]
            assert conditions == counted(month, "condition_occurrence")
            assert done["changes"]["person"]["unchanged"] == len(PERSONS)
            measured = done["changes"]["measurement"]
            if not month.renumbers:
                assert measured == counted(month, "measurement")
                assert 0 < measured["new"] + measured["changed"] < 10
            else:
                assert measured["unchanged"] > 380, "rows are known again under other keys"
    (again,) = hospital.rows(*export)
    assert again["new_items"] == 0
    assert "changes" not in again


def test_everything_on_the_ledger_verifies(hospital: Hospital, months: list[Month]) -> None:
    assert months
    checks = hospital.rows("verify")
    assert [check for check in checks if not check.get("ok", True)] == []
