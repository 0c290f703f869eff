"""From accepted OMOP rows to drafts: both clinical views, their mappings, the vocabulary slice.

Only the columns on the network's allow-list are read here; nothing else can leave. Rows stream
through DuckDB's sorter in bounded memory; an item is a run of sorted rows of one family.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.row_runs import row_runs
from precisionchain.ingest.vocabulary import (
    place_concepts,
    vocabulary_release,
    vocabulary_slice,
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

ITEM_ROWS = 32_768
"""Rows an item holds at most: about 100 to 500 kB compressed."""
ITEM_KEYS = 2_048
"""Keys an item carries at most: each costs the ledger an index entry."""


class OmopEncoder:
    """Encodes one validated OMOP run.

    Args:
        run: the run's folder, with ``accepted/``.
        parameters: the network's.
    """

    def __init__(self, run: Path, parameters: NetworkParameters) -> None:
        self._accepted = run / "accepted"
        self._parameters = parameters
        self._database = duckdb.connect()
        self._database.execute("set preserve_insertion_order = false")
        self.tables = {
            path.stem: TABLES[path.stem]
            for path in sorted(self._accepted.glob("*.parquet"))
            if path.stem in TABLES
        }
        self._present = {name: self._view_accepted(table) for name, table in self.tables.items()}
        self._maps: list[pa.Table] = []

    def drafts(self) -> Iterator[Draft]:
        """Yield every draft of the batch, in publishing order."""
        clinical = [table for table in self.tables.values() if table.scope != "vocabulary"]
        person_tables = [table for table in clinical if self._person_source(table)]
        yield from vocabulary_slice(self._database, self.tables, self._used_concepts(clinical))
        for table in person_tables:
            if table.domain_prefix and self._may_be_placed(table):
                yield from self._domain_view(table)
        self._place_persons(person_tables)
        for table in person_tables:
            yield from self._person_view(table)
        for table in clinical:
            if table.scope == "site":
                yield from self._site_table(table)
        yield from self._mappings()

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
        clinical = [t for t in self.tables.values() if self._person_source(t)]
        return distinct_integers(self._persons_of(clinical)["person_id"])

    def vocabulary_release(self) -> str | None:
        """Return the vocabulary release the run states for itself, None where it states none."""
        return vocabulary_release(self._database, self.tables)

    # ------------------------------------------------------------------------------ the views

    def _domain_view(self, table: Table) -> Iterator[Draft]:
        prefix, concept = str(table.domain_prefix), str(table.concept_column)
        place_concepts(
            self._database,
            table,
            self._parameters.ancestors.get(prefix, ()),
            known="concept_ancestor" in self.tables,
        )
        order = [f"coalesce({concept}, 0)", table.start_date_column, "person_id", table.primary_key]
        rows = self._reader(
            table,
            f"join placement on placement.concept_id = coalesce({concept}, 0)",
            "placement.ancestor",
            order,
            ("person_id", concept),
        )

        def keys_of(chunk: pa.Table) -> list[str]:
            concepts: Any = pc.fill_null(chunk[concept], 0)  # type: ignore[type-var]
            keys = [concept_key(value) for value in distinct_integers(concepts)]
            return keys + [year_key(year) for year in _years(chunk, table.start_date_column)]

        for ancestor, chunk in row_runs(rows, "_run", ITEM_ROWS):
            yield from self._row_drafts(domain_family(prefix, ancestor), keys_of, table, chunk)
        self._maps.append(
            self._database.sql(
                f"select '{table.name}' as \"table\", concept_id,"
                f" '{prefix}_' || ancestor as family, n from placement order by concept_id"
            ).to_arrow_table()
        )

    def _may_be_placed(self, table: Table) -> bool:
        """Whether rows may be found by their main concept: not where it must stay at the site."""
        stays = self.refused_columns().get(table.name, ())
        return table.concept_column is not None and table.concept_column not in stays

    def _person_view(self, table: Table) -> Iterator[Draft]:
        rows = self._reader(
            table,
            "join person_place using (person_id)",
            "person_place.bucket",
            ["person_id", table.start_date_column, table.primary_key],
            ("person_id",),
        )

        def keys_of(chunk: pa.Table) -> list[str]:
            keys = [person_key(person) for person in distinct_integers(chunk["person_id"])]
            return [*keys, table_key(table.name)]

        for bucket, chunk in row_runs(rows, "_run", ITEM_ROWS):
            yield from self._row_drafts(person_family(bucket), keys_of, table, chunk)

    def _site_table(self, table: Table) -> Iterator[Draft]:
        columns = self.published_columns(table)
        if not columns:
            return
        rows = self._database.sql(f"select {', '.join(columns)} from accepted_{table.name}")
        keys = [table_key(table.name)]
        for batch in rows.to_arrow_reader(ITEM_ROWS):
            chunk = pa.Table.from_batches([batch])
            yield from self._row_drafts(SITE_TABLES, lambda _rows: keys, table, chunk)

    def _mappings(self) -> Iterator[Draft]:
        if self._maps:
            yield Draft(MAP_CONCEPT, (), table_payload("map-concept", pa.concat_tables(self._maps)))
        persons = self._database.sql(
            "select person_id, 'CLIN_PERSON_' || bucket as family from person_place order by 1"
        ).to_arrow_table()
        if persons.num_rows:
            yield Draft(MAP_PERSON, (), table_payload("map-person", persons))

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
        self, table: Table, join: str, run: str, order: list[str | None], found_by: tuple[str, ...]
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
            f" from {self._person_source(table)} as t {join} order by _run, {', '.join(by)}"
        )
        reader: pa.RecordBatchReader = self._database.sql(sql).to_arrow_reader(ITEM_ROWS)
        return reader

    def _person_source(self, table: Table) -> str | None:
        """Return a relation with a person_id for each row, None for tables without persons."""
        if "person_id" in self._columns(table.name) and table.scope == "person":
            return f"accepted_{table.name}"
        parent = TABLES.get(table.parent) if table.parent else None
        if parent is None or parent.name not in self.tables:
            return None
        key = parent.primary_key
        return (
            f"(select p.person_id, c.* from accepted_{table.name} c"
            f" join accepted_{parent.name} p using ({key}))"
        )

    def _view_accepted(self, table: Table) -> list[str]:
        """Make the view ``accepted_<table>`` of all the table's columns, null where the file has
        none, as a death needs no cause; return the columns that the file has.
        """
        rows = self._database.from_parquet(str(self._accepted / f"{table.name}.parquet"))
        absent = [
            f"cast(null as {field.lexical.sql_type}) as {field.name}"
            for field in table.fields
            if field.name not in rows.columns
        ]
        rows.project(", ".join(["*", *absent])).create_view(f"accepted_{table.name}")
        return [name for name in rows.columns if not name.startswith("_")]

    def _columns(self, table: str) -> list[str]:
        return self._present[table]

    def _used_concepts(self, clinical: list[Table]) -> str:
        """Return SQL for the distinct concepts in any published concept column."""
        parts = [
            f"select {name} as concept_id from accepted_{table.name} where {name} <> 0"
            for table in clinical
            for name in self.published_columns(table)
            if name.endswith("concept_id")
        ]
        return " union ".join(parts) or "select cast(null as bigint) as concept_id where false"

    def _persons_of(self, tables: list[Table]) -> pa.Table:
        parts = [f"select person_id from {self._person_source(table)}" for table in tables]
        union = " union ".join(parts) or "select cast(null as bigint) as person_id where false"
        persons: pa.Table = self._database.sql(
            f"select * from ({union}) order by 1"
        ).to_arrow_table()
        return persons

    def _place_persons(self, tables: list[Table]) -> None:
        persons = self._persons_of(tables)
        ids = persons["person_id"].to_numpy().astype(np.int64)
        buckets = person_buckets(ids, self._parameters.person_buckets)
        placed = pa.table({"person_id": ids, "bucket": buckets})
        self._database.register("person_place", placed)


def _years(rows: pa.Table, column: str | None) -> list[int]:
    if column is None or column not in rows.column_names:
        return []
    years: Any = pc.year(rows[column])
    return distinct_integers(years)
