"""Concept sets: a concept with its descendants, from the sealed vocabulary slices."""

from __future__ import annotations

import polars as pl

from precisionchain.errors import UnknownConceptError
from precisionchain.query.frames import index_frame
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.streams import MAP_CONCEPT, VOCABULARY

_ANCESTOR = f"{VOCABULARY}/concept_ancestor"
_CONCEPT = f"{VOCABULARY}/concept"
_MAP = f"{MAP_CONCEPT}/map-concept"


def concept_set(snapshot: Snapshot, concept: int, *, descendants: bool = True) -> list[int]:
    """Return a concept and, where asked, every descendant any batch used, ascending.

    Raises:
        UnknownConceptError: the concept is in no vocabulary slice and in no row.
    """
    if not -(2**63) <= concept < 2**63:
        raise UnknownConceptError("not a concept", hint="OMOP concept ids are 64-bit integers")
    below: set[int] = set()
    pairs = index_frame(snapshot, _ANCESTOR)
    known = False
    if pairs is not None:
        ancestor, descendant = pairs["ancestor_concept_id"], pairs["descendant_concept_id"]
        below = set(descendant.filter(ancestor == concept).to_list())
        known = bool(below) or bool((descendant == concept).any())
    for name in (_CONCEPT, _MAP):
        frame = index_frame(snapshot, name)
        known = known or (frame is not None and bool((frame["concept_id"] == concept).any()))
    if not known:
        raise UnknownConceptError(
            f"concept {concept} is in no vocabulary slice and in no row of the network",
            hint="check the id, or sync",
        )
    return sorted({concept, *(below if descendants else ())})


def placed_families(snapshot: Snapshot, concepts: list[int]) -> pl.DataFrame:
    """Return where rows of concepts lie: columns table, family, by the mapping stream alone."""
    mapped = index_frame(snapshot, _MAP)
    if mapped is None:
        return pl.DataFrame(schema={"table": pl.Utf8, "family": pl.Utf8})
    of_concepts = mapped["concept_id"].is_in(concepts)
    named = (mapped[name].filter(of_concepts) for name in ("table", "family"))
    placed = sorted(set(zip(*named, strict=True)))  # a frame's own methods take a millisecond
    return pl.DataFrame(placed, schema={"table": pl.Utf8, "family": pl.Utf8}, orient="row")
