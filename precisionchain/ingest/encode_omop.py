"""From accepted OMOP rows to drafts: both clinical views, their mappings, the vocabulary slice.

Rows stream through DuckDB's sorter in bounded memory; an item is a run of sorted rows of one
family. A batch that follows another holds the rows, and only those, that ``changes.py`` found to
be new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from functools import partial
from typing import TYPE_CHECKING, Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute
import pyarrow.parquet as pq

from precisionchain.ingest.accepted_rows import AcceptedRows
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.narrow_rows import MAX_BYTES, MAX_ROWS, NarrowRows, narrow_rows
from precisionchain.ingest.row_drafts import ITEM_ROWS, by_concept, by_person, row_drafts
from precisionchain.ingest.row_runs import row_runs
from precisionchain.ingest.vocabulary import make_slice, place_concepts, slice_drafts
from precisionchain.row_order import Ints, Runs, row_order
from precisionchain.schemas.ahead import ahead
from precisionchain.schemas.arrow_values import one_chunk, values_of
from precisionchain.schemas.omop import Table
from precisionchain.schemas.payloads import table_payload
from precisionchain.schemas.placement import person_buckets
from precisionchain.schemas.streams import (
    MAP_CONCEPT,
    MAP_PERSON,
    SITE_TABLES,
    domain_family,
    person_family,
    table_key,
)

if TYPE_CHECKING:
    from precisionchain.ingest.changes import Changes

# The stubs describe compute functions by one overload a type; our columns are of any type.
pc: Any = pyarrow.compute

_WAITING: Final = 4
"""Pieces that are encoded and wait, with their rows, to be taken."""
_LARGE_ROWS: Final = 2**21
"""Rows of a table that is read alone: nothing is kept of other tables meanwhile."""
_CONCEPT_MAP: Mapping[str, pa.DataType] = {
    "table": pa.string(),
    "concept_id": pa.int64(),
    "family": pa.string(),
    "n": pa.int64(),
}


@dataclass(frozen=True, slots=True)
class _View:
    """How rows of a table are spread over the families of a view, and found there.

    Args:
        family: of a run.
        column: by whose values rows are spread; null counts as 0.
        placed: relation of the values: value, run.
        keys_of: the keys of an item by its rows.
        is_last: whether the rows are in no view after it, so that nothing of them need be kept.
    """

    family: Callable[[int], str]
    column: str
    placed: str
    keys_of: Callable[[pa.Table], list[str]]
    is_last: bool = False


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of one family that are to be an item, or a few, and how their keys are found."""

    family: str
    table: Table
    rows: Callable[[], pa.Table]
    keys_of: Callable[[pa.Table], list[str]]


