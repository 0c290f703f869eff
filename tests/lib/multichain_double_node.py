"""One node of the MultiChain double: what it has seen, its wallet, and the chain as it knows it."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any

from tests.lib.multichain_double_chain import (
    Block,
    Coin,
    Output,
    Rejected,
    RpcError,
    State,
    Stream,
    Tx,
)

NO_COIN = (
    "No unspent outputs are available. Please send a transaction, with zero amount, to this node "
    "or address first and wait for its confirmation."
)
_ADDRESS_LETTERS = "123456789ABCDEFGHJKLMNPQRSTUVWXYZabcdefghijkmnopqrstuvwxyz"


def address_of(node: str, number: int) -> str:
    """Give a node's address, 38 letters as on a real chain."""
    digest = sha256(f"{node} {number}".encode()).digest()
    letters = [_ADDRESS_LETTERS[byte % 58] for byte in digest + sha256(digest).digest()]
    return "1" + "".join(letters[:37])


class NodeDied(Exception):  # noqa: N818 - what became of the node, not an answer
    """The node crashed on this call: the connection ends without an answer."""


@dataclass(slots=True)
class Wallet:
    """A node's keys, and what it keeps in memory only: locked coins are free after a restart."""

    addresses: list[str] = field(default_factory=list)
    locked_coins: set[Coin] = field(default_factory=set)
    passphrase: str = ""
    """What the wallet is encrypted with; empty when it is not."""
    locked: bool = False
    """Nothing is signed and nothing mined."""


@dataclass(slots=True)
class Seen:
    """A transaction a node has accepted, once and for all, whatever became of it."""

    tx: Tx
    time: int
    """When it came."""
    signers: list[str]
    orphaned: str = ""
    """The last block that held it and went; a dead transaction is still said to be in it."""


