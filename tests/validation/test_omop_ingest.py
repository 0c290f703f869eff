"""OMOP folders as their publishers made them, from CSV to answers, against csv and DuckDB."""

from __future__ import annotations

import random
from collections.abc import Callable
from typing import Any

import polars as pl
import pytest

import precisionchain as pc
from precisionchain.opened import OpenSite
from precisionchain.query.clinical import domain_rows
from tests.validation.conftest import OMOP_FOLDERS, IngestedFolder, objects, run_cli
from tests.validation.omop_oracle import ERAS

Ingest = Callable[[str], IngestedFolder]

folders = pytest.mark.parametrize("name", OMOP_FOLDERS)

REJECTED: dict[str, dict[tuple[str, str], int]] = {
    # observation_period of 2,649 persons that person.csv does not have: real orphans.
    "gibleed": {("observation_period", "unknown_person"): 2_649},
    "mimic": {},
    "synthea27nj": {},
    "omoplite100": {},
    "original": {},
}
"""Folder -> (table, rule) -> rejected records, each with the reason beside it."""

LEFT_ALONE: dict[str, set[str]] = {
    "gibleed": set(),
    "mimic": {"2b_concept.csv", "2b_concept_relationship.csv", "2b_vocabulary.csv"},
    "synthea27nj": {"._CARE_SITE.csv"},
    "omoplite100": {"DEVICES_EXPOSURE.csv"},
    "original": set(),
}
"""Folder -> files that are no table of the CDM by their name."""


@folders
def test_every_record_of_every_table_is_accepted_or_rejected(
    name: str, ingested_folder: Ingest
) -> None:
    folder = ingested_folder(name)
    staged = folder.staged(
        "select table_name, sum(n_records), sum(n_accepted), sum(n_rejected) from tables group by 1"
    )
    counted = {table: file.records for table, file in folder.oracle.files.items()}
    assert {table: records for table, records, _, _ in staged} == counted
    for table, records, accepted, rejected in staged:
        assert accepted + rejected == records, table
        assert rejected == len(folder.rejected.get(table, ())), table
    assert folder.said["records"] == sum(counted.values())
    assert folder.said["accepted"] + folder.said["rejected"] == folder.said["records"]


@folders
def test_what_is_rejected_is_what_we_know_to_be_broken(name: str, ingested_folder: Ingest) -> None:
    folder = ingested_folder(name)
    staged = folder.staged(
        "select table_name, rule, count(distinct record) from rejected group by all"
    )
    assert {(table, rule): n for table, rule, n in staged} == REJECTED[name]


def test_the_orphans_of_gibleed_are_the_orphans(ingested_folder: Ingest) -> None:
    folder = ingested_folder("gibleed")
    orphans = folder.oracle.database.sql(
        "select _record from raw_observation_period"
        " where c1 not in (select c0 from raw_person) order by 1"
    ).fetchall()
    assert {row[0] for row in orphans} == folder.rejected["observation_period"]


@folders
def test_files_that_are_no_table_are_named(name: str, ingested_folder: Ingest) -> None:
    folder = ingested_folder(name)
    known = {file.path.name for file in folder.oracle.files.values()}
    there = {path.name for path in folder.source.iterdir() if path.suffix == ".csv"}
    assert there - known == LEFT_ALONE[name]


@folders
def test_persons_of_every_concept_that_occurs(name: str, ingested_folder: Ingest) -> None:
    folder = ingested_folder(name)
    occur = folder.oracle.main_concepts()
    assert len(occur) > 75
    with pc.connect(folder.site) as network:
        _assert_persons(folder, occur, network.domain)


@folders
def test_persons_of_every_ancestor_of_a_concept_that_occurs(
    name: str, ingested_folder: Ingest
) -> None:
    """Thousands: asked of the query itself, without an entry each."""
    folder = ingested_folder(name)
    ancestors = set(folder.oracle.persons_by_concept) - folder.oracle.main_concepts()
    opened = OpenSite(folder.site)
    snapshot = opened.snapshot()
    _assert_persons(folder, ancestors, lambda concept: domain_rows(snapshot, concept))
    opened.close()


def _assert_persons(
    folder: IngestedFolder, concepts: set[int], ask: Callable[[int], pl.DataFrame]
) -> None:
    wrong = []
    for concept in sorted(concepts):
        persons, rows = folder.oracle.persons_by_concept[concept]
        answer = ask(concept)
        if set(answer["person_id"].to_list()) != persons or answer.height != rows:
            wrong.append((concept, answer.height, rows))
    assert not wrong, f"{len(wrong)} of {len(concepts)} concepts, as {wrong[:5]}"


