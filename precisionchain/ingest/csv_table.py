"""A table in a text file: its header, its records by our own scan, its cells by DuckDB."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.ingest.column_map import ColumnMap
from precisionchain.ingest.csv_records import Scan, scan
from precisionchain.ingest.line_spans import line_spans
from precisionchain.ingest.load_csv import load_csv
from precisionchain.ingest.omop_headers import Header, read_header, specified_header
from precisionchain.ingest.omop_reading import Loaded
from precisionchain.schemas.omop import TABLES, CdmVersion

if TYPE_CHECKING:
    import duckdb


@dataclass(slots=True)
class CsvTable:
    """A table in a file of comma- or tab-separated text.

    Args:
        table: of the CDM.
        path: the file.
        column_map: the site's own names.
        headerless: as of `Reading`.
    """

    table: str
    path: Path
    column_map: ColumnMap
    headerless: CdmVersion | None = None
    _header: Header = field(init=False)
    _scan: Scan = field(init=False)

    @property
    def file(self) -> str:
        """Its name."""
        return self.path.name

    def look(self, database: duckdb.DuckDBPyConnection) -> None:  # noqa: ARG002
        """Read the header, or say which the file would have."""
        table = TABLES[self.table]
        if self.headerless is None:
            self._header = read_header(self.path, table, column_map=self.column_map)
        else:
            self._header = specified_header(
                self.path, table, self.headerless, column_map=self.column_map
            )

    def scan(self) -> None:
        """Digest the file and count its records."""
        self._scan = scan(self.path, self._header.layout)

    def load(self, database: duckdb.DuckDBPyConnection, target: Path) -> Loaded:
        """Write its cells."""
        header, found = self._header, self._scan
        constants = self.column_map.constants.get(self.table, {})
        load_csv(database, self.path, header, found, target, constants=constants)
        return Loaded(
            table=self.table,
            file=self.file,
            sha256=found.sha256,
            size=found.size,
            records=found.records,
            faulty=found.faulty,
            lines=found.lines,
            written=header.written,
            unrecognised=header.unrecognised,
            spans=line_spans(self.path, found.records, found.faulty, found.lines),
        )
