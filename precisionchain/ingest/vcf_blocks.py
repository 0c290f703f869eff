"""Cutting ordered runs into the alleles of one block.

A block is a run of whole tiles, or a part of one tile that is too large; it never crosses a bin or
a contig. Structural alleles have blocks of their own. Where a block is cut depends on the alleles
alone, not on how the reader chunked them.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import replace
from itertools import chain, pairwise
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.ingest.vcf_run import CallRun, join_calls, take_calls
from precisionchain.ingest.vcf_structural_sites import joined_sites, parted
from precisionchain.schemas.genome import BIN_BITS, tiles
from precisionchain.schemas.genotypes import MAX_PERSONS, block_rows
from precisionchain.schemas.structural import FAMILY_BITS

BATCH_CALLS: Final = 32 * 2**20
"""Calls of all persons at the alleles of one block: what staging holds in memory, several times."""


def allele_limit(n_persons: int) -> int:
    """Return how many alleles a block of a batch of so many persons may have."""
    largest = max(group.stop - group.start for group in person_groups(n_persons))
    return max(1, min(block_rows(largest), BATCH_CALLS // n_persons))


def person_groups(n_persons: int) -> list[slice]:
    """Return the columns of each person group: as few groups as possible, of even size."""
    groups = -(-n_persons // MAX_PERSONS)
    edges = [n_persons * i // groups for i in range(groups + 1)]
    return [slice(first, last) for first, last in pairwise(edges)]


def block_runs(runs: Iterable[CallRun], limit: int) -> Iterator[CallRun]:
    """Yield the alleles of each block.

    Args:
        runs: alleles in order of contig, position, ref, alt.
        limit: alleles a block may have, from `allele_limit`.
    """
    chrom = ""
    kinds = (_Cutter(limit, BIN_BITS), _Cutter(limit, FAMILY_BITS))
    for run in runs:
        if run.chrom != chrom:
            yield from chain.from_iterable(cutter.close() for cutter in kinds)
            chrom = run.chrom
        for cutter, part in zip(kinds, parted(run), strict=True):
            if part is not None:
                yield from cutter.add(part)
    yield from chain.from_iterable(cutter.close() for cutter in kinds)


class _Cutter:
    """Holds the alleles that are in no block yet, and whether the last block ended inside a tile.

    Args:
        limit: alleles a block may have.
        bin_bits: the binary logarithm of the range that a block does not cross.
    """

    def __init__(self, limit: int, bin_bits: int) -> None:
        self._limit = limit
        self._bin_bits = bin_bits
        self._open_tile = -1
        self._held: CallRun | None = None

    def add(self, run: CallRun) -> list[CallRun]:
        """Return the blocks that are sure when these alleles have come, too."""
        joined = run if self._held is None else _join(self._held, run)
        blocks, self._held = self.cut(joined, closed=False)
        return blocks

    def close(self) -> list[CallRun]:
        """Return the last blocks of a contig."""
        held, self._held = self._held, None
        return [] if held is None else self.cut(held, closed=True)[0]

    def cut(self, run: CallRun, *, closed: bool) -> tuple[list[CallRun], CallRun | None]:
        """Return the blocks that are sure, and what is left; nothing is left of a closed run."""
        if closed:
            blocks, _ = self._cut(run, len(run.sites))
            self._open_tile = -1
            return blocks, None
        blocks, done = self._cut(run, None)
        return blocks, _rows(run, done, len(run.sites)) if done < len(run.sites) else None

    def _cut(self, run: CallRun, end: int | None) -> tuple[list[CallRun], int]:
        pos = run.sites["pos"].to_numpy()
        tile, of_bin = tiles(pos), (pos - 1).clip(0) >> self._bin_bits
        blocks: list[CallRun] = []
        at = 0
        while (size := self._next(tile[at:], of_bin[at:], closed=end is not None)) > 0:
            blocks.append(_rows(run, at, at + size))
            at += size
        return blocks, at

    def _next(
        self, tile: npt.NDArray[np.int32], of_bin: npt.NDArray[np.int32], *, closed: bool
    ) -> int:
        """Return the alleles of the next block; 0 if more must be seen first."""
        n = len(tile)
        if not n:
            return 0
        available = int(np.searchsorted(of_bin, of_bin[0], side="right"))
        closed = closed or available < n
        if tile[0] == self._open_tile:
            # The rest of a tile that was too large for one block stands alone.
            available = int(np.searchsorted(tile, tile[0], side="right"))
            closed = closed or available < n
        if available <= self._limit:
            return self._end(tile, available) if closed else 0
        whole = int(np.searchsorted(tile, tile[self._limit]))
        return self._end(tile, whole or self._limit)

    def _end(self, tile: npt.NDArray[np.int32], size: int) -> int:
        inside = size < len(tile) and tile[size] == tile[size - 1]
        self._open_tile = int(tile[size - 1]) if inside else -1
        return size


def _rows(run: CallRun, first: int, last: int) -> CallRun:
    sites = run.sites.slice(first, last - first)
    return replace(run, sites=sites, calls=take_calls(run.calls, slice(first, last)))


def _join(one: CallRun, other: CallRun) -> CallRun:
    sites = joined_sites([one.sites, other.sites])
    return replace(other, sites=sites, calls=join_calls([one.calls, other.calls]))
