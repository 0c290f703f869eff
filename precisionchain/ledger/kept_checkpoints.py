"""The newest checkpoint of each member, kept in a site folder: outside the ledger, so that a ledger
that was cut off, forked or written anew does not take its witnesses with it.

One file a site, the line of its checkpoint, mode 0600 in a folder of mode 0700. Keeping one means
that it was compared with the ledger's own log tree; a question, a sync and ``verify`` compare the
blocks of all of them with the ledger again.
"""

from __future__ import annotations

import os
import time
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import lru_cache
from pathlib import Path

from precisionchain.errors import CodecError, IntegrityError, SiteError, UnreadableFileError
from precisionchain.ledger.base import Ledger
from precisionchain.ledger.batches import family_items
from precisionchain.ledger.checkpoints import (
    Checkpoint,
    SignedCheckpoint,
    checkpoint_item,
    item_id,
    published_checkpoint,
)
from precisionchain.ledger.log_tree import LogTree, keep_log_tree, read_log_tree
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.streams import CHECKPOINT, family_of

_SUFFIX = ".checkpoint"
_STALE_S = 3600.0
"""No program needs so long to write a file that it renames."""
_COMPARE = "do not trust this ledger before you have compared it with another member's"


@dataclass(frozen=True, slots=True)
class KeptCheckpoints:
    """The checkpoints that a site folder keeps.

    Args:
        folder: where; made when the first one is kept, readable by its owner alone.
        network: 32-byte network id.
    """

    folder: Path
    network: bytes

    def all(self) -> tuple[SignedCheckpoint, ...]:
        """Return the newest checkpoint of each site, by name.

        Raises:
            UnreadableFileError: a file is damaged, or of another network.
            SiteError: the folder is none, or cannot be read.
        """
        try:
            listed = sorted(os.scandir(self.folder), key=lambda entry: entry.name)
        except FileNotFoundError:
            return ()
        except OSError as error:
            raise SiteError(
                f"the folder of members' checkpoints cannot be read: {error.strerror}",
                where=str(self.folder),
            ) from error
        found = []
        for entry in listed:
            if entry.name.endswith(_SUFFIX):
                stat = entry.stat()
                version = (stat.st_ino, stat.st_mtime_ns, stat.st_size)
                found.append(_read(Path(entry.path), self.network, version))
        return tuple(found)

    def of(self, site: str) -> SignedCheckpoint | None:
        """Return a site's newest."""
        return next((kept for kept in self.all() if kept.checkpoint.site == site), None)

    def keep(self, signed: SignedCheckpoint) -> None:
        """Keep a checkpoint in place of its site's older one; whole or not at all."""
        path = self.make_folder() / f"{signed.checkpoint.site}{_SUFFIX}"
        partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
        descriptor = os.open(partial, os.O_WRONLY | os.O_CREAT | os.O_TRUNC, 0o600)
        with os.fdopen(descriptor, "w", encoding="ascii") as sink:
            sink.write(f"{signed}\n")
            sink.flush()
            os.fsync(sink.fileno())
        partial.replace(path)

    def make_folder(self) -> Path:
        """Return the folder, made when absent, without what killed programs left half written."""
        try:
            self.folder.mkdir(mode=0o700, exist_ok=True)
            for partial in self.folder.glob(".*.partial"):
                with suppress(FileNotFoundError):  # renamed meanwhile, by the one who wrote it
                    if time.time() - partial.stat().st_mtime > _STALE_S:
                        partial.unlink()
        except OSError as error:
            raise SiteError(
                f"the folder cannot be made: {error.strerror}", where=str(self.folder)
            ) from error
        return self.folder

    def tree(self, ledger: Ledger) -> LogTree:
        """Return a ledger's log tree up to its newest block, keeping the hashes made for it."""
        tree = read_log_tree(self.make_folder(), ledger, self.network)
        keep_log_tree(self.folder, tree)
        return tree


