"""A network of two sites and some users on a memory ledger, whose access log tests fill."""

from __future__ import annotations

from datetime import date, datetime
from hashlib import sha256

from precisionchain.access.gate import Gate
from precisionchain.access.place import AccessStreams
from precisionchain.access.sealing import Keyring
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.changes import Revocation, change_item
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import (
    Member,
    User,
    member_item,
    network_id,
    parameters_item,
    user_item,
)
from precisionchain.ledger.signing import PublicKeys, Signer
from precisionchain.schemas.items import Item
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.roles import ROLES
from precisionchain.schemas.streams import NETWORK
from tests.lib.memory_ledger import MemoryLedger


class KnownUser(Membership):
    """Knows one user, with every role unless said otherwise, and whatever the ledger says."""

    def __init__(self, name: str, keys: PublicKeys, roles: tuple[str, ...] = ROLES) -> None:
        super().__init__()
        self._known = User(name, name.partition("@")[2], *keys, roles)

    def current_user(self, name: str, _now: datetime) -> User | None:
        return self._known if name == self._known.name else None


def parameters(*, items: int = 100_000, stored_bytes: int = 2**32) -> NetworkParameters:
    """Network parameters of which only the size of streams matters."""
    return NetworkParameters(
        nonce="00" * 16,
        ancestors={},
        published={},
        max_stream_items=items,
        max_stream_bytes=stored_bytes,
    )


class AuditedNetwork:
    """Sites ``A`` (code ``aa``) and ``B`` (``bb``); keys follow from names."""

    def __init__(self, ledger: Ledger | None = None, *, stream_items: int = 100_000) -> None:
        self.ledger = ledger or MemoryLedger()
        self._users: list[str] = []
        self.parameters = parameters(items=stream_items)
        self.ledger.create_streams(["NETWORK_1", "BATCH_1", "ACCESS_1"])
        first = parameters_item(self.parameters.body(), key("A"))
        self.network = network_id(first)
        self.publish(first)
        for site in ("A", "B"):
            member = Member(site, 2 * site.lower(), *key(site).public, admin=site == "A")
            self.publish(member_item(member, key("A"), self.network))

    def add_user(
        self, name: str, roles: tuple[str, ...] = ROLES, expires: date | None = None
    ) -> None:
        """Register ``someone@SITE`` by the user's site."""
        self._users.append(name)
        site = name.partition("@")[2]
        user = User(name, site, *key(name).public, roles, expires)
        self.publish(user_item(user, key(site), self.network))

    def remove_user(self, name: str) -> None:
        """Revoke a user's key by the user's site."""
        self._remove(name, key(name.partition("@")[2]))

    def remove_site(self, name: str) -> None:
        """Revoke a site's key by the founder."""
        self._remove(name, key("A"))

    def _remove(self, name: str, by: Signer) -> None:
        number = self.membership().next_number(name)
        self.publish(change_item(Revocation(name, number), by, self.network))

    def membership(self) -> Membership:
        """The membership as the ledger now says."""
        return Membership.fold(family_items(self.ledger, NETWORK))

    def keyring(self) -> Keyring:
        """All keys there are: of both sites, and of every user there is or will be."""
        return Keyring([key(name) for name in ("A", "B", "eve@B", *self._users)], ["A", "B"])

    def gate(self, user: str, ledger: Ledger | None = None) -> Gate:
        """A gate that takes a user for one with every role, perhaps on a ledger that fails."""
        ledger = ledger or self.ledger
        code = 2 * user.partition("@")[2].lower()
        streams = AccessStreams(ledger, code=code, parameters=self.parameters)
        known = KnownUser(user, key(user).public)
        return Gate(
            ledger, self.network, user, key(user), membership=known, streams=streams, pauses=()
        )

    def publish(self, item: Item) -> None:
        """Put an item on the ledger."""
        self.ledger.publish(self.ledger.prepare([item]))


def key(name: str) -> Signer:
    """The key of a site or user."""
    return Signer(sha256(name.encode()).digest())
