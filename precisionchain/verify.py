"""``verify``: everything the ledger and the replica claim, checked again from the bytes.

Each check yields what it examined and every finding, located. What a clean run proves, and what it
cannot, is told in ``docs/explanation/trust.md`` and in the last line printed.
"""

from __future__ import annotations

from collections import Counter, defaultdict
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass, field
from pathlib import Path
from tempfile import TemporaryDirectory
from typing import Any

import pyarrow as pa

from precisionchain.access.log import AccessLog
from precisionchain.errors import IntegrityError, PrecisionChainError
from precisionchain.ledger.base import Finding, Ledger, LedgerItem
from precisionchain.ledger.batches import (
    Entitled,
    Seal,
    family_items,
    heads,
    sealed_items,
    sealed_leaves,
    seals,
    streams_of,
)
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import NETWORK_STREAM
from precisionchain.replica.catalogue import Snapshot, read_snapshot
from precisionchain.replica.digests import damage, read_digests
from precisionchain.replica.history import require_same_history
from precisionchain.replica.reading import REBUILD
from precisionchain.schemas.items import Item, ItemClass
from precisionchain.schemas.payloads import distinct_integers, payload_table
from precisionchain.schemas.streams import ACCESS, BATCH, FREQUENCIES, NETWORK, StreamName

TRUST = (
    "signatures show that no other member wrote these items; a history rewritten by whoever holds"
    " the keys, or a cut-off tail, shows only against an earlier checkpoint: compared with the head"
    " that this site's last sync remembered; what came after it is not checkable here"
)


@dataclass(slots=True)
class Check:
    """One check: how many things it looked at, and what was wrong with them.

    An advisory check reports what readers ignore anyway; it does not fail.
    """

    name: str
    examined: int = 0
    findings: list[Finding] = field(default_factory=list)
    advisory: bool = False

    @property
    def ok(self) -> bool:
        """Whether nothing was found, or nothing that harms."""
        return self.advisory or not self.findings

    def row(self) -> dict[str, Any]:
        """Return the check as one JSON object."""
        return {
            "check": self.name,
            "ok": self.ok,
            "examined": self.examined,
            "findings": [located(finding) for finding in self.findings],
        }

    def line(self) -> str:
        """Return the check as text, a finding a line."""
        head = f"{'ok  ' if self.ok else 'FAIL'} {self.name}: {self.examined} examined"
        return "\n".join([head, *(f"       {located(finding)}" for finding in self.findings)])

    def find(self, message: str, at: LedgerItem | None = None, stream: str | None = None) -> None:
        """Add a finding."""
        if at is not None:
            stream = at.item.stream
        position = None if at is None else at.position
        self.findings.append(Finding(self.name, message, stream, position))


def located(finding: Finding) -> str:
    """Return a finding with its place."""
    places = (("stream", finding.stream), ("position", finding.position), ("block", finding.block))
    place = ", ".join(f"{name} {value}" for name, value in places if value is not None)
    return f"{place}: {finding.message}" if place else finding.message


def verify(
    ledger: Ledger,
    *,
    membership: Membership,
    snapshot: Snapshot,
    progress: Callable[[str], None] | None = None,
) -> list[Check]:
    """Run every check and return them all, failed ones with what they found.

    Args:
        ledger: read only.
        membership: who is who, folded from the same ledger.
        snapshot: the replica's newest generation.
        progress: called with a line per check.
    """
    entitled, network = membership.is_entitled, membership.network
    steps: list[Callable[[], Check]] = [
        lambda: _bytes(ledger),
        lambda: _writers(ledger, membership),
        lambda: _history(ledger, snapshot),
        lambda: _signatures(ledger, membership),
        lambda: _access(ledger, membership),
        lambda: _batches(ledger, entitled, network),
        lambda: _strays(ledger, entitled, network),
        lambda: _replica(ledger, entitled, snapshot),
        lambda: _checkpoints(ledger, membership, snapshot),
    ]
    checks = []
    for step in steps:
        try:
            check = step()
        except PrecisionChainError as error:
            check = Check("readable", findings=[Finding("readable", str(error))])
        if progress:
            progress(f"{check.name}: {check.examined} examined")
        checks.append(check)
    return checks


