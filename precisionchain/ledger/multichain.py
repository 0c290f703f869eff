"""The MultiChain ledger: the contract of ``base`` on a chain, through one node. How to:
``docs/how-to/multichain.md``.

Streams are closed: only admitted addresses write. An item is one output of a transaction, its bytes
in hex. A publish is one transaction, so it lands whole. What is final at the depth asked for is
derived from the node's blocks into a local index (``multichain_index``); bytes of larger items are
read from the node when asked for.

What a crash can leave: signed transactions in the index, which the next publish of their items
settles (``multichain_sending``), and streams or rights given in part, which repeating completes.
"""

from __future__ import annotations

import threading
from collections.abc import Iterator, Mapping, Sequence
from datetime import UTC, datetime
from pathlib import Path

from precisionchain.errors import (
    CodecError,
    LedgerUnavailableError,
    StreamExistsError,
    UnknownStreamError,
)
from precisionchain.ledger.base import (
    ADMIN,
    Finding,
    Head,
    LedgerItem,
    Limits,
    Prepared,
    Receipt,
    StreamState,
    Writer,
)
from precisionchain.ledger.multichain_chain import APPLICATION, Chain, ChainParameters
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.ledger.multichain_findings import findings
from precisionchain.ledger.multichain_index import ChainIndex
from precisionchain.ledger.multichain_place import (
    ADDRESSES_FILE,
    INDEX_FILE,
    Credentials,
    NodeUrl,
)
from precisionchain.ledger.multichain_rights import (
    Rights,
    chain_admin,
    make_addresses,
    read_addresses,
)
from precisionchain.ledger.multichain_rows import IndexRow, output_scripts, vout_of
from precisionchain.ledger.multichain_sending import Sender, purpose_of
from precisionchain.ledger.publish_rules import checked_items, checked_name
from precisionchain.schemas.items import Item, parse_item

_RESTRICTED = {"restrict": "write"}


