"""The staged rows of a table as SQL: their cells as text, or their values and what is to judge."""

from __future__ import annotations

import json
from collections.abc import Collection
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path

import pyarrow.parquet as pq

from precisionchain.errors import PrecisionChainError
from precisionchain.ingest.raw_file import COLUMNS, NORMALISED, ODD, as_written
from precisionchain.ingest.rules import UNPARSED_RULES
from precisionchain.ingest.sql_text import identifier, literal, literals, parquet

TEXT_OF = "text of {}"
"""What the text of a column's cells is called in `RawRows.judged`; no header's name has blanks."""


@dataclass(frozen=True)
class RawRows:
    """A table as it was staged.

    Args:
        run: the run's folder.
        table: its name.
        unparsed: how many of its records could not be parsed. Such a record stands in the files
            as a row of NULLs, so that a row's number is its record's; here it is left out.
    """

    run: Path
    table: str
    unparsed: int

    @property
    def path(self) -> Path:
        """The file of values."""
        return self.run / "raw" / f"{self.table}.parquet"

    @cached_property
    def columns(self) -> list[str]:
        """The columns of the export's file, in its order."""
        return [str(name) for name in json.loads(self._notes[COLUMNS])]

    @cached_property
    def normalised(self) -> dict[str, dict[str, int]]:
        """By column, normalisation -> cells of which the value was made by it."""
        found: dict[str, dict[str, int]] = json.loads(self._notes[NORMALISED])
        return found

    @cached_property
    def odd(self) -> dict[str, int]:
        """By column the cells that have a text alone, where there are some."""
        return {name: int(n) for name, n in json.loads(self._notes[ODD]).items() if n}

    @cached_property
    def _notes(self) -> dict[str, str]:
        kept = pq.read_metadata(self.path).metadata or {}
        return {name.decode(): kept[name].decode() for name in kept}

    @cached_property
    def typed(self) -> frozenset[str]:
        """Those of them that the CDM knows."""
        return frozenset(pq.read_schema(self.path).names) & frozenset(self.columns)

    @cached_property
    def written(self) -> frozenset[str]:
        """Those of them of which some cell's text is kept."""
        path = as_written(self.path)
        if not path.exists():
            return frozenset()
        rows = pq.read_metadata(path).num_rows
        return frozenset(name for name, n in null_counts(path).items() if n < rows)

    def text(self) -> str:
        """Return a subquery of every column as text, with ``_file`` and ``_record``."""
        columns = [f"{self._text_of(name)} AS {identifier(name)}" for name in self.columns]
        return self._rows([*columns, "_file", "_record"], self.written)

    def judged(self, odd: Collection[str]) -> str:
        """Return a subquery of the typed columns, with ``_file`` and ``_record``.

        Args:
            odd: columns of which the texts that are kept are wanted, too, by `TEXT_OF`.
        """
        columns = [f"typed.{identifier(name)}" for name in self.columns if name in self.typed]
        columns += [f"texts.{identifier(name)} AS {text_name(name)}" for name in sorted(odd)]
        return self._rows([*columns, "_file", "_record"], odd)

    def _text_of(self, name: str) -> str:
        column = identifier(name)
        value = f"CAST(typed.{column} AS VARCHAR)"
        if name in self.typed:
            return f"coalesce(texts.{column}, {value})" if name in self.written else value
        return f"texts.{column}" if name in self.written else "CAST(NULL AS VARCHAR)"

    def _rows(self, columns: list[str], texts: Collection[str]) -> str:
        rows = f"SELECT {', '.join(columns)} FROM {parquet(self.path)} AS typed"
        if texts:
            rows += f" POSITIONAL JOIN {parquet(as_written(self.path))} AS texts"
        if self.unparsed:
            of_table = f"table_name = {literal(self.table)}"
            rejected = parquet(self.run / "rejected.parquet")
            rows += (
                f" WHERE _record NOT IN (SELECT record FROM {rejected}"
                f" WHERE {of_table} AND rule IN ({literals(UNPARSED_RULES)}))"
            )
        return f"({rows})"


def text_name(column: str) -> str:
    """Return what the text of a column is called in `RawRows.judged`, quoted."""
    return identifier(TEXT_OF.format(column))


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
