"""A ledger whose n-th write fails in one of the two ways in which every write can fail."""

from __future__ import annotations

import enum
from collections.abc import Callable, Iterator, Mapping, Sequence
from typing import TypeVar

from precisionchain.errors import LedgerUnavailableError
from precisionchain.ledger.base import (
    Finding,
    Head,
    Ledger,
    LedgerItem,
    Limits,
    Prepared,
    Receipt,
    StreamState,
    Writer,
)
from precisionchain.schemas.items import Item

Result = TypeVar("Result")


class Fault(enum.Enum):
    """What became of the write that failed."""

    NOT_DONE = "not done"
    UNANSWERED = "done but unanswered"


class FaultyLedger:
    """Passes everything on to another ledger; fails the write numbered ``fail_at`` (from 0), once.

    Publishes and creations of streams are writes and are counted together in ``writes``, so that a
    test can first count a job's writes and then fail each of them in turn.
    """

    def __init__(self, inner: Ledger, fault: Fault | None = None, fail_at: int = 0) -> None:
        self.inner = inner
        self.fault = fault
        self.fail_at = fail_at
        self.writes = 0

    def _write(self, act: Callable[[], Result]) -> Result:
        failing = self.fault if self.writes == self.fail_at else None
        self.writes += 1
        if failing is Fault.NOT_DONE:
            raise LedgerUnavailableError("fault: the write was not done")
        result = act()
        if failing is Fault.UNANSWERED:
            raise LedgerUnavailableError("fault: the write was done and its answer lost")
        return result

    def create_stream(self, name: str) -> None:
        self._write(lambda: self.inner.create_stream(name))

    def create_streams(self, names: Sequence[str]) -> None:
        self._write(lambda: self.inner.create_streams(names))

    def publish(self, prepared: Prepared) -> Receipt:
        return self._write(lambda: self.inner.publish(prepared))

    @property
    def limits(self) -> Limits:
        return self.inner.limits

    def streams(self) -> Mapping[str, StreamState]:
        return self.inner.streams()

    def prepare(self, items: Sequence[Item]) -> Prepared:
        return self.inner.prepare(items)

    def items(
        self,
        stream: str | None = None,
        key: str | None = None,
        *,
        ordinal: int | None = None,
        after: int = -1,
        limit: int | None = None,
    ) -> Iterator[LedgerItem]:
        return self.inner.items(stream, key, ordinal=ordinal, after=after, limit=limit)

    def ordinals(self, publisher: bytes, batch_id: bytes, *, final: bool = False) -> frozenset[int]:
        return self.inner.ordinals(publisher, batch_id, final=final)

    def head(self) -> Head:
        return self.inner.head()

    def extends(self, head: Head) -> bool:
        return self.inner.extends(head)

    def writers(self) -> Iterator[Writer]:
        return self.inner.writers()

    def findings(self) -> Iterator[Finding]:
        return self.inner.findings()

    def addresses(self) -> Mapping[str, str]:
        return self.inner.addresses()

    def admit(self, addresses: Mapping[str, str], *, admin: bool = False) -> None:
        self._write(lambda: self.inner.admit(addresses, admin=admin))

    def dismiss(self, addresses: Mapping[str, str]) -> None:
        self._write(lambda: self.inner.dismiss(addresses))

    def close(self) -> None:
        self.inner.close()
