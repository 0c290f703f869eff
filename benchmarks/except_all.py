"""What differs between two exports, by DuckDB: ``python -m benchmarks.except_all OLD NEW``.

Rows of a table are compared as multisets, in the columns that leave a site. With ``--renumbered``
the new export's keys are those that `renumbered` gives, and a row's own key does not count. Prints
table -> [rows of the old export alone, rows of the new one alone] as JSON.
"""

from __future__ import annotations

import csv
import json
import sys
from pathlib import Path

import duckdb

from precisionchain.schemas.omop import TABLES, Table
from precisionchain.synthetic.next_export import points_to_rows, renumbered

ROWS = (
    "(select {cells} from read_csv('{path}', header = true, auto_detect = false, delim = ',',"
    " quote = '\"', escape = '\"', columns = {{{columns}}}))"
)


def differences(old: Path, new: Path, *, anew: bool = False) -> dict[str, tuple[int, int]]:
    """Return table -> rows of the old export alone, and of the new one alone."""
    found = {}
    with duckdb.connect() as database:
        database.execute("set enable_progress_bar = false")
        for path in sorted(new.glob("*.csv")):
            table = TABLES[path.stem]
            if not table.published_columns:
                continue
            one = _rows(table, old / path.name, anew=anew, translated=anew)
            two = _rows(table, path, anew=anew)
            alone = [
                database.execute(f"select count(*) from (from {a} except all from {b})").fetchall()
                for a, b in ((one, two), (two, one))
            ]
            found[table.name] = (alone[0][0][0], alone[1][0][0])
    return found


def _rows(table: Table, path: Path, *, anew: bool, translated: bool = False) -> str:
    with path.open(encoding="utf-8", newline="") as file:
        written = next(csv.reader(file))
    own = {table.primary_key} | {f.name for f in table.fields if f.references == table.name}
    kept = [
        name
        for name in written
        if name in table.published_columns
        and not (anew and name in own and points_to_rows(table, name))
    ]
    cells = ", ".join(
        f"{renumbered(name)}::varchar as {name}"
        if translated and points_to_rows(table, name)
        else name
        for name in kept
    )
    columns = ", ".join(f"'{name}': 'VARCHAR'" for name in written)
    return ROWS.format(cells=cells, path=path, columns=columns)


if __name__ == "__main__":
    folders = [Path(word) for word in sys.argv[1:3]]
    print(json.dumps(differences(*folders, anew="--renumbered" in sys.argv)))
