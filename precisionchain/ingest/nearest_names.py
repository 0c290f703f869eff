"""The name that was perhaps meant: said to whoever wrote another one, and never taken instead."""

from __future__ import annotations

import difflib
import re
from collections.abc import Iterable


def nearest_table(name: str) -> str | None:
    """Return the table of the CDM that a name nearly is, None where it is near none."""
    from precisionchain.schemas.omop import TABLES  # who asks for other names has no use for them

    near = difflib.get_close_matches(name.lower(), list(TABLES), n=1, cutoff=0.75)
    return near[0] if near else None


def did_you_mean(name: str, names: Iterable[str]) -> str | None:
    """Return a hint that names the nearest of some names, None where it is near none."""
    near = difflib.get_close_matches(name.lower(), sorted(names), n=1, cutoff=0.5)
    return f"did you mean {near[0]}?" if near else None


def nearest_columns(names: Iterable[str], absent: Iterable[str]) -> dict[str, str]:
    """Return which absent column each name nearly is; names that are near none are left out.

    Nearer than a table must be: sites add columns, as ``unit_source_concept_name``, on purpose.
    """
    wanted = sorted(absent)
    near = {
        name: difflib.get_close_matches(_joined(name), wanted, n=1, cutoff=0.9) for name in names
    }
    return {name: found[0] for name, found in near.items() if found}


def _joined(name: str) -> str:
    """Return a name as the CDM joins its words: spreadsheets and R write others between them."""
    return re.sub(r"[\s.-]+", "_", name.lower())
