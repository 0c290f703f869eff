"""The MultiChain ledger keeps the contract: over the double always, on a real node where one is."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from pathlib import Path

import pytest

from precisionchain.ledger.base import Ledger
from tests.contract.ledger_contract import LedgerContract
from tests.lib.multichain_ledgers import LONELY, PromptLedger, founded, prompt_ledger, site_folder
from tests.lib.multichain_nodes import real_node, real_node_absent


class TestMultiChainLedger(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        with prompt_ledger(site_folder(tmp_path)) as ledger:
            yield ledger


@pytest.mark.slow
@pytest.mark.skipif(real_node_absent() is not None, reason=str(real_node_absent()))
class TestRealNode(LedgerContract):
    @pytest.fixture
    def ledger(self, tmp_path: Path) -> Iterator[Ledger]:
        with (
            real_node(tmp_path / "chain", **LONELY) as node,
            closing(founded(node, site_folder(tmp_path), PromptLedger)) as ledger,
        ):
            yield ledger
