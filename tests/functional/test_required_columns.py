"""Every table of the CDM with no column but those it must have: taken in, published, asked for.

Files are written here cell by cell, and answers compared with what was written.
"""

from __future__ import annotations

import csv
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.errors import UnknownConceptError
from precisionchain.query.criteria import EVENT_TABLES
from precisionchain.schemas.omop import TABLES, Table
from tests.lib.ledger_places import MemoryPlace
from tests.lib.site_builder import BuiltNetwork, BuiltSite

PERSONS = (11, 12, 13)
CAUSES = ("600", "0", "")
OTHER = 14  # who has a row in `person` and no other
FUNCTIONS = {table: name for name, table in EVENT_TABLES.items() if name != "event"}

OF_PERSONS = [
    table.name for table in TABLES.values() if table.scope == "person" and table.name != "person"
]
OTHERS = [table.name for table in TABLES.values() if table.scope != "person"]

Cells = Mapping[str, str]


def cell(table: Table, column: str, number: int) -> str:
    """What is written in a column's row of that number, from 0."""
    if column == table.person_column:
        return str(PERSONS[number])
    if column == table.concept_column:
        return str(500 + number)
    if column == table.primary_key:
        return str(number + 1)
    if table.parent and column == TABLES[table.parent].primary_key:
        return str(number + 1)
    kind = table.field(column).lexical.name
    day = f"2020-03-{number + 1:02}"
    plain = {"Integer64": str(700 + number), "Float": "1.5", "Date": day, "Flag": "S"}
    return plain.get(kind, f"{day} 00:00:00" if kind == "Datetime" else f"t{number}")


def rows_of(name: str) -> list[Cells]:
    """Three rows of a table, one a person, with the columns it must have, or its first."""
    table = TABLES[name]
    columns = [field.name for field in table.fields if field.must] or [table.fields[0].name]
    return [{column: cell(table, column, n) for column in columns} for n in range(len(PERSONS))]


