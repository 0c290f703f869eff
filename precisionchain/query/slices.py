"""The vocabulary slices of all sites as one vocabulary: names, descent, and what maps to what.

Slices of several releases are merged by the rules of ``docs/reference/streams.md`` section 5: pairs
of all count; of contradictory names, those of the newest release.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.errors import UnknownConceptError
from precisionchain.query.concept_sets import ConceptSet
from precisionchain.query.frames import index_frame
from precisionchain.query.slice_origins import SAID_BY, said_by
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept
from precisionchain.schemas.distinct import distinct
from precisionchain.schemas.streams import MAP_CONCEPT, VOCABULARY

Int64s = npt.NDArray[np.int64]

CONCEPT_COLUMNS: Final = (
    *("concept_id", "concept_name", "domain_id", "vocabulary_id"),
    *("concept_class_id", "standard_concept", "concept_code", "invalid_reason"),
)
"""What a slice says of a concept."""

_SLICES_KEPT_BYTES: Final = 128 * 2**20
_CONCEPTS: Final = {
    name: pl.Int64 if name == "concept_id" else pl.String for name in CONCEPT_COLUMNS
}
_ORIGIN: Final = {"site": pl.String, "batch": pl.String}
_RELEASES: Final = {"vocabulary_id": pl.String, "vocabulary_version": pl.String, **_ORIGIN}


@dataclass(frozen=True, slots=True, eq=False)
class Pairs:
    """A relation of concepts, to be followed one way.

    Attributes:
        start: int64, ascending.
        end: int64, of each.
    """

    start: Int64s
    end: Int64s

    def of(self, concepts: Collection[int]) -> set[int]:
        """Return the ends of all pairs that start at one of some concepts."""
        wanted = np.array(sorted(concepts), np.int64)
        low = np.searchsorted(self.start, wanted, "left").tolist()
        high = np.searchsorted(self.start, wanted, "right").tolist()
        found: set[int] = set()
        for first, last in zip(low, high, strict=True):
            found.update(self.end[first:last].tolist())
        return found


@dataclass(frozen=True, eq=False)
class Slices:
    """The vocabulary of a network as one generation of its replica has it.

    Attributes:
        said: a row for each concept and batch that names it: `CONCEPT_COLUMNS`, site, source,
            release, counts, rank; by concept and rank, so that the first row of each is the one
            that is taken.
        releases: vocabulary_id, vocabulary_version, site, source, counts, as the slices state them.
        below: ancestor to descendant.
        sources: concept to what maps to it.
        levels: ancestor_concept_id, descendant_concept_id, min_levels_of_separation, each pair
            once with its fewest levels.
        maps: concept_id_1, concept_id_2: what maps to what.
        all_known: int64 concepts that a slice has or that a row has as its main concept, ascending.
    """

    said: pl.DataFrame
    releases: pl.DataFrame
    below: Pairs
    sources: Pairs
    levels: pl.DataFrame
    maps: pl.DataFrame
    all_known: Int64s

    @cached_property
    def concepts(self) -> pl.DataFrame:
        """A row for each concept that is named, as the newest release names it."""
        return self.said.unique("concept_id", keep="first", maintain_order=True)

    def known(self, concepts: Iterable[int]) -> set[int]:
        """Return those concepts that a slice has, or a row as its main concept."""
        asked = np.array(sorted({one for one in concepts if -(2**63) <= one < 2**63}), np.int64)
        if not len(self.all_known):
            return set()
        at = np.minimum(np.searchsorted(self.all_known, asked), len(self.all_known) - 1)
        found: list[int] = asked[self.all_known[at] == asked].tolist()
        return set(found)

    @cached_property
    def invalid(self) -> frozenset[int]:
        """The concepts that are marked as deleted or replaced."""
        marked = self.concepts.filter(pl.col("invalid_reason").is_not_null())
        return frozenset(marked["concept_id"].to_list())

    def descendants_of(self, concepts: Collection[int]) -> set[int]:
        """Return the valid descendants of some concepts, as concept sets count them."""
        return self.below.of(concepts) - self.invalid

    def mapped_to(self, concepts: Collection[int]) -> set[int]:
        """Return the source concepts that map to one of some concepts, as any batch used them."""
        return self.sources.of(concepts)

    def with_descendants(self, concept: int, *, descendants: bool = True) -> list[int]:
        """Return a concept and, where asked, its descendants, ascending.

        Raises:
            UnknownConceptError: the concept is in no vocabulary slice and in no row.
        """
        if not -(2**63) <= concept < 2**63:
            raise UnknownConceptError("not a concept", hint="OMOP concept ids are 64-bit integers")
        if not self.known([concept]):
            raise UnknownConceptError(
                f"concept {concept} is in no vocabulary slice and in no row of the network",
                hint="`precisionchain query concepts` finds concepts by name; or sync",
            )
        return sorted({concept, *(self.below.of([concept]) if descendants else ())})

    def resolve(self, concepts: ConceptSet) -> frozenset[int]:
        """Return what a concept set means here; of its concepts, unknown ones give nothing.

        Raises:
            UnknownConceptError: none of the included concepts is in a slice or in a row.
        """
        included = {item.concept for item in concepts.include}
        if not self.known(included):
            raise UnknownConceptError(
                "no concept that the set includes is in a vocabulary slice or in a row of the"
                " network",
                hint="check the ids, or sync",
            )
        return concepts.resolve(self)


def slices(snapshot: Snapshot) -> Slices:
    """Return the vocabulary of a generation, kept in memory once it is made."""
    key = (snapshot.root, snapshot.catalogue.state)
    return _slices.get(key, lambda: _merged(snapshot))


def _size(found: Slices) -> int:
    frames = (found.said, found.releases, found.levels, found.maps)
    arrays = (found.below.start, found.sources.start, found.all_known)
    return int(sum(frame.estimated_size() for frame in frames) + 2 * sum(a.nbytes for a in arrays))


_slices: Final = Kept[Slices](_SLICES_KEPT_BYTES, _size)


def _merged(snapshot: Snapshot) -> Slices:
    concepts = _table(snapshot, f"{VOCABULARY}/concept", {**_CONCEPTS, **_ORIGIN})
    releases = _table(snapshot, f"{VOCABULARY}/vocabulary", _RELEASES)
    sayers = said_by(snapshot, releases, {*concepts["batch"], *releases["batch"]})
    levels = _table(
        snapshot,
        f"{VOCABULARY}/concept_ancestor",
        dict.fromkeys(
            ("ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation"), pl.Int64
        ),
    )
    levels = levels.group_by("ancestor_concept_id", "descendant_concept_id").min()
    maps = _table(
        snapshot,
        f"{VOCABULARY}/concept_relationship",
        dict.fromkeys(("concept_id_1", "concept_id_2"), pl.Int64),
    ).unique()
    used = _table(snapshot, f"{MAP_CONCEPT}/map-concept", {"concept_id": pl.Int64})
    everywhere = (concepts["concept_id"], used["concept_id"], *levels[:, :2], *maps)
    return Slices(
        said=concepts.drop("site")
        .join(sayers, on="batch")
        .sort("concept_id", "rank")
        .select(*CONCEPT_COLUMNS, *SAID_BY),
        releases=releases.drop("site").join(sayers, on="batch").sort("rank", "vocabulary_id"),
        below=_pairs(levels, "ancestor_concept_id", "descendant_concept_id"),
        sources=_pairs(maps, "concept_id_2", "concept_id_1"),
        levels=levels,
        maps=maps,
        all_known=distinct(np.concatenate([column.to_numpy() for column in everywhere])),
    )


def _table(snapshot: Snapshot, name: str, columns: Mapping[str, type[pl.DataType]]) -> pl.DataFrame:
    """Return columns of a file of the replica, null where it lacks them; empty without a file."""
    frame = index_frame(snapshot, name)
    if frame is None:
        return pl.DataFrame(schema=columns)
    return frame.select(
        (pl.col(column) if column in frame.columns else pl.lit(None)).cast(kind).alias(column)
        for column, kind in columns.items()
    )


def _pairs(frame: pl.DataFrame, start: str, end: str) -> Pairs:
    ordered = frame.select(start, end).sort(start, end)
    return Pairs(ordered[start].to_numpy(), ordered[end].to_numpy())
