"""What quality control marked or removed, as rows and as a payload (kind ``excluded``).

A row says that a person or an allele fell to one rule: the value that fell, the threshold it was
compared with, and *n*, the number of observations behind the value.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa

from precisionchain.errors import CodecError
from precisionchain.schemas.items import Payload
from precisionchain.schemas.said_tables import read_table, table_payload

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


def excluded_payload(rows: pa.Table, said: Mapping[str, Any]) -> Payload:
    """Return exclusions as a payload.

    Args:
        rows: of schema `EXCLUDED`; none is an answer too.
        said: the settings by which they were found, kept as JSON in the schema's metadata.
    """
    rows = rows.select(EXCLUDED.names).cast(EXCLUDED)
    return table_payload(EXCLUDED_KIND, rows, LEVEL, said)


def read_excluded(payload: Payload) -> tuple[pa.Table, dict[str, Any]]:
    """Return the rows (`EXCLUDED`) and the settings of a payload.

    Raises:
        CodecError: it is no exclusions.
    """
    rows, said = read_table(payload, (EXCLUDED_KIND,), "exclusions are")
    if not said:
        raise CodecError("exclusions that do not say how they were found")
    if rows.schema != EXCLUDED:
        raise CodecError("exclusions with other columns than the format has")
    return rows, said
