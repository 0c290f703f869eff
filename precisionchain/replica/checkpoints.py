"""MAF checkpoints: the folded counts by range of frequency, published for speed, never for trust.

A checkpoint names the batches it was folded from; whoever has these batches folds them again and
compares. Checkpoints are single items, outside of every batch's root.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from itertools import pairwise
from pathlib import Path
from typing import Final

import polars as pl

from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.fold_counts import FOLDED, PREFIX, in_genome_order
from precisionchain.replica.fold_whole import fold_whole
from precisionchain.replica.genetic_frames import table_frame
from precisionchain.replica.taken_over import VCF
from precisionchain.schemas.corrections import CORRECTION
from precisionchain.schemas.genetic_payloads import CHECKPOINT, checkpoint_payload, read_checkpoint
from precisionchain.schemas.items import Payload
from precisionchain.schemas.streams import frequency_family

CHECKPOINT_ROWS: Final = 65_536
"""The most alleles in an item, so that it stays below 2 MiB."""


def checkpoint_payloads(
    snapshot: Snapshot, edges: Sequence[float]
) -> Iterator[tuple[str, Payload]]:
    """Yield (family, payload) of the network's alleles by frequency, each allele in one range.

    A range holds its lower edge, the last one both; alleles nobody was called at are in none. A
    range without alleles gives one payload without rows, which says so.

    Args:
        snapshot: the generation whose folded counts are published.
        edges: ascending frequencies, the first 0 and the last 0.5.
    """
    batches = named_batches(snapshot)
    folded = _folded(snapshot.paths(PREFIX).values())
    for low, high in pairwise(edges):
        below = pl.col("maf") <= high if high == edges[-1] else pl.col("maf") < high
        rows = folded.filter((pl.col("maf") >= low) & below)
        for start in range(0, max(rows.height, 1), CHECKPOINT_ROWS):
            piece = rows[start : start + CHECKPOINT_ROWS].select(CHECKPOINT.names)
            yield frequency_family(low, high), checkpoint_payload(piece.to_arrow(), batches)


def named_batches(snapshot: Snapshot) -> list[str]:
    """Return the ids of all batches that a generation's folded counts follow from, by seal.

    Those are the genetic ones, also such as only take others' place by now, and the corrections.
    """
    kinds = (VCF, CORRECTION)
    return [batch.batch for batch in snapshot.catalogue.sealed if batch.kind in kinds]


class Recounts:
    """Folds what counts of a generation anew, each set of batches once.

    Args:
        snapshot: the generation.
    """

    def __init__(self, snapshot: Snapshot) -> None:
        catalogue = snapshot.catalogue
        self._batches = [(b, snapshot.folder_of(b)) for b in catalogue.batches if b.kind == VCF]
        self._sealed = frozenset(named_batches(snapshot))
        self._correcting = frozenset(
            b.batch for b in catalogue.sealed if b.kind == CORRECTION or b.supersedes
        )
        self._folded: dict[frozenset[str], pl.DataFrame] = {}

    def differing(self, payloads: Sequence[Payload]) -> list[str]:
        """Return what is wrong with the checkpoints of one publication, a sentence each.

        Those that do not name every correction of the generation counted what no longer counts,
        and are not compared.

        Args:
            payloads: all of its payloads.
        """
        found = [read_checkpoint(payload) for payload in payloads]
        named = {batches_named for _, batches_named in found}
        if len(named) != 1:
            return ["the checkpoints name different batches"]
        wanted = frozenset(named.pop())
        if not wanted <= self._sealed:
            return ["the checkpoints name batches that are not sealed"]
        if not wanted >= self._correcting:
            return []
        published = in_genome_order(pl.concat([table_frame(rows) for rows, _ in found]))
        if not published.equals(self._recounted(wanted)):
            return ["the checkpoints are not what the batches they name give"]
        return []

    def _recounted(self, wanted: frozenset[str]) -> pl.DataFrame:
        if wanted not in self._folded:
            parts = [(one.batch, folder) for one, folder in self._batches if one.batch in wanted]
            folded = in_genome_order(fold_whole(parts).filter(pl.col("an") > 0))
            self._folded[wanted] = folded.select(CHECKPOINT.names)
        return self._folded[wanted]


def _folded(paths: Iterable[Path]) -> pl.DataFrame:
    files = list(paths)
    folded = pl.read_parquet(files) if files else pl.DataFrame(schema=FOLDED)
    return in_genome_order(folded)
