"""Canonical JSON in one zstd frame (codec 1), with a bound on what a frame may unfold to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.items import Codec, Payload

MAX_TEXT_BYTES = 4 * 2**20
"""Longest text that is unfolded: what writers store is a quarter of it."""
_LEVEL = 6
_READ_BYTES = 2**14


def pack(kind: str, value: Any) -> Payload:
    """Return a value as a compressed payload."""
    body = pa.Codec("zstd", compression_level=_LEVEL).compress(canonical_json(value), asbytes=True)
    return Payload(kind, Codec.JSON_ZSTD, body)


def unpack(payload: Payload) -> Any:
    """Return the value of a payload of canonical JSON, compressed or not.

    Raises:
        CodecError: it is neither, or unfolds to more than `MAX_TEXT_BYTES`.
    """
    if payload.codec is Codec.JSON:
        return parse_canonical(payload.body)
    if payload.codec is not Codec.JSON_ZSTD:
        raise CodecError(f"a {payload.kind} payload that is not JSON")
    try:
        with pa.input_stream(pa.py_buffer(payload.body), compression="zstd") as stream:
            text = b"".join(_read(stream))
    except (OSError, pa.ArrowException) as error:
        raise CodecError(f"a {payload.kind} payload that is not a zstd frame") from error
    if len(text) > MAX_TEXT_BYTES:
        raise CodecError(f"a {payload.kind} payload that unfolds beyond its bound")
    return parse_canonical(text)


def _read(stream: pa.NativeFile) -> Iterator[bytes]:
    """Yield pieces up to the bound and one more; a small entry takes little memory."""
    length = 0
    while length <= MAX_TEXT_BYTES:
        piece = stream.read(_READ_BYTES)
        if not piece:
            return
        length += len(piece)
        yield piece
