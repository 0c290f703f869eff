"""OMOP CSV files to a sealed batch in both views, against DuckDB's typed load."""

from __future__ import annotations

import csv
import shutil
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.ledger_sizes import DOMAIN, bytes_by_view
from benchmarks.measure import Cost, Job, at_site, bytes_of, gzipped, new_site, repeated, run
from benchmarks.report import Figure, costs, size
from precisionchain.schemas.omop import TABLES, Table, canonical_column
from precisionchain.synthetic.next_export import points_to_rows

GIBLEED = "omop_gibleed/csv"
SYNTHEA = "omop_synthea27nj/csv"
COPIES = 84
"""Synthea's 27 persons of New Jersey so many times over, as other persons: 2.1 million rows."""
_SHIFT = 10_000_000
_RATE = 250_000
_EHR = (DOMAIN, "Person view", "mapping", "site tables", "vocabulary slice")


def write_copies(source: Path, target: Path, copies: int) -> int:
    """Write an export of ``copies`` times the persons, with clean headers; return its rows.

    The vocabulary's tables go into ``target``'s neighbour ``vocabulary``, and are not counted.
    """
    target.mkdir(parents=True)
    vocabulary = target.parent / "vocabulary"
    vocabulary.mkdir()
    rows = 0
    with duckdb.connect() as database:
        database.execute("set enable_progress_bar = false")
        for path in sorted(source.glob("[!.]*.csv")):
            table = TABLES.get(path.stem.lower())
            if table is None:
                continue
            if table.scope == "vocabulary":
                shutil.copyfile(path, vocabulary / path.name)
                continue
            rows += _copy(database, path, target, table, copies if _is_clinical(table) else 1)
    return rows


def _is_clinical(table: Table) -> bool:
    return table.scope == "person" and table.person_column is not None


def _copy(
    database: duckdb.DuckDBPyConnection, path: Path, target: Path, table: Table, copies: int
) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        written = next(csv.reader(file))
    names = [canonical_column(table.name, name.strip().lower()) for name in written]
    spelled = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    chosen = ", ".join(
        f"cast(nullif({name}, '') as bigint) + copy * {_SHIFT} as {name}"
        if name == "person_id" or (name in table.columns and points_to_rows(table, name))
        else f'"{name}"'
        for name in names
    )
    done = database.execute(
        f"copy (select {chosen} from range({copies}) as r(copy), read_csv(?, header=true,"
        f" auto_detect=false, delim=',', quote='\"', escape='\"', columns={{{spelled}}}))"
        f" to '{target / f'{table.name}.csv'}' (header, delimiter ',')",
        [str(path)],
    )
    return int(done.fetchall()[0][0])


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of ingesting some two million rows."""
    folder, site = job.work / "export", job.work / "site"
    rows = write_copies(job.shared / SYNTHEA, folder, job.size(COPIES, 4))

    def ingest(folder: Path) -> Cost:
        shutil.rmtree(site, ignore_errors=True)
        given = (folder, "--vocabulary", job.work / "vocabulary")
        return at_site(new_site(site), "ingest", "omop", *given)

    def load(folder: Path) -> Cost:
        (job.work / "typed.duckdb").unlink(missing_ok=True)
        typed = ("benchmarks.duckdb_load", folder, job.work / "typed.duckdb")
        return run([sys.executable, "-m", *typed])

    write_copies(job.shared / SYNTHEA, job.work / "first" / "export", 1)
    ingest(job.work / "first" / "export")  # first compilations are not what is measured
    own, other = (repeated(job.repeats, partial(do, folder)) for do in (ingest, load))
    sizes = bytes_by_view(site / "ledger.sqlite")
    parquet = _as_parquet(job.work / "typed.duckdb", job.work / "parquet")
    own_too, other_too = (repeated(job.repeats, partial(do, parquet)) for do in (ingest, load))
    rate = rows / own.wall
    figures = [
        Figure(
            f"OMOP sealed in both views, {rows:,} rows",
            f"{rate:,.0f} rows/s",
            f"DuckDB typed load {rows / other.wall:,.0f} rows/s",
            own.wall / other.wall,
            f">= {_RATE:,} rows/s",
            rate >= _RATE,
        ),
        *costs("OMOP sealed in both views", own, "DuckDB typed load", other),
        *costs("the same from Parquet", own_too, "DuckDB load", other_too),
        *_sizes(folder, sizes),
    ]
    spent = {"CSV": own, "DuckDB, CSV": other, "Parquet": own_too, "DuckDB, Parquet": other_too}
    taken = {name: asdict(cost) for name, cost in spent.items()}
    return figures, {"rows": rows, "costs": taken, "ledger_bytes": sizes}


def _as_parquet(typed: Path, folder: Path) -> Path:
    """Write the tables of a database as Parquet; return the folder."""
    folder.mkdir()
    with duckdb.connect(str(typed), read_only=True) as database:
        for (name,) in database.execute("select table_name from duckdb_tables()").fetchall():
            database.execute(f"copy \"{name}\" to '{folder / name}.parquet' (format parquet)")
    return folder


def _sizes(folder: Path, sizes: dict[str, int]) -> list[Figure]:
    clinical = [path for path in folder.glob("*.csv") if TABLES[path.stem].scope == "person"]
    plain, packed = bytes_of(clinical), gzipped(clinical)
    stored = sum(sizes.get(view, 0) for view in _EHR)
    return [
        size("OMOP on the ledger", stored, "CSV", plain, 0.35),
        size("OMOP on the ledger", stored, "csv.gz", packed),
        *(size(f"of that, {view}", sizes.get(view, 0), "CSV", plain) for view in _EHR),
    ]
