"""Every table of the CDM, under the names of 5.3 and 5.4, as text and typed: SQL = pydantic.

One export of all tables a case, drawn by a seed. The oracle of a row is its pydantic model; rules
on sets of rows (persons, parents, keys) are worked out here in plain Python.
"""

from __future__ import annotations

import csv
import datetime as dt
import random
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq
import pytest

from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Staging
from precisionchain.ingest.validate import validate_omop
from precisionchain.schemas.lexical import LexicalError
from precisionchain.schemas.omop import TABLES, CdmVersion
from precisionchain.schemas.omop.versions import RENAMED_SINCE_5_3, specified_columns

ROWS, KEYS = 30, 40
"""Keys are drawn from few, so that some repeat and some refer to what is not there."""

Cell = Any
"""A value of a typed file; in a text file, its text. None for NULL."""

_ODD = (
    *("0", "-0", "+7", "007", "7.0", "7.5", "1e3", " 7", "9223372036854775808", "-1", "\t"),
    *("2016-02-29", "2015-02-29", "20150102", "2015-1-2", "0000-01-01", "10000-01-01", "infinity"),
    *("2015-01-02 10:30:00", "2015-01-02T10:30Z", "2015-01-02 00:00:00.000", "2015-01-02 24:00:00"),
    *("nan", "inf", ".5", "5.", "1e-05", "1E+20", "-0.0", "S", "SS", "x, \"y\"", "é", " ", "1_000"),
)  # fmt: skip


def _good(draw: random.Random, lexical: str) -> Cell:
    day = dt.date(1950, 1, 1) + dt.timedelta(days=draw.randrange(30_000))
    seconds = draw.choice([0, draw.randrange(86_400)])
    values: dict[str, Cell] = {
        "Integer64": draw.randrange(1, KEYS),
        "Float": draw.choice([draw.uniform(-9, 9), float(draw.randrange(9)), 1e-300]),
        "Date": day,
        "Datetime": dt.datetime.combine(day, dt.time()) + dt.timedelta(seconds=seconds),
        "Flag": draw.choice("SCD1"),
    }
    return values.get(lexical, draw.choice(["free text", "7", " x "]))


def _text(cell: Cell) -> str | None:
    if cell is None or isinstance(cell, str):
        return cell
    return cell.isoformat(sep=" ") if isinstance(cell, dt.datetime) else str(cell)


def _rows(
    draw: random.Random, table: str, columns: tuple[str, ...], *, typed: bool
) -> list[dict[str, Cell]]:
    """Draw rows, half of them without a fault of their own; typed ones lack values only."""
    rows = []
    for number in range(ROWS):
        row = {name: _good(draw, TABLES[table].field(name).lexical.name) for name in columns}
        if "person_id" in row:
            row["person_id"] = draw.randrange(1, 6 if number else 2)
        if number % 2:
            for name in draw.sample(columns, 2):
                row[name] = None if typed or draw.random() < 0.3 else draw.choice(_ODD)
        rows.append(row)
    return rows


def _other_types(draw: random.Random, table: str, rows: list[dict[str, Cell]]) -> None:
    """Let some columns of a typed file be of a wider type than theirs, with values beyond it."""
    for name in rows[0]:
        kind = TABLES[table].field(name).lexical.name
        if kind == "Integer64" and draw.random() < 0.2:
            half = draw.randrange(len(rows))
            for number, row in enumerate(rows):
                if row[name] is not None:
                    row[name] = row[name] + (0.5 if number == half else 0.0)
        elif kind == "Date" and draw.random() < 0.5:
            noon = draw.randrange(len(rows))
            for number, row in enumerate(rows):
                if row[name] is not None:
                    row[name] = dt.datetime.combine(row[name], dt.time(12 * (number == noon)))


def _write(folder: Path, table: str, names: dict[str, str], rows: list[dict[str, Cell]]) -> None:
    """Write a table under the names that its columns have in the file."""
    with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
        writer = csv.writer(file)
        writer.writerow(names.values())
        writer.writerows([[_text(row[name]) for name in names] for row in rows])


