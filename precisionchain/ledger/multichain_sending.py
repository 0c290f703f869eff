"""Publishing to a MultiChain, each item exactly once: sign, keep, send, and decide by txid.

An error code does not tell what became of a transaction: one that landed and one that never can
are answered alike. So a transaction is written to the local index before it is sent, and what
became of it is asked for by its txid:

* in a final block: landed;
* in a later block or waiting for one: landed, not final;
* unknown: sent again, as it is. Refused again, it is dead in two cases only. Either this node
  refused it the one time it was ever sent, so that nobody else has seen it; or another transaction
  that is final has spent its inputs. Then its items are signed anew. Until that is known, the
  publish is not decided: ``LedgerUnavailableError``.
"""

from __future__ import annotations

import fcntl
import time
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from hashlib import sha256
from pathlib import Path

from precisionchain.errors import (
    AccessRefusedError,
    ConflictError,
    LedgerUnavailableError,
    PrecisionChainError,
)
from precisionchain.ledger.base import ACCESS_LOG, ADMIN, PUBLISH, Receipt
from precisionchain.ledger.multichain_chain import Chain, ChainParameters
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.ledger.multichain_index import ChainIndex
from precisionchain.ledger.multichain_rows import NO_KEY, Name, content_digest
from precisionchain.schemas.items import Item
from precisionchain.schemas.streams import ACCESS, NETWORK

ATTEMPTS = 5
"""So many times a publish is signed anew before its refusal is reported."""
PRUNED_EVERY = 64
"""After so many publishes, what has become final is forgotten."""
HOLD_SECONDS = 900.0
"""How long publishing holds back for blocks to take what is waiting."""


def purpose_of(stream: str) -> str:
    """Return the purpose of the address that a stream is written from."""
    family = stream.partition("_")[0]
    return {ACCESS: ACCESS_LOG, NETWORK: ADMIN}.get(family, PUBLISH)


@dataclass(frozen=True, slots=True)
class Place:
    """Where an item is: ``position`` is None while it is not final."""

    position: int | None
    digest: bytes
    address: str


