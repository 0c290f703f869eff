"""Sites without genotypes, and their next month: read back by DuckDB, same bytes for same seeds."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import pytest

from precisionchain.schemas.omop import TABLES
from precisionchain.synthetic.clinical_site import write_clinical_site
from precisionchain.synthetic.next_export import (
    Monthly,
    points_to_rows,
    renumbered,
    write_next_export,
)
from precisionchain.synthetic.tables import KEYS

PERSONS = 700
STAY = ("person", "observation_period", "death")
EVENTS = [name for name in KEYS if TABLES[name].scope == "person" and name not in STAY]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    write_clinical_site(folder, seed=5, persons=PERSONS, at_once=300)
    write_next_export(folder / "omop", folder / "next", Monthly(0.04, 0.03, 0.02))
    write_next_export(folder / "next", folder / "later", Monthly(0.04, 0.3, 0.02, seed=2))
    write_next_export(folder / "omop", folder / "anew", Monthly(0, 0, 0, renumbered=True))
    return folder


@pytest.fixture(scope="module")
def ask(site: Path) -> Iterator[Callable[[str], Any]]:
    with duckdb.connect() as database:
        for month in ("omop", "next", "later", "anew"):
            database.execute(f"create schema {month}")
            for path in (site / month).glob("*.csv"):
                with path.open(encoding="utf-8") as file:
                    columns = file.readline().strip().split(",")
                spelled = ", ".join(f"'{column}': 'VARCHAR'" for column in columns)
                database.execute(
                    f"create table {month}.{path.stem} as from read_csv(?, header = true,"
                    f" auto_detect = false, quote = '\"', columns = {{{spelled}}})",
                    [str(path)],
                )
        yield lambda sql: database.execute(sql).fetchall()


def test_the_same_seed_gives_the_same_bytes(site: Path, tmp_path: Path) -> None:
    write_clinical_site(tmp_path, seed=5, persons=PERSONS, at_once=300)
    write_next_export(tmp_path / "omop", tmp_path / "next", Monthly(0.04, 0.03, 0.02))
    files = sorted(tmp_path.glob("*/*.csv"))
    assert len(files) == 2 * len(KEYS) + 4
    for path in files:
        assert path.read_bytes() == (site / path.relative_to(tmp_path)).read_bytes(), path.name


def test_another_seed_gives_others(site: Path, tmp_path: Path) -> None:
    write_clinical_site(tmp_path, seed=6, persons=PERSONS, at_once=300)
    for name in ("person", "measurement"):
        path = f"omop/{name}.csv"
        assert (tmp_path / path).read_bytes() != (site / path).read_bytes()


def test_the_rows_are_counted(site: Path, tmp_path: Path, ask: Callable[[str], Any]) -> None:
    counted = write_clinical_site(tmp_path, seed=5, persons=PERSONS, at_once=300)
    assert counted == {name: ask(f"select count(*) from omop.{name}")[0][0] for name in KEYS}
    assert counted["person"] == PERSONS
    assert 70 * PERSONS < sum(counted.values()) < 110 * PERSONS


@pytest.mark.parametrize("name", [name for name, key in KEYS.items() if key])
def test_no_key_is_given_twice_and_nothing_points_nowhere(
    name: str, ask: Callable[[str], Any]
) -> None:
    key = KEYS[name]
    for month in ("omop", "next", "later", "anew"):
        assert ask(f"select count(*) - count(distinct {key}) from {month}.{name}") == [(0,)], month
    if name in EVENTS:
        table = TABLES[name]
        for column in ("person_id", "visit_occurrence_id", "preceding_visit_occurrence_id"):
            if column in table.columns and column != key:
                of = "person" if column == "person_id" else "visit_occurrence"
                parent = f"(select {of}_id as parent, person_id as whose from omop.{of})"
                lost = ask(
                    f"select count(*) from omop.{name} r left join {parent} p on parent = {column}"
                    f" where {column} is not null and whose is distinct from r.person_id"
                )
                assert lost == [(0,)], column


@pytest.mark.parametrize("name", EVENTS)
def test_shares_of_the_rows_change(name: str, ask: Callable[[str], Any]) -> None:
    key, start = KEYS[name], TABLES[name].start_date_column
    ((old, new, gone, changed),) = ask(
        "select count(o.k), count(*) filter (o.k is null), count(*) filter (n.k is null),"
        " count(*) filter (o.day <> n.day)"
        f" from (select {key} k, {start}::date as day from omop.{name}) o"
        f" full join (select {key} k, {start}::date as day from next.{name}) n using (k)"
    )
    for found, share in ((changed, 0.04), (new, 0.03), (gone, 0.02)):
        assert abs(found - share * old) < 5 * (share * old) ** 0.5 + 1


@pytest.mark.parametrize("name", STAY)
def test_persons_stay(name: str, ask: Callable[[str], Any]) -> None:
    assert ask(f"select count(*) from (from omop.{name} except all from next.{name})") == [(0,)]
    assert ask(f"select count(*) from (from next.{name} except all from omop.{name})") == [(0,)]


@pytest.mark.parametrize("name", EVENTS)
def test_keys_given_anew_are_one_to_one(name: str, ask: Callable[[str], Any]) -> None:
    translated = ", ".join(
        f"{renumbered(column)}::varchar as {column}"
        for column in TABLES[name].columns
        if points_to_rows(TABLES[name], column)
    )
    ((rows, same),) = ask(
        f"select (select count(*) from anew.{name}),"
        f" (select count(*) from ((select * replace ({translated}) from omop.{name})"
        f" intersect all from anew.{name}))"
    )
    assert rows == same > 0
    ((kept,),) = ask(f"select count(*) from omop.{name} join anew.{name} using ({KEYS[name]})")
    assert kept == 0
