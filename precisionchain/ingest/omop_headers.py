"""The header of an OMOP file, read by ourselves: separator, names, and which columns they are.

A header written by a stranger's program is tidied (case, blanks, byte-order mark, SQLite's
``date(x,'unixepoch')``), its CDM 5.3 names become those of 5.4, and columns the CDM does not know
are kept in ``raw/`` alone. No message quotes what a header says beyond the CDM's own names: a file
without a header has a person's record in that place.
"""

from __future__ import annotations

import csv
import io
import re
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from precisionchain.errors import OmopFormatError, UnreadableFileError
from precisionchain.ingest.csv_records import Layout, decompressed
from precisionchain.schemas.omop import Table, canonical_column

LONGEST_HEADER = 1 << 20
_BYTE_ORDER_MARK = "\ufeff"
_SQLITE_DATE = re.compile(r"(?:date|datetime)\(\s*(\w+)\s*,\s*'unixepoch'\s*\)")


@dataclass(frozen=True, slots=True)
class Header:
    """A header that was understood.

    Args:
        columns: one a field, in the file's order, as ``raw/`` names them: canonical, or tidied.
        written: the same as the file names them, in lower case; tells the CDM version.
        unrecognised: those of ``columns`` that are none of the table's.
        layout: of the file.
    """

    columns: tuple[str, ...]
    written: tuple[str, ...]
    unrecognised: tuple[str, ...]
    layout: Layout


def read_header(path: Path, table: Table) -> Header:
    """Read the header of a table's file.

    Raises:
        UnreadableFileError: absent, empty, not text, or wrongly compressed.
        OmopFormatError: not comma or tab separated; no header; a column twice; a column without
            which no row could be accepted is missing.
    """
    with decompressed(path) as file:
        start = file.read(LONGEST_HEADER)
    lines = _Lines(start.decode("utf-8", "surrogateescape"))
    delimiter = _delimiter(lines.text, path)
    cells = next(csv.reader(lines, delimiter=delimiter), [])
    header = "".join(lines.given)
    _refuse_unreadable(header, path)
    written = tuple(_tidy(cell, place) for place, cell in enumerate(cells, start=1))
    columns = tuple(canonical_column(table.name, name) for name in written)
    known = set(table.columns)
    _refuse_strange(columns, written, table, path)
    return Header(
        columns=columns,
        written=written,
        unrecognised=tuple(name for name in columns if name not in known),
        layout=Layout(
            delimiter=delimiter,
            quoting=not (delimiter == "\t" and table.scope == "vocabulary"),
            fields=len(columns),
            header_bytes=len(header.encode("utf-8", "surrogateescape")),
            header_lines=len(lines.given),
            header_ending=header[len(header.rstrip("\r\n")) :] or "\n",
        ),
    )


class _Lines:
    """Lines as Python's csv module wants them, and which of them it took."""

    def __init__(self, text: str) -> None:
        self.text = text
        self.given: list[str] = []
        self._lines = iter(io.StringIO(text, newline=""))

    def __iter__(self) -> Iterator[str]:
        return self

    def __next__(self) -> str:
        line = next(self._lines)
        self.given.append(line)
        return line


def _delimiter(text: str, path: Path) -> str:
    first = re.split(r"[\r\n]", text, maxsplit=1)[0]
    unquoted = re.sub(r'"[^"]*"', "", first)
    counts = {mark: unquoted.count(mark) for mark in ",\t;|"}
    best = max(counts, key=lambda mark: counts[mark])
    if counts[best] and best not in ",\t":
        raise OmopFormatError(
            f"fields are separated by {best!r}",
            where=f"{path.name}, line 1",
            hint="export with commas or tabs",
        )
    return best if counts[best] else ","


def _tidy(cell: str, place: int) -> str:
    name = cell.removeprefix(_BYTE_ORDER_MARK).strip(" \t\"'`[]").lower()
    sqlite = _SQLITE_DATE.fullmatch(name)
    name = sqlite[1] if sqlite else name
    if not name:
        return f"unnamed_{place}"
    # Names that begin so are our own: _file, _record.
    return f"source{name}" if name.startswith("_") else name


def _refuse_unreadable(header: str, path: Path) -> None:
    if not header.strip("\r\n\ufeff"):
        raise OmopFormatError("the first line is empty", where=f"{path.name}, line 1")
    if len(header) >= LONGEST_HEADER or "\0" in header:
        raise UnreadableFileError("the first line is not text", where=f"{path.name}, line 1")
    try:
        header.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnreadableFileError(
            "the header is not UTF-8", where=f"{path.name}, line 1", hint="save the file as UTF-8"
        ) from error


def _refuse_strange(
    columns: tuple[str, ...], written: tuple[str, ...], table: Table, path: Path
) -> None:
    where = f"{path.name}, line 1"
    known = set(table.columns)
    if not known & set(columns):
        raise OmopFormatError(
            f"no column of the OMOP table {table.name} in the header",
            where=where,
            hint="the first line must name the columns",
        )
    for name in dict.fromkeys(columns):
        places = [str(place) for place, other in enumerate(columns, start=1) if other == name]
        if len(places) > 1:
            shown = f"column {name}" if name in known else "a column"
            raise OmopFormatError(
                f"{shown} is there more than once, in places {' and '.join(places)}",
                where=where,
                hint=_renamed_hint(written, columns, name),
            )
    missing = [field.name for field in table.fields if field.must and field.name not in columns]
    if missing:
        raise OmopFormatError(
            f"column {', '.join(missing)} is missing, without which no row can be accepted",
            where=where,
            hint=f"the OMOP table {table.name} has it",
        )


def _renamed_hint(written: tuple[str, ...], columns: tuple[str, ...], name: str) -> str | None:
    both = {w for w, c in zip(written, columns, strict=True) if c == name}
    return "CDM 5.3 and 5.4 name it differently" if len(both) > 1 else None