@lru_cache(maxsize=256)
def _read(path: Path, network: bytes, _version: tuple[int, int, int]) -> SignedCheckpoint:
    """Read a kept checkpoint, each once: a file is never written to, only replaced."""
    try:
        signed = SignedCheckpoint.parse(path.read_text(encoding="ascii"))
        right = path.name == f"{signed.checkpoint.site}{_SUFFIX}"
        if not right or signed.checkpoint.network != network:
            raise CodecError("a checkpoint of another site or network")
    except (OSError, UnicodeDecodeError, CodecError) as error:
        raise UnreadableFileError(
            "a kept checkpoint is damaged, or not of this network",
            where=f"checkpoints/{path.name}",
            hint="delete it, and add it again from its site's line: `checkpoint --add LINE`",
        ) from error
    return signed


# --------------------------------------------------------------------------------------- comparing


def require_remembered(ledger: Ledger, kept: KeptCheckpoints) -> None:
    """Check that a ledger still contains the block of every kept checkpoint: one look-up each.

    Raises:
        IntegrityError: it does not: rewritten, forked or cut off; the checkpoint is named.
        UnreadableFileError: a kept checkpoint is damaged.
    """
    for signed in kept.all():
        if not ledger.extends(signed.checkpoint.head):
            head = ledger.head()
            raise IntegrityError(
                f"the ledger, now at position {head.position}, does not contain what the checkpoint"
                f" of {signed.checkpoint} saw: rewritten, forked or cut off",
                where=f"position {signed.checkpoint.position}, block {signed.checkpoint.block}",
                hint=_COMPARE,
            )


def require_consistent(tree: LogTree, ledger: Ledger, said: Checkpoint) -> None:
    """Check that a ledger, whose log tree is given, begins with what a checkpoint saw.

    Raises:
        IntegrityError: it does not; both are named.
    """
    where = f"position {said.position}"
    if said.size > tree.size:
        last = tree.positions[-1] if tree.size else -1
        raise IntegrityError(
            f"the checkpoint of {said} knows {said.size} items, this ledger has {tree.size}, the"
            f" newest at position {last}: cut off, or behind its peers",
            where=where,
            hint=_COMPARE,
        )
    root = tree.tree.root(said.size)
    same = root == said.root and tree.size_at(said.position) == said.size
    if not same or not ledger.extends(said.head):
        raise IntegrityError(
            f"the checkpoint of {said} is of another history than this ledger's, whose first"
            f" {said.size} items give {root.hex()[:16]}",
            where=where,
            hint=_COMPARE,
        )


def require_newer(said: Checkpoint, kept: SignedCheckpoint | None) -> None:
    """Check that a checkpoint does not go behind the one that is kept of its site.

    Raises:
        IntegrityError: it is older, or of another history; both are named.
    """
    if kept is None or said == kept.checkpoint or said.size > kept.checkpoint.size:
        return
    before = kept.checkpoint
    what = "older than" if said.size < before.size else "of another history than"
    raise IntegrityError(
        f"the checkpoint of {said} is {what} the one kept of it, of position {before.position}"
        f" ({before.root.hex()[:16]})",
        where=f"position {said.position}",
        hint=f"ask {said.site} for its newest" if said.size < before.size else _COMPARE,
    )


# ------------------------------------------------------------------------------------ as a member


