"""Sequencing metadata as a payload (kind ``sequencing``): one row a person, columns of any name.

What a column means is the site's matter; here it has a name and a type. Normative text:
``docs/reference/streams.md`` and ``docs/reference/sequencing.md``.
"""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from precisionchain.errors import CodecError
from precisionchain.schemas.column_names import MAX_TEXT, folded
from precisionchain.schemas.items import Payload
from precisionchain.schemas.said_tables import read_table, table_payload

SEQUENCING_KIND: Final = "sequencing"
"""Kind of the payloads, and of the batches that hold nothing else."""

SOURCE_PREFIX: Final = "sequencing:"
"""Before the name of a source of genotypes: the source of metadata that were added to it later."""

PERSON: Final = "person_id"

TYPES: Final[Mapping[str, pa.DataType]] = {
    "integer": pa.int64(),
    "float": pa.float64(),
    "text": pa.string(),
}
"""Types of columns, as the manifest names them."""

NAME_OF: Final[Mapping[pa.DataType, str]] = {kind: name for name, kind in TYPES.items()}

LEVEL: Final = 6
"""The zstd level."""


def sequencing_payload(rows: pa.Table, source: str) -> Payload:
    """Return metadata as a payload.

    Args:
        rows: ``person_id``, then columns of one of `TYPES`.
        source: the source of genotypes that they are of.
    """
    return table_payload(SEQUENCING_KIND, rows, LEVEL, {"source": source})


def read_sequencing(payload: Payload) -> tuple[pa.Table, str]:
    """Return the rows of a payload, and the source of genotypes that they are of.

    Raises:
        CodecError: it is no sequencing metadata of this format.
    """
    rows, said = read_table(payload, (SEQUENCING_KIND,), "sequencing metadata are")
    source = said.get("source")
    if not isinstance(source, str):
        raise CodecError("sequencing metadata that do not say what they are of")
    if not _is_of_format(rows):
        raise CodecError("sequencing metadata with other columns than the format has")
    return rows, source


def _is_of_format(rows: pa.Table) -> bool:
    if rows.column_names[:1] != [PERSON] or rows.schema.field(0).type != pa.int64():
        return False
    ids = rows[PERSON]
    if ids.null_count or len(pc.unique(ids)) != len(ids):
        return False
    names = [folded(name) for name in rows.column_names[1:]]
    if not all(names) or len(set(names)) < len(names):
        return False
    return all(_is_column(rows, name) for name in rows.column_names[1:])


def _is_column(rows: pa.Table, name: str) -> bool:
    kind: Any = rows.schema.field(name).type
    if len(name) > MAX_TEXT or kind not in NAME_OF:
        return False
    longest = pc.max(pc.utf8_length(rows[name])).as_py() if kind == pa.string() else 0
    return (longest or 0) <= MAX_TEXT
