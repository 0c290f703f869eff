"""Which files of a folder, or tables of a database, are of the CDM: told by name, not guessed."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.errors import OmopFormatError, UnreadableFileError, UsageError
from precisionchain.ingest.csv_table import CsvTable
from precisionchain.ingest.nearest_names import nearest_table
from precisionchain.ingest.omop_reading import Reading, TableSource
from precisionchain.ingest.parquet_table import ENDING, ParquetTable, parts_of
from precisionchain.schemas.omop import TABLES

if TYPE_CHECKING:
    import duckdb

    from precisionchain.ingest.database_tables import Attached

_TEXT = (".csv", ".tsv", ".txt")
_DUCKDB_MAGIC = b"DUCK"


@dataclass(frozen=True, slots=True)
class Found:
    """The tables of an export.

    Args:
        tables: table -> where it is, in the order of ``TABLES``.
        unrecognised: names of files (or database tables) that are no table of the CDM, and the
            table nearest in name.
        shadowed: vocabulary files of the export that the vocabulary folder's replace.
    """

    tables: Mapping[str, TableSource]
    unrecognised: Mapping[str, str | None]
    shadowed: tuple[str, ...]

    @property
    def nearly(self) -> dict[str, str]:
        """Names that are left out, and the table that each nearly is."""
        return {name: near for name, near in sorted(self.unrecognised.items()) if near}


@dataclass(slots=True)
class _Listing:
    """What a folder or a database holds."""

    where: str
    tables: dict[str, TableSource] = field(default_factory=dict)
    unrecognised: dict[str, str | None] = field(default_factory=dict)
    names: list[str] = field(default_factory=list)

    def add(self, source: TableSource) -> None:
        """Take a table.

        Raises:
            OmopFormatError: it is there already.
        """
        if (other := self.tables.get(source.table)) is not None:
            raise OmopFormatError(
                f"{other.file} and {source.file} are both the table {source.table}",
                where=self.where,
                hint="--schema names the schemas to look at"
                if hasattr(source, "schema")
                else "leave one of them",
            )
        self.tables[source.table] = source


@contextmanager
def found_tables(
    database: duckdb.DuckDBPyConnection,
    place: Path | None,
    *,
    postgres: str | None = None,
    vocabulary: Path | None = None,
    reading: Reading,
) -> Iterator[Found]:
    """Find the tables of an export; databases stay open for as long as the block lasts.

    Args:
        database: to attach databases to.
        place: a folder of files, not entered further than to folders of Parquet parts; or a DuckDB
            file.
        postgres: a connection to PostgreSQL instead of a place.
        vocabulary: a folder or DuckDB file whose vocabulary tables are taken instead of the
            export's; its text files have headers.
        reading: how it is read.

    Raises:
        UnreadableFileError: nothing is there, or cannot be opened.
        OmopFormatError: nothing there is a table, or two files are the same one; a file is named
            nearly as a table, where that is to be refused; a map names what is not there.
        UsageError: a table is to be skipped that is not there; options that do not go together.
    """
    if reading.schemas and place is not None and all(_is_folder(p) for p in (place, vocabulary)):
        raise UsageError("--schema is of databases, and this is a folder", where=str(place))
    with ExitStack() as stack:
        listing = _listing(stack, database, place, postgres, reading)
        tables, unrecognised, names = listing.tables, listing.unrecognised, listing.names
        shadowed: tuple[str, ...] = ()
        if vocabulary is not None:
            own, others = _vocabulary(stack, database, vocabulary, reading)
            shadowed = tuple(tables[name].file for name in tables if name in others)
            tables = tables | others
            unrecognised = unrecognised | own.unrecognised
            names = names + own.names
        if not tables:
            raise OmopFormatError(
                "no file here is named as an OMOP table",
                where=listing.where,
                hint="files are named person.csv, condition_occurrence.csv.gz, person.parquet, ...",
            )
        reading.column_map.require_files(names)
        for name in sorted(reading.skip - set(tables)):
            raise UsageError(f"there is no table {name} to skip", where=listing.where)
        kept = {name: tables[name] for name in TABLES if name in set(tables) - reading.skip}
        if not kept:
            raise UsageError("every table is skipped", where=listing.where)
        found = Found(kept, unrecognised, shadowed)
        if reading.strict_files and found.nearly:
            name, near = next(iter(found.nearly.items()))
            raise OmopFormatError(
                f"{name} is no OMOP table by its name, and nearly {near}",
                where=listing.where,
                hint="a table is in a .csv, .tsv or .txt file, also .gz, or in .parquet: rename or"
                " convert it, name it in the [files] of --columns, or take it away",
            )
        yield found


def _is_folder(place: Path | None) -> bool:
    return place is None or place.is_dir()


def _vocabulary(
    stack: ExitStack, database: duckdb.DuckDBPyConnection, place: Path, reading: Reading
) -> tuple[_Listing, dict[str, TableSource]]:
    """Return what is at a place, and the vocabulary's tables of it."""
    listing = _listing(stack, database, place, None, replace(reading, headerless=None))
    tables = {name: table for name, table in listing.tables.items() if _is_vocabulary(name)}
    if not tables:
        raise OmopFormatError(
            "no file there is named as a table of the vocabulary",
            where=listing.where,
            hint="--vocabulary names the folder that CONCEPT.csv is in",
        )
    return listing, tables


