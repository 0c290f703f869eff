"""What `verify` asks of corrected genotypes: counts that agree, and no person's position twice.

Counts of a batch, as published, plus what later batches said of them are the recount of what still
counts of it. Persons and positions that two batches hold are taken over by the later one, which
says so. Rules: ``docs/reference/streams.md`` section 7.
"""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Sequence
from itertools import product
from pathlib import Path

import polars as pl

from precisionchain.errors import IntegrityError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Seal, sealed_items
from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.replica.cover import LAYERS, Cover
from precisionchain.replica.genetic_frames import table_frame
from precisionchain.replica.signed_counts import corrected, counted_in_parts, difference
from precisionchain.replica.taken_over import VCF, superseding, taken
from precisionchain.schemas.corrections import (
    CORRECTED_COUNTS,
    CORRECTION,
    read_corrected_counts,
)
from precisionchain.schemas.genetic_payloads import counted_family, is_counter_family
from precisionchain.schemas.streams import family_of

Corrections = dict[str, list[pl.DataFrame]]
"""Signed counts by family of variant blocks."""


def wrong_counts(
    ledger: Ledger, sealed: Sequence[Seal], network: bytes, snapshot: Snapshot
) -> Iterator[str]:
    """Yield which counts, with what was said of them since, are not the recount; a sentence each.

    Args:
        ledger: read only.
        sealed: the valid seals, by position.
        network: 32-byte network id.
        snapshot: a generation; what was sealed after it is not looked at.
    """
    sealed = [seal for seal in sealed if seal.position <= snapshot.catalogue.position]
    counting = {
        batch.batch: batch
        for batch in snapshot.catalogue.sealed
        if batch.kind == VCF and batch.withdrawn is None
    }
    corrections: dict[str, Corrections] = defaultdict(lambda: defaultdict(list))
    yield from _read_corrections(ledger, sealed, network, corrections)
    for batch in counting:
        parts = [
            snapshot.folder_of(one) for one in snapshot.catalogue.batches if one.batch == batch
        ]
        own = snapshot.batch_folder(batch)
        for family in _families(own, corrections[batch]):
            published = _published(own, family)
            due = counted_in_parts(parts, family)
            wrong = difference(corrected(published, corrections[batch][family]), due)
            if wrong:
                yield (
                    f"batch {batch[:16]}: {wrong} counts in {family}, with their corrections, are "
                    "not those of the genotypes that count"
                )


def unnamed_overlaps(snapshot: Snapshot) -> Iterator[str]:
    """Yield which genetic batches hold positions of persons that an earlier one holds, unnamed."""
    later = superseding(snapshot.catalogue.sealed)
    covers: dict[str, Cover] = {}
    earlier: list[SealedBatch] = []
    for batch in snapshot.catalogue.sealed:
        if batch.kind != VCF:
            continue
        covers[batch.batch] = Cover(snapshot.batch_folder(batch.batch))
        for one in earlier:
            counted = one.withdrawn is None or one.withdrawn > batch.position
            if one.publisher != batch.publisher or one.batch in batch.supersedes or not counted:
                continue
            before = [
                (other.batch, covers[other.batch].folder)
                for other in earlier
                if other.batch in later.get(one.batch, ())
            ]
            place = _meeting(covers[batch.batch], covers[one.batch], before)
            if place is not None:
                yield (
                    f"batch {batch.batch[:16]} holds genotypes at {place} of persons whose "
                    f"genotypes there are in batch {one.batch[:16]}, and does not supersede it"
                )
        earlier.append(batch)


def _meeting(ours: Cover, theirs: Cover, before: Sequence[tuple[str, Path]]) -> str | None:
    """Return a position, as ``chrom:pos``, that two batches hold of one person, or None.

    Args:
        ours: the later batch.
        theirs: the earlier one.
        before: id and folder of the batches between them that took positions of that one over.
    """
    for group in taken(ours.shared_with(theirs), (), before):
        for chrom, layer in product(ours.chromosomes(), LAYERS):
            left = theirs.left_by(group.covers, chrom, layer)
            both = ours.spans(chrom, layer).meeting(left)
            if len(both.first):
                return f"{chrom}:{both.first[0]}"
    return None


def _read_corrections(
    ledger: Ledger, sealed: Sequence[Seal], network: bytes, found: dict[str, Corrections]
) -> Iterator[str]:
    """Add the signed counts of all batches, and yield those that are about no batch of theirs."""
    publisher_of: dict[str, bytes] = {}
    for seal in sealed:
        manifest = seal.manifest
        if manifest.kind == CORRECTION or manifest.supersedes:
            try:
                yield from _of_batch(ledger, seal, network, found, publisher_of)
            except IntegrityError as error:
                yield str(error)
        if manifest.kind == VCF:
            publisher_of.setdefault(manifest.batch, seal.publisher)


def _of_batch(
    ledger: Ledger,
    seal: Seal,
    network: bytes,
    found: dict[str, Corrections],
    publisher_of: dict[str, bytes],
) -> Iterator[str]:
    read: list[tuple[str, str, pl.DataFrame]] = []
    for item in sealed_items(ledger, seal, network):
        if item.payload.kind == CORRECTED_COUNTS:
            rows, batch = read_corrected_counts(item.payload)
            read.append((batch, family_of(item.stream), table_frame(rows)))
    for batch, family, frame in read:  # of a batch that is whole
        if publisher_of.get(batch) != seal.publisher or not is_counter_family(family):
            yield (
                f"batch {seal.manifest.batch[:16]} corrects counts in {family} of batch "
                f"{batch[:16]}, which is no earlier one of its site"
            )
        else:
            found[batch][counted_family(family)].append(frame)


def _families(folder: Path, corrections: Corrections) -> list[str]:
    return sorted({path.stem for path in (folder / "counts").glob("*.parquet")} | set(corrections))


def _published(folder: Path, family: str) -> pl.DataFrame:
    return counted_in_parts([folder], family)