class OmopEncoder:
    """Encodes the rows of one run, once.

    Args:
        rows: those that may leave.
        changes: against the state that the batch follows; None where it is the first.
    """

    def __init__(self, rows: AcceptedRows, changes: Changes | None = None) -> None:
        self._rows, self._changes = rows, changes
        self._database, self._parameters = rows.database, rows.parameters
        self._maps: list[pa.Table] = []
        self._kept: dict[str, NarrowRows] = {}
        self._orders: dict[str, Ints] = {}

    def drafts(self) -> Iterator[Draft]:
        """Yield every draft of the batch, in publishing order."""
        changes = self._changes
        yield from self._slice() if changes is None else changes.slice_drafts()
        for drafts in ahead(self._row_drafts, self._pieces(), most=_WAITING):
            yield from drafts
        if changes is None:
            yield from self._mappings()
        else:
            yield from changes.correcting_drafts(self._concept_map())

    def _pieces(self) -> Iterator[_Piece]:
        """Yield the rows of both views and of the site's tables, in publishing order."""
        clinical = self._rows.clinical
        person_tables = [table for table in clinical if self._rows.has_persons(table)]
        for table in person_tables:
            if table.domain_prefix and self._may_be_placed(table):
                yield from self._domain_view(table)
        rows = {table.name: self._encoded(table) for table in clinical}
        self._place_persons(self._rows.persons_of(rows[table.name] for table in person_tables))
        for table in person_tables:
            yield from self._person_view(table, rows[table.name])
        for table in clinical:
            if table.scope == "site":
                yield from self._site_table(table, rows[table.name])

    def _domain_view(self, table: Table) -> Iterator[_Piece]:
        prefix, concept = str(table.domain_prefix), str(table.concept_column)
        source = self._encoded(table)
        place_concepts(
            self._database,
            table,
            self._parameters.ancestors.get(prefix, ()),
            rows=source,
            known="concept_ancestor" in self._rows.tables,
            placed=None if self._changes is None else self._changes.placed,
        )
        view = _View(
            partial(domain_family, prefix),
            concept,
            "(select concept_id as value, ancestor as run from placement)",
            by_concept(table),
        )
        yield from self._view(table, source, view)
        self._maps.append(
            self._database.sql(
                f"select '{table.name}' as \"table\", concept_id,"
                f" '{prefix}_' || ancestor as family, n from placement order by concept_id"
            ).to_arrow_table()
        )

    def _may_be_placed(self, table: Table) -> bool:
        """Whether rows may be found by their main concept: not where it must stay at the site."""
        stays = self._rows.refused_columns().get(table.name, ())
        return table.concept_column is not None and table.concept_column not in stays

    def _person_view(self, table: Table, source: str) -> Iterator[_Piece]:
        placed = "(select person_id as value, bucket as run from person_place)"
        view = _View(person_family, "person_id", placed, by_person(table), is_last=True)
        return self._view(table, source, view)

    def _site_table(self, table: Table, source: str) -> Iterator[_Piece]:
        columns = self._rows.published_columns(table)
        if not columns:
            return
        rows = self._database.sql(f"select {', '.join(columns)} from {source}")
        keys = [table_key(table.name)]
        for batch in rows.to_arrow_reader(ITEM_ROWS):
            chunk = pa.Table.from_batches([batch])
            yield _Piece(SITE_TABLES, table, partial(_same, chunk), lambda _rows: keys)

    def _slice(self) -> Iterator[Draft]:
        for name in make_slice(self._database, self._rows.tables, self._rows.used_concepts()):
            yield from slice_drafts(self._database, name)

    def _concept_map(self) -> pa.Table:
        """Return table, concept_id, family, n of the rows that were encoded by concept."""
        return pa.concat_tables([pa.schema(_CONCEPT_MAP).empty_table(), *self._maps])

    def _mappings(self) -> Iterator[Draft]:
        if self._maps:
            yield Draft(MAP_CONCEPT, (), table_payload("map-concept", self._concept_map()))
        placed = self._database.sql(
            "select person_id, 'CLIN_PERSON_' || bucket as family from person_place order by 1"
        ).to_arrow_table()
        if placed.num_rows:
            yield Draft(MAP_PERSON, (), table_payload("map-person", placed))

    # ------------------------------------------------------------------------------- the rows

    def _row_drafts(self, piece: _Piece) -> list[Draft]:
        half = self._parameters.max_item_bytes // 2
        keys_of, rows = piece.keys_of, piece.rows()
        return list(row_drafts(piece.family, piece.table, rows, keys_of=keys_of, max_bytes=half))

    def _view(self, table: Table, source: str, view: _View) -> Iterator[_Piece]:
        """Yield the table's published rows, sorted, by their families in a view.

        Rows have the columns they are found by, also where the file, or a child's row, has none.
        """
        published = self._rows.published_columns(table)
        found_by = dict.fromkeys(("person_id", view.column))
        columns = [*(name for name in found_by if name not in published), *published]
        known = {*self._rows.columns(table.name), "person_id"}
        then = [table.start_date_column, "person_id", table.primary_key]
        order = [name for name in dict.fromkeys(then) if name in known]
        rows = self._in_memory(table, source, [*dict.fromkeys([*columns, *order])], view)
        if rows is None:
            sorted_rows = self._reader(source, columns, order, view)
            for run, chunk in row_runs(sorted_rows, "_run", ITEM_ROWS):
                yield _Piece(view.family(run), table, partial(_same, chunk), view.keys_of)
            return
        found = self._database.sql(
            f"select value, run::bigint as run from {view.placed} order by run, value"
        ).to_arrow_table()
        runs = Runs(one_chunk(found["value"]), values_of(one_chunk(found["run"])))
        ranks, n_rows = _ranks(runs, rows.parts(view.column))
        ordered = row_order([ranks], self._order(table, rows, order, view))
        del ranks
        for run, start, end in runs.pieces(n_rows, ITEM_ROWS):
            chosen = partial(rows.take, columns, ordered[start:end])
            yield _Piece(view.family(run), table, chosen, view.keys_of)

    def _in_memory(
        self, table: Table, source: str, columns: list[str], view: _View
    ) -> NarrowRows | None:
        """Return columns of a relation's rows; None where they are too large."""
        rows = self._kept.pop(table.name, None)
        if rows is None or not set(columns) <= set(rows.names):
            rows = self._read(table, source, columns)
        there = sum(one.n_bytes for one in self._kept.values())
        if rows is not None and not view.is_last and there + rows.n_bytes <= MAX_BYTES:
            self._kept[table.name] = rows
        return rows

    def _order(self, table: Table, rows: NarrowRows, by: list[str], view: _View) -> Ints:
        """Return the order of a table's rows by some columns."""
        order = self._orders.pop(table.name, None)
        if order is None:
            order = row_order([rows.key(name) for name in by])
        if not view.is_last:
            self._orders[table.name] = order
        return order

    def _read(self, table: Table, source: str, columns: list[str]) -> NarrowRows | None:
        file = self._rows.file_of(table, source)
        if file is not None:
            with pq.ParquetFile(file) as opened:
                self._make_room(table, opened.metadata.num_rows)
                if opened.metadata.num_rows > MAX_ROWS:
                    return None
                if set(columns) <= set(opened.schema_arrow.names):
                    return narrow_rows((name, opened.read([name])[name]) for name in columns)
        rows = self._database.sql(f"select {', '.join(columns)} from {source}")
        ((length,),) = rows.count("*").fetchall()
        self._make_room(table, length)
        if length > MAX_ROWS // 4:  # all of its columns are there before any of them is narrow
            return None
        found = rows.to_arrow_table()
        return narrow_rows((name, found[name]) for name in columns)

    def _make_room(self, table: Table, length: int) -> None:
        """Let go of what is kept of other tables before a large one is read."""
        if length > _LARGE_ROWS:
            self._kept.clear()
            self._orders = {
                name: order for name, order in self._orders.items() if name == table.name
            }

    def _reader(
        self, source: str, columns: list[str], order: list[str], view: _View
    ) -> pa.RecordBatchReader:
        """Return rows with their run in ``_run``, sorted by it in bounded memory."""
        by = ["_run", f"coalesce(t.{view.column}, 0)", *(f"t.{name}" for name in order)]
        reader: pa.RecordBatchReader = self._database.sql(
            f"select {', '.join(f't.{name}' for name in columns)}, cast(p.run as bigint) as _run"
            f" from {source} as t join {view.placed} p on p.value = coalesce(t.{view.column}, 0)"
            f" order by {', '.join(by)}"
        ).to_arrow_reader(ITEM_ROWS)
        return reader

    def _encoded(self, table: Table) -> str:
        """Return the relation of the rows that are encoded."""
        fresh = None if self._changes is None else self._changes.fresh.get(table.name)
        return fresh or self._rows.export(table) or f"(from accepted_{table.name} limit 0)"

    def _place_persons(self, persons: pa.Table) -> None:
        ids = values_of(one_chunk(persons["person_id"])).astype(np.int64)
        buckets = person_buckets(ids, self._parameters.person_buckets)
        placed = pa.table({"person_id": ids, "bucket": buckets})
        self._database.register("person_place", placed)


def _ranks(runs: Runs, parts: Iterable[Any]) -> tuple[Any, Ints]:
    """Return ranks as of `Runs.ranks` of a column in parts, whose nulls count as 0."""
    found = [runs.ranks(pc.fill_null(part, 0)) for part in parts]
    return pa.concat_arrays([ranks for ranks, _ in found]), np.sum([n for _, n in found], axis=0)


def _same(rows: pa.Table) -> pa.Table:
    return rows
