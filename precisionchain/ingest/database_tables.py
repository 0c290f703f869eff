"""The tables of a database: of a DuckDB file, or of PostgreSQL through DuckDB's extension.

A database is attached read-only and read within one transaction, so that all tables are of one
moment. Its rows have no order of their own; records are numbered by primary key, and then by
everything else, so that the same rows have the same numbers and the same digest whatever order the
database gives them in.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

import duckdb

from precisionchain.errors import OmopFormatError, UnreadableFileError, UsageError
from precisionchain.ingest.column_map import ColumnMap
from precisionchain.ingest.nearest_names import did_you_mean
from precisionchain.ingest.omop_headers import Names, recognised
from precisionchain.ingest.omop_reading import Loaded
from precisionchain.ingest.sql_text import identifier, literal
from precisionchain.ingest.typed_table import (
    load_rows,
    readable,
    rows_of,
    select_text,
    text_columns,
)
from precisionchain.schemas.omop import TABLES

_TAKEN = frozenset({"memory", "system", "temp", "main", "pg_catalog", "information_schema"})
_PASSWORD = re.compile(r"password\s*=|://[^/@]*:[^/@]*@", re.IGNORECASE)


@dataclass(frozen=True, slots=True)
class Attached:
    """A database that is open for reading.

    Args:
        catalog: its name among the databases of the connection.
        where: what it is, for messages.
        tables: (schema, table) of every table and view.
    """

    catalog: str
    where: str
    tables: tuple[tuple[str, str], ...]

    def named(self, schemas: tuple[str, ...]) -> dict[str, tuple[str, str]]:
        """Return the tables by the name they go by in messages, ``schema.table``.

        Args:
            schemas: those to look at; none for all.

        Raises:
            OmopFormatError: there is no such schema.
        """
        there = {schema.lower() for schema, _ in self.tables}
        for schema in schemas:
            if schema.lower() not in there:
                raise OmopFormatError(
                    f"no table in a schema {schema!r}",
                    where=self.where,
                    hint=did_you_mean(schema, sorted(there)) or f"schemas: {_listed(there)}",
                )
        wanted = {schema.lower() for schema in schemas} or there
        return {
            f"{schema}.{table}": (schema, table)
            for schema, table in self.tables
            if schema.lower() in wanted
        }


@contextmanager
def attached_file(database: duckdb.DuckDBPyConnection, path: Path) -> Iterator[Attached]:
    """Open a DuckDB file for reading, for as long as the block lasts.

    Raises:
        UnreadableFileError: it cannot be opened.
    """
    # Views may name their own database, which is called as its file is.
    catalog = f"{path.stem}_" if path.stem.lower() in _TAKEN else path.stem
    try:
        database.execute(f"ATTACH {literal(path)} AS {identifier(catalog)} (READ_ONLY)")
    except duckdb.Error as error:
        raise UnreadableFileError(
            f"DuckDB cannot open it ({type(error).__name__})",
            where=path.name,
            hint="is it held open by another program, or written by a newer DuckDB than"
            f" {duckdb.__version__}?",
        ) from None
    with _one_moment(database, catalog):
        yield Attached(catalog, path.name, _tables(database, catalog, path.name))


@contextmanager
def attached_postgres(database: duckdb.DuckDBPyConnection, connection: str) -> Iterator[Attached]:
    """Open a PostgreSQL database for reading, for as long as the block lasts.

    Args:
        database: to attach it to.
        connection: as libpq takes it: ``service=...``, ``dbname=... host=...`` or a URI; what it
            does not say comes from PG* variables, ``~/.pgpass`` and the service file.

    Raises:
        UsageError: the connection names a password.
        UnreadableFileError: the extension is not there, or the database cannot be reached.
    """
    if _PASSWORD.search(connection):
        raise UsageError(
            "a password does not belong on a command line",
            where="--postgres",
            hint="use a service file, ~/.pgpass or PGPASSWORD",
        )
    _load_postgres(database)
    catalog = "postgres_export"
    try:
        database.execute(_attach_postgres(connection, catalog))
    except duckdb.Error as error:
        raise UnreadableFileError(
            "PostgreSQL cannot be reached, or refuses",
            where="--postgres",
            hint=_reason(str(error)) or "does psql connect with the same words?",
        ) from None
    with _one_moment(database, catalog):
        yield Attached(catalog, "--postgres", _tables(database, catalog, "--postgres"))


def _attach_postgres(connection: str, catalog: str) -> str:
    return f"ATTACH {literal(connection)} AS {identifier(catalog)} (TYPE postgres, READ_ONLY)"


def _load_postgres(database: duckdb.DuckDBPyConnection) -> None:
    try:
        # Nothing is fetched from a network because somebody stages a table.
        database.execute("SET autoinstall_known_extensions = false")
        database.execute("LOAD postgres")
    except duckdb.Error:
        raise UnreadableFileError(
            f"DuckDB {duckdb.__version__} has no postgres extension here",
            where="--postgres",
            hint="once, where the network may be reached: python -c"
            " \"import duckdb; duckdb.sql('install postgres')\"; or export the tables with psql:"
            r" \copy person to person.csv csv header",
        ) from None


def _reason(said: str) -> str | None:
    """Return what PostgreSQL's client said, without the words it was called with."""
    found = re.findall(r"(?:FATAL|error|fe_sendauth):\s*(.+)", said)
    return str(found[-1]).strip() if found else None


