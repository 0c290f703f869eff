"""What rules of data quality found in an export, as it is sealed: one table (kind ``quality``).

A row is a rule, a table and, where the rule is of one, a column. Counts under a least number are
not told: of few rows that were checked, that violate, or that do not.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.columns import from_body, restore, shrink, to_body
from precisionchain.schemas.items import Codec, Payload

QUALITY_KIND: Final = "quality"

PASSED: Final = "passed"
FAILED: Final = "failed"
ACCEPTED: Final = "accepted"
NOT_CHECKED: Final = "not checked"
VERDICTS: Final = (PASSED, FAILED, ACCEPTED, NOT_CHECKED)
"""At most the threshold; above it; above what keeps a batch from sealing, and accepted all the
same; nothing there to check."""

FEW: Final = "few"
ALL_BUT_FEW: Final = "all but few"
HIDDEN: Final = (FEW, ALL_BUT_FEW)
"""Why n_violating is null: it, or what it leaves, is a small count."""

_COLUMNS: Final[Mapping[str, pa.DataType]] = {
    "rule": pa.string(),
    "severity": pa.string(),
    "family": pa.string(),
    "table": pa.string(),
    "column": pa.string(),
    "n_checked": pa.int64(),
    "n_violating": pa.int64(),
    "hidden": pa.string(),
    "threshold": pa.float64(),
    "verdict": pa.string(),
}
QUALITY: Final = pa.schema(_COLUMNS)
"""Columns of results. ``column`` is empty where a rule is of whole rows."""

LEVEL: Final = 9
"""The zstd level."""

_SAID: Final = b"said"


def quality_payload(rows: pa.Table, said: Mapping[str, Any]) -> Payload:
    """Return results as a payload.

    Args:
        rows: of schema `QUALITY`.
        said: mode of the export (``full``, ``delta``) and the least count that is told, ``k``.
    """
    text = json.dumps(dict(said), separators=(",", ":"), sort_keys=True).encode()
    rows = rows.select(QUALITY.names).cast(QUALITY).replace_schema_metadata({_SAID: text})
    return Payload(QUALITY_KIND, Codec.ARROW, to_body(shrink(rows), LEVEL))


def read_quality(payload: Payload) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows (`QUALITY`) and what is said of a payload.

    Raises:
        CodecError: it is no results, or tells a count that it must not.
    """
    if payload.kind != QUALITY_KIND or payload.codec is not Codec.ARROW:
        raise CodecError(f"a {payload.kind} payload where results of quality are expected")
    rows = restore(from_body(payload.body))
    text = (rows.schema.metadata or {}).get(_SAID, b"")
    rows = rows.replace_schema_metadata(None)
    try:
        said = json.loads(text)
        least = int(said["k"])
    except (ValueError, RecursionError, KeyError, TypeError) as error:
        raise CodecError("results of quality that do not say how they were found") from error
    if rows.schema != QUALITY:
        raise CodecError("results of quality with other columns than the format has")
    if any(_tells(row, least) for row in rows.to_pylist()):
        raise CodecError("results of quality that tell a small count")
    return rows, said


def _tells(row: Mapping[str, Any], least: int) -> bool:
    """Whether a row tells a count from 1 to ``least`` - 1."""
    checked, violating = row["n_checked"], row["n_violating"]
    counts = [count for count in (checked, violating) if count is not None]
    if len(counts) == 2:
        counts.append(checked - violating)
    return any(0 < count < least for count in counts)
