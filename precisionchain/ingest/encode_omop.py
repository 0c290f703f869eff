"""From accepted OMOP rows to drafts: both clinical views, their mappings, the vocabulary slice.

Only the columns on the network's allow-list are read here; nothing else can leave. Rows stream
through DuckDB's sorter in bounded memory; an item is a run of sorted rows of one family. A batch
that follows another holds the rows, and only those, that ``changes.py`` found to be new.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from pathlib import Path
from typing import TYPE_CHECKING, Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.row_runs import row_runs
from precisionchain.ingest.vocabulary import (
    make_slice,
    place_concepts,
    slice_drafts,
    vocabulary_release,
)
from precisionchain.schemas.omop import TABLES, Table
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.payloads import distinct_integers, table_payload
from precisionchain.schemas.placement import person_buckets
from precisionchain.schemas.streams import (
    MAP_CONCEPT,
    MAP_PERSON,
    SITE_TABLES,
    concept_key,
    domain_family,
    person_family,
    person_key,
    table_key,
    year_key,
)

if TYPE_CHECKING:
    from precisionchain.ingest.changes import Changes

ITEM_ROWS = 32_768
"""Rows an item holds at most: about 100 to 500 kB compressed."""
ITEM_KEYS = 2_048
"""Keys an item carries at most: each costs the ledger an index entry."""


_CONCEPT_MAP: Mapping[str, pa.DataType] = {
    "table": pa.string(),
    "concept_id": pa.int64(),
    "family": pa.string(),
    "n": pa.int64(),
}


class OmopEncoder:
    """Encodes one validated OMOP run.

    Args:
        run: the run's folder, with ``accepted/``.
        parameters: the network's.
        withheld: withdrawn persons, whose rows are left out.

    Attributes:
        database: with a view ``accepted_<table>`` of all columns of each table of the run.
        tables: those of the run.
    """

    def __init__(
        self, run: Path, parameters: NetworkParameters, *, withheld: Collection[int] = ()
    ) -> None:
        self._accepted = run / "accepted"
        self._parameters = parameters
        self.database = duckdb.connect()
        self.database.execute("set preserve_insertion_order = false")
        self.tables = {
            path.stem: TABLES[path.stem]
            for path in sorted(self._accepted.glob("*.parquet"))
            if path.stem in TABLES
        }
        self._present = {name: self._view_accepted(table) for name, table in self.tables.items()}
        self._withholds = bool(withheld)
        ids = pa.table({"person_id": pa.array(sorted(withheld), pa.int64())})
        self.database.register("withheld_person", ids)
        self._parents: dict[str, str] = {}
        self._exports: dict[str, str | None] = {}
        self._maps: list[pa.Table] = []

    @property
    def clinical(self) -> list[Table]:
        """The tables of the run that are no vocabulary, by name."""
        return [table for table in self.tables.values() if table.scope != "vocabulary"]

    def drafts(self, changes: Changes | None = None) -> Iterator[Draft]:
        """Yield every draft of the batch, in publishing order.

        Args:
            changes: against the state that the batch follows; None where it is the first.
        """
        person_tables = [table for table in self.clinical if self._has_persons(table)]
        yield from self._slice() if changes is None else changes.slice_drafts()
        for table in person_tables:
            if table.domain_prefix and self._may_be_placed(table):
                yield from self._domain_view(table, changes)
        rows = {table.name: self._rows(table, changes) for table in self.clinical}
        self._place_persons(self._persons_of(rows[table.name] for table in person_tables))
        for table in person_tables:
            yield from self._person_view(table, rows[table.name])
        for table in self.clinical:
            if table.scope == "site":
                yield from self._site_table(table, rows[table.name])
        if changes is None:
            yield from self._mappings()
        else:
            yield from changes.correcting_drafts(self._concept_map())

    # ------------------------------------------------------------------------- what is encoded

    def export(self, table: Table) -> str | None:
        """Return the view of a table's rows that may leave, each with the person it follows.

        None for rows that follow a table which is not there.
        """
        if table.name not in self._exports:
            self._exports[table.name] = self._made_export(table)
        return self._exports[table.name]

    def know_parents(self, parent: str, rows: str) -> None:
        """Let rows follow also those of a relation, with the parent's key and person_id."""
        self._parents[parent] = rows

    def translate(self, table: Table, columns: Mapping[str, str]) -> None:
        """Replace keys in a table's rows: column -> relation of export_key, ledger_key."""
        before = self.export(table)
        view = f"{before}_translated"
        values = [
            f"coalesce(k{i}.ledger_key, t.{name}) as {name}" for i, name in enumerate(columns)
        ]
        joins = [
            f"left join {keys} k{i} on k{i}.export_key = t.{name}"
            for i, (name, keys) in enumerate(columns.items())
        ]
        self.database.execute(
            f"create or replace view {view} as select t.* exclude ({', '.join(columns)}),"
            f" {', '.join(values)} from {before} t {' '.join(joins)}"
        )
        self._exports[table.name] = view

    def holds_rows(self) -> bool:
        """Whether any row of the run leaves the site; of vocabulary, only what such rows name."""
        rows = [self.export(table) for table in self.clinical if self.published_columns(table)]
        return any(
            self.database.execute(f"select 1 from {export} limit 1").fetchall()
            for export in rows
            if export
        )

    def withheld(self) -> dict[str, int]:
        """Return how many rows of withdrawn persons are left out, by table."""
        found = {}
        for table in self.clinical if self._withholds else ():
            if source := self._person_source(table):
                (row,) = self.database.execute(
                    f"select count(*) from {source} semi join withheld_person using (person_id)"
                ).fetchall()
                found[table.name] = int(row[0])
        return found

    def withheld_persons(self) -> int:
        """Return how many withdrawn persons the run has rows of."""
        if not self._withholds:
            return 0
        sources = [source for table in self.clinical if (source := self._person_source(table))]
        union = " union ".join(f"select person_id from {source}" for source in sources)
        (row,) = self.database.execute(
            f"select count(*) from ({union or 'from withheld_person limit 0'})"
            " semi join withheld_person using (person_id)"
        ).fetchall()
        return int(row[0])

    def published_columns(self, table: Table) -> list[str]:
        """Return a table's columns that leave the site: present, and on the allow-list."""
        allowed = self._parameters.published.get(table.name, ())
        return [name for name in self._columns(table.name) if name in set(allowed)]

    def refused_columns(self) -> dict[str, tuple[str, ...]]:
        """Return, by table, the columns present that stay at the site."""
        refused = {}
        for table in self.tables.values():
            if table.scope == "vocabulary":
                continue
            leaving = set(self.published_columns(table))
            staying = tuple(name for name in self._columns(table.name) if name not in leaving)
            if staying:
                refused[table.name] = staying
        return refused

    def unpublished_tables(self) -> tuple[str, ...]:
        """Return the tables of which no row leaves the site, by name; vocabulary is apart."""
        return tuple(
            name
            for name, table in self.tables.items()
            if table.scope != "vocabulary" and not self.published_columns(table)
        )

    def persons(self) -> list[int]:
        """Return the distinct persons of the batch, ascending."""
        rows = [self.export(table) for table in self.clinical if self._has_persons(table)]
        return distinct_integers(self._persons_of(rows)["person_id"])

    def vocabulary_release(self) -> str | None:
        """Return the vocabulary release the run states for itself, None where it states none."""
        return vocabulary_release(self.database, self.tables)

    # ------------------------------------------------------------------------------ the views

    def _domain_view(self, table: Table, changes: Changes | None) -> Iterator[Draft]:
        prefix, concept = str(table.domain_prefix), str(table.concept_column)
        source = self._rows(table, changes)
        place_concepts(
            self.database,
            table,
            self._parameters.ancestors.get(prefix, ()),
            rows=source,
            known="concept_ancestor" in self.tables,
            placed=None if changes is None else changes.placed,
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

        def keys_of(chunk: pa.Table) -> list[str]:
            concepts: Any = pc.fill_null(chunk[concept], 0)  # type: ignore[type-var]
            keys = [concept_key(value) for value in distinct_integers(concepts)]
            return keys + [year_key(year) for year in _years(chunk, table.start_date_column)]

        for ancestor, chunk in row_runs(rows, "_run", ITEM_ROWS):
            yield from self._row_drafts(domain_family(prefix, ancestor), keys_of, table, chunk)
        self._maps.append(
            self.database.sql(
                f"select '{table.name}' as \"table\", concept_id,"
                f" '{prefix}_' || ancestor as family, n from placement order by concept_id"
            ).to_arrow_table()
        )

    def _may_be_placed(self, table: Table) -> bool:
        """Whether rows may be found by their main concept: not where it must stay at the site."""
        stays = self.refused_columns().get(table.name, ())
        return table.concept_column is not None and table.concept_column not in stays

    def _person_view(self, table: Table, source: str) -> Iterator[Draft]:
        rows = self._reader(
            table,
            source,
            join="join person_place using (person_id)",
            run="person_place.bucket",
            order=["person_id", table.start_date_column, table.primary_key],
            found_by=("person_id",),
        )

        def keys_of(chunk: pa.Table) -> list[str]:
            keys = [person_key(person) for person in distinct_integers(chunk["person_id"])]
            return [*keys, table_key(table.name)]

        for bucket, chunk in row_runs(rows, "_run", ITEM_ROWS):
            yield from self._row_drafts(person_family(bucket), keys_of, table, chunk)

    def _site_table(self, table: Table, source: str) -> Iterator[Draft]:
        columns = self.published_columns(table)
        if not columns:
            return
        rows = self.database.sql(f"select {', '.join(columns)} from {source}")
        keys = [table_key(table.name)]
        for batch in rows.to_arrow_reader(ITEM_ROWS):
            chunk = pa.Table.from_batches([batch])
            yield from self._row_drafts(SITE_TABLES, lambda _rows: keys, table, chunk)

    def _slice(self) -> Iterator[Draft]:
        for name in make_slice(self.database, self.tables, self.used_concepts()):
            yield from slice_drafts(self.database, name)

    def _concept_map(self) -> pa.Table:
        """Return table, concept_id, family, n of the rows that were encoded by concept."""
        return pa.concat_tables([pa.schema(_CONCEPT_MAP).empty_table(), *self._maps])

    def _mappings(self) -> Iterator[Draft]:
        if self._maps:
            yield Draft(MAP_CONCEPT, (), table_payload("map-concept", self._concept_map()))
        placed = self.database.sql(
            "select person_id, 'CLIN_PERSON_' || bucket as family from person_place order by 1"
        ).to_arrow_table()
        if placed.num_rows:
            yield Draft(MAP_PERSON, (), table_payload("map-person", placed))

    # ------------------------------------------------------------------------------- the rows

    def _row_drafts(
        self, family: str, keys_of: Callable[[pa.Table], list[str]], table: Table, rows: pa.Table
    ) -> Iterator[Draft]:
        """Yield rows as one draft, or as halves where it would be too large or have many keys."""
        keys = keys_of(rows)
        payload = table_payload("clinical", rows, table=table.name)
        large = len(payload.body) > self._parameters.max_item_bytes // 2 or len(keys) > ITEM_KEYS
        if large and rows.num_rows > 1:
            half = rows.num_rows // 2
            yield from self._row_drafts(family, keys_of, table, rows.slice(0, half))
            yield from self._row_drafts(family, keys_of, table, rows.slice(half))
        else:
            yield Draft(family, tuple(keys), payload)

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
        published = self.published_columns(table)
        columns = [f"t.{name}" for name in found_by if name not in published]
        columns += [f"t.{name}" for name in published]
        by = [f"t.{name}" if "(" not in name else name for name in order if name]
        known = {*self._columns(table.name), "person_id"}
        by = [name for name in by if "(" in name or name[2:] in known]
        sql = (
            f"select {', '.join(columns)}, cast({run} as bigint) as _run"
            f" from {source} as t {join} order by _run, {', '.join(by)}"
        )
        reader: pa.RecordBatchReader = self.database.sql(sql).to_arrow_reader(ITEM_ROWS)
        return reader

    def _rows(self, table: Table, changes: Changes | None) -> str:
        """Return the relation of the rows that are encoded."""
        fresh = None if changes is None else changes.fresh.get(table.name)
        return fresh or self.export(table) or f"(from accepted_{table.name} limit 0)"

    def _has_persons(self, table: Table) -> bool:
        return table.scope == "person" and self.export(table) is not None

    def _made_export(self, table: Table) -> str | None:
        source = self._person_source(table)
        if source is None and table.scope == "person":
            return None
        if source is None or not self._withholds:
            rows = source or f"accepted_{table.name}"
        else:
            rows = f"(from {source} anti join withheld_person using (person_id))"
        self.database.execute(f"create view export_{table.name} as select * from {rows}")
        return f"export_{table.name}"

    def _person_source(self, table: Table) -> str | None:
        """Return a relation with a person_id for each row, None for tables without persons."""
        if table.scope != "person":
            return None
        if "person_id" in self._columns(table.name):
            return f"accepted_{table.name}"
        parent = TABLES.get(table.parent) if table.parent else None
        if parent is None or parent.primary_key is None:
            return None
        key = parent.primary_key
        relations = [self._parents[parent.name]] if parent.name in self._parents else []
        if parent.name in self.tables:
            relations.insert(0, f"accepted_{parent.name}")
        if not relations:
            return None
        parents = f"select {key}, person_id from {relations[0]}"
        if len(relations) == 2:
            older = f"select {key}, person_id from {relations[1]} anti join {relations[0]}"
            parents = f"{parents} union all {older} using ({key})"
        return (
            f"(select p.person_id, c.* from accepted_{table.name} c"
            f" join ({parents}) p using ({key}))"
        )

    def _view_accepted(self, table: Table) -> list[str]:
        """Make the view ``accepted_<table>`` of all the table's columns, null where the file has
        none, as a death needs no cause; return the columns that the file has.
        """
        rows = self.database.from_parquet(str(self._accepted / f"{table.name}.parquet"))
        absent = [
            f"cast(null as {field.lexical.sql_type}) as {field.name}"
            for field in table.fields
            if field.name not in rows.columns
        ]
        rows.project(", ".join(["*", *absent])).create_view(f"accepted_{table.name}")
        return [name for name in rows.columns if not name.startswith("_")]

    def _columns(self, table: str) -> list[str]:
        return self._present[table]

    def used_concepts(self) -> str:
        """Return SQL for the distinct concepts in any published concept column."""
        parts = [
            f"select {name} as concept_id from {self.export(table)} where {name} <> 0"
            for table in self.clinical
            if self.export(table)
            for name in self.published_columns(table)
            if name.endswith("concept_id")
        ]
        return " union ".join(parts) or "select cast(null as bigint) as concept_id where false"

    def _persons_of(self, rows: Iterable[str | None]) -> pa.Table:
        parts = [f"select person_id from {relation}" for relation in rows if relation]
        union = " union ".join(parts) or "select cast(null as bigint) as person_id where false"
        persons: pa.Table = self.database.sql(
            f"select * from ({union}) order by 1"
        ).to_arrow_table()
        return persons

    def _place_persons(self, persons: pa.Table) -> None:
        ids = persons["person_id"].to_numpy().astype(np.int64)
        buckets = person_buckets(ids, self._parameters.person_buckets)
        placed = pa.table({"person_id": ids, "bucket": buckets})
        self.database.register("person_place", placed)


def _years(rows: pa.Table, column: str | None) -> list[int]:
    if column is None or column not in rows.column_names:
        return []
    years: Any = pc.year(rows[column])
    return distinct_integers(years)
