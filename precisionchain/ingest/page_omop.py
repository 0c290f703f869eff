"""What a page says of an OMOP run, counted from the files of the run."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import duckdb

from precisionchain.ingest.page_commands import rejected_commands
from precisionchain.ingest.page_quality import QualityPage, quality_page
from precisionchain.ingest.page_shapes import SHOWN_PLACES, Finding, Origin, Place
from precisionchain.ingest.rules import RULES
from precisionchain.ingest.sql_text import identifier, parquet
from precisionchain.ingest.staging import Run
from precisionchain.schemas.omop import TABLES


@dataclass(frozen=True, slots=True)
class TableFate:
    """What became of a table's records.

    Attributes:
        table: its name.
        file: it was read from.
        bytes: of the file, decompressed.
        records: in the file.
        accepted, rejected: rows; None until the run is validated.
        concept_column: the main concept; None where the table or the file has none.
        unmapped: accepted rows whose main concept is 0.
        without_concept: accepted rows that have none.
    """

    table: str
    file: str
    bytes: int
    records: int
    accepted: int | None
    rejected: int | None
    concept_column: str | None = None
    unmapped: int = 0
    without_concept: int = 0

    @property
    def is_vocabulary(self) -> bool:
        """Whether it is a table of the vocabulary."""
        return TABLES[self.table].scope == "vocabulary"


@dataclass(frozen=True, slots=True)
class Normalised:
    """Cells of a column that were spelled otherwise than their values are written."""

    table: str
    column: str
    normalisation: str
    n: int


@dataclass(frozen=True, slots=True)
class OmopPage:
    """An OMOP run in numbers.

    Attributes:
        cdm_version: detected from columns; None where nothing tells.
        validated: whether its rows were judged.
        tables: in the order in which they were read, also those without a record.
        rejections: by table and rule and column, the largest of a table first.
        warnings: likewise.
        quality: rules that failed, and codes to be mapped.
        normalised: by table and column.
        unrecognised_files: file, and the table nearest in name or None.
        shadowed_files: vocabulary files of the export that others were taken instead of.
        skipped_tables: those that were left out though the export has them.
        unrecognised_columns: by table.
    """

    cdm_version: str | None
    validated: bool
    tables: tuple[TableFate, ...]
    rejections: tuple[Finding, ...]
    warnings: tuple[Finding, ...]
    quality: QualityPage
    normalised: tuple[Normalised, ...]
    unrecognised_files: tuple[tuple[str, str | None], ...]
    shadowed_files: tuple[str, ...]
    skipped_tables: tuple[str, ...]
    unrecognised_columns: Mapping[str, tuple[str, ...]]

    @property
    def records(self) -> int:
        """Records of all files."""
        return sum(table.records for table in self.tables)

    @property
    def accepted(self) -> int:
        """Rows accepted."""
        return sum(table.accepted or 0 for table in self.tables)

    @property
    def rejected(self) -> int:
        """Rows rejected."""
        return sum(table.rejected or 0 for table in self.tables)

    @property
    def source_bytes(self) -> int:
        """Decompressed bytes of all files."""
        return sum(table.bytes for table in self.tables)

    @property
    def filled(self) -> list[TableFate]:
        """Tables with records."""
        return [table for table in self.tables if table.records]

    @property
    def empty(self) -> list[str]:
        """Names of tables without."""
        return [table.table for table in self.tables if not table.records]

    @property
    def mapped_tables(self) -> list[TableFate]:
        """Tables with accepted rows that have a main concept."""
        return [table for table in self.tables if table.concept_column and table.accepted]

    @property
    def unmapped(self) -> tuple[int, int]:
        """Rows with main concept 0, of all rows of tables that have one."""
        tables = self.mapped_tables
        return sum(t.unmapped for t in tables), sum(t.accepted or 0 for t in tables)


def omop_page(run: Run, origin: Origin) -> OmopPage:
    """Return what there is to say of an OMOP run.

    Args:
        run: a staged run, validated or not.
        origin: how it is called.
    """
    said = run.description
    with duckdb.connect() as database:
        tables = tuple(_tables(database, run))
        order = {table.table: place for place, table in enumerate(tables)}

        def by_table(finding: Finding) -> tuple[int, int, str, str]:
            return order.get(finding.table, -1), -finding.n, finding.rule, finding.column

        rejections = sorted(_rejections(database, run.path, origin), key=by_table)
        warnings = sorted(_warnings(database, run.path), key=by_table)
        normalised = _rows(
            database,
            f"select table_name, column_name, normalisation, n from"
            f" {parquet(run.path / 'normalised.parquet')} order by all",
        )
    nearest = said["nearest_tables"]
    return OmopPage(
        cdm_version=said["cdm_version"],
        validated=run.validated,
        tables=tables,
        rejections=tuple(rejections),
        warnings=tuple(warnings),
        quality=quality_page(run.path),
        normalised=tuple(Normalised(*row) for row in sorted(normalised, key=lambda r: order[r[0]])),
        unrecognised_files=tuple((file, nearest.get(file)) for file in said["unrecognised_files"]),
        shadowed_files=tuple(said["shadowed_files"]),
        skipped_tables=tuple(said.get("skipped_tables", ())),
        unrecognised_columns={
            table: tuple(columns) for table, columns in said["unrecognised_columns"].items()
        },
    )


def _tables(database: duckdb.DuckDBPyConnection, run: Run) -> Iterator[TableFate]:
    """Yield the tables in the order in which they were read: vocabulary, persons, events."""
    sizes = {entry["table"]: entry["bytes"] for entry in run.description["inputs"]}
    unmapped = _unmapped(database, run.path)
    rows = _rows(
        database,
        "select table_name, file, n_records, n_accepted, n_rejected from"
        f" {parquet(run.path / 'tables.parquet')}",
    )
    for table, file, *fates in rows:
        yield TableFate(table, file, sizes[table], *fates, *unmapped.get(table, ()))


def _unmapped(
    database: duckdb.DuckDBPyConnection, run: Path
) -> dict[str, tuple[str | None, int, int]]:
    """Return by table its main concept's column, how often it is 0 and how often there is none."""
    found: dict[str, tuple[str | None, int, int]] = {}
    for file in sorted(run.glob("accepted/*.parquet")):
        table = TABLES[file.stem]
        if table.concept_column is None or table.scope == "vocabulary":
            continue
        if table.concept_column not in database.from_parquet(str(file)).columns:
            continue
        name = identifier(table.concept_column)
        rows = _rows(
            database,
            f"select count(*) filter ({name} = 0), count(*) filter ({name} is null)"
            f" from {parquet(file)}",
        )
        found[file.stem] = (table.concept_column, *rows[0])
    return found


def _rejections(
    database: duckdb.DuckDBPyConnection, run: Path, origin: Origin
) -> Iterator[Finding]:
    rows = _rows(
        database,
        "select table_name, rule, column_name, count(*),"
        f" arg_min([record, line], record, {SHOWN_PLACES}),"
        f" any_value(file) from {parquet(run / 'rejected.parquet')} group by all",
    )
    for table, rule, column, n, places, file in rows:
        yield Finding(
            rule,
            _description(rule),
            n,
            table,
            column or "",
            tuple(Place(record, line, file) for record, line in places),
            *rejected_commands(origin, table, rule, column),
        )


def _warnings(database: duckdb.DuckDBPyConnection, run: Path) -> Iterator[Finding]:
    rows = _rows(
        database,
        "select table_name, rule, column_name, sum(n)::bigint"
        f" from {parquet(run / 'warnings.parquet')} group by all",
    )
    for table, rule, column, n in rows:
        yield Finding(rule, _description(rule), n, table, column or "")


def _description(rule: str) -> str:
    known = RULES.get(rule)
    return known.description if known else ""


def _rows(database: duckdb.DuckDBPyConnection, query: str) -> list[tuple[Any, ...]]:
    return database.execute(query).fetchall()
