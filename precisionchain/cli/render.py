"""Answers on stdout: one JSON object a line with ``--json``, else a table for people."""

from __future__ import annotations

import json
import sys
from collections.abc import Iterable, Mapping, Sequence
from datetime import date, datetime
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import polars as pl

NATURAL_WIDTH = 10_000
"""Tables keep their natural width: a cell that is cut or folded cannot be copied."""
SHOWN_ROWS = 50
"""Rows a table shows on a terminal; the rest is counted below it, and whole with ``--json``."""


def json_lines(rows: Iterable[Mapping[str, Any]]) -> None:
    """Print mappings as JSON, one a line; members that are null are left out."""
    write = sys.stdout.write
    for row in rows:
        present = {name: value for name, value in row.items() if value is not None}
        write(json.dumps(present, default=_text, ensure_ascii=False) + "\n")


def frame(
    answer: pl.DataFrame, *, as_json: bool, title: str = "", columns: Sequence[str] = ()
) -> None:
    """Print a frame; a table names how many rows it leaves out, and may show some columns only."""
    if as_json:
        json_lines(answer.iter_rows(named=True))
    else:
        table(answer.select(columns) if columns else answer, title)


def table(answer: pl.DataFrame, title: str = "") -> None:
    """Print a frame as a table for people, without the columns that are null in every row."""
    from rich.console import Console
    from rich.table import Table

    console = Console(highlight=False, width=NATURAL_WIDTH)
    shown = answer.select(column for column in answer if not column.is_null().all())
    grid = Table(title=title or None, title_justify="left", box=None, pad_edge=False)
    for name in shown.columns:
        grid.add_column(name, justify="right" if shown[name].dtype.is_numeric() else "left")
    for row in shown.head(SHOWN_ROWS).iter_rows():
        grid.add_row(*("" if value is None else _text(value) for value in row))
    if shown.width:
        console.print(grid)
    left = answer.height - SHOWN_ROWS
    more = f", {left} more not shown (use --json for all)" if left > 0 else ""
    console.print(f"{answer.height} rows{more}")


def _text(value: Any) -> str:
    if isinstance(value, datetime):
        return value.isoformat(sep=" ")
    if isinstance(value, date):
        return value.isoformat()
    if isinstance(value, float):
        return f"{value:.6g}"
    if isinstance(value, bytes):
        return value.hex()
    return str(value)
