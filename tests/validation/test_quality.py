"""Counts and rules on real exports, against DuckDB on the files as their publishers made them."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import duckdb
import pytest

from tests.validation.conftest import OMOP_FOLDERS, IngestedFolder, objects, run_cli

Ingest = Callable[[str], IngestedFolder]

COUNTED = {
    # Achilles: persons, records
    "condition_occurrence": ("condition_concept_id", "condition_start_date"),  # 400, 401
    "procedure_occurrence": ("procedure_concept_id", "procedure_date"),  # 600, 601
    "drug_exposure": ("drug_concept_id", "drug_exposure_start_date"),  # 700, 701
    "measurement": ("measurement_concept_id", "measurement_date"),  # 1800, 1801
    "observation": ("observation_concept_id", "observation_date"),  # 800, 801
}


def raw_gibleed(ingested: IngestedFolder) -> duckdb.DuckDBPyConnection:
    """Views of the CSV files, every cell text, under the first words of their headers."""
    database = duckdb.connect()
    for table in (*COUNTED, "person", "observation_period", "visit_occurrence"):
        path = ingested.source / f"{table}.csv"
        database.execute(
            f"create table {table} as from read_csv('{path}', all_varchar = true, header = true,"
            " quote = '\"', escape = '\"', delim = ',')"
        )
        names = [row[0] for row in database.execute(f"describe {table}").fetchall()]
        for name in names:
            plain = name.lower().removeprefix("date(").partition(",")[0]
            if plain != name:
                database.execute(f'alter table {table} rename column "{name}" to {plain}')
    return database


@pytest.mark.parametrize("table", COUNTED)
def test_counts_within_periods_are_those_of_the_raw_files(
    table: str, ingested_folder: Ingest
) -> None:
    ingested = ingested_folder("gibleed")
    concept, start = COUNTED[table]
    with raw_gibleed(ingested) as database:
        expected = database.execute(
            f"""
            with period as (
                select distinct person_id, observation_period_start_date::timestamp::date as a,
                       observation_period_end_date::timestamp::date as z
                from observation_period where person_id in (select person_id from person)
            ), inside as (
                select e.person_id, e.{concept}::bigint as c, e.{table}_id as id
                from {table} as e, period
                where e.person_id = period.person_id
                and e.{start}::timestamp::date >= a and e.{start}::timestamp::date <= z
            )
            select c, count(distinct person_id), count(distinct id) from inside group by c
            """
        ).fetchall()
    done = run_cli("-C", ingested.site, "query", "concept-counts", "--table", table, "--json")
    answer = {row["concept_id"]: (row["persons"], row["records"]) for row in objects(done)}
    assert answer == {c: (persons, records) for c, persons, records in expected}
    assert sum(records for _, records in answer.values()) > 1000


def quality_of(ingested: IngestedFolder, rule: str) -> dict[tuple[str, str], tuple[Any, Any]]:
    done = run_cli("-C", ingested.site, "query", "quality", "--rule", rule, "--json")
    return {
        (row["table"], row["column"]): (row.get("n_checked"), row.get("n_violating"))
        for row in objects(done)
    }


def test_events_outside_periods_are_those_of_the_raw_files(ingested_folder: Ingest) -> None:
    ingested = ingested_folder("gibleed")
    staged = "select table_name, n_checked, n_violating from quality where rule = 'outside_period'"
    found = {table: (checked, violating) for table, checked, violating in ingested.staged(staged)}
    with raw_gibleed(ingested) as database:
        for table, (_, start) in COUNTED.items():
            expected = database.execute(
                f"select count(*), count(*) filter (e.{start}::timestamp::date not between"
                " p.observation_period_start_date::timestamp::date"
                " and p.observation_period_end_date::timestamp::date)"
                f" from {table} e left join observation_period p using (person_id)"
            ).fetchone()  # one period a person there
            assert found[table] == expected, table


def test_what_is_sealed_is_what_is_staged_without_small_counts(ingested_folder: Ingest) -> None:
    ingested = ingested_folder("gibleed")
    staged = {
        (rule, table, column): (checked, violating)
        for rule, table, column, checked, violating in ingested.staged(
            "select rule, table_name, column_name, n_checked, n_violating from quality"
        )
    }
    sealed = {
        (row["rule"], row["table"], row["column"]): (row.get("n_checked"), row.get("n_violating"))
        for row in objects(run_cli("-C", ingested.site, "query", "quality", "--json"))
    }
    assert sealed.keys() == staged.keys()
    for key, (checked, violating) in staged.items():
        small = 0 < violating < 11 or (violating and 0 < checked - violating < 11)
        few = 0 < checked < 11
        told = (None if few else checked, None if small or (few and violating) else violating)
        assert sealed[key] == told, key
    assert any(violating is None for _, violating in sealed.values())


@pytest.mark.parametrize("name", OMOP_FOLDERS)
def test_no_real_export_is_kept_from_sealing_by_the_defaults(
    name: str, ingested_folder: Ingest
) -> None:
    rows = objects(run_cli("-C", ingested_folder(name).site, "query", "quality", "--json"))
    verdicts = {row["verdict"] for row in rows}
    assert "passed" in verdicts
    assert "accepted" not in verdicts
    assert len({row["rule"] for row in rows}) > 30
