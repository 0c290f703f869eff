"""One file of the clinical rows of a name that count, sorted, made of those of several batches.

Each batch's own file is sorted already, by the same keys, so that most are merged. Rows that are
not in that order (of tables of a site, of a slice, of a batch whose dates stay at its site) are
sorted by DuckDB.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from pathlib import Path
from typing import Final

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.replica.catalogue import ORIGIN, PLACE, SealedBatch
from precisionchain.replica.counting_rows import counting_rows
from precisionchain.replica.merged_rows import NotSortedError, SortedRows, SortKey, merged_rows
from precisionchain.replica.unpack_clinical import rows_writer
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.streams import VOCABULARY

FORMAT: Final = "folded rows 4"
NAMING_TABLES: Final = ("concept", "vocabulary")
"""Tables of the vocabulary slice whose rows of several batches may contradict each other."""
_GROUP: Final = 32_768
"""Rows of a row group."""


@dataclass(frozen=True, slots=True)
class CountingFile:
    """A file of one batch under a name, and what of it does not count.

    ``gone`` holds its superseded places, ``listed_by`` says in which batches these are listed,
    ``persons`` are those withdrawn persons whose rows it has.
    """

    batch: SealedBatch
    path: Path
    gone: Path | None
    listed_by: tuple[str, ...]
    persons: tuple[int, ...]

    @property
    def whole(self) -> bool:
        """Whether every row of it counts."""
        return not self.listed_by and not self.persons

    @property
    def origin(self) -> str:
        """What tells it from every other file."""
        return "\n".join([self.batch.batch, *self.listed_by, *map(str, self.persons)])

    def rows(self, schema: pa.Schema) -> Iterator[pa.Table]:
        """Yield those that count, with the columns of a schema."""
        batch, gone, persons = self.batch.batch, self.gone, self.persons
        return counting_rows(self.path, schema, batch=batch, gone=gone, persons=persons)


def fold_rows(
    database: duckdb.DuckDBPyConnection, name: str, files: Sequence[CountingFile], target: Path
) -> None:
    """Write the rows of a name that count into one file.

    Args:
        database: that sorts within bounds.
        name: family and table.
        files: of that name.
        target: the file, which is there once all of it is.
    """
    family, table = name.split("/")
    schemas = [pq.read_schema(one.path) for one in files]
    every = pa.unify_schemas(schemas, promote_options="permissive").remove_metadata()
    # Readers choose between names by who gave them; pairs of all count, whoever gave them.
    anonymous = family == VOCABULARY and table not in NAMING_TABLES
    left_out = {*PLACE, *(ORIGIN if anonymous else ())}
    schema = pa.schema([field for field in every if field.name not in left_out])
    target.parent.mkdir(parents=True, exist_ok=True)
    partial = target.with_suffix(".partial")
    try:
        _write(merged_rows(_sorted_rows(name, files, schema)), schema, partial)
    except NotSortedError:
        _sort(
            database, name, chain.from_iterable(one.rows(schema) for one in files), schema, partial
        )
    partial.replace(target)


def _sorted_rows(name: str, files: Sequence[CountingFile], schema: pa.Schema) -> list[SortedRows]:
    """Return the files' rows by the keys that a batch is sorted by, and site.

    Raises:
        NotSortedError: a batch is not sorted by any.
    """
    columns = _sort_columns(name, schema.names)
    if name.startswith(f"{VOCABULARY}/") or not all(
        one == "site" or schema.field(one).type in (pa.int64(), pa.date32()) for one in columns
    ):
        raise NotSortedError
    unknown = None if name.startswith("CLIN_") else 0  # rows of no concept stand with concept 0
    keys = [SortKey(one, unknown if one == columns[0] else None) for one in columns]
    sites = sorted({one.batch.site for one in files})
    return [
        SortedRows(
            one.rows(schema),
            [sites.index(one.batch.site) if key.name == "site" else key for key in keys],
        )
        for one in files
    ]


def _write(blocks: Iterator[pa.Table], schema: pa.Schema, path: Path) -> None:
    """Write rows, block by block, in row groups of one size."""
    waiting = schema.empty_table()
    with rows_writer(path, schema) as writer:
        for block in blocks:
            waiting = pa.concat_tables([waiting, block]).unify_dictionaries()
            whole = waiting.num_rows - waiting.num_rows % _GROUP
            if whole:
                writer.write_table(waiting[:whole], row_group_size=_GROUP)
                waiting = waiting[whole:]
        writer.write_table(waiting)


def _sort(
    database: duckdb.DuckDBPyConnection,
    name: str,
    blocks: Iterator[pa.Table],
    schema: pa.Schema,
    path: Path,
) -> None:
    """Write rows, given block by block, as DuckDB sorts them; those of a slice once each."""
    batches = chain.from_iterable(block.to_batches() for block in blocks)
    chosen, order = "*", ", ".join(f'"{one}"' for one in _sort_columns(name, schema.names))
    if name.startswith(f"{VOCABULARY}/"):
        chosen, order = "distinct *", "all"
    database.register("counting", pa.RecordBatchReader.from_batches(schema, batches))
    written = str(path).replace("'", "''")
    database.execute(
        f"copy (select {chosen} from counting order by {order})"
        f" to '{written}' (format parquet, compression zstd, row_group_size {_GROUP})"
    )
    database.unregister("counting")


def _sort_columns(name: str, columns: Sequence[str]) -> list[str]:
    """Return what rows of a name are sorted by."""
    family, table = name.split("/")
    described = TABLES.get(table)
    if described is None:
        return [one for one in ("table", "concept_id", "site", "person_id") if one in columns]
    first = "person_id" if family.startswith("CLIN_") else described.concept_column
    wanted = [first, described.start_date_column, "site", "person_id", described.primary_key]
    return [one for one in dict.fromkeys(wanted) if one and one in columns] or list(columns)
