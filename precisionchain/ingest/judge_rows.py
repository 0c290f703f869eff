"""One staged table becomes accepted rows and reasons for the others."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa

from precisionchain.ingest.judge_cells import Column, judge_cells
from precisionchain.ingest.raw_rows import RawRows
from precisionchain.ingest.sql_text import identifier, literal, parquet
from precisionchain.ingest.staging import link_tree
from precisionchain.schemas.omop import TABLES, Table

PARQUET = "FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 4096, WRITE_BLOOM_FILTER false"

JUDGED = "judged"
"""The folder of a run with vocabulary tables as they were before rules of the site."""

Reason = tuple[str, str]
"""A rule and a column."""


@dataclass(slots=True)
class Judging:
    """A run while it is validated.

    Args:
        database: with the tables ``rejects`` (table_name, rule, record, column_name) and
            ``known_person`` (person_id), which grow.
        run: the run's folder, with ``raw/``.
        target: the folder of its new form, with ``accepted/``.
        records: table -> records of its file.
        unparsed: table -> those that could not be parsed.
        parents: table -> relation of keys of its rows that are known without the run.
        normalised: rows of ``normalised.parquet``, which grow.
    """

    database: duckdb.DuckDBPyConnection
    run: Path
    target: Path
    records: Mapping[str, int]
    unparsed: Mapping[str, int]
    parents: Mapping[str, str] = field(default_factory=dict)
    normalised: list[dict[str, object]] = field(default_factory=list)

    def accepted(self, table: str) -> Path:
        """Where a table's accepted rows are."""
        return self.target / "accepted" / f"{table}.parquet"

    def keep_judged(self, table: str) -> None:
        """Keep a vocabulary table's accepted rows, whose cells are nowhere else, as they are now.

        A rule of the site is about to thin them, and may be another one next time.
        """
        kept = self.target / JUDGED / f"{table}.parquet"
        kept.parent.mkdir(mode=0o700, exist_ok=True)
        link_tree(self.accepted(table), kept)


def judge_rows(judging: Judging, table: Table) -> int:
    """Write a table's accepted rows, note the reasons for the others; return how many are accepted.

    A row is rejected for its cells, for a person or parent that is not accepted, or for repeating
    the key of an earlier row that was not rejected for any of these.
    """
    raw = RawRows(judging.run, table.name, judging.unparsed[table.name])
    fields = [each for each in table.fields if each.name in raw.typed]
    if not judging.records[table.name]:
        link_tree(raw.path, judging.accepted(table.name))
        return 0
    columns = judge_cells(judging.database, raw, fields)
    _note_normalised(judging, table, columns)
    rows = raw.judged([name for name, column in columns.items() if column.odd])
    faults = {
        (rule, name): condition
        for name, column in columns.items()
        for rule, condition in column.faults()
    }
    strangers = _strangers(judging, table, columns)
    unknown = {
        reason: f"{value} IS NOT NULL AND {value} NOT IN ({known})"
        for reason, (value, known) in strangers.items()
    }
    if not _are_there(judging, rows, unknown):
        strangers, unknown = {}, {}
    _reject_matching(judging, table, rows, faults | unknown)
    conditions = [f"NOT {condition}" for condition in faults.values()]
    conditions += [f"{value} IN ({known})" for value, known in strangers.values()]
    accepted = _write_accepted(judging, raw, columns, rows, conditions)
    return accepted - _reject_duplicates(judging, table, accepted)


def _are_there(judging: Judging, rows: str, conditions: Mapping[Reason, str]) -> bool:
    """Whether some row meets one of the conditions."""
    return any(
        judging.database.execute(f"SELECT count(*) FROM {rows} WHERE {condition}").fetchall()[0][0]
        for condition in conditions.values()
    )


