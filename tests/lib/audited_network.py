"""A network of two sites and some users on a memory ledger, whose access log tests fill."""

from __future__ import annotations

from hashlib import sha256

from precisionchain.access.gate import Gate
from precisionchain.access.place import AccessStreams
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.membership import (
    NO_NETWORK,
    Member,
    Membership,
    User,
    network_id,
    revocation_body,
)
from precisionchain.ledger.signing import Signer, json_payload, single_item
from precisionchain.schemas.items import Item
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.streams import NETWORK
from tests.lib.memory_ledger import MemoryLedger


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
        self.parameters = parameters(items=stream_items)
        self.ledger.create_streams(["NETWORK_1", "BATCH_1", "ACCESS_1"])
        first = self._record("parameters", self.parameters.body(), "A", NO_NETWORK)
        self.network = network_id(first)
        for site in ("A", "B"):
            body = Member(site, 2 * site.lower(), key(site).public_key, admin=site == "A").body()
            self._record("member", body, "A", self.network)

    def add_user(self, name: str) -> None:
        """Register ``someone@SITE`` by the user's site."""
        site = name.partition("@")[2]
        self._record("user", User(name, site, key(name).public_key, ()).body(), site, self.network)

    def remove_user(self, name: str) -> None:
        """Revoke a user's key by the user's site."""
        body = revocation_body(key(name).public_key)
        self._record("revocation", body, name.partition("@")[2], self.network)

    def membership(self) -> Membership:
        """The membership as the ledger now says."""
        return Membership.fold(family_items(self.ledger, NETWORK))

    def gate(self, user: str, ledger: Ledger | None = None) -> Gate:
        """A gate for a user, registered or not, perhaps on a ledger that fails."""
        ledger = ledger or self.ledger
        code = 2 * user.partition("@")[2].lower()
        streams = AccessStreams(ledger, code=code, parameters=self.parameters)
        return Gate(ledger, self.network, user, key(user), streams=streams, pauses=())

    def _record(self, kind: str, body: bytes, site: str, network: bytes) -> Item:
        item = single_item(
            "NETWORK_1", (f"{kind}:x",), json_payload(kind, body), signer=key(site), network=network
        )
        self.ledger.publish(self.ledger.prepare([item]))
        return item


def key(name: str) -> Signer:
    """The key of a site or user."""
    return Signer(sha256(name.encode()).digest())
