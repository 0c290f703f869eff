"""One sealed OMOP batch as Parquet files, each unpacked once and never changed.

::

    items.parquet                    ordinal, name (<family>/<table>), rows: the places there are
    <family>/<table>.parquet         rows with site, batch, and their place: ordinal, row
    SUPERSEDED/superseded.parquet    batch, ordinal, row: places of earlier batches, as listed
    quality.parquet, quality.json    what rules of data quality found, and what is said of it
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Mapping
from contextlib import suppress
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any, Final, Self

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.replica.catalogue import ORIGIN, SealedBatch
from precisionchain.schemas.ahead import ahead
from precisionchain.schemas.arrow_values import column_of, text_column
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
    with ClinicalFiles(folder, batch.site, batch.batch) as files:
        for unfolded in ahead(files.unfolded, items):
            files.add(unfolded)


@dataclass(frozen=True, slots=True)
class Unfolded:
    """An item with its name and its rows as they are written; results of rules have none."""

    item: Item
    name: str
    rows: pa.Table


class ClinicalFiles:
    """The files of one batch, as they are written.

    Args:
        folder: an empty folder of their own.
        site: that the batch is of.
        batch: its id in hex.
    """

    def __init__(self, folder: Path, site: str, batch: str) -> None:
        self._folder = folder
        self._origin = dict(zip(ORIGIN, (site, batch), strict=True))
        self._writers: dict[str, pq.ParquetWriter] = {}
        self._places: list[tuple[int, str, int]] = []

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, *_: object) -> None:
        self.close() if kind is None else self.abandon()

    def close(self) -> None:
        """Finish the files."""
        for writer in self._writers.values():
            writer.close()
        columns = zip(*sorted(self._places), strict=True) if self._places else ([], [], [])
        places = pa.table(list(map(list, columns)), schema=ITEMS)
        pq.write_table(places, self._folder / "items.parquet")

    def abandon(self) -> None:
        """Let go of the files, which are of no use."""
        for writer in self._writers.values():
            with suppress(OSError, pa.ArrowException):
                writer.close()

    def finish(self, name: str) -> None:
        """Finish the file of a name that no more items have: what it says at its end takes memory.

        A name without a file is passed over.
        """
        if writer := self._writers.pop(name, None):
            writer.close()

    def unfolded(self, item: Item, known: tuple[str, pa.Table] | None = None) -> Unfolded:
        """Return an item's name and rows, in any thread.

        Args:
            item: a data item.
            known: the name of the table and the rows that its payload was made of, where they are
                at hand, so that they need not be decoded.
        """
        kind = item.payload.kind
        if kind == QUALITY_KIND:
            return Unfolded(item, "", _NO_ROWS)
        if kind == SUPERSEDED_KIND:
            return Unfolded(item, SUPERSEDED_NAME, correction_rows(item.payload))
        table, rows = payload_table(item.payload) if known is None else known
        name = f"{family_of(item.stream)}/{table or kind}"
        return Unfolded(item, name, _with_place(rows, self._origin, item.ordinal))

    def add(self, unfolded: Unfolded) -> None:
        """Write an item's rows; those of a name in the order of their ordinals."""
        name, rows = unfolded.name, unfolded.rows
        if unfolded.item.payload.kind == QUALITY_KIND:
            _write_quality(unfolded.item, self._folder)
            return
        if name != SUPERSEDED_NAME:
            self._places.append((unfolded.item.ordinal, name, rows.num_rows))
        if name not in self._writers:
            self._writers[name] = rows_writer(self._folder / f"{name}.parquet", rows.schema)
        self._writers[name].write_table(rows)


def _write_quality(item: Item, folder: Path) -> None:
    rows, said = read_quality(item.payload)
    pq.write_table(rows, folder / FOUND)
    (folder / SAID).write_text(json.dumps(said), encoding="utf-8")


def clinical_names(folder: Path) -> dict[str, Path]:
    """Return a batch folder's files of rows by name, ``CONDITION_0/condition_occurrence``."""
    named = {f"{path.parent.name}/{path.stem}": path for path in sorted(folder.glob("*/*.parquet"))}
    named.pop(SUPERSEDED_NAME, None)
    return named


def rows_writer(path: Path, schema: pa.Schema) -> pq.ParquetWriter:
    """Return a writer of clinical rows, each column encoded as suits what it holds."""
    path.parent.mkdir(parents=True, exist_ok=True)
    # What counts up, or nearly does, takes little room by its differences, and a dictionary of it
    # would take its own. Of other columns a large dictionary is left out: what is nearly all
    # different is compressed better as it stands.
    counting = [name for name in schema.names if name == "row" or _is_key(schema.field(name))]
    by_dictionary: Any = [name for name in schema.names if name not in counting]  # says bool only
    return pq.ParquetWriter(
        path,
        schema,
        compression="zstd",
        use_dictionary=by_dictionary,
        dictionary_pagesize_limit=_DICTIONARY_BYTES,
        column_encoding=dict.fromkeys(counting, "DELTA_BINARY_PACKED"),
    )


def _is_key(field: pa.Field[Any]) -> bool:
    return field.name in _running_keys() and field.type == pa.int64()


def _with_place(rows: pa.Table, origin: Mapping[str, str], ordinal: int) -> pa.Table:
    size = rows.num_rows
    for name, value in origin.items():
        rows = rows.append_column(name, _one_word(value, size))
    rows = rows.append_column("ordinal", column_of(np.full(size, ordinal, np.int32)))
    return rows.append_column("row", column_of(np.arange(size, dtype=np.int32)))


def _one_word(word: str, size: int) -> Any:
    codes: Any = column_of(np.zeros(size, np.int32))
    return pa.DictionaryArray.from_arrays(codes, text_column([word], pa.string()))


@cache
def _running_keys() -> frozenset[str | None]:
    """Return the columns of keys that exports give to rows of persons one after the other."""
    from precisionchain.schemas.omop import TABLES  # a batch of genotypes has no use for them

    keys = (table.primary_key for table in TABLES.values() if table.scope == "person")
    return frozenset(keys) - {"person_id"}
