"""How the cells of a staged column are spelled: plainly, in other accepted ways, or invalidly.

Most columns of most exports are *plain*: every cell is NULL or spelled as its value is written. A
column is taken for plain when a sample of it is, converted as such, and proven so afterwards by
counting NULLs: a cell that was not plain has become one. Only the others pay for their spellings.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from dataclasses import field as of_dataclass
from pathlib import Path

import duckdb
import pyarrow.parquet as pq

from precisionchain.errors import PrecisionChainError
from precisionchain.ingest.sql_text import identifier
from precisionchain.schemas.omop import Field

SAMPLE = 4096
"""Rows that tell which columns to take for plain; a wrong guess costs time, not truth."""


@dataclass(frozen=True, slots=True)
class Column:
    """A staged column and how its cells are spelled.

    Args:
        field: what it holds.
        nulls: cells that mean NULL.
        plain: whether every cell is NULL or spelled plainly.
        invalid: cells outside the field's lexical type.
        normalised: normalisation -> cells it changes.
    """

    field: Field
    nulls: int
    plain: bool
    invalid: int = 0
    normalised: dict[str, int] = of_dataclass(default_factory=dict)

    @property
    def name(self) -> str:
        """The column, quoted."""
        return identifier(self.field.name)

    @property
    def value(self) -> str:
        """SQL for the typed value; NULL for NULL and for invalid cells."""
        lexical = self.field.lexical
        return lexical.sql_plain(self.name) if self.plain else lexical.sql_cast(self.name)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (rule, SQL for the rows that break it) of the rules that some row does break."""
        lexical = self.field.lexical
        if self.invalid:
            yield f"type:{lexical.name}", f"NOT {lexical.sql_valid(self.name)}"
        if self.field.must and self.nulls:
            yield "required", lexical.sql_null(self.name)


def odd_columns(
    database: duckdb.DuckDBPyConnection, rows: str, fields: Sequence[Field]
) -> set[str]:
    """Return the columns that have other than plain cells in the first few thousand rows."""
    odd = [
        f"count({identifier(each.name)}) > count({each.lexical.sql_plain(identifier(each.name))})"
        for each in fields
    ]
    sample = f"(SELECT * FROM {rows} LIMIT {SAMPLE})"
    found = database.execute(f"SELECT {', '.join(odd)} FROM {sample}").fetchall()[0]
    return {each.name for each, is_odd in zip(fields, found, strict=True) if is_odd}


def spelled(database: duckdb.DuckDBPyConnection, rows: str, each: Field) -> Column:
    """Judge a column with other than plain cells, each distinct spelling once."""
    name, lexical = identifier(each.name), each.lexical
    predicates = lexical.sql_normalisations("cell", "value")
    wanted = ["null_cell", "NOT null_cell AND value IS NULL", *predicates.values()]
    sums = ", ".join(f"coalesce(sum(n) FILTER (WHERE {one}), 0)" for one in wanted)
    spellings = (
        f"SELECT {name} AS cell, count(*) AS n, {lexical.sql_null(name)} AS null_cell,"
        f" {lexical.sql_cast(name)} AS value FROM {rows}"
        f" WHERE ({lexical.sql_plain(name)}) IS NULL GROUP BY ALL"
    )
    found = database.execute(f"SELECT {sums} FROM ({spellings})").fetchall()[0]
    nulls, invalid, *counts = (int(n) for n in found)
    normalised = {one: n for one, n in zip(predicates, counts, strict=True) if n}
    return Column(each, nulls, plain=False, invalid=invalid, normalised=normalised)


def null_counts(path: Path) -> dict[str, int]:
    """Return the NULLs of each column of a Parquet file, from its footer."""
    footer = pq.read_metadata(path)
    counts = dict.fromkeys(footer.schema.to_arrow_schema().names, 0)
    for group in range(footer.num_row_groups):
        for place, name in enumerate(counts):
            statistics = footer.row_group(group).column(place).statistics
            if statistics is None or statistics.null_count is None:
                raise PrecisionChainError("a column without a count of its NULLs", where=str(path))
            counts[name] += statistics.null_count
    return counts
