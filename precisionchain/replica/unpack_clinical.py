"""One sealed OMOP batch as Parquet files, each unpacked once and never changed."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.replica.catalogue import SealedBatch
from precisionchain.schemas.items import Item
from precisionchain.schemas.payloads import payload_table
from precisionchain.schemas.streams import StreamName

ORIGIN = ("site", "batch")
"""Columns every unpacked row carries: who published it, and in which batch."""


def unpack_clinical(batch: SealedBatch, items: Iterator[Item], folder: Path) -> None:
    """Write a batch's rows below a folder as ``<family>/<table>.parquet``.

    Rows keep the order they were published in; a row group is an item, so a reader of one concept
    skips the items that hold others.

    Args:
        batch: the sealed batch.
        items: its items, checked against their leaves, family by family.
        folder: an empty folder of its own.
    """
    writers: dict[Path, pq.ParquetWriter] = {}
    try:
        for item in items:
            table, rows = payload_table(item.payload)
            family = StreamName.parse(item.stream).family
            path = folder / family / f"{table or item.payload.kind}.parquet"
            rows = _with_origin(rows, batch)
            if path not in writers:
                path.parent.mkdir(parents=True, exist_ok=True)
                writers[path] = pq.ParquetWriter(path, rows.schema, compression="zstd")
            writers[path].write_table(rows)
    finally:
        for writer in writers.values():
            writer.close()


def clinical_names(folder: Path) -> dict[str, Path]:
    """Return a batch folder's files by logical name, ``CONDITION_0/condition_occurrence``."""
    return {f"{path.parent.name}/{path.stem}": path for path in sorted(folder.glob("*/*.parquet"))}


def _with_origin(rows: pa.Table, batch: SealedBatch) -> pa.Table:
    for name, value in zip(ORIGIN, (batch.site, batch.batch), strict=True):
        column = pa.repeat(pa.scalar(value), rows.num_rows).dictionary_encode()
        rows = rows.append_column(name, column)
    return rows
