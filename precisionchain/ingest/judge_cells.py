"""How the cells of a staged column are spelled: plainly, in other accepted ways, or invalidly.

Most cells were read when they were staged: their values stand in ``raw/``. What is left are the
*odd* ones, of which the text alone is known (`cell_kernel`); each distinct text is judged once.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from dataclasses import field as of_dataclass

import duckdb

from precisionchain.ingest.raw_rows import RawRows, null_counts, text_name
from precisionchain.ingest.sql_text import identifier
from precisionchain.schemas.omop import Field


@dataclass(frozen=True, slots=True)
class Column:
    """A staged column and how its cells are spelled.

    Args:
        field: what it holds.
        nulls: cells that mean NULL.
        odd: whether some cells have a text alone.
        invalid: cells outside the field's lexical type.
        normalised: normalisation -> cells it changes.
    """

    field: Field
    nulls: int
    odd: bool = False
    invalid: int = 0
    normalised: Mapping[str, int] = of_dataclass(default_factory=dict)

    @property
    def name(self) -> str:
        """The column, quoted."""
        return identifier(self.field.name)

    @property
    def value(self) -> str:
        """SQL for the typed value; NULL for NULL and for invalid cells."""
        if not self.odd:
            return self.name
        return f"coalesce({self.name}, {self.field.lexical.sql_cast(self._text)})"

    @property
    def _text(self) -> str:
        return text_name(self.field.name)

    def faults(self) -> Iterator[tuple[str, str]]:
        """Yield (rule, SQL for the rows that break it) of the rules that some row does break."""
        lexical = self.field.lexical
        if self.invalid:
            valid = lexical.sql_valid(self._text)
            yield f"type:{lexical.name}", f"({self.name} IS NULL AND NOT {valid})"
        if self.field.must and self.nulls:
            null = f" AND {lexical.sql_null(self._text)}" if self.odd else ""
            yield "required", f"({self.name} IS NULL{null})"


def judge_cells(
    database: duckdb.DuckDBPyConnection, raw: RawRows, fields: Sequence[Field]
) -> dict[str, Column]:
    """Judge the cells of a table's columns."""
    nulls = null_counts(raw.path)
    columns = {}
    for each in fields:
        none = nulls[each.name] - raw.unparsed - raw.odd.get(each.name, 0)
        known = raw.normalised.get(each.name, {})
        columns[each.name] = (
            _spelled(database, raw, each, none, known)
            if each.name in raw.odd
            else Column(each, none, normalised=known)
        )
    return columns


def _spelled(
    database: duckdb.DuckDBPyConnection,
    raw: RawRows,
    each: Field,
    nulls: int,
    known: Mapping[str, int],
) -> Column:
    """Judge a column with odd cells.

    Args:
        database: to ask.
        raw: the rows.
        each: the column.
        nulls: its empty cells.
        known: what was normalised in its other cells.
    """
    text, lexical = text_name(each.name), each.lexical
    predicates = lexical.sql_normalisations("cell", "value")
    wanted = ["null_cell", "NOT null_cell AND value IS NULL", *predicates.values()]
    sums = ", ".join(f"coalesce(sum(n) FILTER (WHERE {one}), 0)" for one in wanted)
    texts = (
        f"SELECT {text} AS cell, count(*) AS n FROM {raw.judged([each.name])}"
        f" WHERE {identifier(each.name)} IS NULL AND {text} <> '' GROUP BY ALL"
    )
    spellings = (
        f"SELECT cell, n, {lexical.sql_null('cell')} AS null_cell,"
        f" {lexical.sql_cast('cell')} AS value FROM ({texts})"
    )
    found = database.execute(f"SELECT {sums} FROM ({spellings})").fetchall()[0]
    null_cells, invalid, *counts = (int(n) for n in found)
    normalised = Counter(known) + Counter(dict(zip(predicates, counts, strict=True)))
    return Column(each, nulls + null_cells, odd=True, invalid=invalid, normalised=normalised)
