"""Where the index lies and how it keeps up with the ledger.

``catalogue.json`` names the segments, the open questions, and how far they go; it is replaced by
rename, and what it names is never changed, so readers take no lock. One program at a time writes.
Entries too few to be worth a file are read from the ledger each time.
"""

from __future__ import annotations

import fcntl
import json
import os
import secrets
import shutil
import time
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, fields
from hashlib import sha256
from itertools import islice
from pathlib import Path
from typing import Final

import polars as pl

from precisionchain.access.index.build import OPEN_SCHEMA, Builder, Reader, empty_segment
from precisionchain.access.index.numbering import PERSON_SCHEMA
from precisionchain.access.index.segment import (
    Segment,
    StoredSegment,
    merged,
    read_table,
    weight,
    write_table,
)
from precisionchain.access.judge import checked, items_up_to
from precisionchain.access.log import newest_membership
from precisionchain.access.log_keys import learn_log_keys
from precisionchain.access.postings import ALLELE_SCHEMA
from precisionchain.access.sealing import Keyring
from precisionchain.errors import IntegrityError
from precisionchain.ledger.base import Head, Ledger, LedgerItem
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import Member, User

FORMAT: Final = 2
TAIL: Final = 48
"""Entries that are judged again by each reader rather than kept: some 50 ms of them."""
SEGMENT_WEIGHT: Final = 4_000_000
"""Runs, and 16 a question, that a segment holds at most before another is begun."""
_STRETCH: Final = 2_000
_KEPT_SECONDS: Final = 600
"""How long files that no catalogue names are left to readers that have just opened them."""
_CATALOGUE, _LOCK = "catalogue.json", ".lock"

Progress = Callable[[str], None]


@dataclass(frozen=True, slots=True)
class Catalogue:
    """What the index in a folder holds: all entries up to ``position``.

    ``head`` is the ledger's newest block then, ``rights`` what the members and users were entitled
    to up to there (`rights_digest`); ``segments`` are folders, ``still_open`` a file.
    """

    network: str
    position: int
    head: Head
    rights: str
    keys: str
    segments: tuple[str, ...]
    still_open: str
    format: int = FORMAT


@dataclass(frozen=True, slots=True)
class Index:
    """One state of the index: what is on disk, and in memory the few entries that came since."""

    segments: tuple[StoredSegment, ...]
    tail: Segment
    still_open: pl.DataFrame


_NOTHING: Final = Index((), empty_segment(), pl.DataFrame(schema=OPEN_SCHEMA))


def open_index(
    ledger: Ledger,
    membership: Membership,
    root: Path | None,
    keyring: Keyring | None = None,
    *,
    progress: Progress | None = None,
) -> Index:
    """Return the index of every entry the ledger holds now, bringing it up to date.

    Args:
        ledger: read only.
        membership: who has which key.
        root: the folder of the index, made when absent, readable by its owner only; without one
            the index is made in memory.
        keyring: what can be opened; without one nothing that is sealed.
        progress: called with a line now and then, where there is much to index.

    Raises:
        IntegrityError: the ledger's history is not the one the index was made from.
    """
    head = ledger.head()
    membership, keyring = newest_membership(ledger, membership), keyring or Keyring()
    learn_log_keys(ledger, membership.network, keyring)
    if root is None:
        items: Iterable[LedgerItem] = items_up_to(ledger, head.position)
        return _with(_NOTHING, ledger, membership, keyring, items)
    work = _Work(ledger, membership, keyring, root, head, progress)
    known = work.known()
    few = list(islice(work.items_after(known), TAIL + 1))
    if not few:
        return work.index(known)
    if len(few) <= TAIL:
        return _with(work.index(known), ledger, membership, keyring, few)
    with _one_at_a_time(root):
        return work.bring_up(work.known())


def _with(
    index: Index,
    ledger: Ledger,
    membership: Membership,
    keyring: Keyring,
    items: Iterable[LedgerItem],
) -> Index:
    """Return an index with what came since, which is not kept."""
    builder = _builder_after(index.segments)
    reader = Reader(ledger, membership, keyring, builder, index.still_open)
    reader.take(checked(items, membership.network))
    return Index(index.segments, builder.segment(), reader.still_open())


