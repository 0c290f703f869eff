"""What one publish may carry, and how longer work is split: rules of every back end. No I/O."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from typing import NamedTuple

from precisionchain.errors import ConflictError, LimitError
from precisionchain.ledger.base import Limits
from precisionchain.schemas.items import Item, checked_keys

_MULTICHAIN_REFERENCE = re.compile(r"[0-9]+-[0-9]+-[0-9]+")


def checked_name(name: str, limits: Limits) -> str:
    """Return a stream name that every ledger can store.

    Raises:
        LimitError: it is empty, too long, or one of MultiChain's reserved forms ("*", "1-2-3").
    """
    size = len(name.encode())
    if (
        not 0 < size <= limits.max_name_bytes
        or name == "*"
        or _MULTICHAIN_REFERENCE.fullmatch(name)
    ):
        raise LimitError(
            f"{name!r} cannot be a stream's name",
            hint=f"1 to {limits.max_name_bytes} bytes, not '*', not like '1-2-3'",
        )
    return name


def checked_items(items: Iterable[Item], limits: Limits) -> tuple[Item, ...]:
    """Return items that keep the limits of one publish.

    Raises:
        LimitError: an item, a key or the whole is beyond the limits, or keys are not sorted and
            distinct.
        ConflictError: two of the items have one (publisher, batch_id, ordinal).
    """
    checked = tuple(items)
    load = _Load()
    for item in checked:
        _check_item(item, limits)
        load = load.plus(item)
    if not load.fits(limits):
        raise LimitError(
            f"{load.items} items of {load.stored_bytes} bytes with {load.keys} keys are more than"
            " one publish takes",
            hint="split them with in_chunks",
        )
    if len({(item.publisher, item.batch_id, item.ordinal) for item in checked}) < len(checked):
        raise ConflictError("two items of one publish have the same publisher, batch and ordinal")
    return checked


def _check_item(item: Item, limits: Limits) -> None:
    where = f"stream {item.stream}, ordinal {item.ordinal}"
    size = stored_size(item)
    if size > limits.max_item_bytes:
        raise LimitError(
            f"an item of {size} bytes is over the limit of {limits.max_item_bytes}", where=where
        )
    if checked_keys(item.keys) != item.keys:
        raise LimitError("an item's keys must be sorted and distinct", where=where)


def stored_size(item: Item) -> int:
    """Return ``len(item.stored)`` without building the bytes."""
    payload = item.payload
    header = 7 + len(payload.kind) + 32 + 32 + 4 + 2 + len(payload.key_id) + len(payload.nonce)
    return header + len(payload.body) + len(item.signature)


def in_chunks(items: Iterable[Item], limits: Limits) -> Iterator[list[Item]]:
    """Split items, in order, into lists that one publish takes each.

    An item over the limits gets a list of its own; ``prepare`` refuses that one.
    """
    chunk: list[Item] = []
    load = _Load()
    for item in items:
        if chunk and not load.plus(item).fits(limits):
            yield chunk
            chunk, load = [], _Load()
        chunk.append(item)
        load = load.plus(item)
    if chunk:
        yield chunk


class _Load(NamedTuple):
    """What one publish carries."""

    items: int = 0
    stored_bytes: int = 0
    keys: int = 0

    def plus(self, item: Item) -> _Load:
        size = self.stored_bytes + stored_size(item)
        return _Load(self.items + 1, size, self.keys + len(item.keys))

    def fits(self, limits: Limits) -> bool:
        return (
            self.items <= limits.max_items_per_publish
            and (self.items == 1 or self.stored_bytes <= limits.max_publish_bytes)
            and self.keys <= limits.max_publish_keys
        )
