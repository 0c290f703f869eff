"""What SQL can say of a staged table's cells, column by column: plain, normalised, or invalid.

Most columns of most exports are *clean*: every cell is spelled plainly or is NULL. One query over
the table finds out which; only the others pay for their spellings.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

import duckdb

from precisionchain.ingest.sql_text import identifier
from precisionchain.schemas.omop import Field


@dataclass(frozen=True, slots=True)
class Column:
    """A staged column and how its cells are spelled.

    Args:
        field: what it holds.
        rows: cells, with NULL ones.
        nulls: cells that mean NULL.
        invalid: cells outside the field's lexical type.
        normalised: normalisation -> cells it changes.
        clean: whether every cell is NULL or spelled plainly.
    """

    field: Field
    rows: int
    nulls: int
    invalid: int
    normalised: dict[str, int]
    clean: bool

    @property
    def name(self) -> str:
        """The column, quoted."""
        return identifier(self.field.name)

    @property
    def value(self) -> str:
        """SQL for the typed value; NULL for NULL and for invalid cells."""
        lexical = self.field.lexical
        if not self.clean:
            return lexical.sql_cast(self.name)
        return (
            self.name
            if lexical.sql_type == "VARCHAR"
            else f"CAST({self.name} AS {lexical.sql_type})"
        )

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (rule, SQL for the rows that break it) of the rules that some row does break."""
        lexical = self.field.lexical
        if self.invalid:
            yield f"type:{lexical.name}", f"NOT {lexical.sql_valid(self.name)}"
        if self.field.must and self.nulls:
            yield "required", lexical.sql_null(self.name)


def judge_cells(
    database: duckdb.DuckDBPyConnection, rows: str, fields: list[Field]
) -> dict[str, Column]:
    """Judge the cells of a table, each column by itself.

    Args:
        database: that can read ``rows``.
        rows: SQL for a table of VARCHAR cells.
        fields: those of its columns that the CDM knows.
    """
    names = [identifier(field.name) for field in fields]
    plain = [
        f"count({field.lexical.sql_plain(name)})" for field, name in zip(fields, names, strict=True)
    ]
    present = [f"count({name})" for name in names]
    counts = _one_row(database, f"SELECT count(*), {', '.join(present + plain)} FROM {rows}")
    total = counts[0]
    columns: dict[str, Column] = {}
    for place, field in enumerate(fields, start=1):
        some, clean = counts[place], counts[place] == counts[place + len(fields)]
        columns[field.name] = (
            Column(field, total, total - some, 0, {}, clean=True)
            if clean
            else _spelled(database, rows, field, total)
        )
    return columns


def _spelled(database: duckdb.DuckDBPyConnection, rows: str, field: Field, total: int) -> Column:
    """Judge a column with other than plain cells: each distinct spelling once."""
    name, lexical = identifier(field.name), field.lexical
    predicates = lexical.sql_normalisations("cell", "value")
    wanted = ["null_cell", "NOT null_cell AND value IS NULL", *predicates.values()]
    sums = ", ".join(f"coalesce(sum(n) FILTER (WHERE {each}), 0)" for each in wanted)
    spellings = (
        f"SELECT {name} AS cell, count(*) AS n, {lexical.sql_null(name)} AS null_cell,"
        f" {lexical.sql_cast(name)} AS value FROM {rows}"
        f" WHERE ({lexical.sql_plain(name)}) IS NULL GROUP BY ALL"
    )
    nulls, invalid, *normalised = _one_row(database, f"SELECT {sums} FROM ({spellings})")
    found = {each: int(n) for each, n in zip(predicates, normalised, strict=True) if n}
    return Column(field, total, int(nulls), int(invalid), found, clean=False)


def _one_row(database: duckdb.DuckDBPyConnection, query: str) -> tuple[int, ...]:
    return tuple(database.execute(query).fetchall()[0])
