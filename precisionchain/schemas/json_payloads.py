"""Payloads of canonical JSON."""

from __future__ import annotations

from typing import Any

from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.items import Codec, Payload


def json_payload(kind: str, body: bytes) -> Payload:
    """Return a body that is canonical JSON already as a payload."""
    return Payload(kind, Codec.JSON, body)


def value_payload(kind: str, value: Any) -> Payload:
    """Return a value as a payload of canonical JSON.

    Raises:
        CodecError: the value has no canonical JSON.
    """
    return json_payload(kind, canonical_json(value))
