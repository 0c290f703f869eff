"""The Parquet files beside the rows of an OMOP run, and their columns."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

_TEXT: pa.DataType = pa.string()
_NUMBER: pa.DataType = pa.int64()

REJECTED = "rejected"
WARNINGS = "warnings"
NORMALISED = "normalised"
TABLES_READ = "tables"
LINES = "lines"
QUALITY = "quality"
UNMAPPED = "unmapped"

RUN_TABLES: Mapping[str, pa.Schema] = {
    # A record with two reasons has two rows.
    REJECTED: pa.schema(
        [
            ("table_name", _TEXT),
            ("rule", _TEXT),
            ("severity", _TEXT),
            ("file", _TEXT),
            ("record", _NUMBER),
            ("line", _NUMBER),
            ("column_name", _TEXT),
        ]
    ),
    # n accepted rows that the rule finds fault with.
    WARNINGS: pa.schema(
        [
            ("table_name", _TEXT),
            ("rule", _TEXT),
            ("severity", _TEXT),
            ("column_name", _TEXT),
            ("n", _NUMBER),
        ]
    ),
    # n cells that are spelled otherwise than their values are written.
    NORMALISED: pa.schema(
        [
            ("table_name", _TEXT),
            ("column_name", _TEXT),
            ("normalisation", _TEXT),
            ("n", _NUMBER),
        ]
    ),
    # n_records by our own count; n_accepted and n_rejected are null until the run is validated.
    TABLES_READ: pa.schema(
        [
            ("table_name", _TEXT),
            ("file", _TEXT),
            ("n_records", _NUMBER),
            ("n_accepted", _NUMBER),
            ("n_rejected", _NUMBER),
        ]
    ),
    # n checked and n violating of each rule, by table and column (empty: of the whole row).
    QUALITY: pa.schema(
        [
            ("rule", _TEXT),
            ("severity", _TEXT),
            ("family", _TEXT),
            ("table_name", _TEXT),
            ("column_name", _TEXT),
            ("n_checked", _NUMBER),
            ("n_violating", _NUMBER),
            ("threshold", pa.float64()),
            ("block", pa.float64()),
        ]
    ),
    # Source values of accepted rows whose main concept is 0. They never leave the site.
    UNMAPPED: pa.schema(
        [
            ("table_name", _TEXT),
            ("source_value", _TEXT),
            ("source_concept_id", _NUMBER),
            ("n_rows", _NUMBER),
            ("n_persons", _NUMBER),
        ]
    ),
    # Where the line of a record is not the one after the last record's: line by record.
    LINES: pa.schema([("table_name", _TEXT), ("record", _NUMBER), ("line", _NUMBER)]),
}


def write_run_table(run: Path, name: str, rows: pa.Table | list[dict[str, object]]) -> None:
    """Write one of these files."""
    schema = RUN_TABLES[name]
    table = rows.cast(schema) if isinstance(rows, pa.Table) else pa.Table.from_pylist(rows, schema)
    pq.write_table(table, run / f"{name}.parquet")


def read_run_table(run: Path, name: str) -> pa.Table:
    """Read one of these files."""
    return pq.read_table(run / f"{name}.parquet", schema=RUN_TABLES[name])
