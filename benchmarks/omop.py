"""OMOP CSV files to a sealed batch in both views, against DuckDB's typed load."""

from __future__ import annotations

import csv
import shutil
import sys
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb

from benchmarks.ledger_sizes import DOMAIN, bytes_by_view
from benchmarks.measure import bytes_of, gzipped, middle, precisionchain, run
from benchmarks.report import Figure, megabytes, seconds
from precisionchain.schemas.omop import TABLES, canonical_column

GIBLEED = "omop_gibleed/csv"
COPIES = 8
"""GiBleed eight times over, as other persons: more than two million rows."""
_SHIFT = 100_000_000
_EHR = (DOMAIN, "Person view", "mapping", "site tables", "vocabulary slice")


def write_copies(source: Path, target: Path, copies: int) -> int:
    """Write an export of ``copies`` times the persons, with clean headers; return its rows."""
    target.mkdir()
    rows = 0
    with duckdb.connect() as database:
        database.execute("set enable_progress_bar = false")
        for path in sorted(source.glob("*.csv")):
            table = TABLES.get(path.stem.lower())
            if table is not None:
                clinical = table.scope == "person"
                rows += _copy(database, path, target, table.name, copies if clinical else 1)
    return rows


def _copy(
    database: duckdb.DuckDBPyConnection, path: Path, target: Path, table: str, copies: int
) -> int:
    with path.open(encoding="utf-8-sig", newline="") as file:
        written = next(csv.reader(file))
    names = [canonical_column(table, _tidy(name)) for name in written]
    spelled = ", ".join(f"'{name}': 'VARCHAR'" for name in names)
    own = {"person_id", str(TABLES[table].primary_key)}
    chosen = ", ".join(
        f"cast({name} as bigint) + copy * {_SHIFT} as {name}" if name in own else f'"{name}"'
        for name in names
    )
    done = database.execute(
        f"copy (select {chosen if copies > 1 else '* exclude (copy)'} from read_csv(?, header=true,"
        f" auto_detect=false, delim=',', quote='\"', escape='\"', columns={{{spelled}}}),"
        f" range({copies}) as r(copy)) to '{target / f'{table}.csv'}' (header, delimiter ',')",
        [str(path)],
    )
    return int(done.fetchall()[0][0])


def _tidy(name: str) -> str:
    plain = name.strip().lower()
    if plain.startswith("date(") and plain.endswith(",'unixepoch')"):
        plain = plain[len("date(") : -len(",'unixepoch')")]
    return plain if plain.isidentifier() else "unnamed"


def measure(shared: Path, work: Path, repeats: int) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of ingesting some two million rows."""
    folder = work / "omop_copies"
    rows = write_copies(shared / GIBLEED, folder, COPIES)
    ours = []
    for number in range(repeats):
        site = work / f"omop_{number}"
        run(precisionchain("init", site, "--site", "A", "--build", "GRCh37"))
        ours.append(run(precisionchain("-C", site, "ingest", "omop", folder)))
        if number:
            shutil.rmtree(site)
    loads = []
    for number in range(repeats):
        database = work / f"typed_{number}.duckdb"
        loads.append(run([sys.executable, "-m", "benchmarks.duckdb_load", folder, database]))
        database.unlink()
    own, other = middle(ours), middle(loads)
    sizes = bytes_by_view(work / "omop_0" / "ledger.sqlite")
    figures = [
        Figure(
            f"OMOP sealed in both views, {rows:,} rows",
            f"{rows / own.wall:,.0f} rows/s",
            f"DuckDB typed load {rows / other.wall:,.0f} rows/s",
            own.wall / other.wall,
            ">= 250,000 rows/s",
        ),
        Figure(
            "OMOP sealed in both views, CPU",
            seconds(own.cpu),
            f"DuckDB typed load {seconds(other.cpu)}",
            own.cpu / other.cpu,
        ),
        Figure(
            "ingest omop, peak memory",
            megabytes(own.peak_bytes),
            f"DuckDB {megabytes(other.peak_bytes)}",
            own.peak_bytes / other.peak_bytes,
            "< 1 GB",
        ),
        *_sizes(folder, sizes),
    ]
    details = {
        "rows": rows,
        "costs": {"ingest omop": asdict(own), "duckdb": asdict(other)},
        "ledger_bytes": sizes,
    }
    return figures, details


def _sizes(folder: Path, sizes: dict[str, int]) -> list[Figure]:
    clinical = [path for path in folder.glob("*.csv") if TABLES[path.stem].scope == "person"]
    plain, packed = bytes_of(clinical), gzipped(clinical)
    figures = []
    for view in (*_EHR, "together"):
        size = sum(sizes.get(v, 0) for v in _EHR) if view == "together" else sizes.get(view, 0)
        bar = "<= 0.35" if view == "together" else ""
        what = f"OMOP on the ledger, {view}"
        figures.append(Figure(what, megabytes(size), f"CSV {megabytes(plain)}", size / plain, bar))
        figures.append(Figure(what, megabytes(size), f"csv.gz {megabytes(packed)}", size / packed))
    return figures
