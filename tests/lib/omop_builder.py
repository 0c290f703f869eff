"""OMOP files from drawn tables: a test states what matters to it, the rest is filled in.

Headings are CDM columns, or short for them: ``id`` the primary key, ``person``, ``concept`` the
main concept, ``start`` and ``end`` the dates of the event. Where a table does not draw them, keys
count from 1, an event starts on 2020-01-01 and has concept 0, and everybody who is mentioned has a
row in ``person``. Of the vocabulary, ``concept_ancestor`` may be headed ``ancestor``,
``descendant``, ``levels``.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from pathlib import Path

import polars as pl

from precisionchain.schemas.omop import TABLES, Table
from tests.lib.tables import Drawn, Row, drawn_tables

_DEFAULT_CELLS = {
    "Integer64": "0",
    "Float": "0",
    "Date": "2020-01-01",
    "Datetime": "2020-01-01 00:00:00",
    "Flag": "S",
}
_ANCESTOR_HEADINGS = {
    "ancestor": "ancestor_concept_id",
    "descendant": "descendant_concept_id",
    "levels": "min_levels_of_separation",
}


def write_omop(folder: Path, text: str) -> Path:
    """Write the OMOP tables that a text draws as CSV files into a folder; return the folder."""
    folder.mkdir(parents=True, exist_ok=True)
    tables = {name: _filled(TABLES[name], table) for name, table in drawn_tables(text).items()}
    if "person" not in tables and (persons := _mentioned(tables.values())):
        rows = tuple({"person_id": person, "year_of_birth": "1970"} for person in persons)
        tables["person"] = Drawn(("person_id", "year_of_birth"), rows)
    for name, table in tables.items():
        write_csv(folder / f"{name}.csv", table)
    return folder


def write_csv(path: Path, table: Drawn) -> Path:
    """Write a table as a CSV file; return its path."""
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, table.headings)
        writer.writeheader()
        writer.writerows(table.rows)
    return path


def column_of(table: Table, heading: str) -> str:
    """Return the CDM column that a heading means in a table.

    Raises:
        ValueError: none.
    """
    short = {
        "id": table.primary_key,
        "person": table.person_column,
        "concept": table.concept_column,
        "start": table.start_date_column,
        "end": table.end_date_column,
    }
    if table.name == "concept_ancestor":
        short = {**short, **_ANCESTOR_HEADINGS}
    column = short.get(heading) or heading
    if column not in table.columns:
        raise ValueError(f"{table.name} has no column for the heading {heading}")
    return column


def answer_rows(answer: pl.DataFrame, headings: Iterable[str]) -> list[Row]:
    """Return an answer's rows as text under headings; ``person`` is ``A:42``."""
    rows = []
    for row in answer.iter_rows(named=True):
        table = TABLES.get(row.get("table", ""))
        rows.append({heading: _answered(row, table, heading) for heading in headings})
    return rows


def _answered(row: Mapping[str, object], table: Table | None, heading: str) -> str:
    if heading == "person":
        return f"{row['site']}:{row['person_id']}"
    named = heading not in row and table is not None
    value = row.get(column_of(table, heading) if named and table else heading)
    return "" if value is None else str(value)


def _filled(table: Table, shown: Drawn) -> Drawn:
    """Return a drawn table under CDM columns, with cells for what it does not draw."""
    columns = {heading: column_of(table, heading) for heading in shown.headings}
    filled = {
        field.name: _DEFAULT_CELLS.get(field.lexical.name, "drawn")
        for field in table.fields
        if field.must and field.name not in columns.values()
    }
    rows = []
    for number, row in enumerate(shown.rows, start=1):
        own = {columns[heading]: cell for heading, cell in row.items()}
        key = {table.primary_key: str(number)} if table.primary_key in filled else {}
        rows.append(filled | key | own)
    return Drawn((*filled, *columns.values()), tuple(rows))


def _mentioned(tables: Iterable[Drawn]) -> list[str]:
    cells = {row["person_id"] for table in tables for row in table.rows if row.get("person_id")}
    return sorted(cells, key=int)
