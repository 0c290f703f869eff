"""What the questions of some segments showed, in memory: a set a piece, by kind (``marks``)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TYPE_CHECKING, Final

import numpy as np
import polars as pl
from numpy.typing import NDArray

from precisionchain.access.index.runs import Int32s, Ints
from precisionchain.access.index.segment import (
    CONTRIBUTED,
    PIECE_SCHEMA,
    RETURNED,
    VARIANTS,
    Segment,
)

if TYPE_CHECKING:
    from precisionchain.access.index.marks import Sets

WORD: Final = 64
_KINDS: Final = (RETURNED, CONTRIBUTED, VARIANTS)
_NONE: Final = np.empty(0, np.int64)


@dataclass(frozen=True)
class Places:
    """Where persons of sites, or alleles, stand in sets.

    Args:
        of_sites: by site's code, the place of each number.
    """

    of_sites: tuple[Ints, ...]

    @cached_property
    def sizes(self) -> list[int]:
        """How many there are, by site."""
        return [place.size for place in self.of_sites]

    @cached_property
    def bases(self) -> Ints:
        """Where the numbers (and places) of each site begin among those of all."""
        return np.cumsum([0, *self.sizes])

    @cached_property
    def n_words(self) -> list[int]:
        """How many words of bits each site takes."""
        return [-(-size // WORD) for size in self.sizes]

    @cached_property
    def offsets(self) -> Ints:
        """The word in which the bits of each site begin."""
        return np.cumsum([0, *self.n_words])

    @cached_property
    def place(self) -> Ints:
        """The place of each number of each site."""
        return np.concatenate([_NONE, *self.of_sites])

    def grown(self, sizes: Sequence[int]) -> Places:
        """Return these places with more numbers, which stand behind the others of their site."""
        if list(sizes) == self.sizes:
            return self
        before = [*self.of_sites, *[_NONE] * (len(sizes) - len(self.of_sites))]
        grown = zip(before, sizes, strict=True)
        return Places(tuple(np.append(at, np.arange(at.size, size)) for at, size in grown))


@dataclass(frozen=True, slots=True)
class Held:
    """The pieces of one kind, in the order of their questions.

    ``row``, ``site`` (its code) and ``size`` (how many numbers) of each piece, and its set.
    """

    row: Ints
    site: Ints
    size: Ints
    sets: Sets

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        parts = (self.row, self.site, self.size, *self.sets)
        return sum(part.nbytes for part in parts)

    def of_rows(self, wanted: NDArray[np.bool_]) -> Ints:
        """Return which pieces belong to rows that are wanted."""
        return np.flatnonzero(wanted[self.row])


@dataclass(frozen=True, slots=True)
class Shown:
    """What some segments show: persons and alleles by place, and by kind who holds them."""

    persons: Places
    alleles: Places
    by_kind: tuple[Held, ...]

    @property
    def nbytes(self) -> int:
        """Bytes in memory."""
        places = self.persons.place.nbytes + self.alleles.place.nbytes
        return places + sum(held.nbytes for held in self.by_kind)


def shown_by(
    segments: Sequence[Segment], persons: Places, alleles: Places, *, first_row: int = 0
) -> Shown:
    """Return what segments show.

    Args:
        segments: in order.
        persons: places of all persons they show.
        alleles: likewise.
        first_row: the row of their first question.
    """
    pieces = [pl.DataFrame(schema={**PIECE_SCHEMA, "row": pl.Int64})]
    starts: list[Int32s] = [np.empty(0, np.int32)]
    lengths: list[Int32s] = [np.empty(0, np.int32)]
    for segment in segments:
        table, runs = segment.table("pieces"), segment.table("runs")
        pieces.append(table.with_columns(pl.col("row").cast(pl.Int64) + first_row))
        starts.append(runs["start"].to_numpy())
        lengths.append(runs["length"].to_numpy())
        first_row += segment.height("questions")
    together = pl.concat(pieces).cast(pl.Int64)
    first_run = pl.col("n_runs").cum_sum() - pl.col("n_runs")
    together = together.with_columns(first_run.alias("first_run"))
    runs_of_all = (np.concatenate(starts), np.concatenate(lengths))
    held = [
        _held(
            together.filter(pl.col("kind") == kind),
            *runs_of_all,
            alleles if kind == VARIANTS else persons,
        )
        for kind in _KINDS
    ]
    return Shown(persons, alleles, tuple(held))


def _held(pieces: pl.DataFrame, starts: Int32s, lengths: Int32s, places: Places) -> Held:
    from precisionchain.access.index.marks import sets_of

    row, site, size = (pieces[name].to_numpy() for name in ("row", "site", "n_numbers"))
    n_words = np.array([*places.n_words, 0])
    sets = sets_of(
        places.bases[site],
        pieces["first_run"].to_numpy(),
        pieces["n_runs"].to_numpy(),
        starts,
        lengths,
        places.place,
        int(np.minimum(size, n_words[site]).sum()),
    )
    return Held(row, site, size, sets)
