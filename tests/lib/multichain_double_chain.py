"""Transactions, blocks and what follows from them, for the MultiChain double.

A transaction has Bitcoin's framing (version, inputs, outputs, lock time; the txid is the reversed
double SHA-256), so that a client may count its bytes and compute its txid. What stands in a script
is the double's own: four bytes of length, a JSON header, and the payload.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from hashlib import sha256
from typing import Any, NamedTuple

GLOBAL_RIGHTS = ("connect", "send", "receive", "create", "issue", "mine", "admin", "activate")
STREAM_RIGHTS = ("admin", "activate", "write", "read")
FOREVER = 4294967295
MAX_NAME_BYTES = 32


class RpcError(Exception):
    """An answer with an error: JSON-RPC code and message."""

    def __init__(self, code: int, message: str) -> None:
        super().__init__(message)
        self.code = code
        self.message = message


class Rejected(Exception):  # noqa: N818 - the word nodes use
    """A transaction that breaks a rule of the chain: the reason, as the node words it."""


class Coin(NamedTuple):
    """An output of an earlier transaction, as an input names it."""

    txid: str
    vout: int


@dataclass(frozen=True, slots=True)
class Output:
    """One output: ``head["type"]`` is coin, data, create, grant or coinbase. Data has a payload."""

    head: Mapping[str, Any]
    payload: bytes = b""

    def script(self) -> bytes:
        head = json.dumps(self.head, separators=(",", ":"), sort_keys=True).encode()
        return len(head).to_bytes(4, "little") + head + self.payload

    @classmethod
    def from_script(cls, script: bytes) -> Output:
        end = 4 + int.from_bytes(script[:4], "little")
        return cls(json.loads(script[4:end]), script[end:])


@dataclass(frozen=True, slots=True)
class Tx:
    """Inputs with one signature each (empty: not signed), and outputs."""

    inputs: tuple[Coin, ...]
    outputs: tuple[Output, ...]
    signatures: tuple[bytes, ...]
    raw: bytes
    txid: str

    @classmethod
    def make(
        cls, inputs: Iterable[Coin], outputs: Iterable[Output], signatures: Iterable[bytes] = ()
    ) -> Tx:
        spent, made = tuple(inputs), tuple(outputs)
        signed = tuple(signatures) or (b"",) * len(spent)
        parts = [(1).to_bytes(4, "little"), _count(len(spent))]
        for coin, signature in zip(spent, signed, strict=True):
            parts += [bytes.fromhex(coin.txid)[::-1], coin.vout.to_bytes(4, "little")]
            parts += [_count(len(signature)), signature, b"\xff" * 4]
        parts.append(_count(len(made)))
        for output in made:
            script = output.script()
            parts += [bytes(8), _count(len(script)), script]
        raw = b"".join([*parts, bytes(4)])
        return cls(spent, made, signed, raw, sha256(sha256(raw).digest()).digest()[::-1].hex())

    @classmethod
    def parse(cls, raw: bytes) -> Tx:
        """Read what ``make`` wrote; anything else is a ValueError."""
        reader = _Reader(raw)
        reader.take(4)
        inputs, signatures, outputs = [], [], []
        for _ in range(reader.count()):
            txid = reader.take(32)[::-1].hex()
            inputs.append(Coin(txid, int.from_bytes(reader.take(4), "little")))
            signatures.append(reader.take(reader.count()))
            reader.take(4)
        for _ in range(reader.count()):
            reader.take(8)
            outputs.append(Output.from_script(reader.take(reader.count())))
        tx = cls.make(inputs, outputs, signatures)
        if tx.raw != raw:
            raise ValueError("not a transaction")
        return tx

    def signed(self, keys: Mapping[Coin, str]) -> Tx:
        """Sign each input whose coin's address is given. The same input gives the same bytes."""
        bare = Tx.make(self.inputs, self.outputs)
        signatures = [
            sha256(f"{keys[coin]} {number} {bare.txid}".encode()).digest() * 3
            if coin in keys
            else signature
            for number, (coin, signature) in enumerate(
                zip(self.inputs, self.signatures, strict=True)
            )
        ]
        return Tx.make(self.inputs, self.outputs, signatures)


class _Reader:
    def __init__(self, raw: bytes) -> None:
        self._raw = raw
        self._at = 0

    def take(self, size: int) -> bytes:
        part = self._raw[self._at : self._at + size]
        if len(part) < size:
            raise ValueError("cut short")
        self._at += size
        return part

    def count(self) -> int:
        first = self.take(1)[0]
        return first if first < 253 else int.from_bytes(self.take(1 << (first - 252)), "little")


def _count(number: int) -> bytes:
    """Bitcoin's variable-length integer."""
    if number < 253:
        return number.to_bytes(1, "little")
    if number < 1 << 16:
        return b"\xfd" + number.to_bytes(2, "little")
    return b"\xfe" + number.to_bytes(4, "little")


