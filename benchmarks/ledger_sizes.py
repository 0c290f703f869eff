"""Bytes on an embedded ledger by view, read by plain SQLite."""

from __future__ import annotations

import sqlite3
from pathlib import Path

VIEWS = {
    "VAR": "Variant view",
    "VARP": "Variant-Person view",
    "CNT": "MAF counter",
    "CLIN_PERSON": "Person view",
    "CLIN_SITE": "site tables",
    "VOCAB": "vocabulary slice",
    "MAP": "mapping",
    "ASSAY": "assay",
    "BATCH": "manifests and leaf pages",
    "ACCESS": "access log",
    "NETWORK": "network",
    "EXCLUDED": "exclusions",
    "MAF": "MAF checkpoints",
}
DOMAIN = "Domain view"


def bytes_by_view(ledger: Path) -> dict[str, int]:
    """Return view -> stored bytes of its items."""
    with sqlite3.connect(f"file:{ledger}?mode=ro", uri=True) as database:
        rows = database.execute(
            "select streams.name, sum(length(items.stored)) from items join streams using (stream)"
            " group by 1"
        ).fetchall()
    database.close()
    sizes: dict[str, int] = {}
    for name, size in rows:
        view = _view(name)
        sizes[view] = sizes.get(view, 0) + size
    return sizes


def _view(stream: str) -> str:
    for prefix in sorted(VIEWS, key=len, reverse=True):
        if stream.startswith(f"{prefix}_"):
            return VIEWS[prefix]
    return DOMAIN
