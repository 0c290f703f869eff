"""A staged table as it is written: values, and beside them the text of what is written otherwise.

``raw/<table>.parquet`` has the CDM's columns typed, so that it is the file of accepted rows as it
stands where nothing is rejected and every cell is spelled plainly. ``as_written/<table>.parquet``
has the text of the cells of which DuckDB would not make the same text from their values, and the
columns that the CDM does not know; most tables have no such file.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.errors import SiteError
from precisionchain.ingest.cell_columns import ARROW_TYPES, Cells, Column, column_of, text_of
from precisionchain.schemas.omop import Field, Table

COLUMNS = "columns"
"""Key of the metadata of ``raw/<table>.parquet``: the file's columns in their order, as JSON."""

NORMALISED = "normalised"
ODD = "odd"
"""Likewise: by column the normalisations that its values were made by, and of how many cells; and
how many cells have a text alone."""

_ROWS = 122_880
_BYTES = 16 << 20
"""Of a row group, whichever is reached first; of long notes some thousand rows."""


def accepted_schema(fields: Sequence[Field]) -> pa.Schema:
    """Return the columns of a file of accepted rows, which those of a raw file are, too."""
    columns = [(each.name, ARROW_TYPES[each.lexical.sql_type]) for each in fields]
    return pa.schema([*columns, ("_file", pa.string()), ("_record", pa.int64())])


def as_written(raw: Path) -> Path:
    """Return the file of texts that belongs to one of ``raw/``; there is none for most."""
    return raw.parent.parent / "as_written" / raw.name


class RawFile:
    """The file of a table while it is written, in blocks of rows.

    Args:
        target: ``raw/<table>.parquet`` of a run.
        table: of the CDM.
        columns: of the file, in its order; those that the table does not know are kept as text.
        file: name of the file the rows are in.
    """

    def __init__(self, target: Path, table: Table, columns: Sequence[str], file: str) -> None:
        self._target, self._file = target, file
        self._fields = [each for each in table.fields if each.name in set(columns)]
        known = set(table.columns)
        self._unknown = [name for name in columns if name not in known]
        schema = accepted_schema(self._fields)
        self._notes = {COLUMNS: json.dumps(list(columns))}
        self._values = _Rows(target, schema, table.primary_key)
        names = [*(each.name for each in self._fields), *self._unknown]
        self._texts = _Rows(as_written(target), pa.schema([(name, pa.string()) for name in names]))
        self._normalised: dict[str, Counter[str]] = {}
        self._odd: Counter[str] = Counter()
        self.rows = 0

    def add(self, cells: Mapping[str, Cells], n: int) -> None:
        """Write the next ``n`` rows, given by column."""
        columns = [column_of(cells[each.name], each.lexical) for each in self._fields]
        for each, column in zip(self._fields, columns, strict=True):
            if column.written is not None:
                self._normalised.setdefault(each.name, Counter()).update(column.normalised)
                self._odd[each.name] += column.odd
        values = [
            *(column.values for column in columns),
            pa.repeat(pa.scalar(self._file), n),
            pa.array(np.arange(self.rows + 1, self.rows + 1 + n)),
        ]
        texts = [text_of(cells[name]) for name in self._unknown]
        self._add_texts(columns, texts, n)
        self._values.add(values)
        self.rows += n

    def _add_texts(self, columns: list[Column], unknown: list[pa.Array[Any]], n: int) -> None:
        written = [column.written for column in columns]
        if any(each is not None for each in written) or any(
            each.null_count < n for each in unknown
        ):
            self._texts.skip_to(self.rows)
            empty = pa.nulls(n, pa.string())
            self._texts.add([*(empty if each is None else each for each in written), *unknown])

    def close(self) -> None:
        """Write what is held."""
        if self._texts.rows:
            self._texts.skip_to(self.rows)
        counts = {NORMALISED: self._normalised, ODD: self._odd}
        self._values.close(
            {**self._notes, **{name: json.dumps(counted) for name, counted in counts.items()}}
        )
        self._texts.close({})


class _Rows:
    """One Parquet file, which is there once it has a row; that of values always is."""

    def __init__(self, path: Path, schema: pa.Schema, key: str | None = None) -> None:
        self._path, self._schema = path, schema
        self._rising = [
            name
            for name in (key, "_record")
            if name in schema.names and schema.field(name).type == pa.int64()
        ]
        self._repeating = [name for name in schema.names if name not in self._rising]
        self._writer: pq.ParquetWriter | None = None
        self._held: list[pa.RecordBatch] = []
        self._size = 0
        self.rows = 0

    def add(self, columns: Sequence[pa.Array[Any]]) -> None:
        batch = pa.RecordBatch.from_arrays(list(columns), schema=self._schema)
        self._held.append(batch)
        self._size += batch.nbytes
        self.rows += len(batch)
        if self._size >= _BYTES or sum(map(len, self._held)) >= _ROWS:
            self._write()

    def skip_to(self, row: int) -> None:
        """Write empty rows of text, until there are as many."""
        while self.rows < row:
            n = min(row - self.rows, _ROWS)
            self.add([pa.nulls(n, pa.string())] * len(self._schema))

    def _write(self) -> None:
        with _writable(self._path):
            if self._writer is None:
                self._path.parent.mkdir(mode=0o700, exist_ok=True)
                self._writer = pq.ParquetWriter(
                    self._path,
                    self._schema,
                    compression="snappy",
                    # Of numbers that differ from row to row a dictionary is a second copy.
                    use_dictionary=self._repeating,  # type: ignore[arg-type]
                    column_encoding=dict.fromkeys(self._rising, "DELTA_BINARY_PACKED"),
                )
            held = pa.Table.from_batches(self._held, self._schema)
            self._writer.write_table(held, row_group_size=max(len(held), 1))
        self._held, self._size = [], 0

    def close(self, notes: dict[str, str]) -> None:
        if self._held or (self._writer is None and "_record" in self._schema.names):
            self._write()
        if self._writer is not None:
            with _writable(self._path):
                self._writer.add_key_value_metadata(notes)
                self._writer.close()


@contextmanager
def _writable(target: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise SiteError(
            f"cannot be written: {error.strerror or type(error).__name__}",
            where=str(target.parent),
            hint="is there room on the disk? run the command again: nothing half-done is left",
        ) from error
