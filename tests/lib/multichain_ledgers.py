"""MultiChain ledgers over the double, for tests that want what they write to be final at once."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from precisionchain.ledger.base import Prepared, Receipt
from precisionchain.ledger.multichain import MultiChainLedger
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.ledger.multichain_place import PASSWORD_VARIABLE, USER_VARIABLE, NodeUrl
from precisionchain.ledger.multichain_place import Credentials as Who
from tests.lib.multichain_double import MultiChainDouble

LONELY: Mapping[str, Any] = {"mining-requires-peers": False}
"""One node that mines alone: final after one block."""


class PromptLedger(MultiChainLedger):
    """Has a block made after everything it writes."""

    chain: MultiChainDouble

    def publish(self, prepared: Prepared) -> Receipt:
        receipt = super().publish(prepared)
        if None in receipt.positions:
            self.chain.mine()
            receipt = Receipt(super().publish(prepared).positions, receipt.new)
        return receipt

    def create_streams(self, names: Sequence[str]) -> None:
        super().create_streams(names)
        if names:
            self.chain.mine()


def impatient(chain: MultiChainDouble, node: int = 0, *, patience: float = 0.2) -> NodeClient:
    """A client that soon gives up."""
    place = NodeUrl.parse(f"multichain:{chain.url(node)}")
    return NodeClient(place, Who(chain.user, chain.password), patience=patience, answer=2.0)


def site_folder(root: Path, name: str = "site") -> Path:
    folder = root / name
    (folder / "keys").mkdir(mode=0o700, parents=True)
    return folder


def founded(chain: MultiChainDouble, folder: Path, kind: type[MultiChainLedger]) -> Any:
    """A ledger whose site may write everything, on a chain without streams of ours."""
    ledger = kind(f"multichain:{chain.url()}", folder, client=impatient(chain))
    if isinstance(ledger, PromptLedger):
        ledger.chain = chain
    ledger.found()
    chain.mine()
    return ledger


@contextmanager
def prompt_ledger(folder: Path, **parameters: Any) -> Iterator[PromptLedger]:
    with MultiChainDouble(parameters={**LONELY, **parameters}) as chain:
        with closing(founded(chain, folder, PromptLedger)) as ledger:
            yield ledger


def set_credentials(monkeypatch: pytest.MonkeyPatch, user: str, password: str) -> None:
    monkeypatch.setenv(USER_VARIABLE, user)
    monkeypatch.setenv(PASSWORD_VARIABLE, password)
