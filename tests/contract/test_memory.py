"""The tests' own ledger keeps the contract too, or comparing with it would mean nothing."""

from __future__ import annotations

import pytest

from precisionchain.ledger.base import Ledger
from tests.contract.ledger_contract import LedgerContract
from tests.lib.faulty_ledger import FaultyLedger
from tests.lib.memory_ledger import MemoryLedger


class TestMemoryLedger(LedgerContract):
    @pytest.fixture
    def ledger(self) -> Ledger:
        return MemoryLedger()


class TestFaultyLedgerWithoutAFault(LedgerContract):
    @pytest.fixture
    def ledger(self) -> Ledger:
        return FaultyLedger(MemoryLedger())
