"""What quality control marked or removed, as rows and as a payload (kind ``excluded``).

A row says that a person or an allele fell to one rule: the value that fell, the threshold it was
compared with, and *n*, the number of observations behind the value.
"""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.columns import from_body, restore, shrink, to_body
from precisionchain.schemas.items import Codec, Payload

EXCLUDED_KIND: Final = "excluded"

PERSON: Final = "person"
VARIANT: Final = "variant"
"""What a row excludes: a person at every allele of its batch, or an allele for every person."""

SAMPLE_MISSING: Final = "sample_missing"
SEX: Final = "sex"
HETEROZYGOSITY: Final = "heterozygosity"
VARIANT_MISSING: Final = "variant_missing"
HWE: Final = "hwe"
LD: Final = "ld"
RULES: Final = (SAMPLE_MISSING, SEX, HETEROZYGOSITY, VARIANT_MISSING, HWE, LD)
"""In the order in which they are applied; who falls to one is not seen by the next."""
OF_PERSONS: Final = (SAMPLE_MISSING, SEX, HETEROZYGOSITY)
"""Those that exclude persons."""

_COLUMNS: Final[dict[str, pa.DataType]] = {
    "kind": pa.string(),
    "chrom": pa.string(),
    "pos": pa.int32(),
    "ref": pa.string(),
    "alt": pa.string(),
    "person_id": pa.int64(),
    "rule": pa.string(),
    "value": pa.float64(),
    "threshold": pa.float64(),
    "n": pa.int32(),
}
EXCLUDED: Final = pa.schema(_COLUMNS)
"""Columns of exclusions. A person has no allele, an allele no person: null."""

LEVEL: Final = 6
"""The zstd level."""

_SAID: Final = b"said"


def excluded_payload(rows: pa.Table, said: Mapping[str, Any]) -> Payload:
    """Return exclusions as a payload.

    Args:
        rows: of schema `EXCLUDED`; none is an answer too.
        said: the settings by which they were found, kept as JSON in the schema's metadata.
    """
    text = json.dumps(dict(said), separators=(",", ":"), sort_keys=True).encode()
    rows = rows.select(EXCLUDED.names).cast(EXCLUDED).replace_schema_metadata({_SAID: text})
    return Payload(EXCLUDED_KIND, Codec.ARROW, to_body(shrink(rows), LEVEL))


def read_excluded(payload: Payload) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows (`EXCLUDED`) and the settings of a payload.

    Raises:
        CodecError: it is no exclusions.
    """
    if payload.kind != EXCLUDED_KIND or payload.codec is not Codec.ARROW:
        raise CodecError(f"a {payload.kind} payload where exclusions are expected")
    rows = restore(from_body(payload.body))
    text = (rows.schema.metadata or {}).get(_SAID, b"")
    rows = rows.replace_schema_metadata(None)
    try:
        said = json.loads(text)
    except (ValueError, RecursionError) as error:
        raise CodecError("exclusions that do not say how they were found") from error
    if rows.schema != EXCLUDED or not isinstance(said, dict):
        raise CodecError("exclusions with other columns or settings than the format has")
    return rows, said
