"""Which bucket of its family an item goes to, and when a new bucket is opened. Pure.

Roll-over happens at insertion: an item that would take a stream over its maximum opens the next
bucket, named with the site's code (``docs/reference/streams.md`` section 3).
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass

from precisionchain.errors import LimitError
from precisionchain.ledger.base import StreamState
from precisionchain.schemas.streams import StreamName

LAST_BUCKET = 999


@dataclass(slots=True)
class _Bucket:
    name: StreamName
    items: int
    stored_bytes: int


class Router:
    """Places items, given how full the streams were when it was made.

    Other sites may write at the same time, so a stream can end slightly over its maximum; the
    maximum bounds what a reader has to list, it is no promise to the byte.
    """

    def __init__(
        self, states: Mapping[str, StreamState], *, code: str, max_items: int, max_bytes: int
    ) -> None:
        self._code, self._max_items, self._max_bytes = code, max_items, max_bytes
        self._newest: dict[str, _Bucket] = {}
        for text, state in states.items():
            name = StreamName.parse(text)
            before = self._newest.get(name.family)
            ours = name.code in ("", code)
            if ours and (before is None or name.bucket > before.name.bucket):
                self._newest[name.family] = _Bucket(name, state.items, state.stored_bytes)

    def place(self, family: str, size: int) -> tuple[str, bool]:
        """Return the stream for an item of a size in bytes, and whether it is to be created.

        Raises:
            LimitError: the family has used up its buckets.
        """
        bucket = self._newest.get(family)
        new = bucket is None
        if bucket is None:
            bucket = _Bucket(StreamName(family), 0, 0)
        elif bucket.items and (
            bucket.items + 1 > self._max_items or bucket.stored_bytes + size > self._max_bytes
        ):
            if bucket.name.bucket == LAST_BUCKET:
                raise LimitError("the family has no bucket left", where=f"stream {bucket.name}")
            bucket = _Bucket(StreamName(family, bucket.name.bucket + 1, self._code), 0, 0)
            new = True
        self._newest[family] = bucket
        bucket.items += 1
        bucket.stored_bytes += size
        return str(bucket.name), new
