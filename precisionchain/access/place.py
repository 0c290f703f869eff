"""Which bucket of ``ACCESS`` the next entry goes to, and when this site opens another."""

from __future__ import annotations

from contextlib import suppress

from precisionchain.errors import StreamExistsError
from precisionchain.ledger.base import Ledger, StreamState
from precisionchain.ledger.batches import buckets_of
from precisionchain.ledger.buckets import Router
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.streams import ACCESS, StreamName

_FIRST = str(StreamName(ACCESS))
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
        self._router: Router | None = None
        self._trusted = 0

    def place(self, body_bytes: int) -> str:
        """Return the stream for an entry whose body has so many bytes, created if need be.

        Raises:
            LedgerUnavailableError: not done, or done but unanswered: ask again.
            LimitError: this site has used up its buckets.
        """
        size = body_bytes + _HEADER_BYTES
        name, new = self._routed(size)
        if new:
            trusted, self._trusted = self._trusted, 0  # until the bucket is there
            with suppress(StreamExistsError):  # another program of this site was first
                self._ledger.create_stream(name)
            self._trusted = trusted
        return name

    def _routed(self, size: int) -> tuple[str, bool]:
        """Place an entry; the ledger is asked how full buckets are before the next is opened."""
        if self._router is not None and self._trusted:
            name, new = self._router.place(ACCESS, size)
            if not new:
                self._trusted -= 1
                return name, False
        states = self._ledger.streams()
        there = {name: states[name] for name in buckets_of(self._ledger, ACCESS)}
        self._trusted = _TRUSTED_ENTRIES - 1
        self._router = Router(
            there or {_FIRST: StreamState(0, 0)},  # which init makes, and nobody else
            code=self._code,
            max_items=self._max_items,
            max_bytes=self._max_bytes,
        )
        return self._router.place(ACCESS, size)
