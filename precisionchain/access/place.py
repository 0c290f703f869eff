"""Which bucket of ``ACCESS`` the next entry goes to, and when this site opens another."""

from __future__ import annotations

from contextlib import suppress

from precisionchain.errors import LimitError, StreamExistsError
from precisionchain.ledger.base import Ledger, StreamState
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.streams import ACCESS, StreamName

LAST_BUCKET = 999
_HEADER_BYTES = 256
"""About what frame and signature add to a body."""
_UNBOUNDED = 2**63
_TRUSTED_ENTRIES = 64
"""After so many own entries the ledger is asked again, because others write too."""


class AccessStreams:
    """Places entries: bucket 1 until it is full, then buckets that carry this site's code.

    Others write to bucket 1 at the same time, so a bucket can end slightly over its maximum, which
    bounds what a reader lists and is no promise to the byte.

    Args:
        ledger: is asked how full its streams are, and creates the next.
        code: the site's two characters.
        parameters: give ``max_stream_items`` and ``max_stream_bytes``; without them bucket 1 is
            never full.
    """

    def __init__(
        self, ledger: Ledger, *, code: str = "", parameters: NetworkParameters | None = None
    ) -> None:
        self._ledger, self._code = ledger, code
        self._max_items = parameters.max_stream_items if parameters else _UNBOUNDED
        self._max_bytes = parameters.max_stream_bytes if parameters else _UNBOUNDED
        self._name = ""
        self._items_left = self._bytes_left = 0

    def place(self, body_bytes: int) -> str:
        """Return the stream for an entry whose body has so many bytes, created if need be.

        Raises:
            LedgerUnavailableError: not done, or done but unanswered: ask again.
            LimitError: this site has used up its buckets.
        """
        size = body_bytes + _HEADER_BYTES
        if self._items_left < 1 or self._bytes_left < size:
            self._find_room(size)
        self._items_left -= 1
        self._bytes_left -= size
        return self._name

    def _find_room(self, size: int) -> None:
        name, state = self._newest()
        full = state.items and (
            state.items >= self._max_items or state.stored_bytes + size > self._max_bytes
        )
        if full:
            if name.bucket == LAST_BUCKET:
                raise LimitError("the access log has no bucket left", where=f"stream {name}")
            name, state = StreamName(ACCESS, name.bucket + 1, self._code), StreamState(0, 0)
            with suppress(StreamExistsError):  # another program of this site was first
                self._ledger.create_stream(str(name))
        self._name = str(name)
        self._items_left = min(_TRUSTED_ENTRIES, self._max_items - state.items)
        self._bytes_left = max(size, self._max_bytes - state.stored_bytes)

    def _newest(self) -> tuple[StreamName, StreamState]:
        """This site's newest bucket, or the shared first."""
        found = {StreamName(ACCESS): StreamState(0, 0)}
        for text, state in self._ledger.streams().items():
            name = StreamName.parse(text)
            if name.family == ACCESS and name.code in ("", self._code):
                found[name] = state
        name = max(found, key=lambda stream: stream.bucket)
        return name, found[name]
