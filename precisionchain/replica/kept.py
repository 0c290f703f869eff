"""Files of the replica kept in memory once read: they never change, so only room is a question.

Each kind of value has room of its own, so that one does not drive out another, and all of a process
share `TOTAL_BYTES`: what was used longest ago goes first, of whichever kind.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable, Iterable
from itertools import count
from threading import Lock
from typing import Any, Final, Generic, TypeVar
from weakref import WeakSet

Value = TypeVar("Value")

ENTRY_BYTES: Final = 4096
"""What a value takes beside its own bytes: names, columns, a place here. Without it a process that
opens thousands of small sites keeps all of each, in a hundred times the bytes that were counted."""

TOTAL_BYTES: Final = 2**30
"""What the values of all kinds may take together; the rooms of all kinds are 4 GiB."""

_lock: Final = Lock()
_ticks: Final = count()
_kinds: Final[WeakSet[Kept[Any]]] = WeakSet()


class Kept(Generic[Value]):
    """The most recently used values, up to a number of bytes. May be shared by threads.

    Args:
        max_bytes: what all values together may take, `ENTRY_BYTES` each on top; a larger value is
            given and not kept.
        size: bytes a value takes.
    """

    def __init__(self, max_bytes: int, size: Callable[[Value], int]) -> None:
        self._max_bytes, self._size = max_bytes, size
        self._values: OrderedDict[Hashable, tuple[Value, int, int]] = OrderedDict()
        self._bytes = 0
        with _lock:
            _kinds.add(self)

    def get(self, key: Hashable, make: Callable[[], Value]) -> Value:
        """Return the value of a key, made where it is not kept.

        Two threads that ask for a new key at once may both make it; one of the values is kept.
        """
        with _lock:
            if key in self._values:
                value, size, _ = self._values.pop(key)
                self._values[key] = value, size, next(_ticks)
                return value
        value = make()
        size = self._size(value) + ENTRY_BYTES
        with _lock:
            if size <= self._max_bytes and key not in self._values:
                self._values[key] = value, size, next(_ticks)
                self._bytes += size
                while self._bytes > self._max_bytes:
                    self.drop_oldest()
                _drop_beyond(TOTAL_BYTES, _kinds)
        return value

    @property
    def n_bytes(self) -> int:
        """What the values take."""
        return self._bytes

    @property
    def oldest(self) -> int:
        """When the value was used that was used longest ago; there is one."""
        return next(iter(self._values.values()))[2]

    def drop_oldest(self) -> int:
        """Drop that value; return the bytes it took. The caller holds the lock."""
        _, (_, size, _) = self._values.popitem(last=False)
        self._bytes -= size
        return size


def _drop_beyond(most: int, kinds: Iterable[Kept[Any]]) -> None:
    """Drop values of any kind until all take no more than so many bytes."""
    held = [kind for kind in kinds if kind.n_bytes]
    total = sum(kind.n_bytes for kind in held)
    while total > most:
        total -= min(held, key=lambda kind: kind.oldest).drop_oldest()
        held = [kind for kind in held if kind.n_bytes]
