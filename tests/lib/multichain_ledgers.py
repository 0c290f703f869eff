"""MultiChain ledgers over the double or a real node, for tests that want writes final at once."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, TypeVar

from precisionchain.ledger.base import Prepared, Receipt
from precisionchain.ledger.multichain import MultiChainLedger
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.ledger.multichain_place import Credentials, NodeUrl
from tests.lib.multichain_nodes import ReachableNode, double_node

LONELY: Mapping[str, Any] = {"mining_requires_peers": False}
"""One node that mines alone: final after one block."""
Kind = TypeVar("Kind", bound=MultiChainLedger)


class PromptLedger(MultiChainLedger):
    """Has a block made after everything it writes."""

    mine: Callable[[], None]

    def publish(self, prepared: Prepared) -> Receipt:
        receipt = super().publish(prepared)
        while None in receipt.positions:
            self.mine()
            receipt = Receipt(super().publish(prepared).positions, receipt.new)
        return receipt

    def create_streams(self, names: Sequence[str]) -> None:
        super().create_streams(names)
        if names:
            self.mine()


def impatient(node: ReachableNode, *, patience: float = 0.6, answer: float = 20.0) -> NodeClient:
    """A client that soon gives up."""
    place = NodeUrl.parse(f"multichain:{node.url}")
    return NodeClient(
        place, Credentials(node.user, node.password), patience=patience, answer=answer
    )


def site_folder(root: Path, name: str = "site") -> Path:
    folder = root / name
    (folder / "keys").mkdir(mode=0o700, parents=True)
    return folder


def opened(
    node: ReachableNode, folder: Path | None, kind: type[Kind], *, setting: str = ""
) -> Kind:
    """Open a ledger on a node, as a site that has been there before or reads only."""
    ledger = kind(f"multichain:{node.url}{setting}", folder, client=impatient(node))
    if isinstance(ledger, PromptLedger):
        ledger.mine = node.mine
    return ledger


def founded(node: ReachableNode, folder: Path, kind: type[Kind], *, setting: str = "") -> Kind:
    """Open a ledger as a site that may write everything."""
    ledger = opened(node, folder, kind, setting=setting)
    ledger.found()
    node.mine()
    return ledger


@contextmanager
def prompt_ledger(folder: Path, **parameters: Any) -> Iterator[PromptLedger]:
    """Give a ledger on a new chain of the double."""
    with (
        double_node(**{**LONELY, **parameters}) as node,
        closing(founded(node, folder, PromptLedger)) as ledger,
    ):
        yield ledger
