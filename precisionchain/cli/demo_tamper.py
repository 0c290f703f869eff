"""Somebody edits the ledger's file: a copy of a site in which one bit of a stored item differs."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

_CHANGED = 47  # a byte of the batch id in an item's frame, whatever its kind is called


def tampered_copy(site: Path, copy: Path) -> int:
    """Copy a site folder and flip one bit in the largest item of its ledger.

    The guards in the file are for honest programs; this one writes past them, as anybody can who
    may write the file.

    Args:
        site: a site folder whose ledger is ``ledger.sqlite`` in it.
        copy: the folder to make.

    Returns:
        The position on the ledger of the item that was changed.
    """
    shutil.copytree(site, copy, ignore=shutil.ignore_patterns("ledger.sqlite*", "staging*"))
    with (
        closing(sqlite3.connect(f"file:{site / 'ledger.sqlite'}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(copy / "ledger.sqlite")) as target,
    ):
        source.backup(target)
        largest = "select position from items order by length(stored) desc limit 1"
        (position,) = target.execute(largest).fetchone()
        # No trigger sees what is written into a value that is open.
        with target.blobopen("items", "stored", position) as stored:
            stored[_CHANGED] ^= 1
        target.commit()
    return int(position)
