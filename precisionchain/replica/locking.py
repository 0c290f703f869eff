"""The replica's own lock."""

from __future__ import annotations

import fcntl
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path


@contextmanager
def one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the replica's own lock: readers never take it, two syncs would do the same work."""
    with (root / ".sync.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
