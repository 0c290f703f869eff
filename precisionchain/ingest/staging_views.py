"""Views over staged runs, so that plain DuckDB reads staging.

The file holds views and nothing else: opening it costs nothing, and replacing it harms nobody. Its
views name absolute paths, because DuckDB resolves relative ones against the reader's working
directory; after a site folder was moved, the next command that stages writes them anew.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path

import duckdb

from precisionchain.ingest.run_tables import LINES, RUN_TABLES
from precisionchain.ingest.sql_text import identifier, literal, parquet
from precisionchain.ingest.staging import Run

VCF_FILES = (
    *("samples", "sites", "counts", "extent", "refused", "blocks"),
    *("excluded", "person_figures", "overruled"),
)
"""Files of a run of genotypes that are views under their own names."""

_DESCRIBED = [name for name in RUN_TABLES if name != LINES]
_RUN_COLUMNS = ("run", "kind", "source", "source_id", "cdm_version", "build", "validated")


def write_views(statements: Sequence[str], target: Path) -> None:
    """Write a database of `view_statements`, and put it into place by rename."""
    partial = target.with_name(f".{target.name}.partial")
    partial.unlink(missing_ok=True)
    with duckdb.connect(str(partial)) as database:
        _create(database, statements)
    partial.chmod(0o600)
    # A write-ahead log that an analyst's session left belongs to the older file alone.
    target.with_name(f"{target.name}.wal").unlink(missing_ok=True)
    partial.replace(target)


def database_of_views(runs: Sequence[Run]) -> duckdb.DuckDBPyConnection:
    """Return a database in memory with views over runs."""
    database = duckdb.connect()
    _create(database, view_statements(runs))
    return database


def _create(database: duckdb.DuckDBPyConnection, statements: Sequence[str]) -> None:
    database.begin()
    for statement in statements:
        database.execute(statement)
    database.commit()


def view_statements(runs: Sequence[Run]) -> list[str]:
    """Return what creates the views over runs, by name."""
    parts: dict[str, list[str]] = {}
    for run in runs:
        for view, rows in _omop_rows(run) if run.kind == "omop" else _vcf_rows(run):
            select = f"SELECT *, {literal(run.source)} AS _source FROM {rows}"
            parts.setdefault(view, []).append(select)
    for view in _DESCRIBED:
        names = [*RUN_TABLES[view].names, "_source"]
        parts.setdefault(view, [f"SELECT {_nulls(names)} WHERE false"])
    views = {view: " UNION ALL BY NAME ".join(selects) for view, selects in parts.items()}
    views["runs"] = _runs(runs)
    return [f"CREATE VIEW {identifier(view)} AS {select}" for view, select in sorted(views.items())]


def _omop_rows(run: Run) -> Iterator[tuple[str, str]]:
    from precisionchain.ingest.raw_rows import RawRows  # it loads the tables of OMOP

    unparsed = {entry["table"]: entry["unparsed"] for entry in run.description["inputs"]}
    path = run.path.absolute()
    for file in sorted(path.glob("accepted/*.parquet")):
        yield file.stem, parquet(file)
    for file in sorted(path.glob("raw/*.parquet")):
        yield f"raw_{file.stem}", RawRows(path, file.stem, unparsed[file.stem]).text()
    for name in _DESCRIBED:
        if (path / f"{name}.parquet").exists():  # of data quality, once it is validated
            yield name, parquet(path / f"{name}.parquet")


def _vcf_rows(run: Run) -> Iterator[tuple[str, str]]:
    for name in VCF_FILES:
        file = run.path.absolute() / f"{name}.parquet"
        if file.exists():
            yield name, parquet(file)


def _nulls(names: Sequence[str]) -> str:
    return ", ".join(f"NULL AS {identifier(name)}" for name in names)


def _runs(runs: Sequence[Run]) -> str:
    rows = [
        f"({literal(run.name)}, {literal(run.kind)}, {literal(run.source)},"
        f" {literal(run.source_id)}, {_text(run.description.get('cdm_version'))},"
        f" {_text(run.description.get('build'))}, {str(run.validated).lower()})"
        for run in runs
    ]
    if not rows:
        return f"SELECT {_nulls(_RUN_COLUMNS)} WHERE false"
    return f"SELECT * FROM (VALUES {', '.join(rows)}) AS run ({', '.join(_RUN_COLUMNS)})"


def _text(value: str | None) -> str:
    return "CAST(NULL AS VARCHAR)" if value is None else literal(value)
