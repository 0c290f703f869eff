"""How an export is to be read, what a table of it can do, and what became of the table."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, Protocol

from precisionchain.errors import UsageError
from precisionchain.ingest.column_map import NO_MAP, ColumnMap
from precisionchain.ingest.csv_records import Int64s
from precisionchain.ingest.line_spans import LineSpans
from precisionchain.ingest.nearest_names import did_you_mean
from precisionchain.ingest.rules import RULES_VERSION
from precisionchain.ingest.staging import FORMAT
from precisionchain.schemas.omop import TABLES, CdmVersion

if TYPE_CHECKING:
    import duckdb


@dataclass(frozen=True, slots=True)
class Reading:
    """How the tables of an export are read.

    Args:
        column_map: the site's own names for files and columns.
        headerless: the CDM version whose columns the text files have, in its order and without a
            header; None where they have one. Not of a vocabulary's own folder.
        schemas: of a database, those that are looked at; none for all.
        skip: tables that are left out though the export has them.
        strict_files: whether a file that is named nearly as a table refuses the export.

    Raises:
        UsageError: a table to skip that the CDM does not have.
    """

    column_map: ColumnMap = NO_MAP
    headerless: CdmVersion | None = None
    schemas: tuple[str, ...] = ()
    skip: frozenset[str] = frozenset()
    strict_files: bool = False

    def __post_init__(self) -> None:
        for name in sorted(self.skip - set(TABLES)):
            raise UsageError(
                f"the CDM has no table {name!r} to skip", hint=did_you_mean(name, TABLES)
            )

    def settings(self) -> dict[str, Any]:
        """Return what shapes the rows of a run beside the files; it is sealed with the batch."""
        found: dict[str, Any] = {"staging": FORMAT, "rules": RULES_VERSION}
        if digest := self.column_map.digest():
            found["columns"] = digest
        if self.headerless:
            found["without_header"] = self.headerless
        if self.skip:
            found["skipped"] = sorted(self.skip)
        return found


@dataclass(frozen=True, slots=True)
class Loaded:
    """A table that was read into ``raw/``.

    Args:
        table: of the CDM.
        file: the file, folder or database table it was in.
        sha256: of its content, hex.
        size: bytes that were digested.
        records: in it.
        faulty: number (from 1), line and faults of the records that cannot be taken: [n, 3].
        lines: [m, 2] record and line wherever the line is not the one after the last record's;
            None where records stand on no line.
        written: names of its columns as written, in lower case.
        unrecognised: columns that are none of the table's.
        spans: how many lines its records take; None where they stand on none.
    """

    table: str
    file: str
    sha256: str
    size: int
    records: int
    faulty: Int64s
    lines: Int64s | None
    written: tuple[str, ...]
    unrecognised: tuple[str, ...]
    spans: LineSpans | None = None

    def described(self) -> dict[str, Any]:
        """Return its entry in the run's ``inputs``."""
        return {
            "table": self.table,
            "file": self.file,
            "sha256": self.sha256,
            "bytes": self.size,
            "records": self.records,
            "unparsed": len(self.faulty),
        }


class TableSource(Protocol):
    """A table of an export. Its three steps are taken in order, each once."""

    @property
    def table(self) -> str:
        """The table of the CDM."""

    @property
    def file(self) -> str:
        """The file, folder or database table it is in."""

    def look(self, database: duckdb.DuckDBPyConnection) -> None:
        """Read its names.

        Raises:
            InputError: it cannot be read, or they are not those of the table.
        """

    @property
    def size(self) -> int:
        """Bytes that `scan` reads, of compressed ones as they are stored."""

    def scan(self, target: Path) -> None:
        """Write its cells, if that needs no database; may run while other tables are read.

        Raises:
            InputError: it cannot be read to its end.
        """

    def load(self, database: duckdb.DuckDBPyConnection, target: Path) -> Loaded:
        """Write its cells as a `raw_file.RawFile`, unless that is done.

        Raises:
            InputError: it cannot be read to its end.
        """
