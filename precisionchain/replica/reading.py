"""What to say when a file of the replica cannot be read: that it is damaged, if it is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager

from precisionchain.errors import IntegrityError
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.digests import damage, read_digests

REBUILD = "delete the replica folder and run `precisionchain sync`: it is rebuilt"


@contextmanager
def reading(snapshot: Snapshot) -> Iterator[None]:
    """Read files of a generation; an error of a library is ours where a file is not what it was.

    Raises:
        IntegrityError: a file is missing, or not what sync wrote.
    """
    try:
        yield
    except Exception as error:
        if type(error).__module__.partition(".")[0] not in _LIBRARIES:
            raise
        wrong = next(damage(snapshot, read_digests(snapshot) or {}), None)
        if wrong is None:
            raise
        raise IntegrityError(
            f"the replica is damaged: {wrong}", where="replica", hint=REBUILD
        ) from error


_LIBRARIES = frozenset({"builtins", "duckdb", "polars", "pyarrow"})
"""Where errors come from that reading a damaged file raises; not ours."""
