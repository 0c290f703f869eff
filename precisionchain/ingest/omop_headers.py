"""The header of an OMOP file, read by ourselves: separator, names, and which columns they are.

A header written by a stranger's program is tidied (case, blanks, byte-order mark, SQLite's
``date(x,'unixepoch')``), its CDM 5.3 names become those of 5.4, and columns the CDM does not know
are kept in ``raw/`` alone. No message quotes what a header says beyond the CDM's own names: a file
without a header has a person's record in that place.

Files without a header are read where that is asked for: their columns are those of a version's
specification, in its order.
"""

from __future__ import annotations

import csv
import io
import re
from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from pathlib import Path

from precisionchain.errors import OmopFormatError, UnreadableFileError
from precisionchain.ingest.column_map import NO_MAP, ColumnMap
from precisionchain.ingest.csv_records import LONGEST_RECORD, Layout, decompressed
from precisionchain.schemas.omop import CdmVersion, Table, specified_columns

LONGEST_HEADER = 1 << 20
_WHOLE_NUMBER = re.compile(r"\s*[+-]?[0-9]+(?:\.0+)?\s*")
_BYTE_ORDER_MARK = "\ufeff"
_SQLITE_DATE = re.compile(r"(?:date|datetime)\(\s*(\w+)\s*,\s*'unixepoch'\s*\)")


@dataclass(frozen=True, slots=True)
class Names:
    """The columns of a table, as a file or database names them and as we do.

    Args:
        columns: in their order, as ``raw/`` names them: canonical, or tidied.
        written: the same as they are written, in lower case; tells the CDM version.
        unrecognised: those of ``columns`` that are none of the table's.
    """

    columns: tuple[str, ...]
    written: tuple[str, ...]
    unrecognised: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Header(Names):
    """A header that was understood.

    Args:
        columns, written, unrecognised: as of `Names`.
        layout: of the file.
    """

    layout: Layout


def recognised(
    cells: Sequence[str], table: Table, *, where: str, column_map: ColumnMap = NO_MAP
) -> Names:
    """Tell which columns of a table names are.

    Args:
        cells: the names, untidied.
        table: whose columns they should be.
        where: of the names, for messages.
        column_map: the site's own names.

    Raises:
        OmopFormatError: no column of the table; a column twice; a column without which no row could
            be accepted is missing.
    """
    written = tuple(_tidy(cell, place) for place, cell in enumerate(cells, start=1))
    columns = column_map.renamed(table.name, written)
    constants = tuple(column_map.constants.get(table.name, ()))
    _refuse_strange(columns, written, constants, table, where)
    known = set(table.columns)
    return Names(columns, written, tuple(name for name in columns if name not in known))


def read_header(path: Path, table: Table, *, column_map: ColumnMap = NO_MAP) -> Header:
    """Read the header of a table's file.

    Raises:
        UnreadableFileError: absent, empty, not text, or wrongly compressed.
        OmopFormatError: not comma or tab separated; no header; as `recognised`.
    """
    where = f"{path.name}, line 1"
    cells, layout, first = _first_record(path, table)
    _refuse_unreadable(first, path)
    names = recognised(cells, table, where=where, column_map=column_map)
    return Header(names.columns, names.written, names.unrecognised, layout)


def specified_header(
    path: Path, table: Table, version: CdmVersion, *, column_map: ColumnMap = NO_MAP
) -> Header:
    """Return the header that a file without one would have.

    Raises:
        UnreadableFileError: as `read_header`; a file without a byte is a table without rows.
        OmopFormatError: not comma or tab separated; another number of fields than the version's
            specification has; a header after all; a map of columns that have no names.
    """
    where = f"{path.name}, line 1"
    columns = specified_columns(table.name, version)
    if not columns:
        raise OmopFormatError(f"CDM {version} has no table {table.name}", where=path.name)
    if table.name in column_map.columns or table.name in column_map.constants:
        raise OmopFormatError(
            f"{path.name} has no header, so its columns cannot be mapped",
            where=f"{column_map.file}, [{table.name}]",
            hint="leave the section out, or give the file a header",
        )
    cells, layout, first = _first_record(path, table, fields=len(columns))
    if first:
        names = {_tidy(cell, place) for place, cell in enumerate(cells, start=1)}
        if len(names & {*table.columns}) > 1:  # no row holds two names of columns
            raise OmopFormatError(
                "the first line names columns", where=where, hint="leave --no-header out"
            )
        _refuse_another_count(len(cells), len(columns), table, version, where)
    marked = first.startswith(_BYTE_ORDER_MARK)
    layout = replace(
        layout,
        fields=len(columns),
        header_bytes=len(_BYTE_ORDER_MARK.encode()) if marked else 0,
        header_lines=0,
    )
    return Header(columns, columns, (), layout)


