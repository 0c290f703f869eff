"""The chosen ancestor concepts that place a concept in the Domain view, and where they come from.

The default list (``ancestors.csv``, 200 concepts) is what ``precisionchain ancestors`` chooses for
the rows of two public exports, GiBleed and Synthea27NJ, from the vocabularies of GiBleed and
dbt-synthea (``docs/reference/streams.md`` section 5 has the rule). A network with other rows names
its own list: placement is an index, and every answer is the same whatever the list.
"""

from __future__ import annotations

import csv
from collections.abc import Iterable, Mapping
from importlib.resources import files
from pathlib import Path

from precisionchain.errors import InputError, UnreadableFileError

_HEADER = ["domain", "concept_id"]


def default_ancestors(prefixes: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
    """Return the default list by Domain-view prefix."""
    text = files("precisionchain.schemas").joinpath("ancestors.csv").read_text(encoding="utf-8")
    return _parse(text.splitlines(), "ancestors.csv", frozenset(prefixes))


def read_ancestors(path: Path, prefixes: Iterable[str]) -> Mapping[str, tuple[int, ...]]:
    """Return a list from a CSV file with the header ``domain,concept_id``.

    Args:
        path: the file; ``domain`` is a Domain-view prefix (``CONDITION``) in any case.
        prefixes: the prefixes there are.

    Raises:
        UnreadableFileError: the file cannot be read.
        InputError: a line that is not a prefix and a concept id, named by its number.
    """
    try:
        text = path.read_text(encoding="utf-8-sig")
    except (OSError, UnicodeDecodeError) as error:
        raise UnreadableFileError(
            "the list of ancestors cannot be read", where=path.name
        ) from error
    return _parse(text.splitlines(), path.name, frozenset(prefixes))


def ancestors_text(chosen: Iterable[tuple[str, int]]) -> str:
    """Return prefixes and concepts as the file that `read_ancestors` reads, in their order."""
    lines = [",".join(_HEADER), *(f"{prefix},{concept}" for prefix, concept in chosen)]
    return "".join(f"{line}\n" for line in lines)


def _parse(lines: list[str], name: str, prefixes: frozenset[str]) -> dict[str, tuple[int, ...]]:
    rows = csv.reader(lines)
    if next(rows, None) != _HEADER:
        raise InputError("the header must be domain,concept_id", where=f"{name}, line 1")
    chosen: dict[str, set[int]] = {}
    for row in rows:
        where = f"{name}, line {rows.line_num}"
        if len(row) != len(_HEADER) or not row[1].isascii() or not row[1].isdecimal():
            raise InputError("not a domain and a concept id", where=where)
        prefix = row[0].upper()
        if prefix not in prefixes:
            raise InputError(
                f"{row[0]!r} is no domain",
                where=where,
                hint=f"one of {', '.join(sorted(prefixes))}",
            )
        chosen.setdefault(prefix, set()).add(int(row[1]))
    return {prefix: tuple(sorted(ids)) for prefix, ids in sorted(chosen.items())}
