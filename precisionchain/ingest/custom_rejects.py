"""Rows that a site's own rules reject, and rows that cannot be without them."""

from __future__ import annotations

from collections.abc import Mapping

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.ingest.judge_rows import PARQUET, Judging
from precisionchain.ingest.sql_text import identifier, literal, parquet
from precisionchain.schemas.omop import TABLES, Table


def reject_found(
    judging: Judging, found: Mapping[str, pa.Table], tables: list[str]
) -> dict[str, int]:
    """Take rows out of the accepted ones, with the rows of persons and parents that are gone.

    Of rows with one key that were rejected before, none comes back for one that is rejected here.

    Args:
        judging: after every table was judged; its ``rejects`` grow, and its ``known_person``
            must hold the persons that are known without the run.
        found: by rule, table_name and record.
        tables: of the run, persons before events and parents before children.

    Returns:
        how many rows went, by table.
    """
    database = judging.database
    database.execute(
        "CREATE OR REPLACE TEMP TABLE found_by_rule"
        " (table_name VARCHAR, record BIGINT, rule VARCHAR)"
    )
    for rule, rows in found.items():
        database.register("rows", rows)
        database.execute(
            f"INSERT INTO found_by_rule SELECT table_name, record, {literal(rule)} FROM rows"
        )
        database.unregister("rows")
    gone: dict[str, int] = {}
    for name in tables:
        if n := _thin(judging, TABLES[name]):
            gone[name] = n
        if name == "person":
            database.execute(
                "INSERT INTO known_person"
                f" SELECT person_id FROM {parquet(judging.accepted('person'))}"
            )
    return gone


def _thin(judging: Judging, table: Table) -> int:
    """Take the rows of one table that are to go out of its file; return how many."""
    database, path = judging.database, judging.accepted(table.name)
    before = pq.read_metadata(path).num_rows
    if not before:
        return 0
    rows, name = parquet(path), literal(table.name)
    database.execute(
        f"INSERT INTO rejects SELECT {name}, rule, record, NULL FROM found_by_rule"
        f" WHERE table_name = {name} AND record IN (SELECT _record FROM {rows})"
    )
    for rule, column, known in _relied_on(judging, table):
        database.execute(
            f"INSERT INTO rejects SELECT {name}, {literal(rule)}, _record, {literal(column)}"
            f" FROM {rows} WHERE {identifier(column)} NOT IN ({known})"
        )
    if table.scope == "vocabulary":
        judging.keep_judged(table.name)
    thinner = path.with_suffix(".thinner")
    database.execute(
        f"COPY (SELECT * FROM {rows} WHERE _record NOT IN"
        f" (SELECT record FROM rejects WHERE table_name = {name})) TO {literal(thinner)}"
        f" ({PARQUET})"
    )
    thinner.replace(path)
    return int(before - pq.read_metadata(path).num_rows)


def _relied_on(judging: Judging, table: Table) -> list[tuple[str, str, str]]:
    """Return rule, column and SQL for the accepted keys that rows of a table rely on."""
    if table.name == "person":
        return []
    if table.person_column:
        return [("unknown_person", table.person_column, "SELECT person_id FROM known_person")]
    if table.parent and (key := TABLES[table.parent].primary_key):
        path = judging.accepted(table.parent)
        relations = [parquet(path)] if path.exists() else []
        relations += [judging.parents[table.parent]] if table.parent in judging.parents else []
        known = " UNION ALL ".join(f"SELECT {key} FROM {rows}" for rows in relations)
        return [("unknown_parent", key, known)] if known else []
    return []


def restart_persons(database: duckdb.DuckDBPyConnection) -> None:
    """Make ``known_person`` hold again those alone that are known without the run."""
    database.execute("CREATE OR REPLACE TABLE known_person AS SELECT person_id FROM known")
