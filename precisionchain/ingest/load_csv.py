"""One table's file into ``raw/<table>.parquet``: text columns, nothing judged, nothing lost."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from precisionchain.errors import UnreadableFileError
from precisionchain.ingest.csv_records import LONGEST_RECORD, Int64s, Scan, is_gzip, rewrite
from precisionchain.ingest.omop_headers import Header
from precisionchain.ingest.sql_text import identifier, literal, parquet

PARQUET = "FORMAT parquet, COMPRESSION snappy, DICTIONARY_SIZE_LIMIT 4096, WRITE_BLOOM_FILTER false"


def load_csv(
    database: duckdb.DuckDBPyConnection,
    path: Path,
    header: Header,
    scan: Scan,
    target: Path,
    *,
    constants: Mapping[str, str] | None = None,
) -> None:
    """Write the cells of a file as VARCHAR columns, in record order, with ``_file``.

    Args:
        database: that reads and writes.
        path: the file.
        header: of it.
        scan: of it.
        target: the Parquet file to write.
        constants: column -> cell, of columns that the file has not.

    Row *n* is record *n*; a record that cannot be parsed is a row of NULLs. An empty cell is NULL
    and a quoted empty string is the empty string, to be judged later.

    Raises:
        UnreadableFileError: DuckDB finds other records than the scan did.
    """
    written = 0
    if not scan.records:
        _write(database, f"{_no_rows(header)} WHERE false", path, target)
    elif scan.newline is not None and not is_gzip(path):
        rows = _read_csv(path, header, scan.newline, skip=header.layout.header_lines)
        written = _write(database, f"SELECT * FROM {rows}", path, target)
    else:
        copy = target.with_suffix(".csv")
        rewrite(path, header.layout, copy)
        rows = _read_csv(copy, header, "\n", skip=0)
        written = _write(database, f"SELECT * FROM {rows}", path, target)
        copy.unlink()
    if written != scan.records:
        raise UnreadableFileError(
            f"we count {scan.records} records and DuckDB {written}",
            where=path.name,
            hint="a fault of ours: please report it; the file's quotation marks may be unusual",
        )
    if constants:
        _add_constants(database, target, constants, scan.faulty[:, 0])


def _add_constants(
    database: duckdb.DuckDBPyConnection, target: Path, constants: Mapping[str, str], faulty: Int64s
) -> None:
    """Give every row some cells more; a record that cannot be parsed stays a row of NULLs."""
    database.register("faulty_records", pa.table({"record": faulty}))
    given = ", ".join(
        f"CASE WHEN file_row_number + 1 NOT IN (SELECT record FROM faulty_records)"
        f" THEN {literal(cell)} END AS {identifier(name)}"
        for name, cell in constants.items()
    )
    without = target.rename(target.with_suffix(".without"))
    database.execute(
        f"COPY (SELECT * EXCLUDE (_file), {given}, _file FROM {parquet(without)})"
        f" TO {literal(target)} ({PARQUET})"
    )
    without.unlink()


def _write(database: duckdb.DuckDBPyConnection, select: str, path: Path, target: Path) -> int:
    try:
        done = database.execute(
            f"COPY (SELECT *, {literal(path.name)} AS _file FROM ({select}))"
            f" TO {literal(target)} ({PARQUET})"
        ).fetchall()
    except duckdb.InvalidInputException:
        # DuckDB quotes the line it stumbled over: its words must not travel on.
        raise UnreadableFileError("DuckDB cannot read the file", where=path.name) from None
    return int(done[0][0])


def _read_csv(path: Path, header: Header, newline: str, *, skip: int) -> str:
    layout = header.layout
    quote = '"' if layout.quoting else ""
    columns = ", ".join(f"{literal(name)}: 'VARCHAR'" for name in header.columns)
    return (
        f"read_csv({literal(path)}, columns = {{{columns}}}, auto_detect = false, header = false,"
        f" skip = {skip}, delim = {literal(layout.delimiter)}, quote = {literal(quote)},"
        f" escape = {literal(quote)}, {_new_line(newline)}"
        f" compression = 'none', encoding = 'utf-8', strict_mode = true,"
        f" allow_quoted_nulls = false, store_rejects = true,"
        f" maximum_line_size = {LONGEST_RECORD + 100_000})"
    )


def _new_line(newline: str) -> str:
    # DuckDB 2.0 told of CRLF finds no rows, and not told of LF refuses a CR in quotation marks.
    return "new_line = '\\n'," if newline == "\n" else ""


def _no_rows(header: Header) -> str:
    columns = ", ".join(f"CAST(NULL AS VARCHAR) AS {identifier(name)}" for name in header.columns)
    return f"SELECT {columns}"
