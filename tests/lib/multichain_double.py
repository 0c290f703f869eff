"""A protocol double of MultiChain 2.3: HTTP JSON-RPC as a real node answers, without a node.

``MultiChainDouble`` is a network of nodes that share one chain. Each node is a real HTTP server on
127.0.0.1. What it answers is what ``tests/lib/multichain_transcript.py`` saw real nodes answer;
the same transcript runs against both. Tests steer it from Python: blocks, forks, faults.

    with MultiChainDouble() as chain:
        client = connect(chain.url(), chain.user, chain.password)
        chain.mine()

Not modelled: off-chain items, assets, filters, JSON's losses, orders that real wallets leave open.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Mapping, Sequence
from contextlib import suppress
from types import TracebackType
from typing import Any, Self

from tests.lib.multichain_double_chain import (
    FOREVER,
    GLOBAL_RIGHTS,
    Block,
    Output,
    Rejected,
    RpcError,
    State,
    Tx,
)
from tests.lib.multichain_double_http import Door
from tests.lib.multichain_double_node import Node, address_of
from tests.lib.multichain_double_rpc import execute

PARAMETERS: Mapping[str, Any] = {
    "chain-protocol": "multichain",
    "chain-name": "pc",
    "protocol-version": 20013,
    "root-stream-name": "root",
    "root-stream-open": True,
    "target-block-time": 2,
    "maximum-block-size": 8388608,
    "maximum-chunk-size": 1048576,
    "maximum-chunk-count": 1024,
    "anyone-can-connect": False,
    "anyone-can-send": False,
    "anyone-can-receive": False,
    "anyone-can-receive-empty": True,
    "anyone-can-create": False,
    "anyone-can-mine": False,
    "anyone-can-activate": False,
    "anyone-can-admin": False,
    "setup-first-blocks": 4,
    "mining-diversity": 0.75,
    "mining-requires-peers": True,
    "mine-empty-rounds": -1,
    "mining-turnover": 0.5,
    "minimum-relay-fee": 0,
    "minimum-offchain-fee": 0,
    "max-std-tx-size": 4194304,
    "max-std-op-returns-count": 32,
    "max-std-op-return-size": 2097152,
    "max-std-op-drops-count": 5,
    "max-std-element-size": 40000,
}
"""The chain's parameters, as getblockchainparams gives them on a new chain."""


