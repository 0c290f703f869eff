"""The catalogue of a replica: which immutable files answer for which sealed batches.

A reader opens ``catalogue.json`` once and then sees one generation, whatever is synced meanwhile:
files are never changed, a new catalogue replaces the old one by rename, and nothing is locked.
"""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from functools import cached_property, lru_cache
from hashlib import sha256
from pathlib import Path
from typing import Any

from precisionchain.errors import LedgerFormatError
from precisionchain.ledger.base import Head

FORMAT = 4
CATALOGUE = "catalogue.json"
"""The newest generation's file."""

ORIGIN = ("site", "batch")
"""Columns that every clinical row carries: who published it, and in which batch."""
PLACE = ("ordinal", "row")
"""Columns of its place in that batch, which files of one batch have and folded ones have not."""


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A batch, or a part of one, that readers answer from. Digests and keys are in hex.

    Attributes:
        position: of its seal.
        supersedes: VCF: earlier batches whose calls fall where this one covers them.
        withdrawn: the position of the seal that withdrew it, None while it counts.
        folder: below the replica folder; empty for the batch's own, where all of it lies. A VCF
            batch some of whose calls no longer count is in derived folders, one or two, and in the
            catalogue once for each: the entries share ``batch`` and differ in ``persons``.
    """

    batch: str
    publisher: str
    site: str
    source: str
    kind: str
    position: int
    persons: int
    assay: Mapping[str, Any] | None = None
    supersedes: tuple[str, ...] = ()
    withdrawn: int | None = None
    folder: str = ""


@dataclass(frozen=True)
class Catalogue:
    """One generation of the replica.

    ``position`` is the ledger position the generation was read up to. ``files`` maps a logical
    name (``CONDITION_436670/condition_occurrence``, ``folded/VAR_9_1_16777216``) to a file below
    the replica folder. ``batches`` are those that answer, by seal position, a batch in several
    parts several times; ``sealed`` all complete ones, also withdrawn ones and corrections, once
    each. ``gone`` maps a batch to the file of its places that no longer count, ``withdrawn`` a site
    to its withdrawn persons; ``left_out`` counts, as of an earlier position, those who would answer
    had they not been withdrawn since, and ``next_seal`` is the position of the first seal after it.
    ``incomplete`` are batch ids in hex, kept to be reported.
    ``head`` is the ledger's newest block at that time: a checkpoint that a rewritten or cut-off
    history fails. ``digests`` is the digest of the list of the files' digests (``digests.py``).
    """

    network: str
    generation: int
    position: int
    batches: tuple[SealedBatch, ...] = ()
    incomplete: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    head: Head | None = None
    digests: str = ""
    sealed: tuple[SealedBatch, ...] = ()
    gone: Mapping[str, str] = field(default_factory=dict)
    withdrawn: Mapping[str, tuple[int, ...]] = field(default_factory=dict)
    left_out: int = 0
    next_seal: int | None = None
    format: int = FORMAT

    @cached_property
    def by_batch(self) -> Mapping[str, SealedBatch]:
        """The batches that answer by their id; of a batch in parts, its last part."""
        return {batch.batch: batch for batch in self.batches}

    @cached_property
    def state(self) -> str:
        """Digest of all that answers are read from; generations of one state answer alike."""
        parts = [(batch.batch, batch.folder) for batch in self.batches]
        said = [self.network, parts, sorted(self.files.items()), sorted(self.withdrawn.items())]
        return sha256(json.dumps(said).encode()).hexdigest()

    @property
    def newest(self) -> int:
        """The position of the newest seal that was read, whatever became of its batch; -1: none."""
        return max((batch.position for batch in self.sealed), default=-1)


@dataclass(frozen=True)
class Snapshot:
    """A catalogue and the folder its files lie in: what queries read."""

    root: Path
    catalogue: Catalogue

    def path(self, name: str) -> Path | None:
        """Return the file of a logical name, None where the network holds nothing under it."""
        relative = self.catalogue.files.get(name)
        return None if relative is None else self.root / relative

    def paths(self, prefix: str) -> dict[str, Path]:
        """Return the files whose logical name starts with a prefix, by name."""
        return {
            name: self.root / relative
            for name, relative in self.catalogue.files.items()
            if name.startswith(prefix)
        }

    def batch_folder(self, batch: str) -> Path:
        """Return the folder of a batch's own unpacked files: the whole batch as it was sealed."""
        return unpacked_folder(self.root, batch)

    def folder_of(self, batch: SealedBatch) -> Path:
        """Return the folder that answers for a batch, or for a part of one."""
        return self.root / batch.folder if batch.folder else self.batch_folder(batch.batch)


def unpacked_folder(root: Path, batch: str) -> Path:
    """Return the folder of a batch's own unpacked files below a replica folder."""
    return root / "batches" / batch[:32]


def read_snapshot(root: Path, network: bytes) -> Snapshot:
    """Return the newest generation; an empty one where nothing was synced yet.

    Raises:
        LedgerFormatError: the catalogue is of another format or network.
    """
    found = read_catalogue(root / CATALOGUE, network)
    return Snapshot(root, found or Catalogue(network.hex(), 0, -1))


def read_catalogue(path: Path, network: bytes) -> Catalogue | None:
    """Return a catalogue, None where there is no such file.

    Raises:
        LedgerFormatError: it is of another format or network.
    """
    try:
        found = path.stat()
    except FileNotFoundError:
        return None
    return _read(path, network, (found.st_ino, found.st_mtime_ns, found.st_size))


@lru_cache(maxsize=16)
def _read(path: Path, network: bytes, _file: tuple[int, int, int]) -> Catalogue:
    """Read a catalogue, each once: one is never written to, so another is another ``_file``."""
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
    except ValueError as error:
        raise LedgerFormatError(
            "the replica's catalogue is damaged",
            where=str(path.name),
            hint="delete the replica folder and run `precisionchain sync`: it is rebuilt",
        ) from error
    if members.get("format") != FORMAT or members.get("network") != network.hex():
        raise LedgerFormatError(
            f"the replica is of format {members.get('format')} or of another network, not of "
            f"format {FORMAT} of this one",
            where=str(path.name),
            hint="delete the replica folder and run `precisionchain sync`: it is rebuilt",
        )
    for name in ("batches", "sealed"):
        members[name] = tuple(_sealed_batch(batch) for batch in members[name])
    members["withdrawn"] = {site: tuple(ids) for site, ids in members["withdrawn"].items()}
    head = members["head"]
    if head is not None:
        members["head"] = Head(head["position"], head["block"], bytes.fromhex(head["digest"]))
    members["incomplete"] = tuple(members["incomplete"])
    return Catalogue(**members)


def _sealed_batch(members: Mapping[str, Any]) -> SealedBatch:
    return SealedBatch(**{**members, "supersedes": tuple(members["supersedes"])})


def write_catalogue(path: Path, catalogue: Catalogue) -> None:
    """Write a catalogue, by rename, after its files are on disk."""
    temporary = path.with_name(f".{path.stem}.{os.getpid()}.json")
    with temporary.open("w", encoding="utf-8") as sink:
        json.dump(asdict(catalogue), sink, default=bytes.hex)
        sink.flush()
        os.fsync(sink.fileno())
    temporary.replace(path)
