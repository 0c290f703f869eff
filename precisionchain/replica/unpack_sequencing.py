"""Sequencing metadata of one sealed batch as files, each written once and never changed.

::

    sequencing.parquet               person_id, then the columns as published
    sequencing.json                  source: of the genotypes they are of

Both stand in the folder of a VCF batch that has metadata, and alone in that of a batch of kind
``sequencing``.
"""

from __future__ import annotations

import json
from collections.abc import Iterable
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from precisionchain.errors import IntegrityError
from precisionchain.schemas.items import Item
from precisionchain.schemas.sequencing import PERSON, SOURCE_PREFIX, read_sequencing

ROWS: Final = "sequencing.parquet"
SAID: Final = "sequencing.json"


def unpack_sequencing(items: Iterable[Item], source: str, folder: Path) -> None:
    """Write a batch's metadata below a folder; nothing where there are no items.

    Args:
        items: those of its metadata.
        source: the batch's.
        folder: of the batch.

    Raises:
        IntegrityError: they contradict each other; CodecError where one cannot be read.
    """
    found = [read_sequencing(item.payload) for item in sorted(items, key=lambda i: i.ordinal)]
    if not found:
        return
    if wrong := contradiction([rows for rows, _ in found], {of for _, of in found}, source):
        raise IntegrityError(wrong, where=f"source {source}", hint="run `precisionchain verify`")
    pq.write_table(pa.concat_tables([rows for rows, _ in found]), folder / ROWS)
    (folder / SAID).write_text(json.dumps({"source": found[0][1]}), encoding="utf-8")


def contradiction(tables: list[pa.Table], sources: set[str], source: str) -> str | None:
    """Return what is wrong with a batch's metadata as a whole, None where nothing is.

    Args:
        tables: of its items.
        sources: which sources of genotypes they say they are of.
        source: the batch's.
    """
    if sources != {source.removeprefix(SOURCE_PREFIX)}:
        return "sequencing metadata of another source than their batch"
    if any(rows.schema != tables[0].schema for rows in tables):
        return "sequencing metadata whose items have different columns"
    persons = pa.chunked_array([chunk for rows in tables for chunk in rows[PERSON].chunks])
    if len(pc.unique(persons)) != len(persons):
        return "sequencing metadata with a person twice"
    return None
