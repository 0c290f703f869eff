"""The ledger contract: append-only streams of items. Every back end keeps each sentence below.

A ledger is a dumb store of (stream, keys, bytes). It knows an item's publisher, batch and ordinal,
because those name the item; what the body means, and whether the publisher may say it, is judged
by readers (``ledger.membership``, ``verify``), not by the ledger.

**Streams.** A name is 1 to ``limits.max_name_bytes`` bytes; names that differ only in case are the
same name. Streams are never removed.

**Order.** Each final item has a position, a non-negative integer; positions are a total order over
the whole ledger and never change. They need not be contiguous. The items of one publish keep their
order. Times are UTC and do not decrease with position.

**Atomicity.** One publish lands as a whole or not at all, whatever is killed when. Callers split
long work with ``in_chunks``.

**Exactly once.** (publisher, batch_id, ordinal) is unique. Publishing an item that is already
there, with the same stream, keys and stored bytes, succeeds and stores nothing; the same name with
other content is a ``ConflictError`` and nothing of that publish lands. So every publish may be
repeated.

**Durability.** When publish returns, its items survive the death of any program and of the machine.

**Unanswered.** ``LedgerUnavailableError`` from publish leaves open whether the items landed:
publish the same ``Prepared`` again, or ask ``ordinals``. Every other error means that nothing
landed.

**Visibility and finality.** ``ordinals`` and ``streams`` know an item once its publish returned.
``items`` and ``head`` show final items only; an item is final when its position can no longer
change. A back end may need time for that: then the receipt's positions are None, ``ordinals`` with
``final`` leaves the item out, and ``settle`` waits.

**Addresses.** A ledger that checks rights itself knows writers by addresses of its own, one for
each purpose (``PURPOSES``). ``addresses`` are this program's; ``admit`` lets others write,
``dismiss`` ends that. Ledgers without addresses have none, admit nobody and dismiss nobody.

**Sharing.** Any number of programs may read and write one ledger at the same time. A Ledger object
may be used by several threads, but not across a fork.

**Errors.** ``LedgerUnavailableError``: cannot be reached, read or written now (read-only, no space,
busy, closed). ``LedgerFormatError``: not a ledger of ours, or of another format version.
"""

from __future__ import annotations

import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from typing import Final, Protocol

from precisionchain.errors import LedgerUnavailableError
from precisionchain.schemas.items import Item
from precisionchain.schemas.streams import MAX_KEY_BYTES, MAX_NAME_BYTES

PUBLISH: Final = "publish"
"""Purpose of the address that batches, their manifests and checkpoints are written from."""
ACCESS_LOG: Final = "access"
"""Purpose of the address that entries of the access log are written from."""
ADMIN: Final = "admin"
"""Purpose of the address that records of NETWORK, and rights of others, are written from."""
PURPOSES: Final = (PUBLISH, ACCESS_LOG, ADMIN)


@dataclass(frozen=True, slots=True)
class Limits:
    """What one ledger takes. Sizes are in bytes of ``Item.stored``, without keys and names."""

    max_item_bytes: int = 2 * 1024**2
    """MultiChain's default ``max-std-op-return-size``, so that every item fits on both ledgers."""
    max_items_per_publish: int = 500
    max_publish_bytes: int = 4 * 1024**2
    """Of several items together: one alone may have ``max_item_bytes``, whatever this is."""
    max_publish_keys: int = 8_192
    """Keys of all items of one publish together."""
    max_name_bytes: int = MAX_NAME_BYTES
    max_key_bytes: int = MAX_KEY_BYTES


@dataclass(frozen=True, slots=True)
class StreamState:
    """How full a stream is: what the router decides a roll-over by."""

    items: int
    stored_bytes: int


@dataclass(frozen=True, slots=True)
class Prepared:
    """Items checked and frozen for one publish.

    ``ticket`` is the back end's own, and may be handed back with the items. Nobody has to keep it:
    what a MultiChain ledger signs, it keeps itself, for items and not for how they were cut.
    """

    items: tuple[Item, ...]
    ticket: bytes = b""


@dataclass(frozen=True, slots=True)
class Receipt:
    """What became of one publish.

    ``positions`` holds a position per item, in the order given, or None while it is not final;
    ``new`` counts the items that were not on the ledger before.
    """

    positions: tuple[int | None, ...]
    new: int


@dataclass(frozen=True, slots=True)
class LedgerItem:
    """An item where it stands. ``time`` is when the ledger took it, UTC, by its writer's clock.

    ``address`` is the ledger's own name of who wrote it, "" where the ledger keeps none.
    """

    position: int
    time: datetime
    item: Item
    address: str = field(default="", compare=False)


@dataclass(frozen=True, slots=True)
class Head:
    """The newest final block: what a reader keeps to notice a rewritten or forked history.

    ``position`` is that of the newest final item, -1 on an empty ledger; ``digest`` commits to
    everything up to it. ``block`` is -1 and ``digest`` 32 zero bytes before the first block.
    """

    position: int
    block: int
    digest: bytes


