"""Which ancestors spread the rows of the Domain view best: one rule, the same list every time.

The rule, normative in ``docs/reference/streams.md`` section 5: beginning with one stream a table,
the heaviest stream is split, again and again, by the ancestor that comes nearest to halving it.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Final, NamedTuple

import numpy as np
import numpy.typing as npt

Int64s = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

NOWHERE: Final = 0
"""The stream of concepts that no chosen ancestor is above."""
_FAR: Final = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, eq=False)
class Weighed:
    """What is to be spread: concepts of tables with weights, and the ancestors of each.

    A *unit* is a concept of a table. Pairs are of a unit and one of its ancestors, each once; a
    concept is its own ancestor at level 0.

    Attributes:
        prefixes: Domain-view prefixes, in order.
        prefix: int64, of each unit its place in ``prefixes``.
        weight: int64, of each unit: rows, or shares of its domain.
        unit: int64, of each pair.
        ancestor: int64 concept of each pair; never 0.
        levels: int64 of separation of each pair.
    """

    prefixes: tuple[str, ...]
    prefix: Int64s
    weight: Int64s
    unit: Int64s
    ancestor: Int64s
    levels: Int64s


class Chosen(NamedTuple):
    """An ancestor that was chosen for a Domain-view prefix."""

    prefix: str
    concept: int


def choose(weighed: Weighed, n: int) -> list[Chosen]:
    """Return at most ``n`` ancestors, by prefix and concept; fewer where no stream can be split.

    The result depends on no order of units or pairs: every tie goes to the prefix that comes
    first, then to the smaller concept.
    """
    placed = _Placed(weighed)
    chosen: list[Chosen] = []
    while len(chosen) < n and (found := placed.next_split()) is not None:
        place, concept = found
        placed.place(place, concept)
        chosen.append(Chosen(weighed.prefixes[place], concept))
    return sorted(chosen)


def streams_of(weighed: Weighed, chosen: Iterable[Chosen]) -> dict[Chosen, int]:
    """Return the weight in each stream that has any, the heaviest first; `NOWHERE` among them."""
    placed = _Placed(weighed)
    places = {prefix: place for place, prefix in enumerate(weighed.prefixes)}
    for one in chosen:
        if one.prefix in places:
            placed.place(places[one.prefix], one.concept)
    return {
        Chosen(weighed.prefixes[place], concept): weight
        for place, concept, weight in placed.streams()
    }


class _Placed:
    """Units in the streams of the ancestors chosen so far."""

    def __init__(self, weighed: Weighed) -> None:
        self._weighed = weighed
        units = len(weighed.weight)
        self._ancestor = np.zeros(units, np.int64)
        self._levels = np.full(units, _FAR, np.int64)
        by_ancestor = np.argsort(weighed.ancestor, kind="stable")
        self._pairs_by_ancestor = by_ancestor
        self._sorted_ancestors = weighed.ancestor[by_ancestor]
        by_unit = np.argsort(weighed.unit, kind="stable")
        self._pairs_by_unit = by_unit
        self._first_pair = np.searchsorted(weighed.unit[by_unit], np.arange(units + 1))
        self._whole: dict[tuple[int, int], int] = {}

    def next_split(self) -> tuple[int, int] | None:
        """Return the place of a prefix and the concept that splits its heaviest stream."""
        for place, ancestor, weight in self.streams():
            # What could not be split, and has lost nothing since, cannot be split now.
            if self._whole.get((place, ancestor)) == weight:
                continue
            concept = self._halving(place, ancestor, weight)
            if concept is not None:
                return place, concept
            self._whole[place, ancestor] = weight
        return None

    def place(self, place: int, concept: int) -> None:
        """Move the units that are nearer to a concept than to the ancestor they have."""
        low, high = np.searchsorted(self._sorted_ancestors, [concept, concept + 1])
        pairs = self._pairs_by_ancestor[low:high]
        pairs = pairs[self._weighed.prefix[self._weighed.unit[pairs]] == place]
        pairs = pairs[self._moves(pairs)]
        units = self._weighed.unit[pairs]
        self._ancestor[units] = concept
        self._levels[units] = self._weighed.levels[pairs]

    def streams(self) -> Iterator[tuple[int, int, int]]:
        """Yield place of prefix, ancestor and weight of each stream, the heaviest first."""
        streams = np.stack([self._weighed.prefix, self._ancestor], axis=1)
        names, inverse = np.unique(streams, axis=0, return_inverse=True)
        weights = _sums(inverse.reshape(-1), self._weighed.weight, len(names))
        for at in np.argsort(-weights, kind="stable").tolist():
            yield int(names[at, 0]), int(names[at, 1]), int(weights[at])

    def _halving(self, place: int, ancestor: int, weight: int) -> int | None:
        """Return the concept whose own part of a stream is nearest to half of it."""
        inside = (self._weighed.prefix == place) & (self._ancestor == ancestor)
        pairs = self._pairs_of(np.flatnonzero(inside))
        pairs = pairs[self._moves(pairs)]
        concepts, inverse = np.unique(self._weighed.ancestor[pairs], return_inverse=True)
        moved = _sums(inverse, self._weighed.weight[self._weighed.unit[pairs]], len(concepts))
        larger = np.maximum(moved, weight - moved)
        splits = np.flatnonzero(larger < weight)
        if not len(splits):
            return None
        return int(concepts[splits[np.argmin(larger[splits])]])  # the first, so the smaller id

    def _pairs_of(self, units: Int64s) -> Int64s:
        starts, ends = self._first_pair[units], self._first_pair[units + 1]
        counts = ends - starts
        offsets = np.arange(counts.sum()) - np.repeat(np.cumsum(counts) - counts, counts)
        pairs: Int64s = self._pairs_by_unit[np.repeat(starts, counts) + offsets]
        return pairs

    def _moves(self, pairs: Int64s) -> Bools:
        """Return which pairs' ancestors are nearer than those the units have; ties: smaller id."""
        units = self._weighed.unit[pairs]
        levels, ancestor = self._weighed.levels[pairs], self._weighed.ancestor[pairs]
        same = levels == self._levels[units]
        nearer: Bools = (levels < self._levels[units]) | (same & (ancestor < self._ancestor[units]))
        return nearer


def _sums(places: Int64s, weights: Int64s, n: int) -> Int64s:
    """Return sums of whole numbers by place: exact, so that no order of rows changes a tie."""
    totals = np.zeros(n, np.int64)
    np.add.at(totals, places, weights)
    return totals