def _refuse_another_count(
    found: int, expected: int, table: Table, version: CdmVersion, where: str
) -> None:
    if found == expected:
        return
    other: CdmVersion = "5.4" if version == "5.3" else "5.3"
    fits = found == len(specified_columns(table.name, other))
    raise OmopFormatError(
        f"{found} fields, and {table.name} has {expected} columns in CDM {version}",
        where=where,
        hint=f"CDM {other} has {found}: --cdm-version {other}"
        if fits
        else "a file with other columns needs a header that names them",
    )


def _first_record(
    path: Path, table: Table, *, fields: int | None = None
) -> tuple[list[str], Layout, str]:
    """Return the cells of a file's first record, the layout that it tells, and its text.

    Args:
        path: the file.
        table: that it is of.
        fields: how many a row has, of a file without a header. There the separator is the one that
            makes so many: the text of a row may have more of the other.
    """
    longest = LONGEST_HEADER if fields is None else LONGEST_RECORD
    with decompressed(path, may_be_empty=fields is not None) as file:
        start = file.read(longest)
    text = start.decode("utf-8", "surrogateescape")
    cuts = (_cut(text, mark, table) for mark in (",\t" if fields is not None else ""))
    cut = next((cut for cut in cuts if len(cut[0]) == fields), None)
    if cut is None:
        cut = _cut(text, _delimiter(text, path), table)
    if len(start) == longest and len(cut[2]) == len(text):
        raise UnreadableFileError("the first line is not text", where=f"{path.name}, line 1")
    return cut


def _cut(text: str, delimiter: str, table: Table) -> tuple[list[str], Layout, str]:
    quoting = not (delimiter == "\t" and table.scope == "vocabulary")
    lines = _Lines(text)
    own = csv.field_size_limit(len(text) + 1)  # by itself it stops at 131,072 characters
    try:
        quotechar = '"' if quoting else None
        cells = next(csv.reader(lines, delimiter=delimiter, quotechar=quotechar), [])
    finally:
        csv.field_size_limit(own)
    first = "".join(lines.given)
    layout = Layout(
        delimiter=delimiter,
        quoting=quoting,
        fields=len(cells),
        header_bytes=len(first.encode("utf-8", "surrogateescape")),
        header_lines=len(lines.given),
    )
    return cells, layout, first


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
    if "\0" in header:
        raise UnreadableFileError("the first line is not text", where=f"{path.name}, line 1")
    try:
        header.encode("utf-8")
    except UnicodeEncodeError as error:
        raise UnreadableFileError(
            "the header is not UTF-8", where=f"{path.name}, line 1", hint="save the file as UTF-8"
        ) from error


def _refuse_strange(
    columns: tuple[str, ...],
    written: tuple[str, ...],
    constants: tuple[str, ...],
    table: Table,
    where: str,
) -> None:
    known = set(table.columns)
    if not known & set(columns):
        raise OmopFormatError(
            f"no column of the OMOP table {table.name} is named",
            where=where,
            hint="it looks like a row: --no-header --cdm-version 5.4 (or 5.3) reads such files"
            if any(_WHOLE_NUMBER.fullmatch(name) for name in written)
            else "--columns takes a map of other names",
        )
    twice = next((name for name, n in Counter(columns).items() if n > 1), None)
    if twice is not None:
        places = [str(place) for place, name in enumerate(columns, start=1) if name == twice]
        shown = f"column {twice}" if twice in known else "a column"
        raise OmopFormatError(
            f"{shown} is there more than once, in places {' and '.join(places)}",
            where=where,
            hint=_renamed_hint(written, columns, twice),
        )
    given = {*columns, *constants}
    missing = [field.name for field in table.fields if field.must and field.name not in given]
    if missing:
        raise OmopFormatError(
            f"there is no column {' and no '.join(missing)}, and no row can be accepted without",
            where=where,
            hint=f"the OMOP table {table.name} requires it",
        )


def _renamed_hint(written: tuple[str, ...], columns: tuple[str, ...], name: str) -> str | None:
    both = {w for w, c in zip(written, columns, strict=True) if c == name}
    return "CDM 5.3 and 5.4 name it differently" if len(both) > 1 else None
