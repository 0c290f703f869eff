"""One SELECT over a site's own staging, in a database that can reach nothing else."""

from __future__ import annotations

import re

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
_DAYS = (-719_162, 2_932_896)
"""The first and the last day of years 1 to 9999, counted from 1970-01-01."""
_PLAIN_WORD = re.compile(rb"[A-Za-z_]+[0-9]?")
"""A name of a table or column, or an alias such as ``t1``; a record number is none."""


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
    if statement != statement.encode(errors="replace").decode():
        raise UsageError("the statement is not text in UTF-8")
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
        except pl.exceptions.PolarsError as error:
            raise UsageError(
                "two columns of one name, or a type such as INTERVAL or UNION that no frame holds",
                hint="name columns with AS, cast them to VARCHAR",
            ) from error
    _require_years_of_a_calendar(frame)
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


def _require_years_of_a_calendar(frame: pl.DataFrame) -> None:
    """Refuse dates and times outside years 1 to 9999, infinite ones too: no format writes them."""
    dates, times = pl.selectors.date(), pl.selectors.datetime("us")
    days = frame.select(dates.to_physical(), times.to_physical() // 86_400_000_000)
    if not all(column.is_between(*_DAYS).all() for column in days):
        raise UsageError(
            "a date or time outside years 1 to 9999", hint="cast it to VARCHAR to look at it"
        )


def redacted(statement: str) -> str:
    """Return a statement as it is logged: with ``?`` for what may be a value of a record.

    These are strings, numbers, comments, names in double quotes (meant as strings, by a slip that
    SQL invites) and words that hold a number or letters beyond ASCII. The access log is read by
    every member, and what is searched for in staging may be a value that must not leave the site.
    """
    # DuckDB counts in bytes, so bytes are what is cut.
    typed = statement.encode(errors="replace")
    tokens = duckdb.tokenize(typed.decode())
    bounds = [*(start for start, _ in tokens), len(typed)]
    pieces, glued = [], False
    for (start, kind), end in zip(tokens, bounds[1:], strict=True):
        text = typed[start:end]
        bare = text.rstrip()
        word = kind == duckdb.token_type.identifier
        hidden = bare != b"." and (
            kind in _HIDDEN or (word and (glued or not _PLAIN_WORD.fullmatch(bare)))
        )
        pieces.append(b"?" + text[len(bare) :] if hidden else text)
        glued = hidden and bare == text  # `00777MRN` is a number and a word
    return b"".join(pieces).decode(errors="replace").strip()


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
