"""How long a statement may take: DuckDB is interrupted when the time is over, or by Ctrl-C."""

from __future__ import annotations

import threading
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor, wait
from typing import Final, TypeVar

import duckdb

T = TypeVar("T")

_AGAIN: Final = 0.5
"""Seconds: what begins after an interruption does not know of it, so it is repeated."""


class TooLongError(Exception):
    """The time is over; whoever sets the limit says what of."""


def within_time(database: duckdb.DuckDBPyConnection, seconds: float, work: Callable[[], T]) -> T:
    """Return what some work on a database returns, unless it takes longer than some seconds.

    It is done in another thread: DuckDB looks for Ctrl-C in some of its steps only, and a thread
    that waits does so in all.

    Args:
        database: what the work uses, and nobody else meanwhile.
        seconds: that it may take; infinity for ever.
        work: called once.

    Raises:
        TooLongError: it took longer, and was interrupted.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        running = pool.submit(work)
        try:
            if not wait([running], timeout=min(seconds, threading.TIMEOUT_MAX)).done:
                raise TooLongError
            return running.result()
        finally:
            while not running.done():
                database.interrupt()
                wait([running], timeout=_AGAIN)
