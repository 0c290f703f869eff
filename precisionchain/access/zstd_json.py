"""Canonical JSON in one zstd frame (codec 1), with a bound on what a frame may unfold to."""

from __future__ import annotations

from typing import Any

from precisionchain.errors import CodecError
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.items import Codec, Payload
from precisionchain.schemas.zstd_frames import fold, unfold

MAX_TEXT_BYTES = 4 * 2**20
"""Longest text that is unfolded: what writers store is a quarter of it."""
_LEVEL = 1
"""Of 12,000 persons in 1,000 cohorts level 6 saved 0.6 % of the bytes, for four times the time."""


def pack(kind: str, value: Any) -> Payload:
    """Return a value as a compressed payload."""
    return Payload(kind, Codec.JSON_ZSTD, fold(canonical_json(value), _LEVEL))


def unpack(payload: Payload) -> Any:
    """Return the value of a payload of canonical JSON, compressed or not.

    Raises:
        CodecError: it is neither, or unfolds to more than `MAX_TEXT_BYTES`.
    """
    if payload.codec is Codec.JSON:
        return parse_canonical(payload.body)
    if payload.codec is not Codec.JSON_ZSTD:
        raise CodecError(f"a {payload.kind} payload that is not JSON")
    return parse_canonical(unfold(payload.body, MAX_TEXT_BYTES))
