"""Persons whose genotypes over the same positions are already sealed: replaced if that is said.

Genetic batches add up, so a person may be in several, but each position of a person counts in one
only. A run that meets what counts of earlier batches names these batches, or is refused. What a
batch covers stands in ``docs/reference/streams.md``, section 7.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import product
from pathlib import Path

import numpy as np
import numpy.typing as npt

from precisionchain.errors import OverlapError
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.cover import LAYERS, Cover
from precisionchain.replica.taken_over import VCF


@dataclass(frozen=True, slots=True)
class Overlap:
    """What a run meets of an earlier batch.

    Attributes:
        batch: its id, hex.
        folder: of the batch, or of the part of it that counts.
        persons: person ids of both, ascending.
        place: the first position that both cover, as ``chrom:pos``.
    """

    batch: str
    folder: Path
    persons: npt.NDArray[np.int64]
    place: str


def overlaps(run_folder: Path, snapshot: Snapshot, publisher: str) -> Iterator[Overlap]:
    """Yield what a run meets of the site's sealed genotypes, as far as they count, part by part.

    Args:
        run_folder: the staged run.
        snapshot: the replica, synced up to the ledger's end.
        publisher: the key the site is known by, hex; persons of other sites are other persons.
    """
    ours = Cover(run_folder)
    for sealed in snapshot.catalogue.batches:
        if sealed.kind != VCF or sealed.publisher != publisher:
            continue
        folder = snapshot.folder_of(sealed)
        theirs = Cover(folder)
        shared = ours.shared_with(theirs)
        place = first_overlap(ours, theirs) if len(shared) else None
        if place is not None:
            yield Overlap(sealed.batch, folder, shared, place)


def refuse_overlap(run_folder: Path, snapshot: Snapshot, publisher: str) -> None:
    """Refuse a run that holds genotypes of persons over positions where theirs are sealed.

    Args: as of `overlaps`.

    Raises:
        OverlapError: naming the first such batch and the first position that both cover.
    """
    for met in overlaps(run_folder, snapshot, publisher):
        raise OverlapError(
            f"genotypes of {len(met.persons)} of the run's persons are already sealed over "
            f"positions that it covers, the first being {met.place}",
            where=f"batch {met.batch[:16]}",
            hint="leave out those persons or positions, or replace what is sealed with --replace",
        )


def superseded(found: list[Overlap]) -> dict[str, list[Overlap]]:
    """Return what a run meets by batch, in the order of the seals."""
    by_batch: dict[str, list[Overlap]] = defaultdict(list)
    for met in found:
        by_batch[met.batch].append(met)
    return dict(by_batch)


def first_overlap(one: Cover, other: Cover) -> str | None:
    """Return the first position, as ``chrom:pos``, that both cover; None if there is none.

    Chromosomes are taken in the order in which the first one lists them.
    """
    found = set(other.chromosomes())
    for chrom, layer in product(one.chromosomes(), LAYERS):
        if chrom in found:
            both = one.spans(chrom, layer).meeting(other.spans(chrom, layer))
            if len(both.first):
                return f"{chrom}:{both.first[0]}"
    return None
