"""Names of columns of sequencing metadata: kept as written, and matched by what they fold to.

>>> folded("Insert-Size (bp)"), folded("coverage"), folded("30x")
('insert_size_bp', 'coverage', '_30x')
"""

from __future__ import annotations

import re
from typing import Final

MAX_TEXT: Final = 64
"""Characters of a column's name, or of a text in it, at most."""

_OTHERS: Final = re.compile(r"[^a-z0-9]+")


def folded(name: str) -> str:
    """Return what a column is asked for by, an identifier; empty where a name has no such.

    Small letters; each run of characters that are neither ASCII letters nor digits is one ``_``,
    and none at the ends; ``_`` before a leading digit. So it never holds two ``_`` in a row.
    """
    words = _OTHERS.sub("_", name.lower()).strip("_")
    return f"_{words}" if words[:1].isdigit() else words


def is_text(value: str) -> bool:
    """Return whether a text may be a value: printable, no blank at either end, not too long."""
    return 0 < len(value) <= MAX_TEXT and value.isprintable() and value == value.strip()