def _bytes(ledger: Ledger) -> Check:
    check = Check("bytes", ledger.head().position + 1)
    check.findings.extend(ledger.findings())
    return check


def _writers(ledger: Ledger, membership: Membership) -> Check:
    """Check that each block was written by a site that was a member then, or by the founder.

    The founder's blocks before the record that makes it a member are the network's beginning.
    """
    check = Check("writers")
    founding = membership.member(membership.founder)
    began = -1 if founding is None else founding.since
    for writer in ledger.writers():
        check.examined += 1
        founds = writer.public_key == membership.founder and writer.position < began
        if not founds and not membership.site_at(
            writer.public_key, writer.position + 1, writer.time
        ):
            found = Finding(check.name, "written by a key that was no member's", block=writer.block)
            check.findings.append(found)
    return check


def _signatures(ledger: Ledger, membership: Membership) -> Check:
    """Check that every single item is signed by someone who could say it where it stands."""
    check = Check("signatures", len(membership.members()) + len(membership.users()) + 1)
    check.findings.extend(membership.findings)
    for found in family_items(ledger, NETWORK):
        if found.item.stream != NETWORK_STREAM:
            check.find("a record in another stream than readers look at", found)
    for family in (BATCH, ACCESS):
        for found in family_items(ledger, family):
            if found.item.item_class is ItemClass.SINGLE:
                check.examined += 1
                if not membership.is_entitled(found):
                    check.find("not signed by a member or user entitled to it", found)
    return check


def _access(ledger: Ledger, membership: Membership) -> Check:
    """Check that every outcome in the access log belongs to a request by the same user."""
    log = AccessLog(ledger, membership)
    check = Check("access-log", sum(1 for _ in log.questions()))
    check.findings.extend(log.findings())
    return check


def _batches(ledger: Ledger, entitled: Entitled, network: bytes) -> Check:
    """Check each current batch: root, leaves, payloads, mappings, and counts against a recount."""
    check = Check("batches")
    for seal in heads(seals(ledger, entitled)).values():
        try:
            check.examined += _batch(check, ledger, seal, network)
        except PrecisionChainError as error:
            check.find(str(error))
    return check


def _batch(check: Check, ledger: Ledger, seal: Seal, network: bytes) -> int:
    placed: set[tuple[str, int]] = set()
    mapped: set[tuple[str, int]] = set()
    examined = 0

    def watched() -> Iterator[Item]:
        nonlocal examined
        for item in sealed_items(ledger, seal, network):
            examined += 1
            yield item

    if seal.manifest.kind == "vcf":
        from precisionchain.replica.recount import recount

        for message in recount(watched()):
            check.find(f"batch {seal.manifest.batch[:16]}: {message}")
        return examined
    for item in watched():
        family = StreamName.parse(item.stream).family
        table, rows = payload_table(item.payload)
        if item.payload.kind == "map-concept":
            mapped.update(_pairs(rows, "concept_id"))
        elif item.payload.kind == "map-person":
            mapped.update(_pairs(rows, "person_id"))
        elif item.payload.kind == "clinical" and table:
            placed.update((family, entity) for entity in _entities(family, item))
            if family.startswith("CLIN_PERSON"):
                placed.update((family, p) for p in distinct_integers(rows["person_id"]))
    for family, count in sorted(Counter(family for family, _ in placed - mapped).items()):
        check.find(f"{count} entities that no mapping leads to", stream=family)
    return examined


def _pairs(mapping: pa.Table, entity: str) -> Iterator[tuple[str, int]]:
    families: list[Any] = mapping["family"].to_pylist()
    entities: list[Any] = mapping[entity].to_pylist()
    return zip(families, entities, strict=True)


def _entities(family: str, item: Item) -> Iterator[int]:
    prefix = "p:" if family.startswith("CLIN_PERSON") else "c:"
    for key in item.keys:
        if key.startswith(prefix):
            yield int(key.removeprefix(prefix))