@folders
def test_a_concept_without_its_descendants_and_within_dates(
    name: str, ingested_folder: Ingest
) -> None:
    folder = ingested_folder(name)
    database = folder.oracle.database
    concepts = database.sql(
        "select condition_concept_id, count(*) from condition_occurrence"
        " group by 1 order by 2 desc, 1 limit 5"
    ).fetchall()
    middle = database.sql(
        "select quantile_disc(condition_start_date, 0.5) from condition_occurrence"
    ).fetchall()[0][0]
    with pc.connect(folder.site) as network:
        for concept, rows in concepts:
            alone = network.domain(concept, table="condition_occurrence", descendants=False)
            assert alone.height == rows
            for window in ({"since": middle}, {"until": middle}):
                sign = ">=" if "since" in window else "<="
                within = database.sql(
                    "select condition_occurrence_id from condition_occurrence where"
                    f" condition_concept_id = {concept}"
                    f" and condition_start_date {sign} date '{middle}'"
                ).fetchall()
                answer = network.domain(concept, table="condition", descendants=False, **window)
                assert sorted(answer["condition_occurrence_id"]) == sorted(r[0] for r in within)


@folders
def test_eras_are_found_by_their_own_name_only(name: str, ingested_folder: Ingest) -> None:
    folder = ingested_folder(name)
    with pc.connect(folder.site) as network:
        for table, column in ERAS.items():
            if table not in folder.oracle.files:
                continue
            for concept, persons in folder.oracle.database.sql(
                f"select {column}, list(distinct person_id) from {table} group by 1 order by 1"
            ).fetchall():
                answer = network.domain(concept, table=table, descendants=False)
                assert set(answer["person_id"]) == set(persons), (table, concept)
                assert set(network.domain(concept)["table"]) & set(ERAS) == set()


@folders
def test_whole_records_of_a_hundred_persons(name: str, ingested_folder: Ingest) -> None:
    folder = ingested_folder(name)
    persons = sorted(folder.oracle.persons())
    chosen = random.Random(7).sample(persons, min(100, len(persons)))
    answers: dict[str, list[pl.DataFrame]] = {}
    with pc.connect(folder.site) as network:
        for person in chosen:
            for table, rows in network.person(f"A:{person}").items():
                assert set(rows["person_id"]) == {person}
                assert set(rows["site"]) == {"A"}
                answers.setdefault(table, []).append(rows)
    for table in folder.oracle.person_tables():
        expected = folder.oracle.rows_of(table, chosen)
        answer = answers.pop(table, [])
        if not answer:
            assert expected.is_empty(), table
            continue
        got = pl.concat(answer, how="diagonal_relaxed").drop("site", "table")
        assert set(got.columns) <= set(expected.columns), table
        _assert_same_rows(got, expected, table)
    assert not answers, "tables that the folder does not have"


def _assert_same_rows(got: pl.DataFrame, expected: pl.DataFrame, table: str) -> None:
    """The same rows in whatever order, every column, with its type; absent means null."""
    for column in expected.columns:
        if column not in got.columns:
            assert expected[column].is_null().all(), f"{table}.{column} is not published"
    expected = expected.select(got.columns)
    kinds = {pl.Datetime: "datetime", pl.Date: "date", pl.Int64: "integer", pl.Float64: "float"}
    for column in got.columns:
        kind, meant = (kinds[frame[column].dtype.base_type()] for frame in (got, expected))
        assert kind == meant or expected[column].is_null().all(), f"{table}.{column} is a {kind}"
    got = got.cast(expected.schema)
    order = got.columns
    assert got.height == expected.height, table
    same = got.sort(order).equals(expected.sort(order))
    assert same, f"{table}: {_first_difference(got.sort(order), expected.sort(order))}"


def _first_difference(got: pl.DataFrame, expected: pl.DataFrame) -> str:
    for column in got.columns:
        differ = (got[column].ne_missing(expected[column])).arg_true()
        if len(differ):
            row = int(differ[0])
            return f"{column}: {got[column][row]!r} != {expected[column][row]!r} ({len(differ)}x)"
    return "none"


@folders
def test_the_same_through_the_command_line(name: str, ingested_folder: Ingest) -> None:
    folder = ingested_folder(name)
    expected = folder.oracle.persons_by_concept
    most = sorted(expected, key=lambda concept: -expected[concept][1])[:2]
    rare = sorted(expected, key=lambda concept: (expected[concept][1], concept))[:2]
    for concept in (*most, *rare):
        rows = _ask(folder, "domain", str(concept))
        assert {row["person_id"] for row in rows} == expected[concept][0]
        assert len(rows) == expected[concept][1]
        assert {row["site"] for row in rows} == {"A"}
    person = min(folder.oracle.persons())  # negative in MIMIC
    rows = _ask(folder, "person", f"A:{person}")
    tables = {
        table: folder.oracle.rows_of(table, [person]).height
        for table in folder.oracle.person_tables()
    }
    assert len(rows) == sum(tables.values())
    assert {row["table"] for row in rows} == {table for table, n in tables.items() if n}


def _ask(folder: IngestedFolder, *question: str) -> list[dict[str, Any]]:
    return objects(run_cli("-C", folder.site, "query", *question, "--json"))


@folders
def test_everything_on_the_ledger_verifies(name: str, ingested_folder: Ingest) -> None:
    checks = objects(run_cli("-C", ingested_folder(name).site, "verify", "--json"))
    assert checks
    assert [check for check in checks if not check["ok"]] == []