@contextmanager
def _one_moment(database: duckdb.DuckDBPyConnection, catalog: str) -> Iterator[None]:
    database.execute("BEGIN TRANSACTION")
    try:
        yield
    finally:
        database.execute("ROLLBACK")  # nothing was written
        database.execute(f"DETACH {identifier(catalog)}")


def _tables(
    database: duckdb.DuckDBPyConnection, catalog: str, where: str
) -> tuple[tuple[str, str], ...]:
    with readable(where):
        rows = database.execute(
            "SELECT table_schema, table_name FROM information_schema.tables"
            " WHERE table_catalog = ? AND table_schema NOT IN ('information_schema', 'pg_catalog')"
            " ORDER BY ALL",
            [catalog],
        ).fetchall()
    return tuple((schema, table) for schema, table in rows)


def _listed(names: set[str]) -> str:
    return ", ".join(sorted(names)) or "none"


@dataclass(slots=True)
class DatabaseTable:
    """A table of a database.

    Args:
        table: of the CDM.
        database: it is in.
        schema, name: in the database.
        column_map: the site's own names.
    """

    table: str
    database: Attached
    schema: str
    name: str
    column_map: ColumnMap
    _names: Names = field(init=False)
    _texts: Mapping[str, str] = field(init=False)
    _key: str | None = field(init=False, default=None)

    @property
    def file(self) -> str:
        """Schema and name."""
        return f"{self.schema}.{self.name}"

    def look(self, database: duckdb.DuckDBPyConnection) -> None:
        """Read its columns."""
        table = TABLES[self.table]
        rows = rows_of(database, self._source, self.file)
        self._names = recognised(rows.names, table, where=self.file, column_map=self.column_map)
        self._texts = text_columns(rows, self._names, self.file)
        own = dict(zip(self._names.columns, rows.names, strict=True))
        self._key = own.get(table.primary_key) if table.primary_key else None

    @property
    def size(self) -> int:
        """Nothing is read without the database."""
        return 0

    def scan(self, target: Path) -> None:
        """Do nothing: the rows are counted in the transaction that they are read in."""

    def load(self, database: duckdb.DuckDBPyConnection, target: Path) -> Loaded:
        """Write its cells, ordered."""
        with readable(self.file):
            counted = database.execute(f"SELECT count(*) FROM {self._source}").fetchall()
        return load_rows(
            database,
            self._ordered(),
            table=TABLES[self.table],
            file=self.file,
            names=self._names,
            records=int(counted[0][0]),
            constants=self.column_map.constants.get(self.table, {}),
            target=target,
        )

    def _ordered(self) -> str:
        """Return a SELECT by the typed key, then by the text of every column of the CDM."""
        known = [name for name in TABLES[self.table].columns if name in self._texts]
        order = [identifier(name) for name in known]
        texts = dict(self._texts)
        if self._key is not None:
            order.insert(0, "_key")  # no column is called so
            texts["_key"] = identifier(self._key)
        columns = ", ".join(identifier(name) for name in self._texts)
        rows = select_text(self._source, texts)
        return f"SELECT {columns} FROM ({rows}) ORDER BY {', '.join(order)}"

    @property
    def _source(self) -> str:
        parts = (self.database.catalog, self.schema, self.name)
        return ".".join(identifier(part) for part in parts)
