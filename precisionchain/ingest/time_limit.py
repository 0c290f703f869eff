"""How long a statement may take: DuckDB is interrupted from a thread when the time is over."""

from __future__ import annotations

import threading
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Final

import duckdb

_AGAIN: Final = 0.5
"""Seconds: what begins after an interruption does not know of it, so it is repeated."""


class TooLongError(Exception):
    """The time is over; whoever sets the limit says what of."""


@contextmanager
def time_limit(database: duckdb.DuckDBPyConnection, seconds: float) -> Iterator[None]:
    """Interrupt what a database does when it takes longer than some seconds.

    Raises:
        TooLongError: it was interrupted.
    """
    done, over = threading.Event(), threading.Event()

    def watch() -> None:
        wait = seconds
        while not done.wait(wait):
            over.set()
            wait = _AGAIN
            database.interrupt()

    watching = threading.Thread(target=watch, daemon=True)
    watching.start()
    try:
        yield
    except duckdb.InterruptException:
        if over.is_set():
            raise TooLongError from None
        raise
    finally:
        done.set()
        watching.join()
