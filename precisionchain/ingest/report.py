"""What a job says while it works, and what it did."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Progress(Protocol):
    """Where a job says what it is doing and how far it is."""

    def step(self, text: str) -> None:
        """Say what begins."""

    def advance(self, done: int, total: int) -> None:
        """Say how far it is; ``total`` is 0 where it is not known."""


class Silent:
    """Progress that nobody sees."""

    def step(self, text: str) -> None:
        """Say nothing."""

    def advance(self, done: int, total: int) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingestion did: rows or records by fate, and the sealed batch."""

    source: str
    batch: str
    items: int
    new_items: int
    ledger_bytes: int
    counts: Mapping[str, int]

    def row(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "source": self.source,
            "batch": self.batch,
            "items": self.items,
            "new_items": self.new_items,
            "ledger_bytes": self.ledger_bytes,
            **self.counts,
        }

    def line(self) -> str:
        """Return it as one line of text."""
        fates = ", ".join(f"{value} {name}" for name, value in self.counts.items())
        if not self.new_items:
            return f"source {self.source} is unchanged ({fates}): nothing new was published"
        return (
            f"source {self.source}: {fates}; sealed batch {self.batch[:16]} with {self.items}"
            f" items, {self.ledger_bytes} bytes on the ledger"
        )