@dataclass(frozen=True, slots=True)
class Writer:
    """Who wrote a block: ``public_key``, at ``time``, after the item at ``position``."""

    block: int
    position: int
    time: datetime
    public_key: bytes


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing wrong with a ledger, located as closely as the bytes allow.

    ``check`` is a stable word for programs (``chain``, ``root``, ``signature``, ``item``, ...).
    """

    check: str
    message: str
    stream: str | None = None
    position: int | None = None
    block: int | None = None


class Ledger(Protocol):
    """Append-only streams; the module's docstring is the contract."""

    @property
    def limits(self) -> Limits:
        """What this ledger takes."""
        ...

    def create_stream(self, name: str) -> None:
        """Create one stream.

        Raises:
            StreamExistsError: the name is taken.
            LimitError: no such name can be stored.
        """
        ...

    def create_streams(self, names: Sequence[str]) -> None:
        """Create many streams; with the errors of ``create_stream``, and then none is created."""
        ...

    def streams(self) -> Mapping[str, StreamState]:
        """Return every stream by name, in the order of creation."""
        ...

    def prepare(self, items: Sequence[Item]) -> Prepared:
        """Check items for one publish and freeze them; nothing is stored.

        Raises:
            LimitError: an item, a key or the whole is beyond ``limits``, or keys are not sorted
                and distinct.
            UnknownStreamError: nobody created the stream.
            ConflictError: two of the items have one (publisher, batch_id, ordinal).
        """
        ...

    def publish(self, prepared: Prepared) -> Receipt:
        """Append the items that are not there yet, all or none.

        Raises:
            ConflictError: another item has this (publisher, batch_id, ordinal); nothing landed.
            UnknownStreamError: nobody created the stream; nothing landed.
            LedgerUnavailableError: not done, or done but unanswered: publish again.
        """
        ...

    def items(
        self,
        stream: str | None = None,
        key: str | None = None,
        *,
        ordinal: int | None = None,
        after: int = -1,
        limit: int | None = None,
    ) -> Iterator[LedgerItem]:
        """Yield, in order of position, items that were final at the time of the call.

        Args:
            stream: of this stream; None means all streams.
            key: carrying this key; needs a stream.
            ordinal: with this ordinal in their batch; bytes of others are not read.
            after: with a position above this one.
            limit: at most so many.

        Bytes that are no item of our format are left out here and reported by ``findings``.

        Raises:
            UnknownStreamError: nobody created the stream.
        """
        ...

    def ordinals(self, publisher: bytes, batch_id: bytes, *, final: bool = False) -> frozenset[int]:
        """Return the ordinals of a batch that landed: what a restart asks.

        Args:
            publisher: the batch's.
            batch_id: the batch's.
            final: only those that are final.
        """
        ...

    def head(self) -> Head:
        """Return the newest final block."""
        ...

    def extends(self, head: Head) -> bool:
        """Return whether this ledger's history still contains a head that was once returned."""
        ...

    def writers(self) -> Iterator[Writer]:
        """Yield who wrote each final block, in order; a ledger without signed blocks none."""
        ...

    def findings(self) -> Iterator[Finding]:
        """Re-derive everything the ledger itself maintains from its bytes; yield what differs."""
        ...

    def addresses(self) -> Mapping[str, str]:
        """Return the addresses this program writes from, by purpose; none without addresses."""
        ...

    def admit(self, addresses: Mapping[str, str], *, admin: bool = False) -> None:
        """Let addresses read, and write what their purposes call for; again is harmless.

        Args:
            addresses: a site's, by purpose.
            admin: whether its ``admin`` address may admit and dismiss others.

        Raises:
            AccessRefusedError: this program's own address may not.
            LedgerUnavailableError: not done, done in part, or done but unanswered: repeat it.
        """
        ...

    def dismiss(self, addresses: Mapping[str, str]) -> None:
        """End what ``admit`` allowed, with its errors; what was written stays."""
        ...

    def close(self) -> None:
        """Let go of everything; closing twice is harmless."""
        ...


SETTLE_SECONDS = 900.0
"""How long ``settle`` waits for items to become final before it gives up."""


def settle(
    ledger: Ledger,
    publisher: bytes,
    batch_id: bytes,
    count: int = 1,
    *,
    seconds: float = SETTLE_SECONDS,
) -> None:
    """Wait until so many ordinals of a batch are final: what was published can no longer be lost.

    Raises:
        LedgerUnavailableError: they are not within the time; publish them again, and wait again.
    """
    give_up, pause = time.monotonic() + seconds, 0.02
    while (final := len(ledger.ordinals(publisher, batch_id, final=True))) < count:
        if time.monotonic() > give_up:
            raise LedgerUnavailableError(
                f"{count - final} of {count} items are on the ledger but not final after"
                f" {seconds:.0f} s",
                where=f"batch {batch_id.hex()[:16]}",
                hint="does the ledger take blocks? run the command again: nothing is written twice",
            )
        time.sleep(pause)
        pause = min(2.0, pause * 1.5)