def _write_typed(
    folder: Path, table: str, names: dict[str, str], rows: list[dict[str, Cell]]
) -> None:
    columns = {written: pa.array([row[name] for row in rows]) for name, written in names.items()}
    pq.write_table(pa.table(columns), folder / f"{table}.parquet")


def _value(table: str, name: str, cell: str | None) -> Any:
    lexical = TABLES[table].field(name).lexical
    try:
        return None if cell is None or lexical.is_null(cell) else lexical.parse(cell)
    except LexicalError:
        return None


def _judged(drawn: dict[str, list[dict[str, str | None]]]) -> dict[str, dict[int, set[Any]]]:
    """The reasons to reject each record, by table, by the models and by plain Python."""
    found: dict[str, dict[int, set[Any]]] = {}
    kept: dict[str, set[Any]] = {}
    for table in TABLES.values():
        if table.name not in drawn:
            continue
        rejected, keys = found.setdefault(table.name, {}), kept.setdefault(table.name, set())
        follows = {}
        if table.person_column and table.name != "person":
            follows["person_id"] = "unknown_person", kept["person"]
        elif table.parent and (parent := TABLES[table.parent]).primary_key:
            follows[parent.primary_key] = "unknown_parent", kept[parent.name]
        for record, row in enumerate(drawn[table.name], start=1):
            reasons: set[Any] = table.model.faults(row)
            for name, (rule, known) in follows.items():
                value = _value(table.name, name, row[name])
                if value is not None and value not in known:
                    reasons.add((rule, name))
            if not reasons and table.primary_key:
                key = _value(table.name, table.primary_key, row[table.primary_key])
                if key in keys:
                    reasons.add(("duplicate_key", table.primary_key))
                keys.add(key)
            if reasons:
                rejected[record] = reasons
    return found


@pytest.mark.parametrize("typed", [False, True], ids=["text", "typed"])
@pytest.mark.parametrize("version", ["5.3", "5.4"])
def test_every_table(tmp_path: Path, version: CdmVersion, typed: bool) -> None:
    draw = random.Random(f"{version} {typed}")
    drawn: dict[str, list[dict[str, str | None]]] = {}
    export = tmp_path / "export"
    export.mkdir()
    for table in TABLES:
        columns = specified_columns(table, version)
        if not columns:
            continue
        older = {new: old for old, new in RENAMED_SINCE_5_3.get(table, {}).items()}
        names = {name: older.get(name, name) if version == "5.3" else name for name in columns}
        rows = _rows(draw, table, columns, typed=typed)
        if typed:
            _other_types(draw, table, rows)
        (_write_typed if typed else _write)(export, table, names, rows)
        drawn[table] = [{name: _text(cell) for name, cell in row.items()} for row in rows]
    staging = Staging(tmp_path / "staging")
    run = validate_omop(staging, stage_omop(staging, export))
    assert run.description["cdm_version"] == version
    expected = _judged(drawn)
    assert len(expected) >= 37
    with staging.database() as database:
        for table, rows in drawn.items():
            rejected: dict[int, set[tuple[str, str]]] = {}
            for record, rule, column in database.execute(
                "SELECT record, rule, column_name FROM rejected WHERE table_name = ?", [table]
            ).fetchall():
                rejected.setdefault(record, set()).add((rule, column))
            assert rejected == expected[table], table
            wanted = ", ".join(f'"{name}"' for name in rows[0])
            accepted = database.execute(f"SELECT _record, {wanted} FROM {table}").fetchall()
            assert {row[0] for row in accepted} | set(rejected) == set(range(1, ROWS + 1))
            for record, *values in accepted:
                row = TABLES[table].model.model_validate(rows[record - 1])
                assert repr(values) == repr([getattr(row, name) for name in rows[0]]), table
