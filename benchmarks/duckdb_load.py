"""DuckDB's typed load of a folder of clean OMOP files: ``python -m benchmarks.duckdb_load DIR DB``.

What an analyst would do without us: each file into a table, every column with its CDM type; those
of Parquet have types.
"""

from __future__ import annotations

import csv
import sys
from pathlib import Path

import duckdb

from precisionchain.schemas.omop import TABLES


def load(folder: Path, target: Path) -> int:
    """Load every file named like a CDM table; return the rows."""
    rows = 0
    with duckdb.connect(str(target)) as database:
        database.execute("set enable_progress_bar = false")
        for path in sorted(folder.glob("*.parquet")):
            done = database.execute(
                f'create table "{path.stem}" as from read_parquet(?)', [str(path)]
            )
            rows += done.fetchall()[0][0]
        for path in sorted(folder.glob("*.csv")):
            table = TABLES.get(path.stem)
            if table is None:
                continue
            with path.open(encoding="utf-8", newline="") as file:
                names = next(csv.reader(file))
            known = {field.name: field.lexical.sql_type for field in table.fields}
            columns = ", ".join(f"'{name}': '{known.get(name, 'VARCHAR')}'" for name in names)
            done = database.execute(
                f'create table "{table.name}" as select * from read_csv(?, header=true,'
                f" auto_detect=false, delim=',', quote='\"', escape='\"', columns={{{columns}}})",
                [str(path)],
            )
            rows += done.fetchall()[0][0]
    return rows


if __name__ == "__main__":
    print(load(Path(sys.argv[1]), Path(sys.argv[2])))
