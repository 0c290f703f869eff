"""A concept with its descendants, and where rows of concepts lie."""

from __future__ import annotations

import numpy as np
import polars as pl

from precisionchain.query.frames import index_frame
from precisionchain.query.slices import slices
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.streams import MAP_CONCEPT

_MAP = f"{MAP_CONCEPT}/map-concept"


def concept_set(snapshot: Snapshot, concept: int, *, descendants: bool = True) -> list[int]:
    """Return a concept and, where asked, every descendant any batch used, ascending.

    Raises:
        UnknownConceptError: the concept is in no vocabulary slice and in no row.
    """
    return slices(snapshot).with_descendants(concept, descendants=descendants)


def placed_families(snapshot: Snapshot, concepts: list[int]) -> pl.DataFrame:
    """Return where rows of concepts lie: columns table, family, by the mapping stream alone."""
    mapped = index_frame(snapshot, _MAP)
    if mapped is None:
        return pl.DataFrame(schema={"table": pl.Utf8, "family": pl.Utf8})
    # Expressions of polars, and so most methods of frames and columns, take a millisecond.
    rows = np.flatnonzero(np.isin(mapped["concept_id"].to_numpy(), concepts))
    named = (mapped[name][rows].to_list() for name in ("table", "family"))
    placed = sorted(set(zip(*named, strict=True)))
    return pl.DataFrame(placed, schema={"table": pl.Utf8, "family": pl.Utf8}, orient="row")
