"""Asks the rules of ``quality_rules/`` of a run's accepted rows, many in one pass over a table.

A rule's SQL is ``SELECT <checked> AS n_checked, <violating> AS n_violating FROM ...``. What follows
FROM is often the same for many rules and columns: then they are one statement.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.errors import InputError
from precisionchain.ingest.quality_scopes import Delivered, Subject, subjects
from precisionchain.ingest.report import Advance
from precisionchain.ingest.rule_text import Rule
from precisionchain.ingest.rules import RULES, plausible_file
from precisionchain.ingest.sql_text import identifier, parquet
from precisionchain.schemas.omop import TABLES

RANGES_FILE: Final = "plausible_ranges.csv"
SEX_FILE: Final = "plausible_sex.csv"
PLAUSIBLE: Final[Mapping[str, Mapping[str, pa.DataType]]] = {
    RANGES_FILE: {
        "concept_id": pa.int64(),
        "unit_concept_id": pa.int64(),
        "low": pa.float64(),
        "high": pa.float64(),
    },
    SEX_FILE: {"concept_id": pa.int64(), "gender_concept_id": pa.int64()},
}
"""Tables that rules look at, and their columns; a site's own file of the name adds rows and, of a
concept (and unit) that ours has, takes the place of ours."""

SMALL: Final = 20_000
"""Rows of a table that is held in memory: opening its file for each question costs more."""

_PARTS = re.compile(
    r"SELECT (?P<checked>.+?) AS n_checked,\s+(?P<violating>.+?) AS n_violating\s+(?P<of>FROM.+)",
    re.DOTALL,
)


@dataclass(frozen=True, slots=True)
class Checked:
    """How often a rule was asked of a table, or of a column of it, and how often it was broken."""

    rule: str
    table: str
    column: str
    n_checked: int
    n_violating: int


def make_views(
    database: duckdb.DuckDBPyConnection, accepted: Path, own: Mapping[str, Path] | None = None
) -> None:
    """Make what rules look at: the CDM's tables by their names, plausible ranges and sexes.

    A table has every column of the CDM, NULL where the file has none; one that is not delivered,
    or has no row, is there and empty.

    Args:
        database: where.
        accepted: the folder of accepted rows.
        own: a site's files of plausible values, by name.
    """
    database.begin()
    for name, table in TABLES.items():
        path = accepted / f"{name}.parquet"
        there = set(pq.read_schema(path).names) if path.exists() else set()
        columns = ", ".join(
            identifier(each.name)
            if each.name in there
            else f"CAST(NULL AS {each.lexical.sql_type}) AS {identifier(each.name)}"
            for each in table.fields
        )
        rows = f"SELECT {columns}, _record FROM {parquet(path)}"
        if not there:
            rows = f"SELECT {columns}, CAST(NULL AS BIGINT) AS _record LIMIT 0"
        kind = "TABLE" if there and pq.read_metadata(path).num_rows <= SMALL else "VIEW"
        database.execute(f"CREATE OR REPLACE TEMP {kind} {identifier(name)} AS {rows}")
    for file, relation in ((RANGES_FILE, "plausible_range"), (SEX_FILE, "plausible_sex")):
        database.register("read", _plausible(file, (own or {}).get(file)))
        database.execute(f"CREATE OR REPLACE TEMP TABLE {relation} AS FROM read")
        database.unregister("read")
    database.commit()


def check_rules(
    database: duckdb.DuckDBPyConnection, delivered: Delivered, advance: Advance | None = None
) -> list[Checked]:
    """Ask every rule that is SQL of all that is there for it.

    Args:
        database: with the relations of `make_views`, and ``tables`` (table_name, n_records,
            n_rejected, n_lines, n_swallowed).
        delivered: the run's tables.
        advance: called with (rules asked of a table or column, in all).
    """
    together: dict[str, list[tuple[Rule, Subject, str, str]]] = {}
    for rule, subject in _questions(delivered):
        found = _PARTS.fullmatch(subject.fill(rule.definition))
        if found is None:
            raise ValueError(f"the SQL of rule {rule.name} is not of the form that rules have")
        asked = (rule, subject, found["checked"], found["violating"])
        together.setdefault(found["of"], []).append(asked)
    checked: list[Checked] = []
    total = sum(map(len, together.values()))
    for of, questions in together.items():
        checked += _ask(database, of, questions)
        if advance:
            advance(len(checked), total)
    return checked


def _questions(delivered: Delivered) -> Iterator[tuple[Rule, Subject]]:
    for rule in RULES.values():
        if rule.each and all(delivered.has(name) for name in rule.needs):
            yield from ((rule, subject) for subject in subjects(rule.each, delivered))


def _ask(
    database: duckdb.DuckDBPyConnection,
    of: str,
    questions: Iterable[tuple[Rule, Subject, str, str]],
) -> Iterator[Checked]:
    asked = list(questions)
    # Many are asked of the same rows: what is counted alike is counted once.
    counts = dict.fromkeys(count for *_, checked, broken in asked for count in (checked, broken))
    found = database.execute(f"SELECT {', '.join(counts)} {of}").fetchall()[0]
    numbers = {count: int(n or 0) for count, n in zip(counts, found, strict=True)}
    for rule, subject, checked, broken in asked:
        yield Checked(rule.name, subject.table, subject.column, numbers[checked], numbers[broken])


def _plausible(file: str, own: Path | None) -> pa.Table:
    """Return the rows of a table of plausible values, a site's before ours."""
    columns = PLAUSIBLE[file]
    keys = [name for name in columns if name.endswith("concept_id")]
    keys = keys[:1] if file == SEX_FILE else keys
    rows = {}
    for text, name in ((plausible_file(file), file), *_own_text(own)):
        for line, row in enumerate(csv.DictReader(io.StringIO(text)), start=2):
            try:
                values = {
                    column: _number(row[column], whole=kind == pa.int64())
                    for column, kind in columns.items()
                }
            except (KeyError, TypeError, ValueError) as error:
                raise InputError(
                    "not a row of plausible values",
                    where=f"{name}, line {line}",
                    hint=f"columns {', '.join(columns)}, numbers; low or high may be empty",
                ) from error
            rows[tuple(values[key] for key in keys)] = values
    return pa.Table.from_pylist(list(rows.values()), pa.schema(columns))


def _own_text(own: Path | None) -> Iterator[tuple[str, str]]:
    if own is not None:
        yield own.read_text(encoding="utf-8"), own.name


def _number(cell: str, *, whole: bool) -> float | int | None:
    if whole:
        return int(cell)
    return float(cell) if cell else None
