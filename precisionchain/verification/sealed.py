"""Every sealed batch against its seal, leaf by leaf, and what no seal commits to."""

from __future__ import annotations

from array import array
from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from precisionchain.errors import CodecError
from precisionchain.ledger.base import LedgerItem
from precisionchain.ledger.batches import Seal
from precisionchain.schemas.manifest import leaves_of_pages
from precisionchain.schemas.merkle import merkle_root
from precisionchain.verification.check import Check
from precisionchain.verification.scan import LEAF, BatchItems, BatchName, Leaves, LedgerScan

Bools = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class SealedBatches:
    """The batches whose every sealed item is there: where their items stand, by batch in hex."""

    places: Mapping[str, array[int]]


def check_sealed(
    check: Check, scan: LedgerScan, sealed: list[tuple[LedgerItem, Seal]]
) -> SealedBatches:
    """Check all seals, also of batches that a later one replaced; mark what they commit to.

    Args:
        check: takes the findings.
        scan: of the ledger.
        sealed: its valid seals with their items, in order.
    """
    places: dict[str, array[int]] = {}
    for found, seal in sealed:
        name = (seal.key, seal.manifest.batch_id)
        leaves = _sealed_leaves(check, scan, name, found, seal)
        if leaves is None:
            continue
        items = scan.batches.get(name, BatchItems())
        committed = committed_to(items, leaves)
        check.examined += int(committed.sum())
        missing = len(leaves) - int(committed.sum())
        if missing:
            _find_missing(check, found, seal, items, committed)
        else:
            positions = np.frombuffer(items.positions, np.int64)[committed]
            places[seal.manifest.batch] = array("q", positions.tobytes())
    return SealedBatches(places)


def check_strays(check: Check, scan: LedgerScan, sealed: list[tuple[LedgerItem, Seal]]) -> None:
    """Find batch items that no seal commits to: a killed job's, or a stranger's."""
    quiet = Check(check.name)
    leaves_of = {
        name: _sealed_leaves(quiet, scan, name, found, seal)
        for found, seal in sealed
        for name in [(seal.key, seal.manifest.batch_id)]
    }
    check.examined = scan.batch_items()
    strays: list[tuple[int, int]] = []
    for name, items in scan.batches.items():
        leaves = leaves_of.get(name)
        known = np.zeros(len(items.positions), np.bool_)
        if leaves is not None:
            known = _listed(items, leaves)  # a copy of a sealed item is harmless
        others = np.flatnonzero(~known)
        positions = np.frombuffer(items.positions, np.int64)[others].tolist()
        streams = np.frombuffer(items.streams, np.int64)[others].tolist()
        strays += zip(positions, streams, strict=True)
    for position, stream in sorted(strays):
        check.find(
            "an item that no seal commits to", stream=scan.stream_names[stream], position=position
        )


def committed_to(items: BatchItems, leaves: Leaves) -> Bools:
    """Return which items a seal's leaves take: of each ordinal the first with its leaf."""
    taken = _listed(items, leaves)
    ordinals = np.frombuffer(items.ordinals, np.int64)
    _, first = np.unique(ordinals[taken], return_index=True)
    committed = np.zeros(len(ordinals), np.bool_)
    committed[np.flatnonzero(taken)[first]] = True
    return committed


def _listed(items: BatchItems, leaves: Leaves) -> Bools:
    """Return which items have the leaf that their ordinal has."""
    ordinals = np.frombuffer(items.ordinals, np.int64)
    listed = ordinals < len(leaves)
    listed[listed] = items.hashes()[listed] == leaves[ordinals[listed]]
    return listed


def _sealed_leaves(
    check: Check, scan: LedgerScan, name: BatchName, found: LedgerItem, seal: Seal
) -> Leaves | None:
    """Return the leaves a seal commits to; None, and a finding, where they are not to be had."""
    manifest, where = seal.manifest, f"batch {seal.manifest.batch[:16]}"
    pages = scan.pages.get(name, {})
    bodies = [pages.get(bytes.fromhex(digest)) for digest in manifest.pages]
    there = [body for body in bodies if body is not None]
    if len(there) < len(bodies):
        check.find(f"{where}: a leaf page is missing", found)
        return None
    try:
        leaves = leaves_of_pages(there)
    except CodecError as error:
        check.find(f"{where}: {error.message}", found)
        return None
    counted = sum(count for _, count in manifest.families)
    if len(leaves) != manifest.items or merkle_root(leaves).hex() != manifest.root:
        check.find(f"{where}: the leaves do not give the sealed root", found)
        return None
    if counted != manifest.items:
        check.find(f"{where}: its families do not add up to its items", found)
        return None
    return np.frombuffer(b"".join(leaves), LEAF)


def _find_missing(
    check: Check, found: LedgerItem, seal: Seal, items: BatchItems, committed: Bools
) -> None:
    """Say which sealed items are not on the ledger, and where others stand in their place."""
    manifest = seal.manifest
    ordinals = np.frombuffer(items.ordinals, np.int64)
    there = set(ordinals[committed].tolist())
    families = list(manifest.family_of_ordinal())
    missing = [ordinal for ordinal in range(manifest.items) if ordinal not in there]
    by_family: dict[str, int] = defaultdict(int)
    for ordinal in missing:
        by_family[families[ordinal]] += 1
    named = ", ".join(sorted(by_family)[:3]) + (", ..." if len(by_family) > 3 else "")
    check.find(
        f"batch {manifest.batch[:16]}: {len(missing)} of {manifest.items} sealed items are not on"
        f" the ledger ({named}; the first is item {missing[0]})",
        found,
    )