class MultiChainLedger:
    """A chain through one node.

    Args:
        url: ``multichain:http://HOST:PORT``, see ``multichain_place``.
        folder: the site folder, for its addresses, credentials and index; without one the ledger is
            read only, and its index is kept in memory.
        client: asks the node; None makes one.
    """

    def __init__(
        self, url: str, folder: Path | None = None, *, client: NodeClient | None = None
    ) -> None:
        place = NodeUrl.parse(url)
        self._client = client or NodeClient(place, Credentials.find(folder))
        self._folder, self._lock, self._open = folder, threading.RLock(), True
        self.parameters = ChainParameters.read(self._client)
        self.depth = place.finality or self.parameters.finality
        genesis = bytes.fromhex(self._client.getblockhash(0))
        path = None if folder is None else folder / INDEX_FILE
        self._index = ChainIndex(path, genesis, self.depth)
        self._chain = Chain(self._client, self._index, self.depth)
        self._addresses = {} if folder is None else read_addresses(folder / ADDRESSES_FILE)
        self._sender = Sender(
            self._client,
            self._index,
            self._chain,
            parameters=self.parameters,
            addresses=self._addresses,
            folder=folder,
        )
        self._fetched: tuple[str, list[bytes] | None] = ("", None)
        self._streams: dict[str, str] = {}
        self._stream_count = -1

    @property
    def place(self) -> str:
        """The node's address, as errors name it."""
        return self._client.place

    @property
    def limits(self) -> Limits:
        """What the chain's parameters allow."""
        return self.parameters.limits

    # ------------------------------------------------------------------------------------- streams

    def create_stream(self, name: str) -> None:
        """See ``Ledger.create_stream``; the chain's administrators may give rights on it, too.

        Its maker may not be there for ever. What founding makes, admitting shares.
        """
        self.create_streams([name])
        with self._using():
            self._rights().share(name, self._own(purpose_of(name)))

    def create_streams(self, names: Sequence[str]) -> None:
        """See ``Ledger.create_streams``; each is one transaction, and a crash can part them."""
        for name in names:
            checked_name(name, self.limits)
        with self._using():
            taken = {name.casefold() for name in self._names()}
            for name in names:
                if name.casefold() in taken:
                    raise StreamExistsError(f"stream {name} exists already", where=self.place)
                taken.add(name.casefold())
            for name in names:
                address = self._own(purpose_of(name))
                self._client.createfrom(address, "stream", name, _RESTRICTED, APPLICATION)

    def streams(self) -> Mapping[str, StreamState]:
        """See ``Ledger.streams``; items that are not final count."""
        with self._using():
            names, states = self._names(), self._index.states()
            for _, written in self._chain.pending():
                for item in written:
                    before = states.get(item.stream, StreamState(0, 0))
                    states[item.stream] = StreamState(
                        before.items + 1, before.stored_bytes + item.size
                    )
            return {name: states.get(name, StreamState(0, 0)) for name in names}

    def _names(self) -> tuple[str, ...]:
        """Return the streams; they are listed again when the chain has more."""
        count = int(self._client.call("getinfo")["streams"])
        if count != self._stream_count:
            self._streams = {name: name for name in self._chain.streams()}
            self._stream_count = count
        return tuple(self._streams)

    def _require_streams(self, names: set[str]) -> None:
        if names <= self._streams.keys():
            return
        self._stream_count = -1
        for name in names - set(self._names()):
            raise UnknownStreamError(f"no stream {name}", where=self.place)

    # --------------------------------------------------------------------------------------- write

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """See ``Ledger.prepare``.

        Transactions are signed and kept when they are published; there is no ticket.
        """
        checked = checked_items(items, self.limits)
        with self._using():
            self._require_streams({item.stream for item in checked})
        return Prepared(checked)

    def publish(self, prepared: Prepared) -> Receipt:
        """See ``Ledger.publish``; positions are None until the transaction is final."""
        with self._using():
            self._require_streams({item.stream for item in prepared.items})
            if not prepared.items:
                return Receipt((), 0)
            return self._sender.publish(prepared.items)

    # ---------------------------------------------------------------------------------------- read

    def items(
        self,
        stream: str | None = None,
        key: str | None = None,
        *,
        ordinal: int | None = None,
        after: int = -1,
        limit: int | None = None,
    ) -> Iterator[LedgerItem]:
        """See ``Ledger.items``."""
        if key is not None and stream is None:
            raise ValueError("a key is looked up in a stream")
        with self._using():
            if stream is not None:
                self._require_streams({stream})
            ours = None if stream is not None else frozenset(self._names())
            self._chain.refresh()
            last = self._index.newest_position()
        rows = self._index.rows(stream, key, after, last, ordinal=ordinal)
        return self._items((row for row in rows if ours is None or row[0].stream in ours), limit)

    def _items(
        self, rows: Iterator[tuple[IndexRow, int]], limit: int | None
    ) -> Iterator[LedgerItem]:
        if limit == 0:
            return
        given = 0
        for row, seconds in rows:
            try:
                item = parse_item(row.stream, row.keys, self._stored(row))
            except CodecError:
                continue
            time = datetime.fromtimestamp(seconds, UTC)
            yield LedgerItem(row.position, time, item, row.address)
            given += 1
            if given == limit:
                return

    def _stored(self, row: IndexRow) -> bytes:
        """Return an item's bytes; the output was listed by the node, so it may be asked for.

        A node reads the whole transaction for each of its outputs. So when a second one is wanted
        the transaction itself is fetched, and its outputs are taken out here.
        """
        if row.small is not None:
            return row.small
        txid, scripts = self._fetched  # other threads may read elsewhere
        if row.txid != txid:
            self._fetched = (row.txid, None)
            return bytes.fromhex(self._client.gettxoutdata(row.txid, vout_of(row.position)))
        if scripts is None:
            scripts = output_scripts(bytes.fromhex(self._client.getrawtransaction(row.txid, 0)))
            self._fetched = (row.txid, scripts)
        script = scripts[vout_of(row.position)]
        return script[len(script) - row.size :]

    def ordinals(self, publisher: bytes, batch_id: bytes, *, final: bool = False) -> frozenset[int]:
        """See ``Ledger.ordinals``; what strangers wrote under this site's batch does not count."""
        with self._using():
            waiting = [] if final else self._chain.pending()
            self._chain.refresh()
            found = self._index.ordinals(publisher, batch_id)
            for entry in (entry for _, written in waiting for entry in written):
                name = entry.name
                if name is not None and (name.publisher, name.batch) == (publisher, batch_id):
                    found.setdefault(name.ordinal, set()).add(entry.address)
            own = set(self._addresses.values())
            counted = {ordinal for ordinal, addresses in found.items() if addresses & own}
            return frozenset(counted or found)

    def head(self) -> Head:
        """See ``Ledger.head``; ``block`` is a height and ``digest`` the hash of that block."""
        with self._using():
            self._chain.refresh()
            last = self._index.last_block()
            if last is None:
                return Head(-1, -1, bytes(32))
            return Head(self._index.newest_position(), *last)

    def extends(self, head: Head) -> bool:
        """See ``Ledger.extends``: whether the chain still has that block at that height."""
        with self._using():
            if head.block < 0:
                return head == Head(-1, -1, bytes(32))
            self._chain.refresh()
            return self._index.block_hash(head.block) == head.digest

    def writers(self) -> Iterator[Writer]:
        """See ``Ledger.writers``: blocks are the chain's, not members'."""
        return iter(())

    def findings(self) -> Iterator[Finding]:
        """See ``Ledger.findings``."""
        with self._using():
            self._chain.refresh()
        return findings(self._chain, self._index, self.parameters)

    # ------------------------------------------------------------------------------------ addresses

    def addresses(self) -> Mapping[str, str]:
        """See ``Ledger.addresses``."""
        return dict(self._addresses)

    def make_addresses(self) -> None:
        """Make this site's addresses in the node's wallet, if it has none."""
        if self._folder is None:
            raise LedgerUnavailableError("there is no site folder to keep addresses in")
        if not self._addresses:
            self._addresses.update(make_addresses(self._client, self._folder / ADDRESSES_FILE))

    def found(self) -> None:
        """Make this site's addresses, with the rights that the founder of a network has.

        Raises:
            AccessRefusedError: no address of the node may give them.
        """
        with self._using():
            self.make_addresses()
            Rights(self._client, chain_admin(self._client)).admit(self._addresses, (), admin=True)

    def admit(self, addresses: Mapping[str, str], *, admin: bool = False) -> None:
        """See ``Ledger.admit``."""
        with self._using():
            self._rights().admit(addresses, self._names(), admin=admin)

    def dismiss(self, addresses: Mapping[str, str]) -> None:
        """See ``Ledger.dismiss``."""
        with self._using():
            self._rights().dismiss(addresses, self._names())

    def _rights(self) -> Rights:
        return Rights(self._client, self._own(ADMIN), self._addresses.values())

    def _own(self, purpose: str) -> str:
        if not self._addresses:
            raise LedgerUnavailableError("the ledger was opened for reading only", where=self.place)
        return self._addresses[purpose]

    def _using(self) -> threading.RLock:
        if not self._open:
            raise LedgerUnavailableError("the ledger is closed", where=self.place)
        return self._lock

    def close(self) -> None:
        """See ``Ledger.close``."""
        self._open = False
        with self._lock:
            self._client.close()
            self._index.close()
