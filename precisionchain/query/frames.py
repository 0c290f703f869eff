"""Frames the queries share: cached index files, and what an answer always begins with."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import polars as pl

from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept

KEPT_BYTES = 64 * 2**20
"""Bytes of persons' rows, unpacked, that a program keeps once read."""
SMALL_FILE_BYTES = 256 * 2**10
"""A file of persons' rows up to this size (about 10,000 rows) is read as fast as it is searched."""

_rows = Kept[pl.DataFrame](KEPT_BYTES, lambda frame: int(frame.estimated_size()))


@lru_cache(maxsize=256)
def index_file(path: Path) -> pl.DataFrame:
    """Return a small immutable file of the replica, kept once read."""
    return pl.read_parquet(path)


def index_frame(snapshot: Snapshot, name: str) -> pl.DataFrame | None:
    """Return a small file of the replica, None where the network holds nothing under the name.

    Files of a replica never change, so they are kept once read; use it for mappings, vocabulary
    and indexes; rows of persons are read by `rows_file`.
    """
    path = snapshot.path(name)
    return None if path is None else index_file(path)


def rows_file(path: Path) -> pl.LazyFrame:
    """Return the rows of an immutable file of persons; a small one is read whole and kept."""
    if path.stat().st_size > SMALL_FILE_BYTES:
        return pl.scan_parquet(path)
    return _rows.get(path, lambda: pl.read_parquet(path)).lazy()
