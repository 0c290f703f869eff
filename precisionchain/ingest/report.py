"""What a job says while it works, and what it did."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

if TYPE_CHECKING:
    import polars as pl

    from precisionchain.ingest.send import Published
    from precisionchain.ingest.staging import Run


Step = Callable[[str], None]
"""Called with a line when a step begins; never with anything from a person's record."""

Advance = Callable[[int, int], None]
"""Called with (done, in all); 0 in all where it is not known."""


def silent(_line: str) -> None:
    """Say nothing of a step."""


class Progress(Protocol):
    """Where a job says what it is doing and how far it is."""

    def step(self, text: str) -> None:
        """Say what begins."""

    def warn(self, text: str) -> None:
        """Say what is to be known, and stops nothing."""

    def advance(self, done: int, total: int) -> None:
        """Say how far it is; ``total`` is 0 where it is not known."""


class Silent:
    """Progress that nobody sees."""

    def step(self, text: str) -> None:
        """Say nothing."""

    def warn(self, text: str) -> None:
        """Say nothing."""

    def advance(self, done: int, total: int) -> None:
        """Say nothing."""


@dataclass(frozen=True, slots=True)
class Ingested:
    """What an ingestion did: rows or records by fate, and the sealed batch.

    ``changes``: by table, the rows that are ``new``, ``changed``, ``gone``, ``unchanged`` and
    ``withheld`` (of withdrawn persons), where a batch follows an earlier one of its source.
    """

    source: str
    batch: str
    items: int
    new_items: int
    ledger_bytes: int
    counts: Mapping[str, int]
    changes: Mapping[str, Mapping[str, int]] = field(default_factory=dict)

    def row(self) -> dict[str, Any]:
        """Return it as one JSON object."""
        return {
            "source": self.source,
            "batch": self.batch,
            "items": self.items,
            "new_items": self.new_items,
            "ledger_bytes": self.ledger_bytes,
            **self.counts,
            **({"changes": self.changes} if self.changes else {}),
        }

    def line(self) -> str:
        """Return it as one line of text."""
        fates = ", ".join(f"{value} {name}" for name, value in self.counts.items())
        if not self.new_items:
            return f"source {self.source} is unchanged ({fates}): nothing new was published"
        if self.changes:
            names = next(iter(self.changes.values()))
            totals = {fate: sum(one[fate] for one in self.changes.values()) for fate in names}
            fates += "; " + ", ".join(f"{n} {fate}" for fate, n in totals.items())
        return (
            f"source {self.source}: {fates}; sealed batch {self.batch[:16]} with {self.items}"
            f" items, {self.ledger_bytes} bytes on the ledger"
        )


def table_fates(run: Run) -> pl.DataFrame:
    """Return table_name, file, n_records, n_accepted, n_rejected of a validated OMOP run."""
    import polars as pl

    return pl.read_parquet(run.path / "tables.parquet")


def ingested(run: Run, published: Published) -> Ingested:
    """Return what became of a run's rows or records, and of its batch."""
    if run.kind == "omop":
        tables = table_fates(run)
        fates = ("records", "accepted", "rejected")
        counts = {fate: int(tables[f"n_{fate}"].sum()) for fate in fates}
    else:
        said = run.description.get("statistics", {})
        counts = {name: value for name, value in said.items() if isinstance(value, int)}
    return reported(published, counts)


def reported(published: Published, counts: Mapping[str, int]) -> Ingested:
    """Return what became of a batch, and counts of what it is of."""
    return Ingested(
        published.source,
        published.batch,
        published.items,
        published.new_items,
        published.stored_bytes,
        counts,
        published.changes,
    )
