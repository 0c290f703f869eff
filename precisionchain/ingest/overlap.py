"""Persons whose genotypes over the same positions are already sealed: such a run is refused.

Genetic batches add up, so a person may be in several, but each position of a person in one only.
What a batch covers is the positions its records list and, for the assays ``wgs`` and ``bed``, the
intervals in which an unlisted position means 0/0.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Protocol

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.errors import OverlapError

Positions = npt.NDArray[np.int64]


class SealedBatch(Protocol):
    """A sealed batch, as a catalogue lists it."""

    @property
    def batch(self) -> str:
        """Its id in hex."""

    @property
    def publisher(self) -> str:
        """Its site's public key in hex."""

    @property
    def kind(self) -> str:
        """``omop`` or ``vcf``."""


class Catalogue(Protocol):
    """The sealed batches."""

    @property
    def batches(self) -> Sequence[SealedBatch]:
        """Those that answer."""


class Snapshot(Protocol):
    """What is looked at of the replica: which batches are sealed, and where their tables lie.

    A batch folder has ``samples.parquet``, ``extent.parquet`` and ``sites/*.parquet``, with the
    columns that a run's tables have.
    """

    @property
    def catalogue(self) -> Catalogue:
        """The generation's catalogue."""

    def batch_folder(self, batch: str) -> Path:
        """Return the folder of a batch."""


def refuse_overlap(run_folder: Path, snapshot: Snapshot, publisher: str) -> None:
    """Refuse a run that holds genotypes of persons over positions where theirs are sealed.

    Args:
        run_folder: the staged run.
        snapshot: the replica, synced up to the ledger's end.
        publisher: the site's public key in hex; persons of other sites are other persons.

    Raises:
        OverlapError: naming the sealed batch and the first position that both cover.
    """
    for sealed in snapshot.catalogue.batches:
        if sealed.kind != "vcf" or sealed.publisher != publisher:
            continue
        folder = snapshot.batch_folder(sealed.batch)
        shared = shared_persons(run_folder, folder)
        place = first_overlap(run_folder, folder) if shared else None
        if place is not None:
            raise OverlapError(
                f"genotypes of {shared} of the run's persons are already sealed over positions "
                f"that it covers, the first being {place}",
                where=f"batch {sealed.batch[:16]}",
                hint="leave out those persons or those positions: sealed genotypes cannot be "
                "replaced yet",
            )


def shared_persons(one: Path, other: Path) -> int:
    """Return how many persons two batches of one site share; both are folders of tables."""
    persons = [pl.read_parquet(f / "samples.parquet", columns=["person_id"]) for f in (one, other)]
    return persons[0].join(persons[1], on="person_id", how="semi").height


def first_overlap(one: Path, other: Path) -> str | None:
    """Return the first position, as ``chrom:pos``, that two batches cover; None if there is none.

    Chromosomes are taken in the order in which the first folder lists them.
    """
    found = _covered_chromosomes(other)
    for chrom in _covered_chromosomes(one):
        if chrom not in found:
            continue
        ours, theirs = list(_cover(one, chrom)), list(_cover(other, chrom))
        meetings = [_first_meeting(a, b) for a in ours for b in theirs]
        first = min((place for place in meetings if place is not None), default=None)
        if first is not None:
            return f"{chrom}:{first}"
    return None


def _covered_chromosomes(folder: Path) -> list[str]:
    tables = [table.select("chrom") for table in (_sites(folder), _extent(folder))]
    return pl.concat(tables).unique(maintain_order=True).collect()["chrom"].to_list()


def _cover(folder: Path, chrom: str) -> Iterator[tuple[Positions, Positions]]:
    """Yield (first, last) of the positions and of the intervals of a chromosome, each sorted and
    without overlap.
    """
    here = pl.col("chrom") == chrom
    listed = _sites(folder).filter(here).select("record_pos").unique().sort("record_pos").collect()
    positions = listed["record_pos"].to_numpy().astype(np.int64)
    yield positions, positions
    extent = _extent(folder).filter(here).sort("start").collect()
    yield extent["start"].to_numpy().astype(np.int64), extent["end"].to_numpy().astype(np.int64)


def _first_meeting(
    one: tuple[Positions, Positions], other: tuple[Positions, Positions]
) -> int | None:
    """Return the first position in an interval of either set; the sets are sorted and disjoint."""
    if not len(one[0]) or not len(other[0]):
        return None
    (start, end), (first, last) = one, other
    # The last interval of the other set that begins no later than this one ends.
    at = np.searchsorted(first, end, side="right") - 1
    meets = (at >= 0) & (last[at] >= start)
    if not meets.any():
        return None
    hit = int(np.argmax(meets))
    # That interval may be preceded by others that meet this one as well.
    earliest = int(np.searchsorted(last, start[hit], side="left"))
    return int(max(start[hit], first[earliest]))


def _sites(folder: Path) -> pl.LazyFrame:
    """Return where records are listed: one file of a run, one a family of a sealed batch."""
    whole = folder / "sites.parquet"
    files = [whole] if whole.exists() else sorted((folder / "sites").glob("*.parquet"))
    if not files:
        return pl.LazyFrame(schema={"chrom": pl.String, "record_pos": pl.Int32})
    return pl.scan_parquet(files).select("chrom", "record_pos")


def _extent(folder: Path) -> pl.LazyFrame:
    return pl.scan_parquet(folder / "extent.parquet")
