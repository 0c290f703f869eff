"""A table in Parquet: one file, or a folder of part files in the order of their names."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.errors import OmopFormatError, UnreadableFileError
from precisionchain.ingest.column_map import ColumnMap
from precisionchain.ingest.omop_headers import Names, recognised
from precisionchain.ingest.omop_reading import Loaded
from precisionchain.ingest.sql_text import parquet
from precisionchain.ingest.typed_table import (
    load_rows,
    rows_of,
    select_text,
    text_columns,
    union,
)
from precisionchain.schemas.omop import TABLES

ENDING = ".parquet"


def parts_of(folder: Path) -> list[Path]:
    """Return the part files of a folder; names that begin with ``_`` or ``.`` are none.

    Raises:
        OmopFormatError: there is something else beside them.
    """
    inside = sorted(path for path in folder.iterdir() if not path.name.startswith(("_", ".")))
    parts = [path for path in inside if path.is_file() and path.name.lower().endswith(ENDING)]
    for path in inside if parts else ():
        if path not in parts:
            raise OmopFormatError(
                f"{path.name} is no Parquet file, and stands among the parts of a table",
                where=f"{folder.name}/",
                hint="write the table without partitions, and put other files elsewhere",
            )
    return parts


@dataclass(slots=True)
class ParquetTable:
    """A table in Parquet.

    Args:
        table: of the CDM.
        path: the file, or the folder of its parts.
        column_map: the site's own names.
    """

    table: str
    path: Path
    column_map: ColumnMap
    _names: Names = field(init=False)
    _select: str = field(init=False)
    _records: int = field(init=False, default=0)

    @property
    def file(self) -> str:
        """Its name; a folder's ends in ``/``."""
        return f"{self.path.name}/" if self.path.is_dir() else self.path.name

    def look(self, database: duckdb.DuckDBPyConnection) -> None:
        """Read the footers; parts may have their columns in any order and of any type."""
        parts = parts_of(self.path) if self.path.is_dir() else [self.path]
        shapes: list[tuple[pq.ParquetSchema, list[Path]]] = []
        for part in parts:
            footer = _footer(part)
            self._records += footer.num_rows
            if shapes and shapes[-1][0].equals(footer.schema):
                shapes[-1][1].append(part)
            else:
                shapes.append((footer.schema, [part]))
        selects: list[str] = []
        for schema, same in shapes:
            names, texts = self._described(database, schema, same)
            if not selects:
                self._names, order = names, list(texts)
            elif set(texts) != set(order):
                raise OmopFormatError(
                    f"{same[0].name} has other columns than {parts[0].name}",
                    where=self.file,
                    hint="all parts of a table have the same columns",
                )
            selects.append(select_text(parquet(*same), {name: texts[name] for name in order}))
        self._select = union(selects)

    def _described(
        self, database: duckdb.DuckDBPyConnection, schema: pq.ParquetSchema, parts: list[Path]
    ) -> tuple[Names, dict[str, str]]:
        rows = rows_of(database, parquet(*parts), self.file)
        names = recognised(
            schema.to_arrow_schema().names,
            TABLES[self.table],
            where=self.file,
            column_map=self.column_map,
        )
        return names, text_columns(rows, names, self.file)

    @property
    def size(self) -> int:
        """Nothing is read without the database."""
        return 0

    def scan(self, target: Path) -> None:
        """Do nothing: the footers say how many rows there are."""

    def load(self, database: duckdb.DuckDBPyConnection, target: Path) -> Loaded:
        """Write its cells."""
        return load_rows(
            database,
            self._select,
            table=TABLES[self.table],
            file=self.file,
            names=self._names,
            records=self._records,
            constants=self.column_map.constants.get(self.table, {}),
            target=target,
        )


def _footer(path: Path) -> pq.FileMetaData:
    try:
        footer = pq.read_metadata(path)
        footer.schema.to_arrow_schema()
    except OSError as error:
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or type(error).__name__}", where=str(path)
        ) from error
    except pa.ArrowException as error:
        raise UnreadableFileError(
            f"is no Parquet file, or a damaged one ({type(error).__name__})",
            where=path.name,
            hint="was it copied to its end? export it again",
        ) from None
    return footer
