"""Tables as payloads that say, as JSON in their schema's metadata, what holds for all their rows.

An assay says its build so, and a checkpoint the batches it was folded from: ``streams.md``.
"""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any, Final

import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.columns import from_body, restore, shrink, to_body
from precisionchain.schemas.items import Codec, Payload

_SAID: Final = b"said"


def table_payload(
    kind: str,
    rows: pa.Table,
    level: int,
    said: Mapping[str, Any] | None = None,
    relative: Mapping[str, str] | None = None,
) -> Payload:
    """Return a table as a payload.

    Args:
        kind: of the payload.
        rows: with exactly its columns.
        level: of zstd.
        said: what holds for all rows; None says nothing.
        relative: columns stored as their difference from another, see `shrink`.
    """
    metadata = None
    if said is not None:
        text = json.dumps(dict(said), separators=(",", ":"), sort_keys=True)
        metadata = {_SAID: text.encode()}
    shrunk = shrink(rows.replace_schema_metadata(metadata), relative=relative)
    return Payload(kind, Codec.ARROW, to_body(shrunk, level))


def read_table(
    payload: Payload, kinds: Collection[str], expected: str
) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows of a payload, and what they say: nothing is ``{}``. Columns are not checked.

    Args:
        payload: the payload.
        kinds: which it may be of.
        expected: what they are, for the message: ``a correction is``.

    Raises:
        CodecError: it is of another kind or codec, or cannot be read.
    """
    if payload.kind not in kinds or payload.codec is not Codec.ARROW:
        raise CodecError(f"a {payload.kind} payload where {expected} expected")
    rows = restore(from_body(payload.body))
    try:
        said = json.loads((rows.schema.metadata or {}).get(_SAID, b"{}"))
    except (ValueError, RecursionError) as error:
        raise CodecError(f"a {payload.kind} payload whose metadata cannot be read") from error
    return rows.replace_schema_metadata(None), said if isinstance(said, dict) else {}
