"""A ledger that is gone after so many entries of the log."""

from __future__ import annotations

from precisionchain.errors import LedgerUnavailableError
from precisionchain.ledger.base import Prepared, Receipt
from tests.lib.faulty_ledger import FaultyLedger


class DyingLedger(FaultyLedger):
    """Takes so many entries and no more; opening a bucket is none."""

    def create_stream(self, name: str) -> None:
        self.inner.create_stream(name)

    def publish(self, prepared: Prepared) -> Receipt:
        self.writes += 1
        if self.writes > self.fail_at:
            raise LedgerUnavailableError("fault: no ledger")
        return self.inner.publish(prepared)