@dataclass(frozen=True, slots=True)
class Witness:
    """A site as it makes checkpoints of a ledger and keeps those of others."""

    ledger: Ledger
    membership: Membership
    kept: KeptCheckpoints
    site: str
    signer: Signer

    def take(self, lines: Iterable[str]) -> list[SignedCheckpoint]:
        """Compare others' checkpoints with the ledger, keep them, and sign the same.

        Returns:
            This site's word on each: the co-signatures.

        Raises:
            IntegrityError: one is damaged, older than the one kept, or of another history.
        """
        tree = self._tree()
        taken = [SignedCheckpoint.parse(line) for line in lines]
        for signed in taken:
            self._compare(tree, signed)
        for signed in taken:
            self.kept.keep(signed)
        return [
            SignedCheckpoint.make(signed.checkpoint.by(self.site), self.signer) for signed in taken
        ]

    def make(self) -> SignedCheckpoint:
        """Return this site's checkpoint of all that is on the ledger but later checkpoints.

        Where nothing but checkpoints came since a kept one, it is that one, signed by this site
        too: so members that publish in turn confirm each other, and come to an end.
        """
        tree = self._tree()
        self._pick_up(tree)
        newest = max(
            (kept.checkpoint for kept in self.kept.all()), key=lambda said: said.size, default=None
        )
        if newest is not None and self._nothing_since(newest):
            said = newest.by(self.site)
        else:
            said = self._of_all(tree)
        signed = SignedCheckpoint.make(said, self.signer)
        self.kept.keep(signed)
        return signed

    def publish(self) -> SignedCheckpoint:
        """Make a checkpoint and put it on the ledger, unless it is there."""
        signed = self.make()
        if not self.ledger.ordinals(self.signer.public_key, item_id(signed.checkpoint)):
            item = checkpoint_item(signed, self.signer)
            self.ledger.publish(self.ledger.prepare([item]))
        return signed

    def pick_up(self) -> None:
        """Keep what other members have published since, as far as it agrees with the ledger."""
        newer = self._published()
        if newer:
            self._pick_up(self.kept.tree(self.ledger), newer)

    def _tree(self) -> LogTree:
        """Return the log tree of a ledger that still is the one this site has seen.

        Raises:
            IntegrityError: it is not: nothing is signed, and what was kept stays as it is.
        """
        require_remembered(self.ledger, self.kept)
        return self.kept.tree(self.ledger)

    def _pick_up(self, tree: LogTree, newer: list[SignedCheckpoint] | None = None) -> None:
        for signed in self._published() if newer is None else newer:
            try:
                self._compare(tree, signed)
            except IntegrityError:
                continue  # `verify` names it: whoever signs nonsense stops nobody's work
            self.kept.keep(signed)

    def _published(self) -> list[SignedCheckpoint]:
        """Return checkpoints of others on the ledger that are newer than those kept, in order."""
        sizes = {kept.checkpoint.site: kept.checkpoint.size for kept in self.kept.all()}
        found: dict[str, SignedCheckpoint] = {}
        for placed in family_items(self.ledger, CHECKPOINT):
            member = self.membership.member(placed.item.publisher)
            if member is None or member.site == self.site:
                continue
            with suppress(CodecError):  # `verify` names it
                signed = published_checkpoint(placed, newer_than=sizes.get(member.site, 0))
                if signed and signed.checkpoint.site == member.site:
                    found[member.site] = signed
                    sizes[member.site] = signed.checkpoint.size
        return list(found.values())

    def _compare(self, tree: LogTree, signed: SignedCheckpoint) -> None:
        said = signed.checkpoint
        if said.network != self.kept.network:
            raise CodecError(f"the checkpoint of {said} is of another network than this site's")
        member = self.membership.member(signed.public_key)
        if member is None or member.site != said.site:
            raise IntegrityError(
                f"the checkpoint of {said} is signed by a key that is not that site's",
                hint="`precisionchain members` lists the keys",
            )
        require_consistent(tree, self.ledger, said)
        require_newer(said, self.kept.of(said.site))

    def _nothing_since(self, said: Checkpoint) -> bool:
        later = self.ledger.items(after=said.position)
        return all(family_of(found.item.stream) == CHECKPOINT for found in later)

    def _of_all(self, tree: LogTree) -> Checkpoint:
        head = tree.head
        (newest,) = self.ledger.items(after=tree.positions[-1] - 1, limit=1)
        return Checkpoint(
            self.kept.network,
            tree.size,
            tree.tree.root(),
            head.position,
            head.block,
            head.digest,
            newest.time,
            self.site,
        )
