"""Members' checkpoints against the log tree made anew from every byte."""

from __future__ import annotations

from collections.abc import Sequence

from precisionchain.errors import CodecError, IntegrityError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.checkpoints import Checkpoint, SignedCheckpoint, published_checkpoint
from precisionchain.ledger.kept_checkpoints import KeptCheckpoints, require_consistent
from precisionchain.ledger.log_tree import LogTree, kept_log_tree
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.signing import is_signed
from precisionchain.schemas.streams import CHECKPOINT
from precisionchain.verification.check import Check

NOT_CHECKABLE = "tail truncation not checkable: no other member's checkpoint is kept here"


def check_witnesses(
    ledger: Ledger, membership: Membership, log: LogTree, kept: KeptCheckpoints | None, site: str
) -> Check:
    """Check that the ledger is the one that every checkpoint, kept or published, is of.

    Args:
        ledger: read only.
        membership: who is who.
        log: the log tree, made from all items.
        kept: the checkpoints that this site keeps; None where there is no site.
        site: this site's name: its own word is compared, and is nobody else's.
    """
    check = Check("checkpoints")
    signed = () if kept is None else kept.all()
    for one in signed:
        check.examined += 1
        try:
            one.require_signature()
            require_consistent(log, ledger, one.checkpoint)
        except IntegrityError as error:
            check.find(error.message, position=one.checkpoint.position)
    if kept is not None:
        _find_first_difference(check, log, kept)
    _published(check, ledger, membership, log)
    check.note = compared_with([one for one in signed if one.checkpoint.site != site])
    return check


def compared_with(others: Sequence[SignedCheckpoint]) -> str:
    """Return what the ledger was compared with, in words."""
    if not others:
        return NOT_CHECKABLE
    newest = max((one.checkpoint for one in others), key=lambda said: said.size)
    who = "1 member's checkpoint" if len(others) == 1 else f"{len(others)} members' checkpoints"
    when = newest.time.isoformat(sep=" ", timespec="seconds").replace("+00:00", " UTC")
    return f"compared with {who}, newest {when}, position {newest.position}"


def _published(check: Check, ledger: Ledger, membership: Membership, log: LogTree) -> None:
    """Check every checkpoint that stands on the ledger."""
    for found in family_items(ledger, CHECKPOINT):
        check.examined += 1
        if membership.is_doubtful(found) and is_signed(found.item, membership.network):
            continue  # told apart: `check_compromised`
        if not membership.is_entitled(found):
            check.find("not signed by a member entitled to it", found)
            continue
        try:
            signed = published_checkpoint(found)
            if signed is not None:
                _require_own(signed.checkpoint, membership.site_of(found.item.publisher))
                require_consistent(log, ledger, signed.checkpoint)
        except IntegrityError as error:
            check.find(error.message, found)


def _require_own(said: Checkpoint, site: str) -> None:
    if said.site != site:
        raise CodecError(f"a checkpoint of {said} by site {site}")


def _find_first_difference(check: Check, log: LogTree, kept: KeptCheckpoints) -> None:
    """Say where the ledger first differs from the hashes that this site kept of its items."""
    before = kept_log_tree(kept.folder, kept.network)
    if before is None or (
        before.size <= log.size and log.tree.root(before.size) == before.tree.root()
    ):
        return
    shared = min(before.size, log.size)
    low, high = 0, shared  # the first `low` leaves are the same
    while low < high:
        middle = (low + high + 1) // 2
        if before.tree.root(middle) == log.tree.root(middle):
            low = middle
        else:
            high = middle - 1
    if low < before.size:
        position = before.positions[low]
        what = "is another" if low < log.size else "is gone"
        check.find(f"the item that stood here when this site last looked {what}", position=position)
