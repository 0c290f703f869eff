"""Seals as readers take them: what is no seal, what forks, what does not follow."""

from __future__ import annotations

from precisionchain.errors import CodecError
from precisionchain.ledger.base import LedgerItem
from precisionchain.ledger.batches import Entitled, Seal, site_key
from precisionchain.ledger.chains import chains
from precisionchain.schemas.manifest import Manifest, batch_id_of
from precisionchain.verification.check import Check
from precisionchain.verification.scan import LedgerScan


def check_seals(scan: LedgerScan, entitled: Entitled) -> Check:
    """Check that every manifest that is signed is one, of its own batch, and follows its source.

    A second seal after the same parent is a fork by its own site; readers keep to the first.
    """
    check = Check("seals", len(scan.manifests))
    sealed: list[Seal] = []
    item_of: dict[int, LedgerItem] = {}
    for found in scan.manifests:
        if not entitled(found):
            continue  # the check of signatures has named it
        try:
            manifest = Manifest.from_body(found.item.payload.body)
        except CodecError as error:
            check.find(f"a manifest that is none: {error.message}", found)
            continue
        if manifest.batch_id != found.item.batch_id:
            check.find("a manifest of another batch than it stands under", found)
            continue
        due = batch_id_of(
            scan.network,
            found.item.publisher,
            manifest.source,
            bytes.fromhex(manifest.source_id),
            manifest.parent_id,
        )
        if due != manifest.batch_id:
            check.find("a batch whose id does not follow from its source and parent", found)
        item_of[found.position] = found
        site = site_key(entitled, found.item.publisher)
        sealed.append(Seal(found.position, found.time, site, manifest))
    following = {seal.position for chain in chains(sealed).values() for seal in chain}
    for position, found in item_of.items():
        if position not in following:
            check.find("a seal that does not follow the newest of its source: a fork", found)
    return check
