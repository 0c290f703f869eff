"""Small tables drawn as text, so that a test shows what goes in and what comes out.

::

    condition_occurrence
    id | person | concept | start
    1  | 7      | 201826  | 2015-01-01
    2  | -8     |         | 2016-06-30

Cells are split by ``|`` and stripped; an empty cell is NULL. Where a text draws several tables,
each begins with its name on a line of its own, and a blank line ends it.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

Row = dict[str, str]


@dataclass(frozen=True, slots=True)
class Drawn:
    """A drawn table: its headings, and its rows by heading; every cell is text."""

    headings: tuple[str, ...]
    rows: tuple[Row, ...]


def drawn(text: str) -> Drawn:
    """Return the table that a text draws.

    Raises:
        ValueError: a line with more or fewer cells than the first one.
    """
    headings, *lines = [_cells(line) for line in text.strip().splitlines()]
    for line in lines:
        if len(line) != len(headings):
            raise ValueError(f"{len(line)} cells under {len(headings)} headings: {line}")
    return Drawn(headings, tuple(dict(zip(headings, line, strict=True)) for line in lines))


def drawn_tables(text: str) -> dict[str, Drawn]:
    """Return the tables that a text draws, by the name each begins with."""
    tables = {}
    for paragraph in _paragraphs(text):
        name, *lines = paragraph
        if "|" in name or not lines:
            raise ValueError(f"a table begins with its name on a line of its own, not with {name}")
        tables[name.strip()] = drawn("\n".join(lines))
    return tables


def draw(headings: Sequence[str], rows: Iterable[Mapping[str, str]]) -> str:
    """Draw rows as an aligned table, sorted."""
    lines = [list(headings), *sorted([row[name] for name in headings] for row in rows)]
    widths = [max(len(line[place]) for line in lines) for place in range(len(headings))]
    return "\n".join(
        " | ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip()
        for line in lines
    )


def assert_same(actual: Iterable[Mapping[str, str]], expected: str) -> None:
    """Assert that rows are those of a drawn table, in any order, in the columns it draws."""
    wanted = drawn(expected)
    found = draw(wanted.headings, actual)
    due = draw(wanted.headings, wanted.rows)
    assert found == due, f"\nexpected\n{due}\n\nfound\n{found}"


def _cells(line: str) -> tuple[str, ...]:
    return tuple(cell.strip() for cell in line.split("|"))


def _paragraphs(text: str) -> list[list[str]]:
    paragraphs: list[list[str]] = [[]]
    for line in text.splitlines():
        if line.strip():
            paragraphs[-1].append(line)
        elif paragraphs[-1]:
            paragraphs.append([])
    return [lines for lines in paragraphs if lines]
