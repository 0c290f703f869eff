"""Names of the embedded ledger's streams at once, and how full they are when asked."""

from __future__ import annotations

from collections.abc import Callable, ItemsView, Iterator, Mapping, ValuesView

from precisionchain.ledger.base import StreamState

ReadStates = Callable[[str | None], Mapping[str, StreamState]]
"""Reads the state of one stream, or of all where none is named."""


class StreamStates(Mapping[str, StreamState]):
    """Streams by name, in the order of creation.

    Most readers want the names, of which a network has a thousand; a state costs a look at the
    stream's newest item. States are those of the time they are asked for.

    Args:
        names: the streams when the mapping was made.
        read: reads states.
    """

    def __init__(self, names: tuple[str, ...], read: ReadStates) -> None:
        self._names, self._known, self._read = names, frozenset(names), read

    def __getitem__(self, name: str) -> StreamState:
        if name not in self._known:
            raise KeyError(name)
        return self._read(name)[name]

    def __contains__(self, name: object) -> bool:
        return name in self._known

    def __iter__(self) -> Iterator[str]:
        return iter(self._names)

    def __len__(self) -> int:
        return len(self._names)

    def items(self) -> ItemsView[str, StreamState]:
        """Return streams with their states, read together."""
        return self._all().items()

    def values(self) -> ValuesView[StreamState]:
        """Return the states, read together."""
        return self._all().values()

    def _all(self) -> dict[str, StreamState]:
        states = self._read(None)
        return {name: states[name] for name in self._names}
