"""The MultiChain ledger keeps the contract, over the protocol double."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from precisionchain.ledger.base import Ledger
from tests.contract.ledger_contract import LedgerContract
from tests.lib.multichain_ledgers import prompt_ledger, site_folder


class TestMultiChainLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        with prompt_ledger(site_folder(tmp_path)) as ledger:
            yield ledger
