"""How a site's own names become the CDM's: a small TOML file, read and checked.

::

    [files]                               # file, or table of a database -> table of the CDM
    "dx.csv" = "condition_occurrence"

    [condition_occurrence]                # column of the file -> column of the CDM
    cond_concept = "condition_concept_id"

    [condition_occurrence.constants]      # column of the CDM -> what every row has there
    condition_type_concept_id = 32817

A name that is unknown on either side is an error and never a guess.
"""

from __future__ import annotations

import hashlib
import tomllib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from datetime import date, datetime
from pathlib import Path
from typing import Any

from precisionchain.errors import OmopFormatError, UnreadableFileError
from precisionchain.ingest.nearest_names import did_you_mean
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.lexical import LexicalError
from precisionchain.schemas.omop import TABLES, Table, canonical_column

_CONSTANTS = "constants"


@dataclass(frozen=True, slots=True)
class ColumnMap:
    """A site's names for tables and columns of the CDM; empty for an export that has the CDM's.

    Args:
        file: the map's name, for messages.
        files: name of a file or database table, in lower case -> table.
        columns: table -> name of a column, in lower case -> the CDM's, as 5.4 names it.
        constants: table -> column -> the cell of every row.
    """

    file: str = ""
    files: Mapping[str, str] = field(default_factory=dict)
    columns: Mapping[str, Mapping[str, str]] = field(default_factory=dict)
    constants: Mapping[str, Mapping[str, str]] = field(default_factory=dict)

    def digest(self) -> str | None:
        """Return a digest of what it says, hex; None where it says nothing.

        File names are left out: they shape no row.
        """
        said = {"columns": self.columns, "constants": self.constants}
        if not any(said.values()):
            return None
        return hashlib.sha256(canonical_json(said)).hexdigest()

    def require_files(self, there: Iterable[str]) -> None:
        """Refuse names of files that the export does not have.

        Raises:
            OmopFormatError: there is no such file or database table.
        """
        names = {name.lower(): name for name in there}
        for name in self.files:
            if name not in names:
                raise OmopFormatError(
                    f"the export has no {name!r}",
                    where=f"{self.file}, [files]",
                    hint=did_you_mean(name, names.values()),
                )

    def renamed(self, table: str, written: tuple[str, ...]) -> tuple[str, ...]:
        """Return the canonical columns of a header.

        Args:
            table: whose header it is.
            written: its names, tidied, in lower case.

        Raises:
            OmopFormatError: the map names a column that the header has not, or gives a constant
                for one that it has.
        """
        own = self.columns.get(table, {})
        for name in own:
            if name not in written:
                raise OmopFormatError(
                    f"no file of the table {table} has a column {name!r}",
                    where=f"{self.file}, [{table}]",
                    hint=did_you_mean(name, set(written) - set(TABLES[table].columns)),
                )
        columns = tuple(own.get(name) or canonical_column(table, name) for name in written)
        for name in self.constants.get(table, {}):
            if name in columns:
                raise OmopFormatError(
                    f"a constant for {name}, which the file of {table} has",
                    where=f"{self.file}, [{table}.{_CONSTANTS}]",
                    hint="leave one of them",
                )
        return columns


NO_MAP = ColumnMap()


def read_column_map(path: Path) -> ColumnMap:
    """Read a map.

    Raises:
        UnreadableFileError: absent, or no TOML.
        OmopFormatError: a table or column that the CDM does not have, or a constant that is none
            of its column's type.
    """
    try:
        said = tomllib.loads(path.read_text(encoding="utf-8"))
    except OSError as error:
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or type(error).__name__}", where=str(path)
        ) from error
    except (tomllib.TOMLDecodeError, UnicodeDecodeError) as error:
        raise UnreadableFileError(f"is no TOML: {error}", where=path.name) from error
    files: dict[str, str] = {}
    columns: dict[str, dict[str, str]] = {}
    constants: dict[str, dict[str, str]] = {}
    for name, given in said.items():
        where = f"{path.name}, [{name}]"
        if not isinstance(given, dict):
            raise OmopFormatError(
                f"{name} stands outside any table",
                where=path.name,
                hint="write it below [files] or below the name of an OMOP table",
            )
        if name == "files":
            files = {
                each.lower(): _table(_text(target, where), where).name
                for each, target in given.items()
            }
            continue
        table = _table(name, where)
        section = dict(given)
        if isinstance(section.get(_CONSTANTS), dict):
            constants[table.name] = _constants(section.pop(_CONSTANTS), table, path.name)
        columns[table.name] = _columns(section, table, where)
    return ColumnMap(
        path.name,
        files,
        {table: own for table, own in columns.items() if own},
        {table: own for table, own in constants.items() if own},
    )


def _table(name: str, where: str) -> Table:
    if name.lower() not in TABLES:
        raise OmopFormatError(
            f"the CDM has no table {name!r}", where=where, hint=did_you_mean(name.lower(), TABLES)
        )
    return TABLES[name.lower()]


def _columns(section: Mapping[str, Any], table: Table, where: str) -> dict[str, str]:
    found: dict[str, str] = {}
    for name, target in section.items():
        column = _column(_text(target, where), table, where)
        if column in found.values():
            raise OmopFormatError(f"two columns become {column}", where=where)
        found[name.strip().lower()] = column
    return found


def _constants(section: Mapping[str, Any], table: Table, file: str) -> dict[str, str]:
    where = f"{file}, [{table.name}.{_CONSTANTS}]"
    found: dict[str, str] = {}
    for name, value in section.items():
        column = _column(name, table, where)
        if column == table.primary_key:
            raise OmopFormatError(
                f"{column} is the key: no two rows may have the same", where=where
            )
        found[column] = _cell(value)
        try:
            table.field(column).lexical.parse(found[column])
        except LexicalError:
            raise OmopFormatError(
                f"the constant for {column} is not of its type, {table.field(column).lexical.name}",
                where=where,
            ) from None
    return found


def _column(name: str, table: Table, where: str) -> str:
    column = canonical_column(table.name, name.lower())
    if column not in table.columns:
        raise OmopFormatError(
            f"the OMOP table {table.name} has no column {name!r}",
            where=where,
            hint=did_you_mean(column, table.columns),
        )
    return column


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(" ")
    return value.isoformat() if isinstance(value, date) else str(value)


def _text(value: object, where: str) -> str:
    if not isinstance(value, str):
        raise OmopFormatError("a name must stand in quotation marks", where=where)
    return value
