"""Payloads that say what no longer holds: superseded places, withdrawals, corrected counts.

Kinds, columns and what readers make of them: ``docs/reference/streams.md`` section 7.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.genetic_payloads import COUNTS
from precisionchain.schemas.items import Payload
from precisionchain.schemas.said_tables import read_table, table_payload

SUPERSEDED_KIND: Final = "superseded"
WITHDRAWN_KIND: Final = "withdrawn"
CORRECTED_COUNTS: Final = "corrected-counts"

CORRECTION: Final = "correction"
"""Kind of the batches that hold withdrawals."""
CORRECTIONS_SOURCE: Final = "corrections"
"""The source of these batches: no export may take this name."""

PERSON: Final = "person"
BATCH: Final = "batch"
"""What a row withdraws."""
WITHDRAW: Final = "withdraw"
READMIT: Final = "readmit"

_PLACE: Final[dict[str, pa.DataType]] = {
    "batch": pa.string(),
    "ordinal": pa.int32(),
    "row": pa.int32(),
}
_WITHDRAWAL: Final[dict[str, pa.DataType]] = {
    "what": pa.string(),
    "action": pa.string(),
    "person_id": pa.int64(),
    "batch": pa.string(),
}
SUPERSEDED: Final = pa.schema(_PLACE)
"""Places, sorted and distinct."""
WITHDRAWN: Final = pa.schema(_WITHDRAWAL)

LEVEL: Final = 9
"""The zstd level."""

_SCHEMAS: Final[Mapping[str, pa.Schema]] = {
    SUPERSEDED_KIND: SUPERSEDED,
    WITHDRAWN_KIND: WITHDRAWN,
    CORRECTED_COUNTS: COUNTS,
}


def superseded_payload(places: pa.Table) -> Payload:
    """Return places (`SUPERSEDED`) as a payload."""
    return _payload(SUPERSEDED_KIND, places)


def withdrawn_payload(rows: pa.Table) -> Payload:
    """Return withdrawals and readmissions (`WITHDRAWN`) as a payload."""
    return _payload(WITHDRAWN_KIND, rows)


def corrected_counts_payload(rows: pa.Table, batch: str) -> Payload:
    """Return signed counts (`COUNTS`) of alleles of one earlier batch, its id in hex."""
    return _payload(CORRECTED_COUNTS, rows, {"batch": batch})


def correction_rows(payload: Payload) -> pa.Table:
    """Return the rows of a payload of one of these kinds, with exactly its columns.

    Raises:
        CodecError: the kind is another, or the columns are.
    """
    return _read(payload)[0]


def read_corrected_counts(payload: Payload) -> tuple[pa.Table, str]:
    """Return signed counts (`COUNTS`) and the id in hex of the batch they correct.

    Raises:
        CodecError: they are no such counts.
    """
    rows, said = _read(payload)
    batch = said.get("batch")
    if payload.kind != CORRECTED_COUNTS or not isinstance(batch, str):
        raise CodecError("corrected counts that do not say of which batch")
    return rows, batch


def _payload(kind: str, rows: pa.Table, said: Mapping[str, Any] | None = None) -> Payload:
    schema = _SCHEMAS[kind]
    return table_payload(kind, rows.select(schema.names).cast(schema), LEVEL, said)


def _read(payload: Payload) -> tuple[pa.Table, dict[str, Any]]:
    rows, said = read_table(payload, _SCHEMAS, "a correction is")
    if rows.schema != _SCHEMAS[payload.kind]:
        raise CodecError(f"a {payload.kind} payload with other columns than the format has")
    return rows, said
