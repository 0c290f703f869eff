"""Log keys on the ledger: made where a user first asks, learned by whoever reads the log.

A log key's item stands in ``ACCESS_1`` however full that is, under the key ``k:log-keys``, and is
there once: its bytes follow from the user's key and from who the auditors are.
"""

from __future__ import annotations

from contextlib import suppress
from datetime import datetime
from functools import lru_cache
from typing import Final

from precisionchain.access.entries import user_key
from precisionchain.access.entry_bodies import Sealing
from precisionchain.access.sealing import Keyring, LogKey, batch_of, read_key_id
from precisionchain.errors import CodecError
from precisionchain.ledger.base import Ledger, LedgerItem
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import User
from precisionchain.ledger.signing import Signer, is_signed, single_item
from precisionchain.schemas.items import Item, ItemClass
from precisionchain.schemas.roles import AUDITOR
from precisionchain.schemas.streams import ACCESS, StreamName

LOG_KEYS: Final = "k:log-keys"
_STREAM: Final = str(StreamName(ACCESS))


def sealing_now(membership: Membership, user: User, signer: Signer, now: datetime) -> Sealing:
    """Return how a user seals now: for the user, the user's site and every auditor there is.

    Args:
        membership: who is who.
        user: who asks.
        signer: the user's key.
        now: the current time.
    """
    members = [
        member
        for member in (membership.current_site(m.site, now) for m in membership.members())
        if member is not None
    ]
    auditors = [
        other.encryption_key
        for other in membership.users()
        if AUDITOR in other.roles and membership.current_user(other.name, now) is not None
    ]
    own = [member.encryption_key for member in members if member.site == user.site]
    others = {m.site: m.encryption_key for m in members if m.site != user.site}
    readers = frozenset({signer.encryption_key, *own, *auditors})
    return Sealing(signer, _log_key(signer, readers), others)


@lru_cache(maxsize=64)
def _log_key(signer: Signer, readers: frozenset[bytes]) -> LogKey:
    return LogKey.of(signer, readers)


def log_key_item(sealing: Sealing, user: str, network: bytes) -> Item:
    """Return the item that hands a user's log key to its readers."""
    return single_item(
        _STREAM,
        (user_key(user), LOG_KEYS),
        sealing.key.payload(sealing.signer),
        signer=sealing.signer,
        network=network,
        batch_id=sealing.key.batch_id,
    )


def learn_log_keys(ledger: Ledger, network: bytes, keyring: Keyring) -> None:
    """Teach a keyring the log keys on a ledger, of users and of others who sealed with them.

    Whether somebody could ask is judged entry by entry; a key opens none of anybody else.
    """
    for found in ledger.items(_STREAM, LOG_KEYS):
        if is_signed(found.item, network):
            with suppress(CodecError):  # the judge of the log reports it
                keyring.learn(found.item.publisher, found.item.payload)


def log_key_of(found: LedgerItem, membership: Membership, *, signed: bool | None = None) -> None:
    """Check that an item hands on a log key, by the user it is of.

    Args:
        found: the item.
        membership: who had which key there and then.
        signed: whether it is signed, where that was checked already.

    Raises:
        CodecError: it does not.
    """
    item, user = found.item, membership.user_at(found)
    if user is None or (found.item.stream, *item.keys) != (_STREAM, LOG_KEYS, user_key(user.name)):
        raise CodecError("a log key by no user, or in a place or under keys of another")
    if signed is None:
        signed = is_signed(item, membership.network)
    if not signed or item.item_class is not ItemClass.SINGLE:
        raise CodecError("a log key that its user has not signed")
    if item.batch_id != batch_of(read_key_id(item.payload)):
        raise CodecError("a log key whose batch id does not follow from it")
