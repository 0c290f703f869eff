"""The part of the door for work that lets others check this site's ledger, and it theirs."""

from __future__ import annotations

from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

from precisionchain.doors import WorkDoor
from precisionchain.errors import UsageError

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.ledger.checkpoints import SignedCheckpoint
    from precisionchain.opened import OpenSite


class ProofsDoor(WorkDoor):
    """What `Site` does about checkpoints and proofs; they show no record."""

    def checkpoint(self, *, publish: bool = False) -> str:
        """Return this site's checkpoint of its ledger, a line; keep it, and what others published.

        Args:
            publish: put it on the ledger, too, where every member picks it up.

        Raises:
            AccessRefusedError: ``publish``, and the acting user has not the role ``institution``.
        """
        with self._opened() as opened:
            if publish:
                opened.require("publish")
                return str(opened.witness().publish())
            return str(opened.witness().make())

    def add_checkpoints(self, lines: Iterable[str]) -> list[str]:
        """Compare checkpoints of other members with the ledger and keep them.

        Args:
            lines: as their ``checkpoint`` gave them.

        Returns:
            This site's signature of the same, a line each.

        Raises:
            IntegrityError: one is damaged, older than the one kept, or of another history; none is
                kept then.
        """
        with self._opened() as opened:
            return [str(signed) for signed in opened.witness().take(lines)]

    def checkpoints(self) -> pl.DataFrame:
        """Return the checkpoints kept; columns in ``docs/reference/frames.md``."""
        import polars as pl

        with self._opened() as opened:
            kept = opened.kept_checkpoints.all()
        said = [signed.checkpoint for signed in kept]
        return pl.DataFrame(
            {
                "site": [one.site for one in said],
                "position": [one.position for one in said],
                "items": [one.size for one in said],
                "time": [one.time for one in said],
                "root": [one.root.hex() for one in said],
                "checkpoint": [str(signed) for signed in kept],
            },
            schema={
                "site": pl.String,
                "position": pl.Int64,
                "items": pl.Int64,
                "time": pl.Datetime("us", "UTC"),
                "root": pl.String,
                "checkpoint": pl.String,
            },
        )

    def prove(self, position: int, *, checkpoint: str | None = None) -> dict[str, Any]:
        """Return the proof that the item at a position is on the ledger, for `check_inclusion`.

        Args:
            position: the item's.
            checkpoint: a member's line to prove it for; default: this site's, made now.

        Raises:
            UsageError: no item stands there, or it came after the checkpoint.
            IntegrityError: the checkpoint is of another history.
        """
        from precisionchain.ledger.proofs import prove_inclusion

        with self._opened() as opened:
            signed = _agreed(opened, checkpoint)
            found = next(opened.ledger.items(after=position - 1, limit=1), None)
            if found is None or found.position != position:
                raise UsageError(f"no item stands at position {position}")
            return prove_inclusion(opened.log_tree(), found, signed)

    def prove_growth(self, earlier: str, *, checkpoint: str | None = None) -> dict[str, Any]:
        """Return the proof that the ledger still begins with what an earlier checkpoint saw.

        Args:
            earlier: its line.
            checkpoint: a later one's line; default: this site's, made now.

        Raises:
            IntegrityError: one of them is of another history.
        """
        from precisionchain.ledger.proofs import prove_consistency

        with self._opened() as opened:
            first, second = _agreed(opened, earlier), _agreed(opened, checkpoint)
            return prove_consistency(opened.log_tree(), first, second)


def _agreed(opened: OpenSite, line: str | None) -> SignedCheckpoint:
    """Return a line's checkpoint, with which the ledger agrees; without one this site's own."""
    from precisionchain.ledger.checkpoints import SignedCheckpoint
    from precisionchain.ledger.kept_checkpoints import require_consistent

    if line is None:
        return opened.witness().make()
    signed = SignedCheckpoint.parse(line)
    if signed.checkpoint.network != opened.network:
        raise UsageError(
            f"the checkpoint of {signed.checkpoint} is of another network than this site's"
        )
    require_consistent(opened.log_tree(), opened.ledger, signed.checkpoint)
    return signed
