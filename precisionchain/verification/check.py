"""One check: how many things it looked at, and what was wrong with them, each located."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from precisionchain.ledger.base import Finding, LedgerItem


@dataclass(slots=True)
class Check:
    """One check: how many things it looked at, and what was wrong with them.

    An advisory check reports what readers ignore anyway; it does not fail. ``note`` says what it
    compared with, ``seconds`` how long it took and ``stored_bytes`` how many bytes it read anew.
    """

    name: str
    examined: int = 0
    findings: list[Finding] = field(default_factory=list)
    advisory: bool = False
    note: str = ""
    seconds: float = 0.0
    stored_bytes: int = 0

    @property
    def ok(self) -> bool:
        """Whether nothing was found, or nothing that harms."""
        return self.advisory or not self.findings

    def row(self) -> dict[str, Any]:
        """Return the check as one JSON object."""
        return {
            "check": self.name,
            "ok": self.ok,
            "examined": self.examined,
            "findings": [located(finding) for finding in self.findings],
            "note": self.note or None,
            "seconds": round(self.seconds, 3),
            "bytes": self.stored_bytes or None,
        }

    def line(self) -> str:
        """Return the check as text, a finding a line."""
        head = f"{'ok  ' if self.ok else 'FAIL'} {self.name}: {self.examined} examined"
        if self.note:
            head = f"{head}; {self.note}"
        return "\n".join([head, *(f"       {located(finding)}" for finding in self.findings)])

    def find(
        self,
        message: str,
        at: LedgerItem | None = None,
        *,
        stream: str | None = None,
        position: int | None = None,
    ) -> None:
        """Add a finding."""
        if at is not None:
            stream, position = at.item.stream, at.position
        self.findings.append(Finding(self.name, message, stream, position))


def located(finding: Finding) -> str:
    """Return a finding with its place."""
    places = (("stream", finding.stream), ("position", finding.position), ("block", finding.block))
    place = ", ".join(f"{name} {value}" for name, value in places if value is not None)
    return f"{place}: {finding.message}" if place else finding.message


def summary(checks: list[Check]) -> str:
    """Return how much was checked, in what time."""
    seconds = sum(check.seconds for check in checks)
    megabytes = sum(check.stored_bytes for check in checks) / 1e6
    speed = f"{megabytes / seconds:.1f} MB/s" if seconds else "no time"
    return f"{megabytes:.1f} MB checked in {seconds:.2f} s: {speed}"
