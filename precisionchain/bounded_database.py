"""DuckDB as bulk work uses it: in memory, in order, within bounds, its errors translated."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import duckdb

from precisionchain.errors import PrecisionChainError, SiteError

MEMORY = "512MB"
"""DuckDB spills to the scratch folder beyond it; the process needs about 200 MB more."""
LATER_MEMORY = "384MB"
"""The same of what is done once rows are staged, when the process has grown already."""


@contextmanager
def bounded_database(
    scratch: Path, memory: str = MEMORY, threads: int | None = None
) -> Iterator[duckdb.DuckDBPyConnection]:
    """Give a database of its own that spills to a folder, which is removed before and after.

    Args:
        scratch: the folder; what a job that died left in it is of no use to anybody.
        memory: what DuckDB may hold, beyond which it spills, in its own words.
        threads: how many it may use; one for each core by default. Each pins blocks of its own.

    Raises:
        SiteError: the disk or the memory is used up, or a file of the run is gone.
        PrecisionChainError: a value DuckDB could not take. Its own words are dropped: they quote
            the cell.
    """
    settings: dict[str, str | bool | int | float | list[str]] = {
        "memory_limit": memory,
        "temp_directory": str(scratch),
        "preserve_insertion_order": True,
    }
    if threads is not None:
        settings["threads"] = threads
    shutil.rmtree(scratch, ignore_errors=True)
    with _said_of(scratch), duckdb.connect(config=settings) as database:
        database.execute("SET enable_progress_bar = false")
        yield database


@contextmanager
def bounded(database: duckdb.DuckDBPyConnection, scratch: Path) -> Iterator[None]:
    """Keep a database that there is within bounds, too, and close it at the end.

    Raises:
        SiteError: as of `bounded_database`.
        PrecisionChainError: likewise.
    """
    with _said_of(scratch), database:
        database.execute(f"SET memory_limit = '{LATER_MEMORY}'")
        database.execute("SET temp_directory = ?", [str(scratch)])
        yield


@contextmanager
def _said_of(scratch: Path) -> Iterator[None]:
    where = str(scratch.parent)
    try:
        yield
    except duckdb.OutOfMemoryException:  # also where the disk that it spills to is full
        raise SiteError(
            "DuckDB has used up the memory that it is given, or the room to spill to",
            where=where,
            hint="is there room on the disk? if so, it is a fault of ours: please report it",
        ) from None
    except duckdb.IOException as error:
        raise SiteError(
            f"DuckDB could not read or write there ({type(error).__name__})",
            where=where,
            hint="is there room on the disk? run the command again: nothing half-done is left",
        ) from None
    except (duckdb.ConversionException, duckdb.InvalidInputException, duckdb.OutOfRangeException):
        raise PrecisionChainError(
            "DuckDB refused a value that the rules accept", hint="a fault of ours: please report it"
        ) from None
    finally:
        shutil.rmtree(scratch, ignore_errors=True)
