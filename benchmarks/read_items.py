"""The least that who checks a ledger must do: ``python -m benchmarks.read_items LEDGER``.

Plain SQLite reads every stored item, and SHA-256 is taken of it.
"""

from __future__ import annotations

import sqlite3
import sys
from hashlib import sha256
from pathlib import Path


def read(ledger: Path) -> int:
    """Return the bytes of all items, after hashing each."""
    total = 0
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        for (stored,) in database.execute("select stored from items"):
            total += len(stored)
            sha256(stored).digest()
    database.close()
    return total


if __name__ == "__main__":
    print(read(Path(sys.argv[1])))