@dataclass(frozen=True, slots=True)
class Block:
    """A block: its place, its time in seconds, and its transactions, the miner's own first."""

    hash: str
    height: int
    previous: str
    time: int
    miner: str
    txs: tuple[Tx, ...]

    @classmethod
    def after(cls, previous: Block | None, time: int, miner: str, txs: Iterable[Tx]) -> Block:
        height = previous.height + 1 if previous else 0
        before = previous.hash if previous else "00" * 32
        mined = Output({"type": "coinbase", "height": height, "miner": miner})
        listed = (Tx.make([], [mined]), *txs)
        name = f"{before} {height} {time} {miner} {[tx.txid for tx in listed]}"
        # Like a block's hash, it begins with zeros.
        digest = "00" + sha256(name.encode()).hexdigest()[2:]
        return cls(
            digest, height, before, max(time, previous.time if previous else 0), miner, listed
        )


@dataclass(slots=True)
class Stream:
    """A stream and its items, as (txid, vout), in the order they were applied."""

    name: str
    created: str
    creators: list[str]
    closed: bool
    details: Any
    items: list[Coin] = field(default_factory=list)


@dataclass(slots=True)
class State:
    """What a list of transactions amounts to: coins, rights, streams. Changed by ``apply`` only."""

    coins: dict[Coin, str] = field(default_factory=dict)
    """Unspent outputs and whose they are."""
    unspent: Counter[str] = field(default_factory=Counter)
    """How many unspent outputs each transaction has left."""
    txs: dict[str, Tx] = field(default_factory=dict)
    publishers: dict[str, list[str]] = field(default_factory=dict)
    """Who signed each transaction."""
    named: dict[str, Stream] = field(default_factory=dict)
    """Streams by folded name."""
    streams: dict[str, Stream] = field(default_factory=dict)
    """Streams by creating txid, in the order they were made."""
    rights: dict[tuple[str, str, str], tuple[int, int]] = field(default_factory=dict)
    """(stream's creating txid or "", address, right) -> first height, height it ends before."""

    @classmethod
    def of(cls, blocks: Iterable[Block]) -> State:
        state = cls()
        for block in blocks:
            for number, tx in enumerate(block.txs):
                state.apply(tx, block.height, founding=block.height == 0 or number == 0)
        return state

    def holds(self, address: str, right: str, height: int, stream: str = "") -> bool:
        start, end = self.rights.get((stream, address, right), (0, 0))
        return start <= height < end

    def may_write(self, address: str, stream: Stream, height: int) -> bool:
        return not stream.closed or self.holds(address, "write", height, stream.created)

    def may_grant(self, address: str, rights: Iterable[str], height: int, stream: str = "") -> bool:
        who = ("admin", "activate") if set(rights) <= _BY_ACTIVATORS else ("admin",)
        return any(self.holds(address, right, height, stream) for right in who)

    def apply(self, tx: Tx, height: int, *, founding: bool = False) -> None:
        """Add a transaction, or raise ``Rejected`` and change nothing."""
        signers = self._signers(tx)
        if not founding:
            self._check(tx, signers, height)
        for coin in tx.inputs:
            del self.coins[coin]
            self.unspent[coin.txid] -= 1
        self.txs[tx.txid] = tx
        self.publishers[tx.txid] = signers
        for number, output in enumerate(tx.outputs):
            self._add(Coin(tx.txid, number), output, signers)

    def _signers(self, tx: Tx) -> list[str]:
        if any(coin not in self.coins for coin in tx.inputs):
            raise Rejected("18: bad-txns-inputs-spent")
        addresses = {coin: self.coins[coin] for coin in tx.inputs}
        if tx.signed(addresses).raw != tx.raw:
            raise Rejected("64: Nonstandard transaction input")
        return list(dict.fromkeys(addresses.values()))

    def _check(self, tx: Tx, signers: list[str], height: int) -> None:
        if not all(self.holds(signer, "send", height) for signer in signers):
            raise Rejected("16: ConnectInputs failed")
        for output in tx.outputs:
            head = output.head
            if head["type"] == "data" and head["for"]:
                stream = self.streams.get(head["for"])
                if stream is None or not any(
                    self.may_write(signer, stream, height) for signer in signers
                ):
                    raise Rejected(
                        "64: Metadata script rejected - Inputs don't belong to valid publisher"
                    )
            elif head["type"] == "create":
                if not any(self.holds(signer, "create", height) for signer in signers):
                    raise Rejected("64: New entity script rejected - no create permission")
                if head["name"].casefold() in self.named:
                    raise Rejected("64: New entity script rejected - duplicate name")
            elif head["type"] == "grant" and not any(
                self.may_grant(signer, head["rights"], height, head["for"]) for signer in signers
            ):
                raise Rejected("64: Permission script rejected by database")

    def _add(self, coin: Coin, output: Output, signers: list[str]) -> None:
        head = output.head
        if "address" in head:
            self.coins[coin] = head["address"]
            self.unspent[coin.txid] += 1
        if head["type"] == "data" and head["for"]:
            self.streams[head["for"]].items.append(coin)
        elif head["type"] == "create":
            stream = Stream(head["name"], coin.txid, signers, head["closed"], head["details"])
            self.streams[coin.txid] = stream
            if head["name"]:
                self.named[head["name"].casefold()] = stream
            for right in ("admin", "activate", "write"):
                for signer in signers:
                    self.rights[coin.txid, signer, right] = (0, FOREVER)
        elif head["type"] == "grant":
            for right in head["rights"]:
                self.rights[head["for"], head["address"], right] = (head["start"], head["end"])


_BY_ACTIVATORS = {"connect", "send", "receive", "write", "read"}
"""What whoever may activate may grant; the rest takes an admin."""
