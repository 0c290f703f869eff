"""SQL text over the files of a run: names and strings quoted, staged rows numbered."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path

from precisionchain.ingest.rules import UNPARSED_RULES


def identifier(name: str) -> str:
    """Quote a name."""
    return '"' + name.replace('"', '""') + '"'


def literal(text: str | Path) -> str:
    """Quote a string."""
    return "'" + str(text).replace("'", "''") + "'"


def literals(texts: Iterable[str]) -> str:
    """Quote strings for ``IN (...)``."""
    return ", ".join(literal(text) for text in texts)


def parquet(path: Path) -> str:
    """Return SQL for the rows of a file."""
    return f"read_parquet({literal(path)})"


def raw_rows(run: Path, table: str, *, unparsed: int) -> str:
    """Return a subquery of a table's staged cells with their ``_record``.

    Args:
        run: the run's folder.
        table: whose ``raw/<table>.parquet`` is read.
        unparsed: how many of its records could not be parsed. Such a record stands in the file
            as a row of NULLs, so that a row's number is its record's; here it is left out.
    """
    rows = (
        f"SELECT *, file_row_number + 1 AS _record FROM {parquet(run / 'raw' / f'{table}.parquet')}"
    )
    if unparsed:
        rejected = parquet(run / "rejected.parquet")
        rows += (
            f" WHERE file_row_number + 1 NOT IN (SELECT record FROM {rejected}"
            f" WHERE table_name = {literal(table)} AND rule IN ({literals(UNPARSED_RULES)}))"
        )
    return f"({rows})"
