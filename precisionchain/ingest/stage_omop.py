"""``stage omop``: the tables of an OMOP export become columns in a run. No row is judged yet.

Each table is counted twice: the line breaks of a text file, and those at which its records were
cut; Parquet by its footers, and a database by ``count(*)``, and then row by row. The counts must
agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Sequence
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.bounded_database import bounded_database
from precisionchain.errors import InputError
from precisionchain.ingest.csv_records import FAULT_RULES
from precisionchain.ingest.nearest_names import nearest_columns
from precisionchain.ingest.omop_files import Found, found_tables
from precisionchain.ingest.omop_reading import Loaded, Reading, TableSource
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.run_tables import (
    LINES,
    NORMALISED,
    REJECTED,
    RUN_TABLES,
    TABLES_READ,
    WARNINGS,
    write_run_table,
)
from precisionchain.ingest.staging import PartialRun, Run, Staging
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.omop import TABLES, cdm_version

DEFAULT_SOURCE = "omop"
_AT_ONCE = 2
"""Text files that are read at a time; each takes some 60 MB."""


def stage_omop(
    staging: Staging,
    place: Path | None,
    *,
    postgres: str | None = None,
    vocabulary: Path | None = None,
    source: str | None = None,
    reading: Reading | None = None,
    step: Step = silent,
) -> Run:
    """Stage the OMOP tables of an export as a new run; needs the site's lock.

    Args:
        staging: the site's staging area.
        place: the export: a folder of files, or a DuckDB file.
        postgres: a connection to a PostgreSQL database instead.
        vocabulary: a folder or DuckDB file whose vocabulary tables are taken instead of the
            export's.
        source: name of the source; the next export of the same name replaces this one.
        reading: how it is read.
        step: called with a line per step.

    Raises:
        UnreadableFileError: a folder, file or database that is absent, truncated, or not text.
        OmopFormatError: a header that is not that of its table.
        UsageError: a table to be skipped that is not there; options that do not go together.
        SiteError: no room on the disk.
    """
    reading = reading or Reading()
    with staging.new_run("omop") as partial:
        (partial.path / "raw").mkdir(mode=0o700)
        with (
            bounded_database(partial.path / ".scratch") as database,
            found_tables(
                database, place, postgres=postgres, vocabulary=vocabulary, reading=reading
            ) as found,
        ):
            for name, near in found.unrecognised.items():
                step(f"not an OMOP table: {name}" + (f" (did you mean {near}?)" if near else ""))
            for name in sorted(reading.skip):
                step(f"skip {name}")
            for table in found.tables.values():
                with _skippable(table):
                    table.look(database)
            read = []
            for table, target in _scanned(list(found.tables.values()), partial.path / "raw"):
                with _skippable(table):
                    read.append(table.load(database, target))
                step(f"stage {table.table}: {read[-1].records:,} records")
        _describe(partial, source or DEFAULT_SOURCE, found, reading, read)
    return staging.read(partial.name)


@contextmanager
def _skippable(table: TableSource) -> Iterator[None]:
    """Say with an error how the export can be staged without the table."""
    try:
        yield
    except InputError as error:
        skip = f"--skip-table {table.table} stages the others"
        error.hint = f"{error.hint}; {skip}" if error.hint else skip
        raise


def _scanned(tables: Sequence[TableSource], raw: Path) -> Iterator[tuple[TableSource, Path]]:
    """Yield the tables in turn, scanned, with the file of each; the largest are begun first."""

    def one(table: TableSource) -> Path:
        target = raw / f"{table.table}.parquet"
        with _skippable(table):
            table.scan(target)
        return target

    pool = ThreadPoolExecutor(max_workers=_AT_ONCE)
    try:
        begun = {
            table.table: pool.submit(one, table)
            for table in sorted(tables, key=lambda table: -table.size)
        }
        for table in tables:
            yield table, begun[table.table].result()
    finally:
        pool.shutdown(cancel_futures=True)


def _describe(
    partial: PartialRun, source: str, found: Found, reading: Reading, read: list[Loaded]
) -> None:
    inputs = [table.described() for table in read]
    settings = reading.settings()
    identity = {
        "kind": "omop",
        "settings": settings,
        "inputs": sorted([entry["table"], entry["sha256"]] for entry in inputs),
    }
    write_run_table(partial.path, REJECTED, pa.concat_tables([_unparsed(one) for one in read]))
    write_run_table(partial.path, LINES, pa.concat_tables([_lines(one) for one in read]))
    write_run_table(partial.path, WARNINGS, [])
    write_run_table(partial.path, NORMALISED, [])
    counted: list[dict[str, Any]] = [
        {"table_name": one.table, "file": one.file, "n_records": one.records} for one in read
    ]
    write_run_table(partial.path, TABLES_READ, counted)
    partial.describe(
        {
            "source": source,
            "source_id": hashlib.sha256(canonical_json(identity)).hexdigest(),
            "cdm_version": reading.headerless or cdm_version({o.table: o.written for o in read}),
            "inputs": inputs,
            "unrecognised_files": sorted(found.unrecognised),
            "nearest_tables": found.nearly,
            "shadowed_files": list(found.shadowed),
            "skipped_tables": sorted(reading.skip),
            "unrecognised_columns": {
                one.table: list(one.unrecognised) for one in read if one.unrecognised
            },
            "nearest_columns": {
                one.file: near for one in read if (near := _nearest_columns(partial, one))
            },
            "lines": {one.table: one.spans.lines for one in read if one.spans},
            "swallowed": {
                one.table: said for one in read if one.spans and (said := one.spans.described())
            },
            "settings": settings,
            "validated": False,
        }
    )


def _nearest_columns(partial: PartialRun, read: Loaded) -> dict[str, str]:
    """Return the columns that are left out, and the one of the table, not in it, each nearly is."""
    if not read.unrecognised:
        return {}
    there = set(pq.read_schema(partial.path / "raw" / f"{read.table}.parquet").names)
    return nearest_columns(read.unrecognised, set(TABLES[read.table].columns) - there)


def _unparsed(read: Loaded) -> pa.Table:
    """Return a row for each record that cannot be taken and each reason, by record."""
    record, line, faults = read.faulty.T
    parts = [RUN_TABLES[REJECTED].empty_table()]
    for bit, rule in FAULT_RULES.items():
        found = (faults & bit) != 0
        n = int(found.sum())
        columns: dict[str, object] = {
            "table_name": pa.repeat(read.table, n),
            "rule": pa.repeat(rule, n),
            "severity": pa.repeat("error", n),
            "file": pa.repeat(read.file, n),
            "record": record[found],
            "line": pa.nulls(n, pa.int64()) if read.lines is None else line[found],
            "column_name": pa.nulls(n, pa.string()),
        }
        parts.append(pa.table(columns, schema=RUN_TABLES[REJECTED]))
    return pa.concat_tables(parts).sort_by("record")


def _lines(read: Loaded) -> pa.Table:
    """Return where records stand; of records on no line, that the first stands nowhere."""
    schema = RUN_TABLES[LINES]
    if read.lines is None:
        return pa.Table.from_pylist([{"table_name": read.table, "record": 1}], schema)
    record, line = read.lines.T
    columns = [pa.repeat(read.table, len(record)), pa.array(record), pa.array(line)]
    return pa.table(columns, schema=schema)
