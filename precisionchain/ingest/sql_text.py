"""SQL text over the files of a run: names and strings quoted."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path


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
    """Return SQL for the rows of a file, whose folders' names (``year=2024``) are no columns."""
    return f"read_parquet({literal(path)}, hive_partitioning = false)"
