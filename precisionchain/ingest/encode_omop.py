"""From accepted OMOP rows to drafts: both clinical views, their mappings, the vocabulary slice.

Rows stream through DuckDB's sorter in bounded memory; an item is a run of sorted rows of one
family. A batch that follows another holds the rows, and only those, that ``changes.py`` found to
be new.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from typing import TYPE_CHECKING

import numpy as np
import pyarrow as pa

from precisionchain.ingest.accepted_rows import AcceptedRows
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.row_drafts import ITEM_ROWS, by_concept, by_person, row_drafts
from precisionchain.ingest.row_runs import row_runs
from precisionchain.ingest.vocabulary import make_slice, place_concepts, slice_drafts
from precisionchain.schemas.ahead import ahead
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

_CONCEPT_MAP: Mapping[str, pa.DataType] = {
    "table": pa.string(),
    "concept_id": pa.int64(),
    "family": pa.string(),
    "n": pa.int64(),
}


@dataclass(frozen=True, slots=True)
class _Piece:
    """Rows of one family that are to be an item, or a few, and how their keys are found."""

    family: str
    table: Table
    rows: pa.Table
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

    def drafts(self) -> Iterator[Draft]:
        """Yield every draft of the batch, in publishing order."""
        changes = self._changes
        yield from self._slice() if changes is None else changes.slice_drafts()
        for drafts in ahead(self._row_drafts, self._pieces()):
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
        order = [f"coalesce({concept}, 0)", table.start_date_column, "person_id", table.primary_key]
        rows = self._reader(
            table,
            source,
            join=f"join placement on placement.concept_id = coalesce({concept}, 0)",
            run="placement.ancestor",
            order=order,
            found_by=("person_id", concept),
        )

        keys_of = by_concept(table)
        for ancestor, chunk in row_runs(rows, "_run", ITEM_ROWS):
            yield _Piece(domain_family(prefix, ancestor), table, chunk, keys_of)
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
        rows = self._reader(
            table,
            source,
            join="join person_place using (person_id)",
            run="person_place.bucket",
            order=["person_id", table.start_date_column, table.primary_key],
            found_by=("person_id",),
        )

        keys_of = by_person(table)
        for bucket, chunk in row_runs(rows, "_run", ITEM_ROWS):
            yield _Piece(person_family(bucket), table, chunk, keys_of)

    def _site_table(self, table: Table, source: str) -> Iterator[_Piece]:
        columns = self._rows.published_columns(table)
        if not columns:
            return
        rows = self._database.sql(f"select {', '.join(columns)} from {source}")
        keys = [table_key(table.name)]
        for batch in rows.to_arrow_reader(ITEM_ROWS):
            chunk = pa.Table.from_batches([batch])
            yield _Piece(SITE_TABLES, table, chunk, lambda _rows: keys)

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
        keys_of = piece.keys_of
        return list(
            row_drafts(piece.family, piece.table, piece.rows, keys_of=keys_of, max_bytes=half)
        )

    def _reader(
        self,
        table: Table,
        source: str,
        *,
        join: str,
        run: str,
        order: list[str | None],
        found_by: tuple[str, ...],
    ) -> pa.RecordBatchReader:
        """Return the table's published rows with their run in ``_run``, sorted by it.

        Rows have the columns they are found by, also where the file, or a child's row, has none.
        """
        published = self._rows.published_columns(table)
        columns = [f"t.{name}" for name in found_by if name not in published]
        columns += [f"t.{name}" for name in published]
        by = [f"t.{name}" if "(" not in name else name for name in order if name]
        known = {*self._rows.columns(table.name), "person_id"}
        by = [name for name in by if "(" in name or name[2:] in known]
        sql = (
            f"select {', '.join(columns)}, cast({run} as bigint) as _run"
            f" from {source} as t {join} order by _run, {', '.join(by)}"
        )
        reader: pa.RecordBatchReader = self._database.sql(sql).to_arrow_reader(ITEM_ROWS)
        return reader

    def _encoded(self, table: Table) -> str:
        """Return the relation of the rows that are encoded."""
        fresh = None if self._changes is None else self._changes.fresh.get(table.name)
        return fresh or self._rows.export(table) or f"(from accepted_{table.name} limit 0)"

    def _place_persons(self, persons: pa.Table) -> None:
        ids = persons["person_id"].to_numpy().astype(np.int64)
        buckets = person_buckets(ids, self._parameters.person_buckets)
        placed = pa.table({"person_id": ids, "bucket": buckets})
        self._database.register("person_place", placed)
