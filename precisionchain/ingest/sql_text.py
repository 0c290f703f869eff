"""SQL text over the files of a run: names and strings quoted."""

from __future__ import annotations

import re
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


def one_path(path: Path) -> str:
    """Quote the path of a file that is this file alone: DuckDB takes ``*``, ``?`` and ``[`` for a
    pattern, and reads the files of folders beside it.
    """
    return literal(re.sub(r"[*?[]", r"[\g<0>]", str(path)))


def parquet(*paths: Path) -> str:
    """Return SQL for the rows of files, whose folders' names (``year=2024``) are no columns."""
    return f"read_parquet([{', '.join(map(one_path, paths))}], hive_partitioning = false)"