class Node:
    """What one multichaind holds. The RPC functions read and change it under the double's lock."""

    def __init__(self, name: str, parameters: Mapping[str, Any], genesis: Sequence[Block]) -> None:
        self.name = name
        self.parameters = parameters
        self.blocks = list(genesis)
        self.mempool: dict[str, Tx] = {}
        self.tip = State.of(genesis)
        """The state by blocks alone."""
        self.pool = State.of(genesis)
        """The state with the mempool on top."""
        self.places: dict[str, tuple[Block, int]] = {}
        self.seen: dict[str, Seen] = {}
        """Every transaction ever accepted here, in the order it came: a dropped one stays known."""
        self.wallet = Wallet([address_of(name, 0)])
        self.subscribed: set[str] = set()
        self.followed: set[str] = set()
        """Streams ever subscribed to: the wallet keeps their transactions."""
        self.runtime: dict[str, int] = {"maxshowndata": 16384}
        self.mining_paused = False
        self.peers: int | None = None
        """How many peers it reports; None: those it is connected with."""
        self.fatal: list[str] = []
        """Calls that a real node would have died or hung on. A test with one fails."""
        self.relay: Callable[[Node, Tx], None] = lambda _node, _tx: None
        self.linked: Callable[[], int] = lambda: 0
        for block in genesis:
            self._placed(block)

    @property
    def height(self) -> int:
        return self.blocks[-1].height

    def new_address(self) -> str:
        address = address_of(self.name, len(self.wallet.addresses))
        self.wallet.addresses.append(address)
        return address

    # -- streams and transactions ---------------------------------------------------------------

    def stream(self, identifier: Any, *, word: str = "Stream") -> Stream:
        """Find a stream by name, creating txid or reference."""
        name = wanted_text(identifier)
        found = self.pool.named.get(name.casefold()) or self.pool.streams.get(name)
        if found is None:
            by_reference = [s for s in self.pool.streams.values() if self.reference(s) == name]
            if not by_reference:
                raise RpcError(-708, f"{word} with this name not found: {name}")
            found = by_reference[0]
        return found

    def reference(self, stream: Stream) -> str | None:
        """The stream's reference, height-offset-prefix; None until it is confirmed."""
        place = self.places.get(stream.created)
        if place is None:
            return None
        block, index = place
        if block.height == 0:
            return "0-0-0"
        offset = 81 + sum(len(tx.raw) for tx in block.txs[:index])
        prefix = int.from_bytes(bytes.fromhex(stream.created[:4]), "little")
        return f"{block.height}-{offset}-{prefix}"

    def knows(self, txid: str) -> bool:
        """Tell whether its wallet keeps a transaction: its own, or one in a stream it followed."""
        seen = self.seen.get(txid)
        if seen is None:
            return False
        heads = [output.head for output in seen.tx.outputs]
        involved = {*seen.signers, *(head.get("address") for head in heads)}
        followed = any(head.get("for") in self.followed for head in heads)
        return followed or not involved.isdisjoint(self.wallet.addresses)

    def is_dead(self, txid: str) -> bool:
        """Tell whether a transaction was accepted once and is valid no more."""
        return txid in self.seen and txid not in self.pool.txs

    def confirmations(self, txid: str) -> int:
        place = self.places.get(txid)
        return self.height - place[0].height + 1 if place else 0

    def coins_of(self, address: str) -> list[Coin]:
        """Unspent outputs of an address that are not locked, the oldest first."""
        locked = self.wallet.locked_coins
        return [
            coin
            for coin, owner in self.pool.coins.items()
            if owner == address and coin not in locked
        ]

    def require_key(self, address: str) -> None:
        self.require_unlocked()
        if address not in self.wallet.addresses:
            raise RpcError(-709, "Private key for from-address is not found in this wallet")

    def require_unlocked(self) -> None:
        if self.wallet.locked:
            raise RpcError(
                -13,
                "Error: Please enter the wallet passphrase with walletpassphrase first.",
            )

    def build(self, address: str, outputs: Sequence[Output], *, sign: bool = True) -> Tx:
        """Spend one coin of an address for these outputs; its change is the last output."""
        if not self.pool.holds(address, "send", self.height + 1):
            raise RpcError(-704, "from-address doesn't have send permission")
        coins = self.coins_of(address)
        if not coins:
            raise RpcError(-716, NO_COIN)
        change = Output({"type": "coin", "address": address})
        tx = Tx.make(coins[:1], [*outputs, change])
        if len(tx.raw) > self.parameters["max-std-tx-size"]:
            raise RpcError(-8, "Transaction too large")
        return tx.signed(self.own(tx.inputs)) if sign else tx

    def own(self, coins: Iterable[Coin]) -> dict[Coin, str]:
        """Which of these coins this wallet can sign for."""
        owners = {coin: self.pool.coins.get(coin) for coin in coins}
        keys = self.wallet.addresses
        return {coin: owner for coin, owner in owners.items() if owner in keys and owner}

    def send(self, tx: Tx) -> str:
        """Take a transaction in, as ``sendrawtransaction`` does and in its order of checks."""
        if tx.txid in self.mempool:
            return tx.txid
        if self.tip.unspent[tx.txid]:
            raise RpcError(-27, "transaction already in block chain")
        self._require_standard(tx)
        taken = {coin for waiting in self.mempool.values() for coin in waiting.inputs}
        gone = any(not self.pool.unspent[coin.txid] for coin in tx.inputs)
        if gone and taken.isdisjoint(tx.inputs):
            raise RpcError(-27, "missing inputs")
        try:
            self.pool.apply(tx, self.height + 1)
        except Rejected as rejected:
            raise RpcError(-26, str(rejected)) from None
        self.mempool[tx.txid] = tx
        signers = self.pool.publishers[tx.txid]
        self.seen.setdefault(tx.txid, Seen(tx, int(time.time()), signers))
        self.wallet.locked_coins -= set(tx.inputs)
        self.relay(self, tx)
        return tx.txid

    def _require_standard(self, tx: Tx) -> None:
        items = [output for output in tx.outputs if output.head["type"] == "data"]
        if any(len(o.payload) > self.parameters["max-std-op-return-size"] for o in items):
            raise RpcError(-26, "64: scriptpubkey")
        if len(items) > self.parameters["max-std-op-returns-count"]:
            raise RpcError(-26, "64: multi-op-return")

    # -- the chain as this node knows it ----------------------------------------------------------

    def next_block(self, miner: str) -> Block:
        """Make a block of the oldest unconfirmed transactions, as many as fit."""
        room = self.parameters["maximum-block-size"]
        taken = []
        for tx in self.mempool.values():
            room -= len(tx.raw)
            if room < 0:
                break
            taken.append(tx)
        return Block.after(self.blocks[-1], int(time.time()), miner, taken)

    def connect(self, block: Block) -> None:
        """Put a block on top."""
        expected = list(self.mempool.values())[: len(block.txs) - 1]
        self.blocks.append(block)
        for number, tx in enumerate(block.txs):
            self.tip.apply(tx, block.height, founding=number == 0)
            self.mempool.pop(tx.txid, None)
        self._placed(block)
        if list(block.txs[1:]) == expected:
            self.pool.apply(block.txs[0], block.height, founding=True)
        else:
            self._refill(list(self.mempool.values()))

    def switch(self, blocks: Sequence[Block], unconfirmed: Iterable[Tx]) -> None:
        """Take another history; of the unconfirmed transactions what it leaves valid stays."""
        left, self.places = self.places, {}
        self.blocks = list(blocks)
        self.tip = State.of(blocks)
        for block in blocks:
            self._placed(block)
        for txid in left.keys() - self.places.keys():
            self.seen[txid].orphaned = left[txid][0].hash
        self._refill([tx for tx in unconfirmed if tx.txid not in self.places])

    def _refill(self, unconfirmed: Iterable[Tx]) -> None:
        self.pool = State.of(self.blocks)
        self.mempool = {}
        for tx in unconfirmed:
            try:
                self.pool.apply(tx, self.height + 1)
            except Rejected:
                continue
            self.mempool[tx.txid] = tx

    def _placed(self, block: Block) -> None:
        now = int(time.time())
        for index, tx in enumerate(block.txs):
            self.places[tx.txid] = (block, index)
            self.seen.setdefault(tx.txid, Seen(tx, now, self.tip.publishers[tx.txid]))


def wanted_text(value: Any) -> str:
    """A parameter that must be text, as the node complains about another."""
    if isinstance(value, str):
        return value
    kinds = {
        dict: "obj",
        list: "array",
        bool: "bool",
        int: "int",
        float: "real",
        type(None): "null",
    }
    raise RpcError(-1, f"value is type {kinds[type(value)]}, expected str")