def _strangers(
    judging: Judging, table: Table, columns: Mapping[str, Column]
) -> dict[Reason, tuple[str, str]]:
    """Return (rule, column) -> SQL for the key, and for the accepted keys, that rows rely on."""
    if table.name == "person":
        return {}
    if table.person_column:
        value = columns[table.person_column].value
        known = "SELECT person_id FROM known_person"
        return {("unknown_person", table.person_column): (value, known)}
    if table.parent and (key := TABLES[table.parent].primary_key):
        parents = judging.accepted(table.parent)
        relations = [parquet(parents)] if parents.exists() else []
        relations += [judging.parents[table.parent]] if table.parent in judging.parents else []
        known = (
            " UNION ALL ".join(f"SELECT {key} FROM {rows}" for rows in relations)
            or "SELECT CAST(NULL AS BIGINT) WHERE false"
        )
        return {("unknown_parent", key): (columns[key].value, known)}
    return {}


def _reject_matching(
    judging: Judging, table: Table, rows: str, faults: Mapping[Reason, str]
) -> None:
    for (rule, column), condition in faults.items():
        judging.database.execute(
            f"INSERT INTO rejects SELECT {literal(table.name)}, {literal(rule)}, _record,"
            f" {literal(column)} FROM {rows} WHERE {condition}"
        )


def _write_accepted(
    judging: Judging,
    raw: RawRows,
    columns: Mapping[str, Column],
    rows: str,
    conditions: list[str],
) -> int:
    """Write the rows that meet conditions; share the staged file where all do as they stand."""
    as_staged = all(column.value == column.name for column in columns.values())
    if as_staged and not raw.unparsed and not conditions:
        link_tree(raw.path, judging.accepted(raw.table))
        return judging.records[raw.table]
    values = [f"{column.value} AS {column.name}" for column in columns.values()]
    where = f" WHERE {' AND '.join(conditions)}" if conditions else ""
    return _copy(
        judging,
        f"SELECT {', '.join(values)}, _file, _record FROM {rows}{where}",
        judging.accepted(raw.table),
    )


def _reject_duplicates(judging: Judging, table: Table, accepted: int) -> int:
    """Reject rows whose key an earlier accepted row has; return how many."""
    key, path = table.primary_key, judging.accepted(table.name)
    if key is None or not accepted:
        return 0
    name = identifier(key)
    found = judging.database.execute(
        f"SELECT count(DISTINCT {name}) FROM {parquet(path)}"
    ).fetchall()
    repeats = accepted - int(found[0][0])
    if not repeats:
        return 0
    later = (
        f"SELECT _record FROM {parquet(path)} WHERE {name} IN"
        f" (SELECT {name} FROM {parquet(path)} GROUP BY ALL HAVING count(*) > 1)"
        f" QUALIFY row_number() OVER (PARTITION BY {name} ORDER BY _record) > 1"
    )
    judging.database.execute(
        f"INSERT INTO rejects SELECT {literal(table.name)}, 'duplicate_key', _record,"
        f" {literal(key)} FROM ({later})"
    )
    unique = path.with_suffix(".unique")
    _copy(
        judging,
        f"SELECT * FROM {parquet(path)} WHERE _record NOT IN (SELECT record FROM rejects"
        f" WHERE table_name = {literal(table.name)} AND rule = 'duplicate_key')",
        unique,
    )
    unique.replace(path)
    return repeats


def _copy(judging: Judging, select: str, target: Path) -> int:
    done = judging.database.execute(f"COPY ({select}) TO {literal(target)} ({PARQUET})").fetchall()
    return int(done[0][0])


def _note_normalised(judging: Judging, table: Table, columns: Mapping[str, Column]) -> None:
    for column in columns.values():
        for normalisation, n in column.normalised.items():
            judging.normalised.append(
                {
                    "table_name": table.name,
                    "column_name": column.field.name,
                    "normalisation": normalisation,
                    "n": n,
                }
            )


def known_persons_table(known: pa.Table | None) -> pa.Table:
    """Return the persons of earlier batches as a table of one column, ``person_id``."""
    if known is None:
        return pa.table({"person_id": pa.array([], pa.int64())})
    return known.select(["person_id"]).cast(pa.schema([("person_id", pa.int64())]))
