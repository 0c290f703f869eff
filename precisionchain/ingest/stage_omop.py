"""``stage omop``: the files of an OMOP export become text columns in a run. Nothing is judged yet.

Each file is read twice: by our own scanner, which digests it, counts its records and finds those
that cannot be parsed, and by DuckDB. Their counts must agree.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pyarrow as pa

from precisionchain.ingest.bounded_database import bounded_database
from precisionchain.ingest.csv_records import FAULT_RULES, Scan, scan
from precisionchain.ingest.load_csv import load_csv
from precisionchain.ingest.omop_files import Found, find_tables
from precisionchain.ingest.omop_headers import Header, read_header
from precisionchain.ingest.report import Step, silent
from precisionchain.ingest.rules import RULES_VERSION
from precisionchain.ingest.run_tables import (
    LINES,
    NORMALISED,
    REJECTED,
    RUN_TABLES,
    TABLES_READ,
    WARNINGS,
    write_run_table,
)
from precisionchain.ingest.staging import FORMAT, PartialRun, Run, Staging
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.omop import TABLES, cdm_version

DEFAULT_SOURCE = "omop"

SETTINGS = {"staging": FORMAT, "rules": RULES_VERSION}
"""What shapes the rows of a run beside the files."""


@dataclass(frozen=True, slots=True)
class _Read:
    """A file that was read."""

    table: str
    path: Path
    header: Header
    scan: Scan

    def described(self) -> dict[str, Any]:
        return {
            "table": self.table,
            "file": self.path.name,
            "sha256": self.scan.sha256,
            "bytes": self.scan.size,
            "records": self.scan.records,
            "unparsed": len(self.scan.faulty),
        }


def stage_omop(
    staging: Staging,
    directory: Path,
    *,
    vocabulary: Path | None = None,
    source: str | None = None,
    step: Step = silent,
) -> Run:
    """Stage the OMOP tables of a folder as a new run; needs the site's lock.

    Args:
        staging: the site's staging area.
        directory: the export: one file a table.
        vocabulary: a folder whose vocabulary tables are taken instead of the export's.
        source: name of the source; the next export of the same name replaces this one.
        step: called with a line per step.

    Raises:
        UnreadableFileError: a folder or file that is absent, truncated, or not text.
        OmopFormatError: a header that is not that of its table.
        SiteError: no room on the disk.
    """
    found = find_tables(directory, vocabulary)
    for name, near in found.unrecognised.items():
        step(f"not an OMOP table: {name}" + (f" (did you mean {near}?)" if near else ""))
    headers = {table: read_header(path, TABLES[table]) for table, path in found.tables.items()}
    with staging.new_run("omop") as partial:
        (partial.path / "raw").mkdir(mode=0o700)
        with bounded_database(partial.path / ".scratch") as database:
            read = []
            for file in _scanned(found, headers):
                step(f"stage {file.table}: {file.scan.records:,} records")
                target = partial.path / "raw" / f"{file.table}.parquet"
                load_csv(database, file.path, file.header, file.scan, target)
                read.append(file)
        _describe(partial, source or DEFAULT_SOURCE, found, read)
    return staging.read(partial.name)


def _scanned(found: Found, headers: Mapping[str, Header]) -> Iterator[_Read]:
    """Yield the files in turn; the next is scanned while the last one is loaded."""

    def one(table: str) -> _Read:
        path, header = found.tables[table], headers[table]
        return _Read(table, path, header, scan(path, header.layout))

    pool = ThreadPoolExecutor(max_workers=1)
    try:
        yield from pool.map(one, found.tables)
    finally:
        pool.shutdown(cancel_futures=True)


def _describe(partial: PartialRun, source: str, found: Found, read: list[_Read]) -> None:
    inputs = [file.described() for file in read]
    identity = {
        "kind": "omop",
        "settings": SETTINGS,
        "inputs": sorted([entry["table"], entry["sha256"]] for entry in inputs),
    }
    write_run_table(partial.path, REJECTED, pa.concat_tables([_unparsed(file) for file in read]))
    write_run_table(partial.path, LINES, pa.concat_tables([_lines(file) for file in read]))
    write_run_table(partial.path, WARNINGS, [])
    write_run_table(partial.path, NORMALISED, [])
    counted = [
        {"table_name": file.table, "file": file.path.name, "n_records": file.scan.records}
        for file in read
    ]
    write_run_table(partial.path, TABLES_READ, counted)
    partial.describe(
        {
            "source": source,
            "source_id": hashlib.sha256(canonical_json(identity)).hexdigest(),
            "cdm_version": cdm_version({file.table: file.header.written for file in read}),
            "inputs": inputs,
            "unrecognised_files": sorted(found.unrecognised),
            "nearest_tables": {name: near for name, near in found.unrecognised.items() if near},
            "shadowed_files": list(found.shadowed),
            "unrecognised_columns": {
                file.table: list(file.header.unrecognised)
                for file in read
                if file.header.unrecognised
            },
            "settings": SETTINGS,
            "validated": False,
        }
    )


def _unparsed(file: _Read) -> pa.Table:
    """Return a row for each record that cannot be parsed and each reason, by record."""
    record, line, faults = file.scan.faulty.T
    parts = [RUN_TABLES[REJECTED].empty_table()]
    for bit, rule in FAULT_RULES.items():
        found = (faults & bit) != 0
        n = int(found.sum())
        columns: dict[str, object] = {
            "table_name": pa.repeat(file.table, n),
            "rule": pa.repeat(rule, n),
            "severity": pa.repeat("error", n),
            "file": pa.repeat(file.path.name, n),
            "record": record[found],
            "line": line[found],
            "column_name": pa.nulls(n, pa.string()),
        }
        parts.append(pa.table(columns, schema=RUN_TABLES[REJECTED]))
    return pa.concat_tables(parts).sort_by("record")


def _lines(file: _Read) -> pa.Table:
    record, line = file.scan.lines.T
    columns = [pa.repeat(file.table, len(record)), pa.array(record), pa.array(line)]
    return pa.table(columns, schema=RUN_TABLES[LINES])
