"""Frames the queries share: cached index files, and what an answer always begins with."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path

import polars as pl

from precisionchain.replica.catalogue import Snapshot


@lru_cache(maxsize=256)
def index_file(path: Path) -> pl.DataFrame:
    """Return a small immutable file of the replica, kept once read."""
    return pl.read_parquet(path)


def index_frame(snapshot: Snapshot, name: str) -> pl.DataFrame | None:
    """Return a small file of the replica, None where the network holds nothing under the name.

    Files of a replica never change, so they are kept once read; use it for mappings, vocabulary
    and indexes, not for rows of persons.
    """
    path = snapshot.path(name)
    return None if path is None else index_file(path)
