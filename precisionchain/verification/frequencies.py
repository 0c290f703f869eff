"""Published MAF checkpoints against a recount of the batches they name."""

from __future__ import annotations

from collections import defaultdict
from pathlib import Path
from tempfile import TemporaryDirectory

from precisionchain.ledger.base import Ledger, LedgerItem
from precisionchain.ledger.batches import Seal, family_items, streams_of
from precisionchain.ledger.membership import Membership
from precisionchain.replica.catalogue import Snapshot, read_snapshot
from precisionchain.schemas.corrections import CORRECTION
from precisionchain.schemas.genetic_payloads import COMPLETING
from precisionchain.schemas.streams import FREQUENCIES
from precisionchain.verification.check import Check
from precisionchain.verification.copies import current_batches, held_batches


def check_frequencies(
    ledger: Ledger, membership: Membership, sealed: list[Seal], snapshot: Snapshot
) -> Check:
    """Check each publication of MAF checkpoints; batches are folded once for all that name them.

    One that is older than a correction counted what no longer counts, and is left out; so is one
    without its first item, which is sent last: its job was killed, and nobody finished it.
    """
    from precisionchain.replica.checkpoints import Recounts

    check = Check("maf-checkpoints")
    corrected = max(
        (s.position for s in sealed if s.manifest.kind == CORRECTION or s.manifest.supersedes),
        default=-1,
    )
    publications: dict[bytes, list[LedgerItem]] = defaultdict(list)
    for family in streams_of(ledger):
        if family.startswith(FREQUENCIES):
            for found in family_items(ledger, family, after=corrected):
                if membership.is_entitled(found):
                    publications[found.item.publisher + found.item.batch_id].append(found)
    if corrected >= 0:
        check.note = f"those up to position {corrected} are older than a correction: left out"
    finished = [
        items for items in publications.values() if any(i.item.ordinal == COMPLETING for i in items)
    ]
    if len(finished) < len(publications):
        unfinished = f"{len(publications) - len(finished)} unfinished: left out"
        check.note = "; ".join(filter(None, (check.note, unfinished)))
    if not finished:
        return check
    with TemporaryDirectory() as folder:
        whole = _with_all_sealed(ledger, membership, sealed, snapshot, Path(folder))
        recounts = Recounts(whole)
        for items in finished:
            check.examined += len(items)
            ordered = sorted(items, key=lambda found: found.item.ordinal)
            for message in recounts.differing([found.item.payload for found in ordered]):
                check.find(message, ordered[0])
    return check


def _with_all_sealed(
    ledger: Ledger, membership: Membership, sealed: list[Seal], snapshot: Snapshot, scratch: Path
) -> Snapshot:
    """Return the replica's generation if it has every current batch, else one made in a folder.

    Another site may have sealed a batch, and a checkpoint that names it, since the last sync; the
    replica is left as it is, because what it remembers is evidence.
    """
    from precisionchain.replica.sync import sync

    if current_batches(sealed, snapshot) <= held_batches(snapshot):
        return snapshot
    root = scratch / "replica"
    sync(
        ledger,
        root,
        network=membership.network,
        entitled=membership.is_entitled,
        site_of=membership.site_of,
    )
    return read_snapshot(root, membership.network)