def _is_vocabulary(table: str) -> bool:
    return TABLES[table].scope == "vocabulary"


def _listing(
    stack: ExitStack,
    database: duckdb.DuckDBPyConnection,
    place: Path | None,
    postgres: str | None,
    reading: Reading,
) -> _Listing:
    if place is not None and place.is_dir():
        return _folder(place, reading)
    from precisionchain.ingest.database_tables import attached_file, attached_postgres

    if reading.headerless is not None:
        raise UsageError("a database names its columns", hint="leave --no-header out")
    if place is None:
        if postgres is None:
            raise UsageError("no export is named", hint="a folder, a DuckDB file, or --postgres")
        return _database(stack.enter_context(attached_postgres(database, postgres)), reading)
    _refuse_other_files(place)
    return _database(stack.enter_context(attached_file(database, place)), reading)


def _refuse_other_files(path: Path) -> None:
    try:
        with path.open("rb") as file:
            start = file.read(16)
    except OSError as error:
        raise UnreadableFileError(
            "no such folder", where=str(path), hint="name a folder of OMOP files, or a DuckDB file"
        ) from error
    if start[8:12] != _DUCKDB_MAGIC:
        kind = "a SQLite database" if start.startswith(b"SQLite format 3") else "no DuckDB file"
        raise UnreadableFileError(
            f"this is {kind}",
            where=path.name,
            hint="name the folder that the tables' files are in, or a DuckDB file",
        )


def _folder(directory: Path, reading: Reading) -> _Listing:
    listing = _Listing(str(directory))
    own = reading.column_map
    unread: dict[str, str] = {}
    for path in sorted(directory.iterdir()):
        listing.names.append(path.name)
        mapped = own.files.get(path.name.lower())
        if path.is_dir():
            table = mapped or _folder_name(path)
            if table in TABLES and parts_of(path):
                listing.add(ParquetTable(table, path, own))
            elif near := nearest_table(table):  # other folders are nobody's table
                listing.unrecognised[f"{path.name}/"] = near
            continue
        table = mapped or _table_name(path)
        if table not in TABLES:
            listing.unrecognised[path.name] = nearest_table(table) if table else None
            unread[path.name] = path.name.lower().partition(".")[0].strip()
        elif path.exists() and not path.is_file():
            raise UnreadableFileError(
                "is a pipe or a device, which cannot be read twice",
                where=path.name,
                hint="write the table to a file",
            )
        elif path.name.lower().endswith(ENDING):
            listing.add(ParquetTable(table, path, own))
        else:
            listing.add(CsvTable(table, path, own, reading.headerless))
    for name, table in unread.items():  # person.csv.md5 beside person.csv is nobody's table
        if table in TABLES and table not in listing.tables:
            listing.unrecognised[name] = table
    return listing


def _database(found: Attached, reading: Reading) -> _Listing:
    from precisionchain.ingest.database_tables import DatabaseTable

    listing = _Listing(found.where)
    own = reading.column_map
    for full, (schema, name) in found.named(reading.schemas).items():
        listing.names += [full, name]
        table = own.files.get(full.lower()) or own.files.get(name.lower()) or name.lower()
        if table in TABLES:
            listing.add(DatabaseTable(table, found, schema, name, own))
        else:
            listing.unrecognised[full] = nearest_table(table)
    return listing


def _table_name(path: Path) -> str:
    """Return what a file's name says, in lower case; nothing where it is no file of a table."""
    name = path.name.lower().removesuffix(".gz")
    stem, dot, ending = name.rpartition(".")
    if name.startswith(".") or dot + ending not in (*_TEXT, ENDING):
        return ""
    return stem


def _folder_name(path: Path) -> str:
    return "" if path.name.startswith(".") else path.name.lower().removesuffix(ENDING)
