"""What stands in site folders after commands were killed, and what has to stand there at last."""

from __future__ import annotations

import re
import shutil
import sqlite3
import tempfile
from collections import Counter
from collections.abc import Iterator, Mapping
from contextlib import closing, contextmanager
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import duckdb

from precisionchain.access.log import AccessLog
from precisionchain.config import SiteFolder
from precisionchain.ledger.batches import sealed_items, seals
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.membership import LiveMembership
from precisionchain.replica.catalogue import read_snapshot
from precisionchain.replica.digests import read_digests
from precisionchain.schemas.items import SEAL_ORDINAL
from precisionchain.schemas.streams import ACCESS, CHECKPOINT, NETWORK, StreamName

SITE = "site_a"
_NOT_REPEATABLE = (ACCESS, CHECKPOINT, NETWORK)
"""Families whose items carry a time, a new key or a new number in every run."""
_KEPT = frozenset({".sync.lock"})
_RUN = re.compile(r"\d{6}-(omop|vcf)")


@dataclass(frozen=True, slots=True)
class Standing:
    """A site folder as far as it must be the same whatever was killed.

    Attributes:
        items: (family, publisher, batch, ordinal) -> stored bytes, of batches and MAF checkpoints.
        members: sites and users with their standing, without keys.
        sealed: batches and what withdrew them, by the catalogue.
        answering: digests of the files that answer, and how many persons are withdrawn.
        outbox: batches in it.
        staged: the staging views and their rows.
        leftovers: files that a job writes under a name of its own and renames.
    """

    items: Mapping[tuple[str, bytes, bytes, int], bytes]
    members: Counter[str]
    sealed: tuple[Any, ...]
    answering: tuple[Any, ...]
    outbox: int
    staged: Mapping[str, list[Any]]
    leftovers: tuple[str, ...]

    def differences(self, other: Standing) -> list[str]:
        """Return what is not the same in another, by name."""
        return [
            f"{name}: {_shown(getattr(self, name), getattr(other, name))}"
            for name in self.__slots__
            if getattr(self, name) != getattr(other, name)
        ]


def _shown(one: Any, other: Any) -> str:
    if isinstance(one, Mapping):
        apart = [key for key in one.keys() | other.keys() if one.get(key) != other.get(key)]
        shown = "; ".join(
            f"{k}: {str(one.get(k))[:150]} != {str(other.get(k))[:150]}" for k in apart[:2]
        )
        return f"{len(apart)} of {len(one)} and {len(other)}: {shown}"
    return f"{str(one)[:300]} != {str(other)[:300]}"


def standing(world: Path) -> Standing:
    """Return how a site stands after its commands have ended.

    Raises:
        AssertionError: an item is there twice, or a sealed batch is not whole.
    """
    folder = SiteFolder(world / SITE)
    with closing(EmbeddedLedger(folder.root / "ledger.sqlite")) as ledger:
        membership = LiveMembership(ledger)
        items = _items(ledger)
        _check_sealed(ledger, membership)
        members = Counter(
            [f"{one.site} {one.code} {one.admin} {one.until}" for one in membership.members()]
            + [f"{one.name} {one.roles} {one.until is None}" for one in membership.users()]
        )
        snapshot = read_snapshot(folder.replica, membership.network)
    catalogue = snapshot.catalogue
    return Standing(
        items,
        members,
        tuple((b.batch, b.kind, b.persons, b.supersedes) for b in catalogue.sealed),
        (
            catalogue.incomplete,
            tuple(replace(b, position=0, withdrawn=None) for b in catalogue.batches),
            sorted(catalogue.files.items()),
            {site: len(persons) for site, persons in catalogue.withdrawn.items()},
            sorted((read_digests(snapshot) or {}).items()),
        ),
        sum(1 for _ in _outbox(folder.outbox)),
        _staged(folder),
        tuple(
            sorted(
                str(path.relative_to(world))
                for path in world.rglob(".*")
                if path.name not in _KEPT and not any(p.startswith(".") for p in path.parent.parts)
            )
            + sorted(str(path.relative_to(world)) for path in world.rglob("[!.]*.partial"))
        ),
    )


def _items(ledger: EmbeddedLedger) -> dict[tuple[str, bytes, bytes, int], bytes]:
    found = {}
    for placed in ledger.items():
        item, family = placed.item, StreamName.parse(placed.item.stream).family
        if family in _NOT_REPEATABLE:
            continue
        name = (family, item.publisher, item.batch_id, item.ordinal)
        assert name not in found, f"{name} is there twice"
        found[name] = item.stored
    return found


def _check_sealed(ledger: EmbeddedLedger, membership: LiveMembership) -> None:
    for seal in seals(ledger, membership.is_entitled):
        whole = sum(1 for _ in sealed_items(ledger, seal, membership.network))
        assert whole == seal.manifest.items


