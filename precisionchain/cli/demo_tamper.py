"""Somebody edits the ledger's file: a copy of a site in which one bit of a stored item differs."""

from __future__ import annotations

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

_SOUGHT = 48  # bytes of an item, enough to find it in the file by them


def tampered_copy(site: Path, copy: Path) -> int:
    """Copy a site folder and flip one bit in the largest item of its ledger.

    The guards in the file are for honest programs; this one edits the bytes, as anybody can who may
    write the file.

    Args:
        site: a site folder whose ledger is ``ledger.sqlite`` in it.
        copy: the folder to make.

    Returns:
        The position on the ledger of the item that was changed.
    """
    shutil.copytree(site, copy, ignore=shutil.ignore_patterns("ledger.sqlite*", "staging*"))
    ledger = copy / "ledger.sqlite"
    with (
        closing(sqlite3.connect(f"file:{site / 'ledger.sqlite'}?mode=ro", uri=True)) as source,
        closing(sqlite3.connect(ledger)) as target,
    ):
        source.backup(target)
        largest = "select position, stored from items order by length(stored) desc limit 1"
        position, stored = target.execute(largest).fetchone()
    # The first bytes of a large row lie together in one page of the file.
    data = bytearray(ledger.read_bytes())
    at = data.index(stored[:_SOUGHT]) + _SOUGHT - 1
    data[at] ^= 1
    ledger.write_bytes(data)
    return int(position)
