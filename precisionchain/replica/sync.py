"""From sealed batches to the next generation of the replica.

Each batch is unpacked once, into a folder of its own, from items checked against their sealed
leaves. Then the files of the current batches are folded and the catalogue is swapped. A killed
sync leaves partial folders, which the next one removes, and the catalogue as it was.
"""

from __future__ import annotations

import fcntl
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path

from precisionchain.errors import IntegrityError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Entitled, Seal, heads, sealed_items, seals
from precisionchain.replica.catalogue import (
    Catalogue,
    SealedBatch,
    Snapshot,
    read_snapshot,
    write_catalogue,
)
from precisionchain.replica.digests import digests_of, read_digests, write_digests
from precisionchain.replica.fold_clinical import fold_clinical
from precisionchain.replica.fold_counts import fold_counts
from precisionchain.replica.history import require_same_history
from precisionchain.replica.reading import reading
from precisionchain.replica.unpack_clinical import unpack_clinical
from precisionchain.replica.unpack_genetic import unpack_genetic

SiteOf = Callable[[bytes], str]
"""The name of the site a publisher's key belongs to."""


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did; batch ids in hex."""

    position: int
    generation: int
    unpacked: tuple[str, ...]
    superseded: tuple[str, ...]
    incomplete: tuple[str, ...]


def sync(
    ledger: Ledger,
    root: Path,
    *,
    network: bytes,
    entitled: Entitled,
    site_of: SiteOf,
    progress: Callable[[str], None] | None = None,
) -> SyncReport:
    """Bring the replica up to the ledger's newest final position.

    A batch whose sealed items are not all on the ledger is incomplete: kept out, and reported.

    Args:
        ledger: read only.
        root: the replica folder; made when absent, readable by its owner only.
        network: 32-byte network id.
        entitled: whether a single item was signed by someone who could.
        site_of: a publisher's site.
        progress: called with a line per step.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with _one_at_a_time(root):
        before = read_snapshot(root, network)
        require_same_history(ledger, before)
        head = ledger.head()
        current, superseded = _current(list(seals(ledger, entitled)))
        work = _Unpacking(ledger, network, before, progress)
        for seal in current:
            work.take(seal, _sealed_batch(seal, site_of))
        with reading(before):
            files = _fold(work.kept, before, progress)
        answering = [*files.values(), *_own_files(work.kept)]
        digests = digests_of(root, answering, read_digests(before) or {})
        catalogue = Catalogue(
            network.hex(),
            before.catalogue.generation + 1,
            head.position,
            tuple(batch for batch, _ in work.kept),
            tuple(superseded),
            tuple(work.incomplete),
            {name: str(path.relative_to(root)) for name, path in files.items()},
            head,
            write_digests(root, digests),
            tuple(batch for batch, _ in work.kept),
        )
        if catalogue.batches != before.catalogue.batches or head != before.catalogue.head:
            write_catalogue(root, catalogue)
        return SyncReport(
            head.position,
            catalogue.generation,
            tuple(work.unpacked),
            catalogue.superseded,
            catalogue.incomplete,
        )


@dataclass(slots=True)
class _Unpacking:
    """Unpacks the batches that have no folder yet, and keeps what became of each."""

    ledger: Ledger
    network: bytes
    before: Snapshot
    progress: Callable[[str], None] | None
    kept: list[tuple[SealedBatch, Path]] = field(default_factory=list)
    unpacked: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)

    def take(self, seal: Seal, batch: SealedBatch) -> None:
        folder = self.before.batch_folder(batch.batch)
        if not folder.exists():
            if self.progress:
                self.progress(f"unpack {batch.kind} batch {batch.batch[:12]} of {batch.site}")
            try:
                _unpack(self.ledger, seal, batch, folder, self.network)
            except IntegrityError as error:
                self.incomplete.append(batch.batch)
                if self.progress:
                    self.progress(f"  left out: {error}")
                return
            self.unpacked.append(batch.batch)
        self.kept.append((batch, folder))


def _current(sealed: list[Seal]) -> tuple[list[Seal], list[str]]:
    newest = {seal.manifest.batch: seal for seal in heads(sealed).values()}
    superseded = [seal.manifest.batch for seal in sealed if seal.manifest.batch not in newest]
    return sorted(newest.values(), key=lambda seal: seal.position), superseded


def _sealed_batch(seal: Seal, site_of: SiteOf) -> SealedBatch:
    manifest = seal.manifest
    return SealedBatch(
        manifest.batch,
        seal.publisher.hex(),
        site_of(seal.publisher),
        manifest.source,
        manifest.kind,
        seal.position,
        manifest.persons,
        manifest.assay,
        manifest.supersedes,
    )


def _unpack(ledger: Ledger, seal: Seal, batch: SealedBatch, folder: Path, network: bytes) -> None:
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    items = sealed_items(ledger, seal, network)
    if batch.kind == "vcf":
        unpack_genetic(batch, seal.manifest, items, partial)
    else:
        unpack_clinical(batch, items, partial)
    partial.rename(folder)


def _fold(
    kept: list[tuple[SealedBatch, Path]],
    before: Snapshot,
    progress: Callable[[str], None] | None,
) -> dict[str, Path]:
    if tuple(batch for batch, _ in kept) == before.catalogue.batches:
        return before.paths("")
    if progress:
        progress(f"fold {len(kept)} batches")
    folded = before.root / "folded"
    clinical = [(batch, folder) for batch, folder in kept if batch.kind == "omop"]
    genetic = [(batch, folder) for batch, folder in kept if batch.kind == "vcf"]
    return {**fold_clinical(clinical, folded), **fold_counts(genetic, folded)}


def _own_files(kept: list[tuple[SealedBatch, Path]]) -> Iterator[Path]:
    """Yield the files of the batches' own folders."""
    for _, folder in kept:
        yield from (path for path in folder.rglob("*") if path.is_file())


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the replica's own lock: readers never take it, two syncs would do the same work."""
    with (root / ".sync.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