def _outbox(path: Path) -> Iterator[tuple[bytes, int, int]]:
    """Yield batch, whether it is frozen, and how many items of it are there."""
    if not path.exists():
        return
    with closing(sqlite3.connect(path)) as database:
        if not database.execute("select 1 from sqlite_schema where name = 'item'").fetchall():
            return
        yield from database.execute(
            "select batch_id, frozen, (select count(*) from item where item.batch_id ="
            " batch.batch_id) from batch"
        )


def _staged(folder: SiteFolder) -> dict[str, list[Any]]:
    """Return every view of staging with its rows."""
    if not folder.staging_views.exists():
        return {}
    with closing(duckdb.connect(str(folder.staging_views), read_only=True)) as views:
        named = views.sql("select view_name from duckdb_views() where not internal").fetchall()
        return {
            name: sorted(
                _RUN.sub("run", str(row)) for row in views.sql(f'from "{name}"').fetchall()
            )
            for (name,) in named
        }


# -------------------------------------------------------------------------- right after a kill


@contextmanager
def as_it_lies(world: Path) -> Iterator[tuple[SiteFolder, EmbeddedLedger]]:
    """Open a copy of what a killed command left: looking at it repairs it."""
    with tempfile.TemporaryDirectory(dir=world.parent) as copied:
        folder = SiteFolder(Path(copied))
        for name in ("ledger.sqlite", "outbox.sqlite"):
            for path in (world / SITE).glob(f"{name}*"):
                if not path.name.endswith("-shm"):
                    shutil.copy(path, folder.root / path.name)
        with closing(EmbeddedLedger(folder.root / "ledger.sqlite")) as ledger:
            yield folder, ledger


@dataclass(frozen=True, slots=True)
class Left:
    """What a killed command left: how far it had come.

    ``items`` counts by family; ``seals`` the sealed batches; ``synced`` whether the replica has all
    of them; ``outbox`` its batches: (frozen, items there, items of it on the ledger, sealed).
    """

    items: Counter[str]
    seals: int
    synced: bool
    outbox: tuple[tuple[bool, int, int, bool], ...]


def left_by(world: Path) -> Left:
    """Look at what a killed command left.

    Raises:
        AssertionError: a sealed batch is not whole, or an item is there twice.
    """
    with as_it_lies(world) as (folder, ledger):
        membership = LiveMembership(ledger)
        _check_sealed(ledger, membership)
        _items(ledger)
        counts = Counter(StreamName.parse(one.item.stream).family for one in ledger.items())
        newest = [seal.position for seal in seals(ledger, membership.is_entitled)]
        snapshot = read_snapshot(world / SITE / "replica", membership.network)
        own = EmbeddedLedger.ordinals
        waiting = []
        for batch, frozen, items in _outbox(folder.outbox):
            keys = [key for member in membership.members() for key in [member.public_key]]
            there = frozenset[int]().union(*(own(ledger, key, batch) for key in keys))
            waiting.append((bool(frozen), items, len(there), SEAL_ORDINAL in there))
        synced = not newest or snapshot.catalogue.position >= newest[-1]
        return Left(counts, len(newest), synced, tuple(waiting))


def step_of(before: Left, left: Left) -> str:
    """Return in which step of its work a command died, given what stood before it."""
    for frozen, _, there, sealed in left.outbox:
        if not frozen:
            return "2 encoding into the outbox"
        if sealed:
            return "5 sealed, still in the outbox"
        return "4 sending" if there else "3 frozen, nothing sent"
    grown = Counter(left.items)
    grown.subtract(before.items)
    if left.seals > before.seals:
        if not left.synced:
            return "6 sealed, replica behind"
        if grown[CHECKPOINT]:
            return "9 checkpoint published"
        maf = sum(number for family, number in grown.items() if family.startswith("MAF_"))
        return "8 MAF checkpoint begun" if maf else "7 synced"
    for family, said in ((NETWORK, "record written"), (ACCESS, "entries written")):
        if grown[family]:
            return f"{said}: {grown[family]}"
    if any(number for family, number in grown.items() if family.startswith("MAF_")):
        return "8 MAF checkpoint begun" + (", all ended" if grown[CHECKPOINT] else "")
    if grown[CHECKPOINT]:
        return "9 checkpoint published"
    return "1 nothing on the ledger yet"


def questions_asked(world: Path) -> Counter[str]:
    """Return how the questions in the access log ended."""
    with closing(EmbeddedLedger(world / SITE / "ledger.sqlite")) as ledger:
        log = AccessLog(ledger, LiveMembership(ledger))
        assert list(log.findings()) == []
        return Counter(question.status for question in log.questions())
