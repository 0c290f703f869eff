"""Next month's export of a folder of OMOP tables: some rows changed, some new, some gone.

Which rows it is depends on their keys and the seed alone. A changed row has its start date a day
earlier, a new one is another row a day later under the next free key; times of day go, so that they
do not contradict the dates. Persons, periods of observation, deaths and the tables of the site
stay as they are.
"""

from __future__ import annotations

import csv
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from precisionchain.schemas.omop import TABLES, Table

_PRIME = 10_000_000_019  # keys of exports are below it
_FACTOR = 48_271
_STAY = ("person", "observation_period", "death")


@dataclass(frozen=True, slots=True)
class Monthly:
    """How an export differs from the one before.

    Args:
        changed, new, gone: shares of the rows of every table that changes.
        renumbered: whether every key but a person's, and what points to it, is another one.
        seed: which rows.
    """

    changed: float = 0.004
    new: float = 0.003
    gone: float = 0.003
    renumbered: bool = False
    seed: int = 1


def write_next_export(source: Path, target: Path, monthly: Monthly) -> dict[str, int]:
    """Write the next export of ``source``, clean CSV files named like tables; return its rows.

    Args:
        source: the folder of this month's export.
        target: the folder to be made.
        monthly: how they differ.
    """
    target.mkdir(parents=True)
    rows = {}
    with duckdb.connect() as database:
        database.execute("set enable_progress_bar = false")
        for path in sorted(source.glob("*.csv")):
            with path.open(encoding="utf-8", newline="") as file:
                columns = next(csv.reader(file))
            query = _next_rows(TABLES[path.stem], columns, monthly)
            done = database.execute(
                f"copy ({query}) to '{target / path.name}' (header)", {"path": str(path)}
            )
            rows[path.stem] = int(done.fetchall()[0][0])
    return rows


def renumbered(key: str) -> str:
    """Return SQL of the key that a row gets where all are given anew: one to one below a prime."""
    return f"((({key})::hugeint * {_FACTOR}) % {_PRIME})::bigint"


def points_to_rows(table: Table, name: str) -> bool:
    """Whether a column holds keys that ``Monthly.renumbered`` gives anew."""
    key_of = table.name if name == table.primary_key else table.field(name).references
    of = TABLES.get(key_of) if key_of else None
    return of is not None and of.scope == "person" and of.name != "person"


def _next_rows(table: Table, columns: Sequence[str], monthly: Monthly) -> str:
    spelled = ", ".join(f"'{name}': 'VARCHAR'" for name in columns)
    read = (
        "from read_csv($path, header = true, auto_detect = false, delim = ',', quote = '\"',"
        f" escape = '\"', columns = {{{spelled}}})"
    )
    key = table.primary_key
    stay = _cells(table, columns, monthly)
    if table.scope != "person" or table.name in _STAY or key is None:
        return f"select {stay} {read}"
    drawn = f"hash({key}, {monthly.seed}) % 1000000 / 1000000"
    gone, changed = monthly.gone, monthly.gone + monthly.changed
    new = changed + monthly.new
    before, after = (_cells(table, columns, monthly, days) for days in ("- 1", "+ 1"))
    return (
        f"select {stay} {read} where {drawn} >= {changed}"
        f" union all select {before} {read} where {drawn} >= {gone} and {drawn} < {changed}"
        f" union all select {after} from (select * replace ({_next_key(key, read)} as {key}) {read}"
        f" where {drawn} >= {changed} and {drawn} < {new})"
    )


def _next_key(key: str, read: str) -> str:
    """Return SQL of keys that follow the greatest, in the order of the rows' own."""
    number = f"{key}::bigint"
    return f"(select max({number}) {read}) + row_number() over (order by {number})"


def _cells(table: Table, columns: Sequence[str], monthly: Monthly, days: str = "") -> str:
    """Return the cells of a row: as they are, of a changed row (- 1), or of a new one (+ 1)."""
    return ", ".join(f"{_cell(table, name, monthly, days)} as {name}" for name in columns)


def _cell(table: Table, name: str, monthly: Monthly, days: str) -> str:
    if days and name.endswith("_datetime"):
        return "null"
    if days and name == table.start_date_column:
        return f"strftime({name}::date {days}, '%Y-%m-%d')"
    if monthly.renumbered and points_to_rows(table, name):
        return renumbered(name)
    return name
