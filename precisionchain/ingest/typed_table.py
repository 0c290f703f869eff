"""A table that has types already, of Parquet or a database: its values as text, row by row.

The rows come from DuckDB in batches, so that a table may be of any size, and every value as the
text of `typed_columns`. Rows that no file of text could hold are rejected by the rules that reject
them there: ``encoding`` for a NUL, ``too_long``.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from precisionchain.errors import OmopFormatError, UnreadableFileError
from precisionchain.ingest.cell_columns import cells_of_text
from precisionchain.ingest.csv_kernel import ENCODING, TOO_LONG
from precisionchain.ingest.csv_records import LONGEST_RECORD, Int64s
from precisionchain.ingest.omop_headers import Names
from precisionchain.ingest.omop_reading import Loaded
from precisionchain.ingest.raw_file import RawFile
from precisionchain.ingest.sql_text import identifier, literal
from precisionchain.ingest.text_digest import TextDigest, bytes_of, cell_lengths
from precisionchain.ingest.typed_columns import text_of
from precisionchain.schemas.omop import Table

_BATCH = 8_192
"""Rows at a time: of long notes, some tens of megabytes."""


@dataclass(frozen=True, slots=True)
class Rows:
    """Rows of one shape.

    Args:
        source: SQL that can follow FROM.
        names: how DuckDB calls its columns, in order.
        types: of them.
    """

    source: str
    names: tuple[str, ...]
    types: tuple[str, ...]


def rows_of(database: duckdb.DuckDBPyConnection, source: str, file: str) -> Rows:
    """Describe what follows FROM.

    Raises:
        UnreadableFileError: DuckDB cannot read it.
    """
    with readable(file):
        columns = database.execute(f"DESCRIBE SELECT * FROM {source}").fetchall()
    return Rows(source, tuple(row[0] for row in columns), tuple(row[1] for row in columns))


def text_columns(rows: Rows, names: Names, file: str) -> dict[str, str]:
    """Return by canonical column SQL for its text, in the order of the rows.

    A column of a type without a text is left out when the CDM does not know it.

    Raises:
        OmopFormatError: the table knows it.
    """
    found = {}
    for name, own, sql_type in zip(names.columns, rows.names, rows.types, strict=True):
        text = text_of(own, sql_type)
        if text is not None:
            found[name] = text
        elif name not in names.unrecognised:
            kind = sql_type.partition("(")[0]
            raise OmopFormatError(
                f"column {name} is of type {kind}, which has no text of its own",
                where=file,
                hint="cast it to text where the table is exported",
            )
    return found


def load_rows(
    database: duckdb.DuckDBPyConnection,
    select: str,
    *,
    table: Table,
    file: str,
    names: Names,
    records: int,
    constants: Mapping[str, str],
    target: Path,
) -> Loaded:
    """Write the rows of a SELECT of text columns as a `RawFile`.

    Args:
        database: to ask.
        select: of columns under their canonical names; its order is the records'.
        table: of the CDM.
        file: what the rows are in, for ``_file`` and messages.
        names: of its columns.
        records: how many rows there are, by another count.
        constants: column -> cell of every row.
        target: the file to write.

    Raises:
        UnreadableFileError: a row cannot be read, or there are more or fewer than were counted.
        SiteError: no room on the disk.
    """
    given = "".join(f", {literal(text)} AS {identifier(name)}" for name, text in constants.items())
    with readable(file):
        reader = database.sql(f"SELECT *{given} FROM ({select})").to_arrow_reader(_BATCH)
    columns = reader.schema.names
    digest = TextDigest([name for name in columns if name in set(table.columns)])
    written = RawFile(target, table, columns, file)
    faulty = np.concatenate(
        [np.zeros((0, 3), np.int64)]
        + [_write_batch(batch, written, digest) for batch in _batches(reader, file)]
    )
    written.close()
    if written.rows != records:
        raise UnreadableFileError(
            f"{records} rows are counted, and {written.rows} are read",
            where=file,
            hint="did something write to it meanwhile? stage it again",
        )
    return Loaded(
        table=table.name,
        file=file,
        sha256=digest.hexdigest(),
        size=digest.size,
        records=records,
        faulty=faulty,
        lines=None,
        written=names.written,
        unrecognised=names.unrecognised,
    )


def _write_batch(batch: pa.RecordBatch, written: RawFile, digest: TextDigest) -> Int64s:
    """Write rows of text; return number, no line and faults of those that cannot be taken."""
    faults = _faults(batch)
    texts = _without_faulty(batch, faults)
    digest.add(texts)
    places = np.flatnonzero(faults)
    found = np.stack((places + written.rows + 1, np.zeros_like(places), faults[places]), axis=1)
    names = texts.schema.names
    cells = {name: cells_of_text(texts.column(place)) for place, name in enumerate(names)}
    written.add(cells, len(texts))
    return found


@contextmanager
def readable(file: str) -> Iterator[None]:
    """Say of what DuckDB or Arrow cannot read which table it is, without their words.

    Raises:
        UnreadableFileError: it cannot be read.
    """
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:
        if "Out of Memory" in str(error):  # long texts are too much for a sort, not for a scan
            raise UnreadableFileError(
                "its rows are too large to be put in order within DuckDB's memory",
                where=file,
                hint="export the tables as Parquet, which is read as it stands: of a DuckDB file,"
                " export database 'omop' (format parquet)",
            ) from None
        # Their words may quote a cell.
        raise UnreadableFileError(
            f"DuckDB cannot read it ({type(error).__name__})",
            where=file,
            hint="can DuckDB itself select all of its rows? export it again, or as CSV",
        ) from None


def _batches(reader: pa.RecordBatchReader, file: str) -> Iterator[pa.RecordBatch]:
    while True:
        with readable(file):
            batch = next(reader, None)
        if batch is None:
            return
        yield batch


def _faults(batch: pa.RecordBatch) -> Int64s:
    """Return by row what keeps it from being taken, as the bits of `csv_kernel`."""
    faults = np.zeros(len(batch), np.int64)
    lengths = np.zeros(len(batch), np.int64)
    for cells in batch.columns:
        lengths += cell_lengths(cells, null=0)
        if not np.frombuffer(bytes_of(cells), np.uint8).all():  # a search in each cell takes longer
            nul = pc.match_substring(cells, "\0").fill_null(False)
            faults |= np.where(np.asarray(nul), ENCODING, 0)
    return faults | np.where(lengths > LONGEST_RECORD, TOO_LONG, 0)


def _without_faulty(batch: pa.RecordBatch, faults: Int64s) -> pa.RecordBatch:
    """Return rows with NULLs for those that cannot be taken."""
    if not faults.any():
        return batch
    taken = pa.array(faults == 0)
    empty = pa.scalar(None, pa.string())
    columns = [pc.if_else(taken, cells, empty) for cells in batch.columns]
    return pa.record_batch(columns, names=batch.schema.names)


def union(selects: Sequence[str]) -> str:
    """Return one SELECT of the rows of several, in their order."""
    return " UNION ALL ".join(selects)


def select_text(source: str, texts: Mapping[str, str]) -> str:
    """Return a SELECT of text columns, in the order of ``texts``."""
    columns = ", ".join(f"{text} AS {identifier(name)}" for name, text in texts.items())
    return f"SELECT {columns} FROM {source}"
