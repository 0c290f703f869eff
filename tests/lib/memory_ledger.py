"""The ledger contract in plain lists: what the real ledgers are compared with."""

from __future__ import annotations

import threading
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import suppress
from datetime import UTC, datetime
from hashlib import sha256

from precisionchain.errors import (
    CodecError,
    ConflictError,
    LedgerUnavailableError,
    StreamExistsError,
    UnknownStreamError,
)
from precisionchain.ledger.base import (
    Finding,
    Head,
    LedgerItem,
    Limits,
    Prepared,
    Receipt,
    StreamState,
    Writer,
)
from precisionchain.ledger.publish_rules import checked_items, checked_name
from precisionchain.schemas.items import Item, parse_item


class MemoryLedger:
    """Keeps what it is given as (time, stream, keys, stored bytes), in order."""

    def __init__(
        self, limits: Limits | None = None, clock: Callable[[], datetime] | None = None
    ) -> None:
        self._limits = limits or Limits()
        self._clock = clock or (lambda: datetime.now(UTC))
        self._lock = threading.RLock()
        self._names: list[str] = []
        self._rows: list[tuple[datetime, str, tuple[str, ...], bytes]] = []
        self._positions: dict[tuple[bytes, bytes, int], int] = {}
        self._heads = [Head(-1, -1, bytes(32))]
        self._open = True

    @property
    def limits(self) -> Limits:
        return self._limits

    def create_stream(self, name: str) -> None:
        self.create_streams([name])

    def create_streams(self, names: Sequence[str]) -> None:
        with self._lock:
            self._require_open()
            taken = {name.casefold() for name in self._names}
            for name in names:
                if checked_name(name, self._limits).casefold() in taken:
                    raise StreamExistsError(f"stream {name} exists already")
                taken.add(name.casefold())
            if names:
                self._names.extend(names)
                self._add_block(repr(list(names)).encode())

    def streams(self) -> Mapping[str, StreamState]:
        with self._lock:
            self._require_open()
            sizes: dict[str, list[int]] = {name: [] for name in self._names}
            for _, stream, _, stored in self._rows:
                sizes[stream].append(len(stored))
            return {name: StreamState(len(size), sum(size)) for name, size in sizes.items()}

    def prepare(self, items: Sequence[Item]) -> Prepared:
        with self._lock:
            self._require_open()
            checked = checked_items(items, self._limits)
            for item in checked:
                self._require_stream(item.stream)
            return Prepared(checked)

    def publish(self, prepared: Prepared) -> Receipt:
        with self._lock:
            self._require_open()
            fresh: list[Item] = []
            for item in prepared.items:
                self._require_stream(item.stream)
                there = self._positions.get((item.publisher, item.batch_id, item.ordinal))
                if there is None:
                    fresh.append(item)
                elif self._rows[there][1:] != (item.stream, item.keys, item.stored):
                    raise ConflictError(
                        "another item has this publisher, batch and ordinal",
                        where=f"stream {item.stream}, ordinal {item.ordinal}",
                    )
            now = max([self._clock(), *(row[0] for row in self._rows[-1:])])
            for item in fresh:
                name = (item.publisher, item.batch_id, item.ordinal)
                self._positions[name] = len(self._rows)
                self._rows.append((now, item.stream, item.keys, item.stored))
            if fresh:
                self._add_block(b"".join(sha256(item.stored).digest() for item in fresh))
            names = [(item.publisher, item.batch_id, item.ordinal) for item in prepared.items]
            return Receipt(tuple(self._positions[name] for name in names), len(fresh))

    def items(
        self,
        stream: str | None = None,
        key: str | None = None,
        *,
        ordinal: int | None = None,
        after: int = -1,
        limit: int | None = None,
    ) -> Iterator[LedgerItem]:
        if key is not None and stream is None:
            raise ValueError("a key is looked up in a stream")
        self._require_open()
        if stream is not None:
            self._require_stream(stream)
        found = []
        for position, (time, name, keys, stored) in enumerate(self._rows):
            wanted = stream in (None, name) and (key is None or key in keys)
            if position > after and wanted:
                with suppress(CodecError):
                    item = parse_item(name, keys, stored)
                    if ordinal in (None, item.ordinal):
                        found.append(LedgerItem(position, time, item))
        return iter(found[:limit])

    def ordinals(self, publisher: bytes, batch_id: bytes, *, final: bool = False) -> frozenset[int]:
        self._require_open()
        return frozenset(name[2] for name in self._positions if name[:2] == (publisher, batch_id))

    def head(self) -> Head:
        self._require_open()
        return self._heads[-1]

    def extends(self, head: Head) -> bool:
        self._require_open()
        return head in self._heads

    def writers(self) -> Iterator[Writer]:
        return iter(())

    def findings(self) -> Iterator[Finding]:
        self._require_open()
        for position, (_, stream, keys, stored) in enumerate(self._rows):
            try:
                parse_item(stream, keys, stored)
            except CodecError as error:
                yield Finding("item", error.message, stream, position)

    def addresses(self) -> Mapping[str, str]:
        return {}

    def admit(self, addresses: Mapping[str, str], *, admin: bool = False) -> None:
        """Nobody is kept from writing to a list."""

    def dismiss(self, addresses: Mapping[str, str]) -> None:
        """As ``admit``."""

    def close(self) -> None:
        self._open = False

    def _require_open(self) -> None:
        if not self._open:
            raise LedgerUnavailableError("the ledger is closed")

    def _require_stream(self, stream: str) -> None:
        if stream not in self._names:
            raise UnknownStreamError(f"no stream {stream}")

    def _add_block(self, content: bytes) -> None:
        last = self._heads[-1]
        digest = sha256(last.digest + content).digest()
        self._heads.append(Head(len(self._rows) - 1, last.block + 1, digest))
