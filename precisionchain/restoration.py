"""``restore``: a backup of an embedded ledger back in place, checked, kept apart, and logged."""

from __future__ import annotations

import shutil
from collections.abc import Iterator
from contextlib import closing, contextmanager
from hashlib import sha256
from pathlib import Path
from typing import TYPE_CHECKING

from precisionchain.config import SiteFolder, read_config, writing_job
from precisionchain.errors import IntegrityError, LedgerFormatError, UsageError
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.kept_checkpoints import KeptCheckpoints
from precisionchain.ledger.log_tree import kept_log_tree
from precisionchain.ledger.membership import LiveMembership
from precisionchain.ledger.opening import embedded_path, is_embedded
from precisionchain.ledger.records import USER_NAME
from precisionchain.ledger.restoring import (
    Restored,
    Witnessed,
    copy_of,
    lost_positions,
    present_head,
    put_in_place,
    set_aside,
)
from precisionchain.ledger.signing import load_key
from precisionchain.ledger.standing import require_user_role
from precisionchain.opened import OpenSite
from precisionchain.replica.catalogue import read_snapshot

if TYPE_CHECKING:
    from precisionchain.access.evaluated import Evaluated

OPERATION = "restore"


def restore(root: Path, user: str | None, backup: Path, accept_loss: int | None) -> Restored:
    """Put a backup in the place of a site's ledger; see ``Site.restore``."""
    folder = SiteFolder(root)
    config = read_config(folder)
    if not is_embedded(config.ledger):
        raise UsageError(
            "this site's ledger is a MultiChain: it is in no file of this site",
            hint="bring back the wallet (wallet.dat) into the node's folder and start the node: it"
            " fetches the chain from its peers; see docs/how-to/multichain.md",
        )
    name = user or config.user
    name = name if "@" in name else f"{name}@{config.site}"
    ledger = embedded_path(config.ledger, root)
    with writing_job(folder):
        copy = copy_of(backup, ledger)
        try:
            try:
                with _opened(copy, folder, name) as (opened, network):
                    lost = _lost(opened, network, folder, ledger)
                    position = opened.head().position
            except LedgerFormatError as error:  # names the copy, which nobody has typed
                hint = "name a copy of the ledger's own file"
                raise LedgerFormatError(error.message, where=str(backup), hint=hint) from error
            if lost != (accept_loss or 0):
                raise IntegrityError(
                    f"the backup ends at position {position} and lacks {lost} that are known here",
                    where=str(backup),
                    hint=f"find a newer one; to give them up for good: --accept-loss {lost}",
                )
            aside = put_in_place(copy, ledger)
        finally:
            for left in copy.parent.glob(f"{copy.name}*"):
                left.unlink(missing_ok=True)
        if lost:
            _forget(folder)
    _log(root, name, position, lost)
    return Restored(position, lost, aside)


@contextmanager
def _opened(copy: Path, folder: SiteFolder, name: str) -> Iterator[tuple[EmbeddedLedger, bytes]]:
    """Open a copy as this site, for a user who may restore by what it says itself.

    Raises:
        AccessRefusedError: the user may not.
    """
    with closing(EmbeddedLedger(copy, load_key(folder.site_key))) as ledger:
        membership = LiveMembership(ledger)
        if not USER_NAME.fullmatch(name):
            raise UsageError(f"{name!r} is no user's name", hint="someone@SITE, as admin@A")
        key = load_key(folder.user_key(name)).public_key
        require_user_role(membership, name, key, OPERATION)
        yield ledger, membership.network


def _lost(backup: EmbeddedLedger, network: bytes, folder: SiteFolder, ledger: Path) -> int:
    witnesses = [
        Witnessed(f"site {signed.checkpoint.site}", signed.checkpoint.head)
        for signed in KeptCheckpoints(folder.checkpoints, network).all()
    ]
    head = read_snapshot(folder.replica, network).catalogue.head
    if head is not None:
        witnesses.append(Witnessed("this site's replica", head))
    present = present_head(ledger, load_key(folder.site_key)) if ledger.exists() else None
    if present is not None:
        witnesses.append(Witnessed("the ledger as it is", present))
    kept = kept_log_tree(folder.checkpoints, network)
    return lost_positions(backup, network, witnesses, kept)


def _forget(folder: SiteFolder) -> None:
    """Put aside what knows of lost positions: evidence, but no longer this ledger's."""
    if folder.checkpoints.exists():
        set_aside(folder.checkpoints)
    if folder.replica.exists():
        shutil.rmtree(folder.replica)  # the next sync makes it anew


def _log(root: Path, name: str, position: int, lost: int) -> None:
    from precisionchain.access.evaluated import Evaluated

    def done() -> Evaluated[None]:
        return Evaluated(None, 0, sha256(b"").hexdigest())

    with closing(OpenSite(root, name)) as opened:
        question = {"position": position, "lost": lost}
        opened.gate(name).ask(OPERATION, "access-log", question, done)
