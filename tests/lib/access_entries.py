"""The entries of a ledger's access log, opened by whoever's keys are at hand."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from pathlib import Path

from precisionchain.access.entry_bodies import Stored, decode
from precisionchain.access.log_keys import learn_log_keys
from precisionchain.access.sealing import LOG_KEY_KIND, Keyring
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.signing import Signer
from precisionchain.opened import OpenSite
from precisionchain.schemas.items import Item
from precisionchain.schemas.streams import ACCESS


def opened_texts(site: Path) -> Iterator[bytes]:
    """Yield what the keys in a site's folder open of its ledger's log, as text."""
    place = OpenSite(site)
    try:
        ring = place.keyring()
        learn_log_keys(place.ledger, place.network, ring)
        for found in family_items(place.ledger, ACCESS):
            if found.item.payload.kind != LOG_KEY_KIND:
                user = place.membership.user_at(found)
                assert user is not None
                yield repr(decode(found.item, ring, user.encryption_key)).encode()
    finally:
        place.close()


def read_entries(ledger: Ledger, *signers: Signer, after: int = -1) -> list[Stored]:
    """Return the entries of ``ACCESS_1`` in order, log keys left out."""
    items = [found.item for found in ledger.items("ACCESS_1", after=after)]
    learned = (found.item for found in ledger.items("ACCESS_1"))
    return opened(items, learned, *signers)


def opened(items: Iterable[Item], learned: Iterable[Item], *signers: Signer) -> list[Stored]:
    """Return the entries among items, with the log keys among others."""
    ring = Keyring(signers)
    for item in learned:
        if item.payload.kind == LOG_KEY_KIND:
            ring.learn(item.publisher, item.payload)
    return [decode(item, ring) for item in items if item.payload.kind != LOG_KEY_KIND]
