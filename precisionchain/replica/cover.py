"""What a genetic batch or a staged run speaks of: its persons, and the positions that it covers.

A position is covered if a record is written there, if an allele lies there as it is normalised, or
if it lies inside the extent (``docs/reference/streams.md``, section 7). Both kinds of folders have
the tables that tell: ``samples``, ``extent``, and ``sites``, of a batch one file a family.

Structural alleles and alleles of bases are told by different callers and stand in different files,
so they cover positions apart from each other: each has a *layer* of a chromosome. The extent
belongs to the layers of the classes that were assayed.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Final, Literal

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.schemas.structural import STRUCTURAL_CLASS, is_structural_family

Bools = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]

Layer = Literal["bases", "structural"]
LAYERS: Final[tuple[Layer, ...]] = ("bases", "structural")

_NO_SITES: Final = {
    "chrom": pl.String,
    "pos": pl.Int32,
    "record_pos": pl.Int32,
    "structural": pl.Boolean,
}


def layer_of(family: str) -> Layer:
    """Return the layer that a family of variant blocks is in."""
    return "structural" if is_structural_family(family) else "bases"


@dataclass(frozen=True, slots=True)
class Spans:
    """Closed intervals of one chromosome: sorted, and apart from each other by a position or more.

    >>> spans = Spans.of(np.array([5, 1, 6]), np.array([5, 2, 9]))
    >>> list(zip(spans.first.tolist(), spans.last.tolist()))
    [(1, 2), (5, 9)]
    >>> spans.hold(np.array([2, 3, 9])).tolist()
    [True, False, True]
    """

    first: Ints
    last: Ints

    @classmethod
    def of(cls, first: npt.NDArray[Any], last: npt.NDArray[Any]) -> Spans:
        """Return the spans of intervals in any order, which may overlap or touch."""
        order = np.argsort(first, kind="stable")
        first, last = first[order].astype(np.int64), last[order].astype(np.int64)
        if not len(first):
            return cls(first, last)
        reached = np.maximum.accumulate(last)
        begins = np.concatenate([[True], first[1:] > reached[:-1] + 1])
        ends = np.concatenate([begins[1:], [True]])
        return cls(first[begins], reached[ends])

    def hold(self, positions: npt.NDArray[Any]) -> Bools:
        """Return which positions lie in a span."""
        if not len(self.first):
            return np.zeros(len(positions), np.bool_)
        at = np.searchsorted(self.first, positions, side="right") - 1
        inside: Bools = (at >= 0) & (positions <= self.last[at])
        return inside

    def meeting(self, other: Spans) -> Spans:
        """Return the positions that lie in a span of both."""
        low = np.searchsorted(other.last, self.first, side="left")
        high = np.searchsorted(other.first, self.last, side="right")
        times = np.maximum(high - low, 0)
        ours = np.repeat(np.arange(len(self.first)), times)
        before = np.repeat(np.cumsum(times) - times, times)
        theirs = np.repeat(low, times) + np.arange(len(ours)) - before
        return Spans(
            np.maximum(self.first[ours], other.first[theirs]),
            np.minimum(self.last[ours], other.last[theirs]),
        )

    def without(self, holes: Spans) -> Spans:
        """Return the positions that lie in no span of the other."""
        if not len(holes.first) or not len(self.first):
            return self
        low = min(int(self.first[0]), int(holes.first[0])) - 1
        high = max(int(self.last[-1]), int(holes.last[-1])) + 1
        gaps = Spans(
            np.concatenate([[low], holes.last + 1]), np.concatenate([holes.first - 1, [high]])
        )
        return self.meeting(gaps)


@dataclass(frozen=True)
class Cover:
    """The persons and positions of a folder; of positions one chromosome's are kept in memory."""

    folder: Path
    _latest: dict[tuple[str, Layer], Spans] = field(default_factory=dict, compare=False, repr=False)

    @cached_property
    def persons(self) -> Ints:
        """The person ids, ascending."""
        ids = pl.read_parquet(self.folder / "samples.parquet", columns=["person_id"])
        return np.sort(ids["person_id"].to_numpy().astype(np.int64))

    def chromosomes(self) -> list[str]:
        """Return the chromosomes with a covered position, in the order of the folder."""
        tables = [_sites(self.folder).select("chrom"), _extent(self.folder).select("chrom")]
        return pl.concat(tables).unique(maintain_order=True).collect()["chrom"].to_list()

    @cached_property
    def layers(self) -> frozenset[Layer]:
        """The layers that the extent belongs to."""
        described = self.folder / "run.json"
        if described.exists():
            said = json.loads(described.read_text(encoding="utf-8"))["assay"]["classes"]
        else:
            said = json.loads((self.folder / "assay.json").read_text(encoding="utf-8"))["classes"]
        both: tuple[tuple[Layer, bool], ...] = (
            ("structural", STRUCTURAL_CLASS in said),
            ("bases", bool(set(said) - {STRUCTURAL_CLASS})),
        )
        return frozenset(layer for layer, assayed in both if assayed)

    def spans(self, chrom: str, layer: Layer) -> Spans:
        """Return the covered positions of a chromosome's layer."""
        if (chrom, layer) not in self._latest:
            for of_other in [key for key in self._latest if key[0] != chrom]:
                del self._latest[of_other]
            at = np.concatenate(_listed(self.folder, chrom, layer))
            extent = self._extent(chrom, layer)
            first, last = (
                np.concatenate([at, extent[name].to_numpy()]) for name in ("start", "end")
            )
            self._latest[chrom, layer] = Spans.of(first, last)
        return self._latest[chrom, layer]

    def _extent(self, chrom: str, layer: Layer) -> pl.DataFrame:
        if layer not in self.layers:
            return pl.DataFrame(schema={"start": pl.Int32, "end": pl.Int32})
        of_chrom = _extent(self.folder).filter(pl.col("chrom") == chrom)
        return of_chrom.sort("start").select("start", "end").collect()

    def shared_with(self, other: Cover) -> Ints:
        """Return the person ids of both, ascending."""
        return np.intersect1d(self.persons, other.persons)

    def left_by(self, covers: Sequence[Cover], chrom: str, layer: Layer) -> Spans:
        """Return the covered positions of a chromosome's layer that others have not taken over.

        An allele is taken over where its own position, or its record's, is covered.
        """
        if not covers:
            return self.spans(chrom, layer)
        extent = self._extent(chrom, layer)
        left = Spans(extent["start"].to_numpy(), extent["end"].to_numpy())
        pos, record_pos = _listed(self.folder, chrom, layer)
        listed = np.ones(len(pos), np.bool_)
        for cover in covers:
            left = cover.taken_from(left, chrom, self.layers)
            spans = cover.spans(chrom, layer)
            listed &= ~(spans.hold(pos) | spans.hold(record_pos))
        at = np.concatenate([pos[listed], record_pos[listed]])
        return Spans.of(np.concatenate([at, left.first]), np.concatenate([at, left.last]))

    def taken_from(self, extent: Spans, chrom: str, layers: frozenset[Layer]) -> Spans:
        """Return an extent of another batch without what is covered in any of its layers.

        An extent is one for all classes of its batch: where one layer is taken over, it ends.
        """
        for layer in LAYERS:
            if layer in layers:
                extent = extent.without(self.spans(chrom, layer))
        return extent


def _listed(folder: Path, chrom: str, layer: Layer) -> tuple[Ints, Ints]:
    """Return, allele by allele, its position and its record's."""
    here = (pl.col("chrom") == chrom) & (pl.col("structural") == (layer == "structural"))
    rows = _sites(folder).filter(here).select("pos", "record_pos").collect()
    return rows["pos"].to_numpy().astype(np.int64), rows["record_pos"].to_numpy().astype(np.int64)


def _sites(folder: Path) -> pl.LazyFrame:
    """Return where records are listed: one file of a run, one a family of a sealed batch."""
    columns = ["chrom", "pos", "record_pos"]
    whole = folder / "sites.parquet"
    if whole.exists():
        structural = pl.col("svtype").is_not_null().alias("structural")
        return pl.scan_parquet(whole).select(*columns, structural)
    files = [
        pl.scan_parquet(path).select(
            *columns, pl.lit(is_structural_family(path.stem)).alias("structural")
        )
        for path in sorted((folder / "sites").glob("*.parquet"))
    ]
    return pl.concat(files) if files else pl.LazyFrame(schema=_NO_SITES)


def _extent(folder: Path) -> pl.LazyFrame:
    return pl.scan_parquet(folder / "extent.parquet")
