"""One sealed OMOP batch as Parquet files, each unpacked once and never changed.

::

    items.parquet                    ordinal, name (<family>/<table>), rows: the places there are
    <family>/<table>.parquet         rows with site, batch, and their place: ordinal, row
    SUPERSEDED/superseded.parquet    batch, ordinal, row: places of earlier batches, as listed
    quality.parquet, quality.json    what rules of data quality found, and what is said of it
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from functools import partial
from pathlib import Path
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.replica.catalogue import ORIGIN, SealedBatch
from precisionchain.schemas.ahead import ahead
from precisionchain.schemas.corrections import SUPERSEDED_KIND, correction_rows
from precisionchain.schemas.items import Item
from precisionchain.schemas.payloads import payload_table
from precisionchain.schemas.quality import QUALITY_KIND, read_quality
from precisionchain.schemas.streams import SUPERSEDED, family_of

_ITEM: Final[dict[str, pa.DataType]] = {
    "ordinal": pa.int32(),
    "name": pa.string(),
    "rows": pa.int32(),
}
ITEMS: Final = pa.schema(_ITEM)
"""Columns of ``items.parquet``."""
_NO_ROWS: Final = pa.table({})
SUPERSEDED_NAME: Final = f"{SUPERSEDED}/{SUPERSEDED_KIND}"
_DICTIONARY_BYTES: Final = 1 << 14
FOUND: Final = "quality.parquet"
SAID: Final = "quality.json"


def unpack_clinical(batch: SealedBatch, items: Iterator[Item], folder: Path) -> None:
    """Write a batch's rows below a folder as ``<family>/<table>.parquet``.

    Rows keep the order they were published in; a row group is an item, so a reader of one concept
    skips the items that hold others.

    Args:
        batch: the sealed batch.
        items: its items, checked against their leaves, family by family.
        folder: an empty folder of its own.
    """
    writers: dict[str, pq.ParquetWriter] = {}
    places: list[tuple[int, str, int]] = []
    try:
        for item, name, rows in ahead(partial(_unfolded, batch), items):
            if item.payload.kind == QUALITY_KIND:
                _write_quality(item, folder)
                continue
            if name != SUPERSEDED_NAME:
                places.append((item.ordinal, name, rows.num_rows))
            if name not in writers:
                writers[name] = _writer(folder / f"{name}.parquet", rows.schema)
            writers[name].write_table(rows)
    finally:
        for writer in writers.values():
            writer.close()
    columns = zip(*sorted(places), strict=True) if places else ([], [], [])
    pq.write_table(pa.table(list(map(list, columns)), schema=ITEMS), folder / "items.parquet")


def _unfolded(batch: SealedBatch, item: Item) -> tuple[Item, str, pa.Table]:
    """Return an item with its name and its rows as they are written; results of rules have none."""
    if item.payload.kind == QUALITY_KIND:
        return item, "", _NO_ROWS
    if item.payload.kind == SUPERSEDED_KIND:
        return item, SUPERSEDED_NAME, correction_rows(item.payload)
    table, rows = payload_table(item.payload)
    name = f"{family_of(item.stream)}/{table or item.payload.kind}"
    return item, name, _with_origin(rows, batch, item.ordinal)


def _write_quality(item: Item, folder: Path) -> None:
    rows, said = read_quality(item.payload)
    pq.write_table(rows, folder / FOUND)
    (folder / SAID).write_text(json.dumps(said), encoding="utf-8")


def clinical_names(folder: Path) -> dict[str, Path]:
    """Return a batch folder's files of rows by name, ``CONDITION_0/condition_occurrence``."""
    named = {f"{path.parent.name}/{path.stem}": path for path in sorted(folder.glob("*/*.parquet"))}
    named.pop(SUPERSEDED_NAME, None)
    return named


def _writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    path.parent.mkdir(parents=True, exist_ok=True)
    # Rows of an item count up, so their differences take no room; a dictionary of them would. So
    # would a large one: keys are nearly all different, and are compressed better as they stand.
    by_dictionary: Any = [
        name for name in schema.names if name != "row"
    ]  # its stub knows bool only
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=by_dictionary,
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        column_encoding={"row": "DELTA_BINARY_PACKED"},
    )


def _with_origin(rows: pa.Table, batch: SealedBatch, ordinal: int) -> pa.Table:
    size = rows.num_rows
    for name, value in zip(ORIGIN, (batch.site, batch.batch), strict=True):
        rows = rows.append_column(name, pa.repeat(pa.scalar(value), size).dictionary_encode())
    rows = rows.append_column("ordinal", pa.repeat(pa.scalar(ordinal, pa.int32()), size))
    return rows.append_column("row", pa.array(np.arange(size, dtype=np.int32)))