class Sender:
    """Writes items from a site's own addresses.

    Args:
        client: the node.
        index: keeps what is signed.
        chain: what has landed.
        parameters: the chain's.
        addresses: this site's, by purpose.
        folder: where programs of this site take turns, one writer an address; None: no others.
    """

    def __init__(
        self,
        client: NodeClient,
        index: ChainIndex,
        chain: Chain,
        *,
        parameters: ChainParameters,
        addresses: Mapping[str, str],
        folder: Path | None,
    ) -> None:
        self._client, self._index, self._chain = client, index, chain
        self._parameters, self._addresses, self._folder = parameters, addresses, folder
        self._published = 0

    def publish(self, items: Sequence[Item]) -> Receipt:
        """Publish the items that are not there yet; see ``Ledger.publish``."""
        purposes = {purpose_of(item.stream) for item in items}
        purpose = purposes.pop() if len(purposes) == 1 else PUBLISH
        digests = [content_digest(item.stream, item.keys, item.stored) for item in items]
        names = [Name.of(item) for item in items]
        with self._turn(purpose):
            # What this site wrote is known here; an entry of the log does not wait for news of the
            # chain, which may take long while large blocks come in.
            refusals, look = 0, purpose != ACCESS_LOG or not self._chain.is_known
            while True:
                places = self._places(items, digests, look=look)
                fresh = [
                    pair
                    for name, pair in zip(names, zip(items, digests, strict=True), strict=True)
                    if name not in places
                ]
                if fresh:
                    unsettled = self._index.signed_with([Name.of(item) for item, _ in fresh])
                    if unsettled:
                        look = True
                        for txid in unsettled:
                            self._offer(txid, self._index.signed_bytes(txid), first=False)
                        continue
                    self._hold_back(purpose)
                    refusal = self._send_new(self._address(purpose), fresh)
                    if refusal is not None:
                        refusals += 1
                        if refusals == ATTEMPTS:
                            raise refusal
                        continue
                self._prune()
                positions = (places[name].position if name in places else None for name in names)
                return Receipt(tuple(positions), len(fresh))

    # ------------------------------------------------------------------------------ what is there

    def _places(
        self, items: Sequence[Item], digests: Sequence[bytes], *, look: bool
    ) -> dict[Name, Place]:
        """Return where items are; without a look at the node, by what is known here.

        Raises:
            ConflictError: this site has written another item under a name.
        """
        wanted = {Name.of(item): digest for item, digest in zip(items, digests, strict=True)}
        waiting = self._chain.pending() if look else []
        found = {
            name: [Place(*place) for place in places]
            for name, places in self._index.named(wanted).items()
        }
        for _, written in waiting:
            for entry in written:
                if entry.name in wanted:
                    place = Place(None, entry.digest, entry.address)
                    found.setdefault(entry.name, []).append(place)
        own = set(self._addresses.values())
        places: dict[Name, Place] = {}
        for item in items:
            name = Name.of(item)
            there = found.get(name, [])
            same = [place for place in there if place.digest == wanted[name]]
            if same:
                places[name] = same[0]
            elif any(place.address in own for place in there):
                raise ConflictError(
                    "another item has this publisher, batch and ordinal",
                    where=f"stream {item.stream}, ordinal {item.ordinal}",
                )
            # What a stranger wrote under this name stays a stray.
        missing = {name: digest for name, digest in wanted.items() if name not in places}
        return places | self._by_txid(missing, {txid for txid, _ in waiting})

    def _by_txid(self, wanted: dict[Name, bytes], waiting: set[bytes]) -> dict[Name, Place]:
        """Find items whose bytes nobody could name, in our own transactions that landed."""
        places: dict[Name, Place] = {}
        for txid in self._index.signed_with(wanted):
            positions = self._index.positions(txid)
            for item in self._index.signed_items(txid)[txid]:
                if wanted.get(item.name) == item.digest and (positions or txid in waiting):
                    position = positions[item.nth] if positions else None
                    places[item.name] = Place(position, item.digest, item.address)
        return places

    def _prune(self) -> None:
        """Forget signed transactions whose every item is final under its own name."""
        self._published += 1
        if self._published % PRUNED_EVERY:
            return
        final = []
        for txid, signed in self._index.signed_items().items():
            named = self._index.named({item.name for item in signed})
            if all(any(d == i.digest for _, d, _ in named.get(i.name, ())) for i in signed):
                final.append(txid)
        self._index.drop_signed(final)

    # --------------------------------------------------------------------------- sign, send, decide

    def _send_new(
        self, address: str, fresh: Sequence[tuple[Item, bytes]]
    ) -> PrecisionChainError | None:
        """Sign, keep and send; return why a transaction that nobody else saw was refused."""
        outputs = [
            {"for": item.stream, "keys": list(item.keys) or [NO_KEY], "data": item.stored.hex()}
            for item, _ in fresh
        ]
        made = self._client.createrawsendfrom(address, {}, outputs, "sign")
        if not made["complete"]:
            raise AccessRefusedError(
                "the node's wallet cannot sign", where=address, hint="unlock it, or restore its key"
            )
        raw = bytes.fromhex(made["hex"])
        txid = transaction_id(raw)
        self._index.sign(txid, raw, address, fresh)
        return self._offer(txid, raw, first=True)

    def _offer(self, txid: bytes, raw: bytes, *, first: bool) -> PrecisionChainError | None:
        """Send a transaction; return the refusal where it is dead, and forget it then.

        Args:
            txid: its id.
            raw: its bytes.
            first: whether it was never sent before, so that only this node can know it.

        Raises:
            LedgerUnavailableError: no answer, or refused and not decided.
        """
        try:
            self._client.sendrawtransaction(raw.hex())
        except LedgerUnavailableError:
            raise
        except PrecisionChainError as refusal:
            if self._has_landed(txid):
                return None
            spends = self._spends(raw)
            if not first and not self._index.is_spent(spends):
                if self._are_unspent(spends):
                    raise
                raise LedgerUnavailableError(
                    "an earlier publish is not decided: another transaction of this address is in"
                    " its place, and not final",
                    where=f"txid {txid.hex()}",
                    hint="run the command again in a few minutes",
                ) from refusal
            self._index.drop_signed([txid])
            return refusal
        return None

    def _has_landed(self, txid: bytes) -> bool:
        waiting = {other for other, _ in self._chain.pending()}  # derives new final blocks, too
        return txid in waiting or bool(self._index.positions(txid))

    def _spends(self, raw: bytes) -> list[tuple[bytes, int]]:
        decoded = self._client.decoderawtransaction(raw.hex())
        return [(bytes.fromhex(spent["txid"]), int(spent["vout"])) for spent in decoded["vin"]]

    def _are_unspent(self, outputs: Sequence[tuple[bytes, int]]) -> bool:
        return all(self._client.gettxout(txid.hex(), vout, True) for txid, vout in outputs)

    # -------------------------------------------------------------------------------------- turns

    def _address(self, purpose: str) -> str:
        if purpose not in self._addresses:
            raise LedgerUnavailableError(
                "this site has no addresses on the chain: the ledger was opened for reading only"
            )
        return self._addresses[purpose]

    @contextmanager
    def _turn(self, purpose: str) -> Iterator[None]:
        """Be the one program of this site that writes from an address."""
        if self._folder is None:
            yield
            return
        with (self._folder / f".multichain-{purpose}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            yield

    def _hold_back(self, purpose: str) -> None:
        """Wait while more is waiting for blocks than they take soon; log entries do not wait.

        A node refuses nothing: it would write the whole backlog to disk again for every block.

        Raises:
            LedgerUnavailableError: it does not get less.
        """
        give_up = time.monotonic() + HOLD_SECONDS
        while purpose == PUBLISH:
            waiting = int(self._client.call("getmempoolinfo")["bytes"])
            if waiting <= self._parameters.waiting_bytes:
                return
            if time.monotonic() > give_up:
                raise LedgerUnavailableError(
                    f"{waiting} bytes wait for a block for {HOLD_SECONDS:.0f} s",
                    hint="see whether the chain's miners are running; then run the command again",
                )
            time.sleep(0.25)


def transaction_id(raw: bytes) -> bytes:
    """Return a transaction's id, in the order in which it is written."""
    return sha256(sha256(raw).digest()).digest()[::-1]