@dataclass(slots=True)
class _Work:
    """Brings the index in a folder up to one head."""

    ledger: Ledger
    membership: Membership
    keyring: Keyring
    root: Path
    head: Head
    progress: Progress | None

    def known(self) -> Catalogue | None:
        """Return what the folder holds, None where that is nothing, or does not count any more."""
        found = _read_catalogue(self.root / _CATALOGUE)
        if found is None or found.network != self.membership.network.hex():
            return None
        if found.keys != self.keyring.digest.hex():
            self._say("other keys are here than before: the access log is indexed anew")
            return None
        if not self.ledger.extends(found.head):
            raise IntegrityError(
                "the ledger's history is not the one the index of the access log was made from:"
                " rewritten, or cut off",
                where=f"position {found.head.position}, block {found.head.block}",
                hint="compare with another member's ledger before you trust it",
            )
        if found.rights != rights_digest(self.membership, found.position):
            self._say("who counted when was changed: the access log is indexed anew")
            return None
        return found

    def index(self, known: Catalogue | None) -> Index:
        """Return the index as the folder holds it."""
        if known is None:
            return _NOTHING
        segments = tuple(StoredSegment(self.root / name) for name in known.segments)
        return Index(segments, _NOTHING.tail, read_table(self.root / known.still_open))

    def items_after(self, known: Catalogue | None) -> Iterator[LedgerItem]:
        """Yield the entries that the folder does not hold, up to the head."""
        after = -1 if known is None else known.position
        return items_up_to(self.ledger, self.head.position, after=after)

    def bring_up(self, known: Catalogue | None) -> Index:
        """Write what came since, segment by segment, and return the index."""
        index = self.index(known)
        segments = list(index.segments)
        builder = _builder_after(segments)
        reader = Reader(self.ledger, self.membership, self.keyring, builder, index.still_open)
        signed = checked(self.items_after(known), self.membership.network)
        done, said, position = 0, time.monotonic(), None
        while (last := reader.take(islice(signed, _STRETCH))) is not None:
            position, done = last, done + _STRETCH
            if builder.weight >= SEGMENT_WEIGHT:
                self._keep(segments, builder, reader.still_open(), position)
            if time.monotonic() - said > 1:
                said = time.monotonic()
                self._say(f"index the access log: {done:,} entries, position {position:,}")
        still_open = reader.still_open()
        if position is not None:
            self._keep(segments, builder, still_open, self.head.position)
        self._remove_others(segments)
        return Index(tuple(segments), _NOTHING.tail, still_open)

    def _keep(
        self,
        segments: list[StoredSegment],
        builder: Builder,
        still_open: pl.DataFrame,
        position: int,
    ) -> None:
        """Write a segment, melt small ones together, and put the catalogue in place."""
        newest, before = builder.segment(), list(segments)
        while before and weight(before[-1]) <= min(
            2 * weight(newest), SEGMENT_WEIGHT - weight(newest)
        ):
            newest = merged([before.pop(), newest])
        name = secrets.token_hex(8)
        partial = self.root / f".{name}"
        newest.write(partial)
        partial.rename(self.root / name)
        segments[:] = [*before, StoredSegment(self.root / name)]
        open_name = f"open-{name}.parquet"
        write_table(still_open, self.root / open_name)
        names = tuple(segment.folder.name for segment in segments)
        rights = rights_digest(self.membership, position)
        network, keys = self.membership.network.hex(), self.keyring.digest.hex()
        _write_catalogue(
            self.root, Catalogue(network, position, self.head, rights, keys, names, open_name)
        )

    def _remove_others(self, segments: list[StoredSegment]) -> None:
        """Remove what neither this catalogue nor a reader that has just opened another needs."""
        current = _read_catalogue(self.root / _CATALOGUE)
        kept = {_CATALOGUE, _LOCK, *(segment.folder.name for segment in segments)}
        if current is not None:
            kept.add(current.still_open)
        for path in self.root.iterdir():
            if path.name not in kept and time.time() - path.stat().st_mtime > _KEPT_SECONDS:
                shutil.rmtree(path) if path.is_dir() else path.unlink()

    def _say(self, text: str) -> None:
        if self.progress:
            self.progress(text)


def _builder_after(segments: Sequence[StoredSegment]) -> Builder:
    persons = [segment.table("persons") for segment in segments]
    alleles = [segment.table("alleles") for segment in segments]
    return Builder(
        pl.concat([pl.DataFrame(schema=dict(PERSON_SCHEMA)), *persons]),
        pl.concat([pl.DataFrame(schema=ALLELE_SCHEMA), *alleles]),
    )


def rights_digest(membership: Membership, position: int) -> str:
    """Return the digest, in hex, of who was entitled to what up to a position.

    Every member of every standing of a site or user counts, but for what came after the position:
    a record that says later who counted earlier changes the digest, one about later does not.
    """
    told = [str(membership.newest_declaration())]
    entries: list[Member | User] = [*membership.members(), *membership.users()]
    for entry in entries:
        standing: Member | User | None = entry
        while standing is not None:
            if standing.changed <= position:
                told.append(_told(standing))
            standing = standing.before
    return sha256("\n".join(sorted(told)).encode()).hexdigest()


def _told(standing: Member | User) -> str:
    members = {
        one.name: getattr(standing, one.name)
        for one in fields(standing)
        if one.name not in {"admitted", "removed", "before"}
    }
    return f"{type(standing).__name__} {sorted(members.items())!r}"


# ---------------------------------------------------------------------------------------- files


def _read_catalogue(path: Path) -> Catalogue | None:
    """Return the catalogue; None where there is none of this format, since it is made again."""
    try:
        members = json.loads(path.read_text(encoding="utf-8"))
        if members["format"] != FORMAT:
            return None
        head = members["head"]
        members["head"] = Head(head["position"], head["block"], bytes.fromhex(head["digest"]))
        members["segments"] = tuple(members["segments"])
        return Catalogue(**members)
    except (FileNotFoundError, ValueError, KeyError, TypeError):
        return None


def _write_catalogue(root: Path, catalogue: Catalogue) -> None:
    partial = root / f".catalogue.{os.getpid()}"
    with partial.open("w", encoding="utf-8") as sink:
        json.dump(asdict(catalogue), sink, default=bytes.hex)
        sink.flush()
        os.fsync(sink.fileno())
    partial.replace(root / _CATALOGUE)


@contextmanager
def _one_at_a_time(root: Path) -> Iterator[None]:
    """Hold the index's own lock, which readers never take."""
    for folder in (root.parent, root):
        folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    with (root / _LOCK).open("a") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        yield
