"""One SELECT over a site's own staging, in a database that can reach nothing else."""

from __future__ import annotations

import duckdb
import polars as pl

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.errors import UsageError
from precisionchain.ingest.staging import Staging

_HIDDEN = (
    duckdb.token_type.string_const,
    duckdb.token_type.numeric_const,
    duckdb.token_type.comment,
)


def answer(staging: Staging, statement: str, site: str) -> Evaluated[pl.DataFrame]:
    """Return the rows of a SELECT with the persons they show.

    The database holds views over the newest runs; it may read the staging folder and nothing else,
    and its settings are locked before the statement is run.

    Args:
        staging: the site's staging area.
        statement: one SELECT.
        site: the site's name, whose persons a ``person_id`` column shows.

    Raises:
        UsageError: it is not one SELECT, or cannot be answered.
    """
    with staging.database() as database:
        database.execute(f"set allowed_directories = ['{_quoted(staging)}']")
        database.execute("set enable_external_access = false")
        database.execute("set lock_configuration = true")
        try:
            statements = duckdb.extract_statements(statement)
            if len(statements) != 1 or statements[0].type != duckdb.StatementType.SELECT:
                raise UsageError("not one SELECT", hint="the staging area is read-only")
            frame = pl.DataFrame(database.sql(statement).to_arrow_table())
        except duckdb.Error as error:
            raise UsageError(
                _said(error), hint="tables: select view_name from duckdb_views()"
            ) from error
    shown = frame
    if "person_id" in frame.columns and not frame["person_id"].dtype.is_integer():
        shown = frame.with_columns(pl.col("person_id").cast(pl.Int64, strict=False))
    evaluated = evaluated_frame(shown, site=site)
    return Evaluated(
        frame,
        evaluated.rows,
        evaluated.digest,
        evaluated.persons_returned,
        evaluated.persons_contributed,
        evaluated.variants_returned,
    )


def redacted(statement: str) -> str:
    """Return a statement with ``?`` for its strings, numbers and comments, as it is logged.

    The access log is read by every member, and what is searched for in staging may be a value that
    must not leave the site.
    """
    tokens = duckdb.tokenize(statement)
    bounds = [*(start for start, _ in tokens), len(statement)]
    pieces = []
    for (start, kind), end in zip(tokens, bounds[1:], strict=True):
        text = statement[start:end]
        hidden = kind in _HIDDEN
        pieces.append("?" + text[len(text.rstrip()) :] if hidden else text)
    return "".join(pieces).strip()


def _said(error: duckdb.Error) -> str:
    """Return what DuckDB says of a statement; of rows it read, only the kind of error.

    A conversion error quotes the cell; parser, binder and catalogue errors quote the statement.
    """
    about_statement = duckdb.ParserException | duckdb.BinderException | duckdb.CatalogException
    if isinstance(error, about_statement):
        return str(error).partition("\n")[0]
    return f"the statement cannot be answered ({type(error).__name__})"


def _quoted(staging: Staging) -> str:
    return str(staging.directory.absolute()).replace("'", "''")
