"""A site folder with its ledger open: what both doors, ``Site`` and ``Network``, stand on."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from contextlib import suppress
from datetime import UTC, date, datetime
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.config import SiteConfig, SiteFolder, read_config
from precisionchain.errors import (
    AccessRefusedError,
    KeyPermissionError,
    SiteError,
    UnreadableFileError,
    UsageError,
)
from precisionchain.ledger.admission import BOTH_KEYS, Registrar
from precisionchain.ledger.batches import is_sealed_since
from precisionchain.ledger.join_token import JoinToken
from precisionchain.ledger.kept_checkpoints import KeptCheckpoints, Witness, require_remembered
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.opening import open_ledger
from precisionchain.ledger.records import USER_NAME, Member, User, first_user_name
from precisionchain.ledger.signing import PublicKeys, Signer, generate_key, load_key
from precisionchain.ledger.standing import require_role, site_now, user_now
from precisionchain.replica.catalogue import Snapshot, read_snapshot
from precisionchain.schemas.parameters import NetworkParameters

if TYPE_CHECKING:
    from precisionchain.access.gate import Gate
    from precisionchain.access.sealing import Keyring
    from precisionchain.ingest.known_persons import Known
    from precisionchain.ingest.publish import Publisher
    from precisionchain.ledger.log_tree import LogTree
    from precisionchain.replica.as_of import Moment
    from precisionchain.replica.sync import SyncReport
    from precisionchain.verify import Check


class OpenSite:
    """A site folder's ledger, membership, parameters and keys.

    Args:
        root: the site folder.
        user: who acts; default: the site's own user.

    Raises:
        NotASiteError: the folder is no site.
        KeyPermissionError: a key is readable by others.
        LedgerError: the ledger cannot be opened.
    """

    def __init__(self, root: Path, user: str | None = None) -> None:
        self.folder = SiteFolder(root)
        self.config: SiteConfig = read_config(self.folder)
        self.signer: Signer = load_key(self.folder.site_key)
        self.user = self.full_name(user or self.config.user)
        self.ledger = open_ledger(self.config.ledger, signer=self.signer, base=root)
        self.membership = LiveMembership(self.ledger)
        self._as_of: tuple[tuple[int, str, int], Snapshot] | None = None

    @property
    def network(self) -> bytes:
        """The 32-byte network id."""
        return self.membership.network

    @cached_property
    def parameters(self) -> NetworkParameters:
        """The network's parameters, as the ledger states them."""
        return NetworkParameters.from_body(self.membership.parameters_body)

    def sites(self) -> frozenset[str]:
        """Return the sites that are or were members: what they published before stays."""
        return frozenset(member.site for member in self.membership.members())

    def member(self) -> Member:
        """Return this site as the ledger knows it now.

        Raises:
            NotAdmittedError: it was never admitted.
            AccessRefusedError: it was removed, or has expired.
            SiteError: the key in this folder is another site's.
        """
        self._require_own_key()
        return site_now(self.membership, self.signer.public_key, datetime.now(UTC))

    def _require_own_key(self) -> None:
        """Refuse to act in another site's name, where its key was copied into this folder.

        Raises:
            SiteError: the key is another site's.
        """
        self.membership.catch_up()
        member = self.membership.member(self.signer.public_key)
        if member is not None and member.site != self.config.site:
            raise SiteError(
                f"the key is that of site {member.site}, the folder is of site {self.config.site}",
                where=str(self.folder.site_key),
                hint=f"bring back the key of site {self.config.site}",
            )

    def require(self, operation: str) -> None:
        """Refuse what the acting user has no role for.

        Raises:
            NotAdmittedError, AccessRefusedError: the site, the user or the role is missing.
            UnreadableFileError: the user's key cannot be read.
        """
        self.member()
        key = self.user_signer(self.user).public_key
        require_role(user_now(self.membership, self.user, key, datetime.now(UTC)), operation)

    def registrar(self, operation: str) -> Registrar:
        """Return this site as it writes who is a member or user, if the acting user may do so."""
        self.require(operation)
        return Registrar(self.ledger, self.membership, self.signer)

    def join_token(self) -> JoinToken:
        """Return the token an administrator admits this site by, whether it is admitted or not."""
        site = self.config.site
        user_keys = self.user_signer(first_user_name(site)).public
        addresses = self.ledger.addresses()
        return JoinToken.make(self.network, site, self.signer, user_keys, addresses)

    def full_name(self, user: str) -> str:
        """Return a user's whole name; without ``@SITE`` it is one of this site."""
        return user if "@" in user else f"{user}@{self.config.site}"

    def add_user(
        self,
        name: str,
        roles: Sequence[str],
        *,
        public_key: str | None = None,
        expires: date | None = None,
    ) -> User:
        """Make a user of this site; see ``Site.add_user``.

        A key left by an attempt that broke off is taken, not replaced.
        """
        registrar, name = self.registrar("user-add"), self.full_name(name)
        registrar.refuse_user(name, roles, expires)
        if public_key is None:
            path = self.folder.user_key(name)
            keys = (load_key(path) if path.exists() else generate_key(path)).public
        elif re.fullmatch("[0-9a-f]{128}", public_key):
            keys = PublicKeys(bytes.fromhex(public_key[:64]), bytes.fromhex(public_key[64:]))
        else:
            raise UsageError("those are no public keys", hint=BOTH_KEYS)
        return registrar.add_user(name, keys, roles, expires=expires)

    def publisher(self) -> Publisher:
        """Return this site as it publishes, if the acting user may do so."""
        from precisionchain.ingest.publish import Publisher

        self.require("publish")
        return Publisher(
            self.ledger,
            self.network,
            self.parameters,
            self.signer,
            self.member().code,
            self.membership.is_entitled,
            self.config.site,
        )

    def gate(self, user: str | None = None) -> Gate:
        """Return the gate for a user of this site, whose key lies in ``keys/``."""
        from precisionchain.access.gate import Gate
        from precisionchain.access.place import AccessStreams

        name, code = self.full_name(user or self.user), self.member().code
        streams = AccessStreams(self.ledger, code=code, parameters=self.parameters)
        return Gate(
            self.ledger,
            self.network,
            name,
            self.user_signer(name),
            membership=self.membership,
            streams=streams,
        )

    def keyring(self) -> Keyring:
        """Return what the keys in this folder open: the site's, its users', and replaced ones.

        A file that is no key, or not to be read, opens nothing.
        """
        from precisionchain.access.sealing import Keyring

        signers = []
        for path in sorted(self.folder.site_key.parent.glob("*.key*")):
            with suppress(KeyPermissionError, UnreadableFileError):
                signers.append(load_key(path))
        return Keyring(signers, [self.config.site])

    def user_signer(self, name: str) -> Signer:
        """Return a user's key.

        Raises:
            UsageError: that is no user's name.
            AccessRefusedError: ``keys/`` has no key of the user.
            UnreadableFileError: the key cannot be read, or is damaged.
        """
        if not USER_NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no user's name", hint="someone@SITE, as admin@A")
        path = self.folder.user_key(name)
        try:
            return load_key(path)
        except UnreadableFileError as error:
            if not isinstance(error.__cause__, FileNotFoundError):
                raise
            raise AccessRefusedError(
                f"this site folder has no key of {name}",
                where=str(path),
                hint="ask as a user whose key is there (--user), or add one with `user add`",
            ) from error

    @property
    def kept_checkpoints(self) -> KeptCheckpoints:
        """The newest checkpoint of each member that this site keeps."""
        return KeptCheckpoints(self.folder.checkpoints, self.network)

    def witness(self) -> Witness:
        """Return this site as it makes checkpoints and keeps those of others."""
        self._require_own_key()
        kept = self.kept_checkpoints
        return Witness(self.ledger, self.membership, kept, self.config.site, self.signer)

    def log_tree(self) -> LogTree:
        """Return the ledger's log tree up to its newest block."""
        return self.kept_checkpoints.tree(self.ledger)

    def snapshot(self) -> Snapshot:
        """Return the replica's newest generation."""
        return read_snapshot(self.folder.replica, self.network)

    def sealed_before(self, source: str) -> Known:
        """Return whom and what the next rows of a source may be about, by what this site sealed."""
        from precisionchain.ingest.changes_state import known_before
        from precisionchain.ledger.batches import site_key

        publisher = site_key(self.membership.is_entitled, self.signer.public_key)
        return known_before(self.snapshot(), publisher.hex(), source)

    def sync(self, progress: Callable[[str], None] | None = None) -> SyncReport:
        """Bring the replica up to the ledger.

        Raises:
            NotAdmittedError, AccessRefusedError: this site is no member now.
            IntegrityError: the ledger is not the one that a kept checkpoint, or the replica, is of.
        """
        from precisionchain.replica.sync import sync

        self.member()
        require_remembered(self.ledger, self.kept_checkpoints)
        self.witness().pick_up()
        return sync(
            self.ledger,
            self.folder.replica,
            network=self.network,
            entitled=self.membership.is_entitled,
            site_of=self.membership.site_of,
            progress=progress,
        )

    def sync_if_behind(self, progress: Callable[[str], None] | None = None) -> Snapshot:
        """Return a generation that answers from every batch sealed by now, syncing if need be.

        Raises:
            IntegrityError: the ledger is not the one that a kept checkpoint, or the replica, is of.
        """
        from precisionchain.replica.history import require_same_history

        require_remembered(self.ledger, self.kept_checkpoints)
        snapshot = self.snapshot()
        require_same_history(self.ledger, snapshot)
        known = snapshot.catalogue
        undone = self.membership.newest_declaration() > known.position
        if not undone and not is_sealed_since(self.ledger, known.position, known.incomplete):
            return snapshot
        self.sync(progress)
        return self.snapshot()

    def position_as_of(self, moment: Moment) -> tuple[int, datetime]:
        """Return the last final position at or before a moment, and its time.

        Raises:
            UsageError: it is no moment, or none of the ledger's.
        """
        from precisionchain.replica.as_of import final_position

        return final_position(self.ledger, moment)

    def snapshot_as_of(
        self, position: int, progress: Callable[[str], None] | None = None
    ) -> Snapshot:
        """Return the generation of an earlier position, without who is withdrawn by now.

        Raises:
            IntegrityError: the ledger is not the one the replica was made from.
        """
        from precisionchain.replica.as_of import snapshot_as_of

        current = self.sync_if_behind(progress)
        # One position after another is asked, and nothing of it changes but by a later seal.
        asked = (position, current.catalogue.state, current.catalogue.newest)
        if self._as_of is None or self._as_of[0] != asked:
            found = snapshot_as_of(
                self.ledger,
                current,
                position,
                entitled=self.membership.is_entitled,
                site_of=self.membership.site_of,
                progress=progress,
            )
            self._as_of = (asked, found)
        return self._as_of[1]

    def verify(self, progress: Callable[[str], None] | None = None) -> list[Check]:
        """Check ledger and replica from the bytes up."""
        from precisionchain.verify import verify

        return verify(
            self.ledger,
            membership=self.membership,
            snapshot=self.snapshot(),
            kept=self.kept_checkpoints,
            site=self.config.site,
            progress=progress,
        )

    def close(self) -> None:
        """Let go of the ledger."""
        self.ledger.close()