def _strays(ledger: Ledger, entitled: Entitled, network: bytes) -> Check:
    """Find batch items that no seal commits to: a killed job's, or a stranger's."""
    check = Check("strays", advisory=True)
    sealed: dict[tuple[bytes, bytes], set[bytes]] = {}
    for seal in seals(ledger, entitled):
        with suppress(IntegrityError):  # the check of batches has found and named it
            leaves = set(sealed_leaves(ledger, seal))
            sealed[seal.publisher, seal.manifest.batch_id] = leaves
    for family, streams in streams_of(ledger).items():
        if family in (NETWORK, ACCESS):
            continue
        for stream in streams:
            for found in ledger.items(stream):
                item = found.item
                if item.item_class is ItemClass.SINGLE or item.payload.kind == "leaves":
                    continue
                check.examined += 1
                if item.leaf(network) not in sealed.get((item.publisher, item.batch_id), set()):
                    check.find("an item that no seal commits to", found)
    return check


def _checkpoints(ledger: Ledger, membership: Membership, snapshot: Snapshot) -> Check:
    """Check each MAF checkpoint against a recount of the batches it names."""
    from precisionchain.replica.checkpoints import differs_from_recount

    check = Check("maf-checkpoints")
    publications: dict[bytes, list[LedgerItem]] = defaultdict(list)
    for family in streams_of(ledger):
        if family.startswith(FREQUENCIES):
            for found in family_items(ledger, family):
                if membership.is_entitled(found):
                    publications[found.item.publisher + found.item.batch_id].append(found)
    if not publications:
        return check
    with TemporaryDirectory() as folder:
        scratch = Path(folder)
        whole = _with_all_sealed(ledger, membership, snapshot, scratch / "replica")
        genetic = [
            (batch, whole.batch_folder(batch.batch))
            for batch in whole.catalogue.batches
            if batch.kind == "vcf"
        ]
        for number, items in enumerate(publications.values()):
            check.examined += len(items)
            ordered = sorted(items, key=lambda found: found.item.ordinal)
            payloads = [found.item.payload for found in ordered]
            recounted = scratch / str(number)
            recounted.mkdir()
            for message in differs_from_recount(payloads, genetic, recounted):
                check.find(message, ordered[0])
    return check


def _with_all_sealed(
    ledger: Ledger, membership: Membership, snapshot: Snapshot, scratch: Path
) -> Snapshot:
    """Return the replica's generation if it has every current batch, else one made in a folder.

    Another site may have sealed a batch, and a checkpoint that names it, since the last sync; the
    replica is left as it is, because what it remembers is evidence.
    """
    from precisionchain.replica.sync import sync

    sealed = heads(seals(ledger, membership.is_entitled)).values()
    if {seal.manifest.batch for seal in sealed} <= set(snapshot.catalogue.by_batch):
        return snapshot
    sync(
        ledger,
        scratch,
        network=membership.network,
        entitled=membership.is_entitled,
        site_of=membership.site_of,
    )
    return read_snapshot(scratch, membership.network)


def _history(ledger: Ledger, snapshot: Snapshot) -> Check:
    """Check the history against the head that the last sync remembered."""
    check = Check("history", 0 if snapshot.catalogue.head is None else 1)
    try:
        require_same_history(ledger, snapshot)
    except IntegrityError as error:
        check.find(str(error))
    return check


def _replica(ledger: Ledger, entitled: Entitled, snapshot: Snapshot) -> Check:
    """Check that the replica answers from exactly the current batches up to its position, and from
    the files that sync wrote.
    """
    check = Check("replica")
    known = [
        seal for seal in seals(ledger, entitled) if seal.position <= snapshot.catalogue.position
    ]
    current = {seal.manifest.batch for seal in heads(known).values()}
    held = set(snapshot.catalogue.by_batch)
    check.examined = len(current)
    for batch in sorted(current - held):
        check.find(f"batch {batch[:16]} is sealed and not in the replica")
    for batch in sorted(held - current):
        check.find(f"batch {batch[:16]} is in the replica and not current on the ledger")
    digests = read_digests(snapshot)
    if digests is None and held:
        check.find(f"the digests of its files are missing or damaged; {REBUILD}")
    check.examined += len(digests or {})
    for message in damage(snapshot, digests or {}) if digests else ():
        check.find(f"{message}; {REBUILD}")
    return check
