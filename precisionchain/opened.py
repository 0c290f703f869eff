"""A site folder with its ledger open: what both doors, ``Site`` and ``Network``, stand on."""

from __future__ import annotations

from collections.abc import Callable
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.access.gate import Gate
from precisionchain.access.place import AccessStreams
from precisionchain.config import SiteConfig, SiteFolder, read_config
from precisionchain.errors import UsageError
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.opening import open_ledger
from precisionchain.ledger.signing import Signer, load_key
from precisionchain.replica.catalogue import Snapshot, read_snapshot
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.streams import BATCH, NETWORK

if TYPE_CHECKING:
    from precisionchain.ingest.publish import Publisher
    from precisionchain.replica.sync import SyncReport
    from precisionchain.verify import Check


class OpenSite:
    """A site folder's ledger, membership, parameters and keys.

    Args:
        root: the site folder.

    Raises:
        NotASiteError: the folder is no site.
        KeyPermissionError: a key is readable by others.
        LedgerError: the ledger cannot be opened.
    """

    def __init__(self, root: Path) -> None:
        self.folder = SiteFolder(root)
        self.config: SiteConfig = read_config(self.folder)
        self.signer: Signer = load_key(self.folder.site_key)
        self.ledger = open_ledger(self.config.ledger, signer=self.signer, base=root)
        self.membership = Membership.fold(family_items(self.ledger, NETWORK))

    @property
    def network(self) -> bytes:
        """The 32-byte network id."""
        return self.membership.network

    @cached_property
    def parameters(self) -> NetworkParameters:
        """The network's parameters, as the ledger states them."""
        return NetworkParameters.from_body(self.membership.parameters_body)

    def site_of(self, publisher: bytes) -> str:
        """Return the site a publisher's key belongs to.

        Raises:
            UsageError: the key belongs to no member.
        """
        member = self.membership.member(publisher)
        if member is None:
            raise UsageError(f"key {publisher.hex()[:16]} belongs to no member of this network")
        return member.site

    def publisher(self) -> Publisher:
        """Return this site as it publishes."""
        from precisionchain.ingest.publish import Publisher

        return Publisher(
            self.ledger,
            self.network,
            self.parameters,
            self.signer,
            self.config.code,
            self.membership.is_entitled,
        )

    def gate(self, user: str | None = None) -> Gate:
        """Return the gate for a user of this site, whose key lies in ``keys/``."""
        name = user or self.config.user
        signer = load_key(self.folder.user_key(name))
        streams = AccessStreams(self.ledger, code=self.config.code, parameters=self.parameters)
        return Gate(
            self.ledger, self.network, name, signer, streams=streams, membership=self.membership
        )

    def snapshot(self) -> Snapshot:
        """Return the replica's newest generation."""
        return read_snapshot(self.folder.replica, self.network)

    def sync(self, progress: Callable[[str], None] | None = None) -> SyncReport:
        """Bring the replica up to the ledger."""
        from precisionchain.replica.sync import sync

        return sync(
            self.ledger,
            self.folder.replica,
            network=self.network,
            entitled=self.membership.is_entitled,
            site_of=self.site_of,
            progress=progress,
        )

    def sync_if_behind(self, progress: Callable[[str], None] | None = None) -> Snapshot:
        """Return a generation that answers from every batch sealed by now, syncing if need be.

        Raises:
            IntegrityError: the ledger is not the one the replica was made from.
        """
        from precisionchain.replica.history import require_same_history

        snapshot = self.snapshot()
        require_same_history(self.ledger, snapshot)
        newer = family_items(self.ledger, BATCH, after=snapshot.catalogue.position)
        if next(newer, None) is None:
            return snapshot
        self.sync(progress)
        return self.snapshot()

    def verify(self, progress: Callable[[str], None] | None = None) -> list[Check]:
        """Check ledger and replica from the bytes up."""
        from precisionchain.verify import verify

        return verify(
            self.ledger,
            membership=self.membership,
            snapshot=self.snapshot(),
            progress=progress,
        )

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()
