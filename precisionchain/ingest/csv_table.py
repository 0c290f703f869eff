"""A table in a text file: its header, its records and its cells, by our own reader."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.ingest.cell_columns import cells_of_chunk, cells_of_constant
from precisionchain.ingest.column_map import ColumnMap
from precisionchain.ingest.csv_records import Chunk, read_records
from precisionchain.ingest.line_spans import line_spans
from precisionchain.ingest.omop_headers import Header, read_header, specified_header
from precisionchain.ingest.omop_reading import Loaded
from precisionchain.ingest.raw_file import RawFile
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
    _loaded: Loaded = field(init=False)

    @property
    def file(self) -> str:
        """Its name."""
        return self.path.name

    @property
    def size(self) -> int:
        """Bytes of the file."""
        return self.path.stat().st_size

    def look(self, database: duckdb.DuckDBPyConnection) -> None:  # noqa: ARG002
        """Read the header, or say which the file would have."""
        table = TABLES[self.table]
        if self.headerless is None:
            self._header = read_header(self.path, table, column_map=self.column_map)
        else:
            self._header = specified_header(
                self.path, table, self.headerless, column_map=self.column_map
            )

    def scan(self, target: Path) -> None:
        """Read the file to its end, and write its cells."""
        header = self._header
        quoting = header.layout.quoting
        constants = self.column_map.constants.get(self.table, {})
        written = RawFile(target, TABLES[self.table], [*header.columns, *constants], self.file)

        def take(chunk: Chunk) -> None:
            cells = {
                name: cells_of_chunk(chunk, place, quoting=quoting)
                for place, name in enumerate(header.columns)
            }
            for name, text in constants.items():
                cells[name] = cells_of_constant(text, chunk.faults)
            written.add(cells, len(chunk.faults))

        found = read_records(self.path, header.layout, take)
        written.close()
        self._loaded = Loaded(
            table=self.table,
            file=self.file,
            sha256=found.sha256,
            size=found.size,
            records=written.rows,
            faulty=found.faulty,
            lines=found.lines,
            written=header.written,
            unrecognised=header.unrecognised,
            spans=line_spans(found),
        )

    def load(self, database: duckdb.DuckDBPyConnection, target: Path) -> Loaded:  # noqa: ARG002
        """Do nothing: its cells are written."""
        return self._loaded
