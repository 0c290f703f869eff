"""From sealed batches to the next generation of the replica.

Each batch is unpacked once, into a folder of its own, from items checked against their sealed
leaves. Then the files of what counts are made and the catalogue is swapped. A killed sync leaves
partial folders, which the next one removes, and the catalogue as it was.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from pathlib import Path

from precisionchain.errors import IntegrityError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import Entitled, Seal, sealed_items, seals
from precisionchain.ledger.chains import withdrawals
from precisionchain.replica.catalogue import (
    CATALOGUE,
    Catalogue,
    SealedBatch,
    read_snapshot,
    unpacked_folder,
    write_catalogue,
)
from precisionchain.replica.digests import digests_of, read_digests, write_digests
from precisionchain.replica.generation import Generation, make_generation
from precisionchain.replica.history import require_same_history
from precisionchain.replica.locking import one_at_a_time
from precisionchain.replica.made_ahead import made_folder
from precisionchain.replica.prune import prune
from precisionchain.replica.reading import reading
from precisionchain.replica.resolve import (
    Resolution,
    SiteOf,
    chained,
    resolve,
    sealed_batch,
    withdrawn_by_site,
)
from precisionchain.replica.unpack_clinical import unpack_clinical
from precisionchain.replica.unpack_genetic import unpack_genetic
from precisionchain.replica.unpack_sequencing import unpack_sequencing
from precisionchain.replica.unpack_sites import unpack_site_list
from precisionchain.schemas.corrections import CORRECTION
from precisionchain.schemas.sequencing import SEQUENCING_KIND
from precisionchain.schemas.site_lists import LIST_KIND


@dataclass(frozen=True, slots=True)
class SyncReport:
    """What a sync did, and the batches that do not count; batch ids in hex."""

    position: int
    generation: int
    unpacked: tuple[str, ...]
    withdrawn: tuple[str, ...]
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
    with one_at_a_time(root):
        before = read_snapshot(root, network)
        require_same_history(ledger, before)
        head = ledger.head()
        found = [seal for seal in seals(ledger, entitled) if seal.position <= head.position]
        said = withdrawals(ledger, found, network)
        work = _Unpacking(ledger, network, root, set(said.unreadable), progress)
        for seal in chained(found):
            work.take(seal, sealed_batch(seal, said, site_of))
        withdrawn = withdrawn_by_site(said, site_of)
        catalogue = replace(
            before.catalogue,
            generation=before.catalogue.generation + 1,
            position=head.position,
            head=head,
            incomplete=tuple(work.incomplete),
        )
        answers = (before.catalogue.sealed, before.catalogue.withdrawn)
        if answers != (tuple(work.kept), withdrawn):
            resolved = resolve(work.kept, head.position, withdrawn)
            with reading(before):
                made = make_generation(root, resolved, progress)
                known = read_digests(before) or {}
                catalogue = catalogue_of(root, catalogue, resolved, made, known)
        if catalogue != replace(before.catalogue, generation=catalogue.generation):
            write_catalogue(root / CATALOGUE, catalogue)
            prune(root, catalogue)
        return SyncReport(
            head.position,
            catalogue.generation,
            tuple(work.unpacked),
            tuple(one.batch for one in work.kept if one.withdrawn is not None),
            catalogue.incomplete,
        )


def catalogue_of(
    root: Path,
    catalogue: Catalogue,
    resolved: Resolution,
    made: Generation,
    known: Mapping[str, str],
) -> Catalogue:
    """Return a catalogue that answers from a generation, with the digests of its files written."""
    folders = {
        unpacked_folder(root, one.batch) for one in resolved.sealed if one.kind != CORRECTION
    }
    folders |= {root / one.folder for one in made.batches if one.folder}
    files = {*made.files.values(), *made.gone.values(), *_files_below(folders)}
    return replace(
        catalogue,
        batches=made.batches,
        sealed=resolved.sealed,
        withdrawn=resolved.withdrawn,
        files={name: str(path.relative_to(root)) for name, path in made.files.items()},
        gone={batch: str(path.relative_to(root)) for batch, path in made.gone.items()},
        digests=write_digests(root, digests_of(root, files, known)),
    )


@dataclass(slots=True)
class _Unpacking:
    """Unpacks the batches that have no folder yet, and keeps what became of each."""

    ledger: Ledger
    network: bytes
    root: Path
    unreadable: set[str]
    progress: Callable[[str], None] | None
    kept: list[SealedBatch] = field(default_factory=list)
    unpacked: list[str] = field(default_factory=list)
    incomplete: list[str] = field(default_factory=list)

    def take(self, seal: Seal, batch: SealedBatch) -> None:
        if batch.batch in self.unreadable:
            self.incomplete.append(batch.batch)
            return
        folder = unpacked_folder(self.root, batch.batch)
        if batch.kind != CORRECTION and not folder.exists():
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
        self.kept.append(batch)


def _unpack(ledger: Ledger, seal: Seal, batch: SealedBatch, folder: Path, network: bytes) -> None:
    items = sealed_items(ledger, seal, network)
    made = made_folder(folder.parents[1], batch.batch, seal.manifest.root)
    if made.is_dir():
        deque(items, maxlen=0)  # each is checked against its leaf, and none may be missing
        folder.parent.mkdir(parents=True, exist_ok=True)
        made.rename(folder)
        return
    partial = folder.with_name(f".{folder.name}.partial")
    shutil.rmtree(partial, ignore_errors=True)
    partial.mkdir(parents=True)
    if batch.kind == "vcf":
        unpack_genetic(batch, seal.manifest, items, partial)
    elif batch.kind == SEQUENCING_KIND:
        unpack_sequencing(items, batch.source, partial)
    elif batch.kind == LIST_KIND:
        unpack_site_list(items, partial)
    else:
        unpack_clinical(batch, items, partial)
    partial.rename(folder)


def _files_below(folders: Iterable[Path]) -> Iterator[Path]:
    for folder in folders:
        yield from (path for path in folder.rglob("*") if path.is_file())
