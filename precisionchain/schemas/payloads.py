"""Payloads of tables: the bodies of every kind but genotype blocks and JSON."""

from __future__ import annotations

from typing import Any

import pyarrow as pa
import pyarrow.compute as pc

from precisionchain.errors import CodecError
from precisionchain.schemas.columns import from_body, restore, shrink, to_body
from precisionchain.schemas.items import Codec, Payload

TABLE = b"table"
"""The schema metadata key under which a payload names its CDM table."""
ZSTD_LEVEL = 6


def table_payload(
    kind: str, rows: pa.Table, *, table: str | None = None, level: int = ZSTD_LEVEL
) -> Payload:
    """Return a table as a payload, shrunk and compressed; ``table`` names its CDM table.

    Datetimes named like a date column of the same table (``condition_start_datetime`` and
    ``condition_start_date``) are stored relative to it.
    """
    if table is not None:
        rows = rows.replace_schema_metadata({TABLE: table.encode()})
    midnight = {
        name: name.removesuffix("time")
        for name in rows.column_names
        if name.endswith("_datetime") and name.removesuffix("time") in rows.column_names
    }
    return Payload(kind, Codec.ARROW, to_body(shrink(rows, midnight=midnight), level))


def payload_table(payload: Payload) -> tuple[str, pa.Table]:
    """Return the CDM table's name (empty where none is named) and the rows of a payload.

    Raises:
        CodecError: the body is not a table payload.
    """
    if payload.codec is not Codec.ARROW:
        raise CodecError(f"a {payload.kind} payload that is not an Arrow stream")
    rows = restore(from_body(payload.body))
    name = (rows.schema.metadata or {}).get(TABLE, b"").decode()
    return name, rows.replace_schema_metadata(None)


def distinct_integers(column: pa.ChunkedArray[Any]) -> list[int]:
    """Return a column's distinct, non-null integers in ascending order."""
    return sorted(value for value in pc.unique(column).to_pylist() if value is not None)