def write(folder: Path, name: str, rows: Sequence[Cells]) -> None:
    with (folder / f"{name}.csv").open("w", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(rows)


def files_with(folder: Path, tables: Sequence[str]) -> Path:
    """Files of persons, of some tables, and of their parents."""
    parents = [parent for name in tables if (parent := TABLES[name].parent)]
    write(folder, "person", [{"person_id": str(person)} for person in (*PERSONS, OTHER)])
    for name in {*tables, *parents}:
        write(folder, name, rows_of(name))
    return folder


def take_in(site: BuiltSite, tables: Sequence[str]) -> None:
    done = site.site.ingest_omop(files_with(site.new_folder(), tables))
    assert done.counts["rejected"] == 0


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> BuiltSite:
    """A site that has taken in every table of persons, each with what it must have."""
    folder = tmp_path_factory.mktemp("network")
    built = BuiltNetwork(folder, MemoryPlace(folder)).site()
    take_in(built, OF_PERSONS)
    return built


@pytest.fixture(scope="module")
def network(site: BuiltSite) -> Iterator[pc.Network]:
    with site.network() as opened:
        yield opened


def as_text(row: Mapping[str, object], columns: Sequence[str]) -> Cells:
    return {column: str(row[column]) for column in columns}


def published(name: str) -> list[str]:
    return [column for column in rows_of(name)[0] if column in TABLES[name].published_columns]


def members(network: pc.Network, criterion: str) -> list[str]:
    frame = network.cohort(pc.criterion(criterion)).persons
    return [f"{row['site']}:{row['person_id']}" for row in frame.to_dicts()]


@pytest.mark.parametrize("name", OF_PERSONS)
def test_a_table_of_persons_is_found_as_it_was_written(name: str, network: pc.Network) -> None:
    columns = published(name)
    for number, person in enumerate(PERSONS):
        record = network.person(f"A:{person}", table=name)
        written = as_text(rows_of(name)[number], columns)
        assert [as_text(row, columns) for row in record[name].to_dicts()] == [written]


def test_a_record_has_the_tables_that_name_the_person(network: pc.Network) -> None:
    assert set(network.person(f"A:{PERSONS[0]}")) == {"person", *OF_PERSONS}
    assert set(network.person(f"A:{OTHER}")) == {"person"}


@pytest.mark.parametrize("name", [name for name in OF_PERSONS if TABLES[name].domain_prefix])
def test_an_event_is_found_by_its_concept_and_one_without_by_concept_0(
    name: str, network: pc.Network
) -> None:
    columns = published(name)
    concept = str(TABLES[name].concept_column)
    asked: dict[int, list[Cells]] = {}
    for row in rows_of(name):
        asked.setdefault(int(row.get(concept, 0)), []).append(as_text(row, columns))
    for one, written in asked.items():
        answer = network.domain(one, table=name)
        found = [as_text(row, columns) for row in answer.to_dicts()]
        assert sorted(found, key=str) == sorted(written, key=str)
        assert set(answer["table"]) == {name}


@pytest.mark.parametrize("name", sorted(FUNCTIONS))
def test_a_cohort_of_an_event_holds_whom_the_file_names(name: str, network: pc.Network) -> None:
    everybody = [f"A:{person}" for person in PERSONS]
    since = rows_of(name)[1][str(TABLES[name].start_date_column)]
    assert members(network, f"{FUNCTIONS[name]}()") == everybody
    assert members(network, f"{FUNCTIONS[name]}(since={since})") == everybody[1:]
    assert members(network, f"at_least(2, {FUNCTIONS[name]}())") == []
    one = rows_of(name)[0].get(str(TABLES[name].concept_column))
    expected = everybody if one is None else everybody[:1]
    assert members(network, f"{FUNCTIONS[name]}({one or 0})") == expected


def test_what_was_published_verifies(site: BuiltSite) -> None:
    assert all(check.ok for check in site.site.verify())


def test_only_columns_of_the_file_are_said_to_leave(site: BuiltSite) -> None:
    columns = site.site.columns_leaving().filter(pl.col("table") == "death")["column"]
    assert set(columns) == set(rows_of("death")[0])


def test_deaths_with_a_cause_and_without_one_are_asked_together(tmp_path: Path) -> None:
    built = BuiltNetwork(tmp_path, MemoryPlace(tmp_path))
    take_in(built.site("A"), ["death"])
    caused = built.site("B")
    folder = files_with(caused.new_folder(), [])
    cells = (
        {**row, "cause_concept_id": cause}
        for row, cause in zip(rows_of("death"), CAUSES, strict=True)
    )
    write(folder, "death", list(cells))
    caused.site.ingest_omop(folder)
    with caused.network() as network:
        everybody = [f"{site}:{person}" for site in "AB" for person in PERSONS]
        assert members(network, "death()") == everybody
        assert members(network, "death(600)") == [f"B:{PERSONS[0]}"]
        unknown = [row for row in everybody if row != f"B:{PERSONS[0]}"]
        assert members(network, "death(0)") == unknown
        assert network.domain(0, table="death").height == len(unknown)


def test_tables_of_no_person_with_what_they_must_have(tmp_path: Path) -> None:
    built = BuiltNetwork(tmp_path, MemoryPlace(tmp_path)).site()
    take_in(built, [*OTHERS, "condition_occurrence"])
    with built.network() as network:
        assert members(network, "condition(501)") == [f"A:{PERSONS[1]}"]
    assert all(check.ok for check in built.site.verify())


def test_a_main_concept_that_may_not_leave_places_nothing(tmp_path: Path) -> None:
    allowed = {"person": ("person_id",), "condition_occurrence": ("condition_occurrence_id",)}
    network = BuiltNetwork(tmp_path, MemoryPlace(tmp_path), settings={"published": allowed})
    built = network.site()
    take_in(built, ["condition_occurrence"])
    with built.network() as opened:
        record = opened.person(f"A:{PERSONS[0]}")["condition_occurrence"]
        with pytest.raises(UnknownConceptError):
            opened.domain(500)
    assert set(record.columns) == {"site", "person_id", "table", "condition_occurrence_id"}
