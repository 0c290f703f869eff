"""A MultiChain as one node shows it: its parameters, final blocks, and what is not final."""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any, Final

from precisionchain.errors import LedgerError, LedgerFormatError
from precisionchain.ledger.base import Limits
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.ledger.multichain_index import ChainIndex
from precisionchain.ledger.multichain_rows import Transaction, Written, read_transaction

APPLICATION: Final = {"application": "precisionchain"}
"""Custom fields of our streams, which tell them from others on the same chain."""
DEFAULT_FINALITY: Final = 6
_KEY_BYTES = 384 * 1024
"""Room left in a transaction for keys, stream references and signatures."""
_PROMPT_BYTES = 2 * 1024**2
"""A node does one thing at a time, and a log entry waits while it signs a larger transaction; more
in one is not faster. An item of the largest size still fits."""
_LARGEST_CALL = 15 * 1024**2
"""A call is at most 32 MiB, and a byte is two hex digits of it."""
_WAITING_BLOCKS = 4
"""So many blocks' worth of transactions may wait for a block before publishing holds back."""


@dataclass(frozen=True, slots=True)
class ChainParameters:
    """What a chain's parameters mean for us.

    ``lonely`` says that its blocks may be made by a node without peers; ``miners`` counts the
    addresses that may mine.
    """

    name: str
    limits: Limits
    block_bytes: int
    lonely: bool
    miners: int

    @classmethod
    def read(cls, client: NodeClient) -> ChainParameters:
        """Ask the node.

        Raises:
            LedgerFormatError: it is no MultiChain of a kind we can use.
        """
        said = client.getblockchainparams()
        try:
            item = min(said["max-std-op-return-size"], Limits().max_item_bytes)
            largest = min(said["max-std-tx-size"], said["maximum-block-size"], _LARGEST_CALL)
            publish = max(1, min(_PROMPT_BYTES, largest - min(_KEY_BYTES, largest // 4)))
            limits = Limits(
                max_item_bytes=min(item, publish),
                max_items_per_publish=min(
                    said["max-std-op-returns-count"], Limits().max_items_per_publish
                ),
                max_publish_bytes=publish,
                max_publish_keys=4096,
            )
            return cls(
                said["chain-name"],
                limits,
                said["maximum-block-size"],
                not said["mining-requires-peers"],
                len({entry["address"] for entry in client.listpermissions("mine")}),
            )
        except (KeyError, TypeError) as error:
            raise LedgerFormatError(
                f"the node does not say the chain's parameter {error}",
                where=client.place,
                hint="use MultiChain 2.3",
            ) from error

    @property
    def finality(self) -> int:
        """The depth at which we take a block as final, if nobody says otherwise.

        One node that mines alone cannot disagree with itself. Otherwise every miner has had two
        turns, and at least six blocks have passed.
        """
        if self.lonely and self.miners <= 1:
            return 1
        return max(DEFAULT_FINALITY, 2 * self.miners)

    @property
    def waiting_bytes(self) -> int:
        """How many bytes may wait for a block before publishing holds back."""
        return _WAITING_BLOCKS * self.block_bytes


class Chain:
    """Final blocks in an index, and transactions that are not final yet in memory.

    Args:
        client: the node.
        index: what is known of the chain.
        depth: confirmations that make a block final.
    """

    def __init__(self, client: NodeClient, index: ChainIndex, depth: int) -> None:
        self._client, self._index, self._depth = client, index, depth
        self._lock = threading.RLock()
        self._decoded: dict[str, Transaction] = {}
        self._seen = ""
        self._above: list[str] = []

    # --------------------------------------------------------------------------------------- final

    @property
    def is_known(self) -> bool:
        """Whether every final block there was at some time since the start is in the index."""
        return bool(self._seen)

    def refresh(self) -> None:
        """Derive what became final since; one call to the node where nothing has happened."""
        with self._lock:
            best = str(self._client.getbestblockhash())
            if best == self._seen:
                return
            tip = int(self._client.getblock(best, 1)["height"])
            final = tip - self._depth + 1
            last = self._index.last_block()
            while last is not None and (last[0] > tip or self.hash_at(last[0]) != last[1]):
                self._index.forget_from(last[0])
                last = self._index.last_block()
            for height in range(0 if last is None else last[0] + 1, final + 1):
                self._derive(height)
            self._above = []
            for height in range(max(1, final + 1), tip + 1):
                block = self._client.getblock(self._client.getblockhash(height), 1)
                self._above.extend(block["tx"][1:])
            self._seen = best

    def hash_at(self, height: int) -> bytes:
        """Return the hash of the node's block at a height that it has."""
        return bytes.fromhex(self._client.getblockhash(height))

    def in_block(self, block_hash: bytes) -> Iterator[tuple[int, Transaction]]:
        """Yield a block's transactions, decoded anew, with their index in it."""
        block = self._client.getblock(block_hash.hex(), 1)
        for index, txid in enumerate(block["tx"][1:], start=1):
            yield index, self._decode(txid)

    def _derive(self, height: int) -> None:
        block = self._client.getblock(self._client.getblockhash(height), 1)
        self._index.add_block(
            height, bytes.fromhex(block["hash"]), block["time"], list(self._in_block(block))
        )

    def _in_block(self, block: Mapping[str, Any]) -> Iterator[tuple[int, Transaction]]:
        # The first transaction of a block is its miner's; the first block is about the chain.
        if block["height"] == 0:
            return
        for index, txid in enumerate(block["tx"][1:], start=1):
            known = self._decoded.get(txid)
            yield index, known if known and known.spends is not None else self._decode(txid)

    def _decode(self, txid: str) -> Transaction:
        return read_transaction(self._client.getrawtransaction(txid, 1))

    # --------------------------------------------------------------------------------- not final

    def pending(self) -> list[tuple[bytes, list[Written]]]:
        """Return the transactions that landed or wait, but are not final, with what they write.

        Those in blocks come first, in chain order. Our own are known without asking for them.
        """
        with self._lock:
            self.refresh()
            txids = [*self._above, *self._client.getrawmempool()]
            known = self._decoded
            self._decoded = {}
            for txid in dict.fromkeys(txids):
                found = known.get(txid) or self._decode_waiting(txid)
                if found is not None:
                    self._decoded[txid] = found
            return [(found.txid, list(found.written)) for found in self._decoded.values()]

    def _decode_waiting(self, txid: str) -> Transaction | None:
        """Return what a transaction writes; one that was signed here need not be asked for."""
        own = self._index.signed_items(bytes.fromhex(txid)).get(bytes.fromhex(txid))
        if own:
            written = [
                Written(i.nth, i.stream, (), i.address, i.size, i.digest, i.name, None) for i in own
            ]
            return Transaction(bytes.fromhex(txid), tuple(written), None)
        try:
            return self._decode(txid)
        except LedgerError as error:
            if isinstance(error, LedgerFormatError) or "-710" not in error.message:
                raise
            return None  # it left the mempool since it was listed

    # ----------------------------------------------------------------------------------- streams

    def streams(self) -> list[str]:
        """Return the names of our streams in the order of creation, waiting ones last."""
        listed = [
            (_reference(stream["streamref"]), nth, stream["name"])
            for nth, stream in enumerate(self._client.liststreams("*", False))
            if stream.get("details") == APPLICATION and stream["restrict"]["write"]
        ]
        return [name for _, _, name in sorted(listed)]

    def is_isolated(self, parameters: ChainParameters) -> bool:
        """Return whether the node has no peers on a chain that wants them."""
        return not parameters.lonely and not self._client.call("getinfo")["connections"]


def _reference(text: str | None) -> tuple[int, int]:
    """Return height and offset of a stream's creation; one that waits for a block comes last."""
    if not text:
        return (1 << 62, 0)
    height, offset, _ = text.split("-")
    return (int(height), int(offset))
