"""Work done ahead of who takes it, by another thread, in order and within bounds."""

from __future__ import annotations

from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from typing import Final, TypeVar

T = TypeVar("T")
R = TypeVar("R")

MOST: Final = 8
"""Results that wait to be taken, and so are in memory."""


def ahead(
    work: Callable[[T], R], items: Iterable[T], *, threads: int = 1, most: int = MOST
) -> Iterator[R]:
    """Yield ``work(item)`` of each item in order, as ``map`` does; threads work ahead.

    The items themselves are made by the caller's thread, when it asks for a result. What an item
    or the work on it raises is raised where its result would be yielded. It pays where both sides
    spend their time outside the interpreter: compressing, digesting, reading and writing.

    Args:
        work: called in another thread.
        items: taken at most ``most`` ahead of the result that is asked for.
        threads: how many work; calls overlap where there is more than one.
        most: results that may wait.
    """
    waiting: deque[Future[R]] = deque()
    pool = ThreadPoolExecutor(max_workers=threads)
    try:
        for item in items:
            waiting.append(pool.submit(work, item))
            while waiting and (len(waiting) > most or waiting[0].done()):
                yield waiting.popleft().result()
        while waiting:
            yield waiting.popleft().result()
    finally:
        pool.shutdown(cancel_futures=True)