class MultiChainDouble:
    """Nodes 0, 1, ... of one chain, each with one address and one HTTP server.

    Node 0's address holds every right, the others connect, send, receive and create. What a node
    accepts or a test does takes effect at once on all nodes that are connected.
    """

    user = "pcnode"
    password = "not-secret"

    def __init__(self, nodes: int = 1, parameters: Mapping[str, Any] | None = None) -> None:
        self.parameters = dict(PARAMETERS) | dict(parameters or {})
        self._lock = threading.RLock()
        self._closed = threading.Event()
        self._miners: list[threading.Thread] = []
        names = [f"node {number}" for number in range(nodes)]
        genesis = [_genesis([address_of(name, 0) for name in names])]
        self.nodes = [Node(name, self.parameters, genesis) for name in names]
        self._groups = [list(self.nodes)]
        self.doors = [Door(self._answering(node), self.user, self.password) for node in self.nodes]
        for node in self.nodes:
            node.relay = self._relay
            node.linked = self._linked(node)

    def url(self, node: int = 0) -> str:
        """Where a node answers, without credentials."""
        return self.doors[node].url

    def address(self, node: int = 0) -> str:
        return self.nodes[node].wallet.addresses[0]

    # -- blocks -----------------------------------------------------------------------------------

    def mine(self, count: int = 1, node: int = 0) -> None:
        """Make blocks on a node, paused or not; the nodes it is connected with take them over."""
        with self._lock:
            for _ in range(count):
                block = self.nodes[node].next_block(self.address(node))
                for member in self._group(self.nodes[node]):
                    member.connect(block)

    def mine_every(self, seconds: float, node: int = 0) -> None:
        """Keep mining until closed, unless mining is paused or the wallet locked."""

        def work() -> None:
            while not self._closed.wait(seconds):
                miner = self.nodes[node]
                idle = miner.mining_paused or miner.wallet.locked
                if self.doors[node].is_open and not idle:
                    self.mine(node=node)

        thread = threading.Thread(target=work, daemon=True)
        self._miners.append(thread)
        thread.start()

    def pause_mining(self, *, paused: bool = True) -> None:
        for node in self.nodes:
            node.mining_paused = paused

    def reorganise(
        self,
        depth: int,
        *,
        drop: Sequence[str] = (),
        order: Callable[[list[Tx]], list[Tx]] = list,
        node: int = 0,
    ) -> list[str]:
        """Replace a node's last blocks, and those of all it is connected with, by one more.

        The transactions of the old blocks stand in the first new one, in the order ``order`` puts
        them in, without those of ``drop`` and whatever spends them. Gives the txids that vanished:
        they are in no block and no mempool, and known as dead transactions are. They may be sent
        again until a ``double_spend`` takes their coin.
        """
        with self._lock:
            members = self._group(self.nodes[node])
            blocks = members[0].blocks
            base, old = blocks[:-depth], blocks[-depth:]
            kept = _valid(base, order([tx for block in old for tx in block.txs[1:]]), drop)
            miner = "1reorganised"
            new = [Block.after(base[-1], int(time.time()), miner, kept)]
            while len(new) <= depth:
                new.append(Block.after(new[-1], int(time.time()), miner, []))
            for member in members:
                waiting = [tx for txid, tx in member.mempool.items() if txid not in drop]
                member.switch([*base, *new], waiting)
            left = {tx.txid for tx in kept}
            return [tx.txid for block in old for tx in block.txs[1:] if tx.txid not in left]

    def double_spend(self, raw: str, node: int = 0) -> str:
        """Send a transaction that spends what a signed one (hex) spends: its txid."""
        with self._lock:
            spender = self.nodes[node]
            inputs = Tx.parse(bytes.fromhex(raw)).inputs
            owners = {coin: spender.pool.coins[coin] for coin in inputs}
            outputs = [Output({"type": "coin", "address": owner}) for owner in owners.values()]
            return spender.send(Tx.make(inputs, outputs).signed(owners))

    # -- connections ------------------------------------------------------------------------------

    def partition(self, *groups: Sequence[int]) -> None:
        """Cut the connections between groups of nodes."""
        with self._lock:
            self._groups = [[self.nodes[number] for number in group] for group in groups]

    def heal(self) -> None:
        """Connect all nodes again: the longest chain wins, what it lacks goes back to waiting."""
        with self._lock:
            best = max(self.nodes, key=lambda node: node.height)
            self._groups = [list(self.nodes)]
            for node in self.nodes:
                if node.blocks[-1].hash != best.blocks[-1].hash:
                    ours = [tx for block in node.blocks for tx in block.txs[1:]]
                    node.switch(best.blocks, [*ours, *node.mempool.values()])
            for node in self.nodes:
                for tx in list(node.mempool.values()):
                    self._relay(node, tx)

    def _group(self, node: Node) -> list[Node]:
        return next(group for group in self._groups if node in group)

    def _relay(self, sender: Node, tx: Tx) -> None:
        for node in self._group(sender):
            if tx.txid not in node.mempool:
                with suppress(RpcError):
                    node.send(tx)

    def _linked(self, node: Node) -> Callable[[], int]:
        return lambda: len(self._group(node)) - 1

    # -- life -------------------------------------------------------------------------------------

    def stop(self, node: int = 0) -> None:
        """Kill a node: connections break, new ones are refused. What it knows stays."""
        self.doors[node].close()

    def start(self, node: int = 0, *, refusals: int = 0) -> None:
        """Start it again at the same address; it says -28 to so many calls first."""
        stopped = self.nodes[node]
        stopped.wallet.locked_coins = set()
        stopped.wallet.locked = bool(stopped.wallet.passphrase)
        stopped.runtime = {"maxshowndata": 16384}
        self.doors[node].open()
        if refusals:
            self.doors[node].fail("starting", times=refusals)

    def check(self) -> None:
        """Fail when any call would have broken a real node."""
        found = [f"{node.name}: {call}" for node in self.nodes for call in node.fatal]
        assert not found, f"a real node would have died or hung: {found}"

    def close(self) -> None:
        self._closed.set()
        for door in self.doors:
            door.close()
        for thread in self._miners:
            thread.join(timeout=10)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()
        if kind is None:
            self.check()

    def _answering(self, node: Node) -> Callable[[str, list[Any]], Any]:
        def answer(method: str, params: list[Any]) -> Any:
            with self._lock:
                return execute(node, method, params)

        return answer


def _genesis(addresses: Sequence[str]) -> Block:
    """Make the first block: the root stream, and each address' rights and first coin."""
    root = {"type": "create", "name": "root", "closed": False, "details": {}}
    outputs = [Output(root)]
    for number, address in enumerate(addresses):
        rights = list(GLOBAL_RIGHTS if number == 0 else ("connect", "send", "receive", "create"))
        head = {"type": "grant", "for": "", "address": address, "rights": rights}
        outputs.append(Output(head | {"start": 0, "end": FOREVER}))
    return Block.after(None, int(time.time()), addresses[0], [Tx.make([], outputs)])


def _valid(base: Sequence[Block], txs: Sequence[Tx], drop: Sequence[str]) -> list[Tx]:
    """Apply what can be applied, in the order given where that is possible."""
    state, height = State.of(base), base[-1].height + 1
    waiting = [tx for tx in txs if tx.txid not in drop]
    kept: list[Tx] = []
    while True:
        left = []
        for tx in waiting:
            try:
                state.apply(tx, height)
            except Rejected:
                left.append(tx)
            else:
                kept.append(tx)
        if len(left) == len(waiting):
            return kept
        waiting = left
