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
from pathlib import Path
from typing import Any

from precisionchain.errors import LedgerFormatError
from precisionchain.ledger.base import Head

FORMAT = 2


@dataclass(frozen=True, slots=True)
class SealedBatch:
    """A batch that readers answer from. Digests and keys in hex; ``position`` is its seal's."""

    batch: str
    publisher: str
    site: str
    source: str
    kind: str
    position: int
    persons: int
    assay: Mapping[str, Any] | None = None


@dataclass(frozen=True)
class Catalogue:
    """One generation of the replica.

    ``position`` is the ledger position the generation was read up to. ``files`` maps a logical
    name (``CONDITION_436670/condition_occurrence``, ``folded/VAR_9_1_16777216``) to a file below
    the replica folder. ``batches`` are the sealed, not superseded ones, by seal position;
    ``superseded`` and ``incomplete`` are batch ids in hex, kept to be reported. ``head`` is the
    ledger's newest block at that time: a checkpoint that a rewritten or cut-off history fails.
    ``digests`` is the digest of the list of the files' digests (``digests.py``).
    """

    network: str
    generation: int
    position: int
    batches: tuple[SealedBatch, ...] = ()
    superseded: tuple[str, ...] = ()
    incomplete: tuple[str, ...] = ()
    files: Mapping[str, str] = field(default_factory=dict)
    head: Head | None = None
    digests: str = ""
    format: int = FORMAT

    @cached_property
    def by_batch(self) -> Mapping[str, SealedBatch]:
        """The batches by their id."""
        return {batch.batch: batch for batch in self.batches}


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
        """Return the folder of a batch's own unpacked files."""
        return self.root / "batches" / batch[:32]


def read_snapshot(root: Path, network: bytes) -> Snapshot:
    """Return the newest generation; an empty one where nothing was synced yet.

    Raises:
        LedgerFormatError: the catalogue is of another format or network.
    """
    path = root / "catalogue.json"
    try:
        found = path.stat()
    except FileNotFoundError:
        return Snapshot(root, Catalogue(network.hex(), 0, -1))
    return Snapshot(root, _read(path, network, (found.st_ino, found.st_mtime_ns, found.st_size)))


@lru_cache(maxsize=8)
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
    members["batches"] = tuple(SealedBatch(**batch) for batch in members["batches"])
    head = members["head"]
    if head is not None:
        members["head"] = Head(head["position"], head["block"], bytes.fromhex(head["digest"]))
    members["superseded"] = tuple(members["superseded"])
    members["incomplete"] = tuple(members["incomplete"])
    return Catalogue(**members)


def write_catalogue(root: Path, catalogue: Catalogue) -> None:
    """Make a catalogue the newest, by rename, after its files are on disk."""
    temporary = root / f".catalogue.{os.getpid()}.json"
    with temporary.open("w", encoding="utf-8") as sink:
        json.dump(asdict(catalogue), sink, default=bytes.hex)
        sink.flush()
        os.fsync(sink.fileno())
    temporary.replace(root / "catalogue.json")
