"""What a source's batches so far say of it, and what a staged run says of itself.

Loads no engine: genotypes and clinical tables are published with it, and each needs its own.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path
from typing import Any

from precisionchain.ingest.changes_limits import Refresh
from precisionchain.ledger.batches import Seal
from precisionchain.ledger.chains import Chains, Withdrawals
from precisionchain.schemas.canonical import canonical_json


@dataclass(frozen=True, slots=True)
class History:
    """What one publisher has sealed, and withdrawn, up to now.

    Args:
        publisher: its public key.
        chains: of all publishers.
        withdrawals: of all publishers.
    """

    publisher: bytes
    chains: Chains
    withdrawals: Withdrawals

    def chain(self, source: str) -> tuple[Seal, ...]:
        """Return the seals of a source, each following the one before it."""
        return tuple(self.chains.get((self.publisher, source), ()))

    def head(self, source: str) -> Seal | None:
        """Return a source's newest seal."""
        return chain[-1] if (chain := self.chain(source)) else None

    def is_head(self, source: str, source_id: str) -> bool:
        """Whether a source's head is of this content and counts."""
        head = self.head(source)
        if head is None or head.manifest.batch in self.withdrawals.batches:
            return False
        return head.manifest.source_id == source_id

    @property
    def withdrawn_persons(self) -> frozenset[int]:
        """The publisher's withdrawn persons."""
        return self.withdrawals.persons.get(self.publisher, frozenset())

    def renumbered(self, source: str) -> frozenset[str]:
        """Return the tables whose keys on the ledger are not those of the exports."""
        chain = self.chain(source)
        return frozenset(
            name for seal in chain for name in seal.manifest.settings.get("renumbered", ())
        )


def read_run(run: Path, refresh: Refresh) -> dict[str, Any]:
    """Return a run's description; an OMOP run's as what it is under a mode.

    A delta is another source than a whole export of the same files: it makes another state.
    """
    description: dict[str, Any] = json.loads((run / "run.json").read_text(encoding="utf-8"))
    description.pop("mode", None)
    if description["kind"] == "omop" and refresh.mode != "full":
        identity = {"mode": refresh.mode, "source_id": description["source_id"]}
        description["source_id"] = sha256(canonical_json(identity)).hexdigest()
        description["settings"] = {**description["settings"], "mode": refresh.mode}
    return description
