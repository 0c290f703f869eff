"""What a run has lost, for whoever ingests it: lines that records swallow, tables that are mostly
rejected, files and columns that are left out. Warnings, without anything of a record.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import TYPE_CHECKING, Final

from precisionchain.ingest.run_tables import REJECTED, TABLES_READ

if TYPE_CHECKING:
    from precisionchain.ingest.staging import Run

MOST: Final = 0.75
"""Share of a table's records; above it, that they are rejected is said apart."""


def swallowed_lines(run: Run) -> Iterator[str]:
    """Yield a warning for each file in which a record swallows the lines after it."""
    files = {entry["table"]: entry["file"] for entry in run.description.get("inputs", ())}
    for table, said in run.description.get("swallowed", {}).items():
        records = f"{said['records']} record" + ("s take" if said["records"] > 1 else " takes")
        begins = f"line {said['longest_begins']}"
        if said["records"] > 1:
            begins = f"the longest, of {said['longest']}, begins in {begins}"
        else:
            begins = f"it begins in {begins}"
        yield (
            f"{files[table]}: {records} {said['lines']} lines and cannot be parsed: is a quotation"
            f" mark open? {begins}"
        )


def mostly_rejected(run: Run) -> Iterator[str]:
    """Yield a warning for each table of a validated run most of whose records are rejected."""
    import polars as pl

    tables = pl.read_parquet(run.path / f"{TABLES_READ}.parquet")
    share = pl.col("n_rejected") / pl.col("n_records")
    for row in tables.filter(pl.col("n_records") > 0, share > MOST).iter_rows(named=True):
        rejected = pl.scan_parquet(run.path / f"{REJECTED}.parquet").filter(
            pl.col("table_name") == row["table_name"]
        )
        rules = rejected.group_by("rule").agg(pl.col("record").n_unique()).collect()
        most = rules.sort("record", "rule", descending=[True, False]).row(0)
        yield (
            f"{row['table_name']}: {row['n_rejected']} of {row['n_records']} records are rejected,"
            f" {most[1]} of them by {most[0]}"
        )


def left_out(run: Run) -> Iterator[str]:
    """Yield a warning about files and columns left out, and named nearly as in the CDM.

    No other column is named: what is nearly a column of the CDM is no patient's value.
    """
    tables: dict[str, str] = run.description.get("nearest_tables", {})
    columns: dict[str, dict[str, str]] = run.description.get("nearest_columns", {})
    named = [f"{name} (nearly {table})" for name, table in tables.items()]
    for file, nearly in columns.items():
        named += [f"column {name} of {file} (nearly {near})" for name, near in nearly.items()]
    if named:
        yield (
            f"left out, because of their names: {', '.join(named)}; rename them (tables are in"
            " .csv, .tsv or .txt, also .gz, or in .parquet), or say in a file of --columns what"
            " they are"
        )
