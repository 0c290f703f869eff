"""Which later batches took genotypes over, and from whom: the rules of supersession for readers.

Rules: ``docs/reference/streams.md`` section 7, "State of genotypes".
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Collection, Iterable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.replica.catalogue import SealedBatch
from precisionchain.replica.cover import Cover, Layer

VCF: Final = "vcf"
"""Kind of the batches that hold genotypes."""

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, slots=True)
class Taken:
    """Persons of a batch to whom the same happened.

    Attributes:
        columns: their columns in the batch, ascending.
        by: ids in hex of the batches that took positions of all of them over, by seal.
        covers: what these cover.
    """

    columns: Ints
    by: tuple[str, ...]
    covers: tuple[Cover, ...]

    def counts(self, chrom: str, layer: Layer, *positions: pl.Series) -> Bools:
        """Return of which alleles the calls count: those that no cover holds a position of."""
        left = np.ones(len(positions[0]), np.bool_)
        for cover in self.covers:
            spans = cover.spans(chrom, layer)
            for column in positions:
                left &= ~spans.hold(column.to_numpy())
        return left


def superseding(sealed: Iterable[SealedBatch]) -> Mapping[str, tuple[str, ...]]:
    """Return, for each superseded batch, the later batches of its site that name it, by seal.

    A batch supersedes whether it is withdrawn or not. A name that is not that of an earlier VCF
    batch of the same site changes nothing.

    Args:
        sealed: complete batches in order of position, each once (`Catalogue.sealed`).
    """
    found: dict[str, list[str]] = defaultdict(list)
    publisher_of: dict[str, str] = {}
    for one in sealed:
        if one.kind != VCF:
            continue
        for batch in dict.fromkeys(one.supersedes):
            if publisher_of.get(batch) == one.publisher:
                found[batch].append(one.batch)
        publisher_of.setdefault(one.batch, one.publisher)
    return {batch: tuple(later) for batch, later in found.items()}


def taken(
    persons: Ints, withdrawn: Collection[int], later: Sequence[tuple[str, Path]]
) -> list[Taken]:
    """Group the persons of a batch by what happened to them; withdrawn persons are in no group.

    Args:
        persons: person ids in column order.
        withdrawn: person ids of the site.
        later: id and unpacked folder of the batches that supersede this one, by seal.
    """
    covers = [(batch, Cover(folder)) for batch, folder in later]
    named = np.zeros(len(persons), np.int64)
    for number, (_, cover) in enumerate(covers):
        named |= np.isin(persons, cover.persons).astype(np.int64) << number
    there = ~np.isin(persons, np.fromiter(withdrawn, np.int64, len(withdrawn)))
    groups = []
    for mark in np.unique(named[there]).tolist():
        of = [one for number, one in enumerate(covers) if mark >> number & 1]
        columns = np.flatnonzero(there & (named == mark))
        by, what = tuple(batch for batch, _ in of), tuple(cover for _, cover in of)
        groups.append(Taken(columns, by, what))
    return groups
