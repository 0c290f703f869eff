"""The state of a source as an encoder compares it: views of rows with their places, typed alike."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Final

import duckdb
import pyarrow as pa

from precisionchain.ingest.known_persons import Known
from precisionchain.ingest.sql_text import identifier, literal, literals
from precisionchain.ingest.vocabulary import SLICE_COLUMNS
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.source_state import SourceState, View
from precisionchain.schemas.omop import TABLES, Table
from precisionchain.schemas.parameters import NetworkParameters

_MAPPINGS: Final[Mapping[str, Mapping[str, str]]] = {
    "map-concept": {"table": "VARCHAR", "concept_id": "BIGINT", "family": "VARCHAR", "n": "BIGINT"},
    "map-person": {"person_id": "BIGINT", "family": "VARCHAR"},
}


def clinical_columns(table: Table, parameters: NetworkParameters) -> dict[str, str]:
    """Return what is published of a table's rows, in CDM order, with SQL types.

    Rows of persons have their person, also where the table names none or it is not on the list.
    """
    allowed = {*parameters.published.get(table.name, ())}
    columns = {field.name: field.lexical.sql_type for field in table.fields}
    found = {name: kind for name, kind in columns.items() if name in allowed}
    return found if table.scope == "site" else {"person_id": "BIGINT", **found}


def known_before(snapshot: Snapshot, publisher: str, source: str) -> Known:
    """Return whom and what a source's next rows may be about, by what the publisher has sealed.

    Args:
        snapshot: the replica, synced.
        publisher: the site's key, in hex.
        source: whose state holds the parents.
    """
    batches = snapshot.catalogue.batches
    sources = {one.source for one in batches if (one.publisher, one.kind) == (publisher, "omop")}
    persons, parents = {}, {}
    with duckdb.connect() as database:
        for name in sources:
            rows = SourceState(snapshot, publisher, name).rows(database, "map-person", "mapping")
            if rows is not None:
                persons[name] = rows.project("person_id").to_arrow_table()
        for name in {table.parent for table in TABLES.values() if table.parent}:
            key = TABLES[name].primary_key
            rows = SourceState(snapshot, publisher, source).rows(database, name, "person")
            if rows is not None and key in rows.columns:
                parents[name] = rows.filter("not withdrawn").project(str(key)).to_arrow_table()
    return Known(persons, parents)


class StateViews:
    """Views of a source's present rows, in a database; batches are numbered in order of seals.

    Args:
        database: where the views are made.
        state: the source.
        parameters: the network's.
    """

    def __init__(
        self,
        database: duckdb.DuckDBPyConnection,
        state: SourceState,
        parameters: NetworkParameters,
    ) -> None:
        self._database, self._state, self._parameters = database, state, parameters
        self.batches = [
            sealed.batch
            for sealed in state.snapshot.catalogue.sealed
            if (sealed.publisher, sealed.source, sealed.kind)
            == (state.publisher, state.source, "omop")
        ]
        database.execute(f"create type chain_batch as enum ({literals(self.batches)})")
        self._views: dict[tuple[str, View], str | None] = {}

    def tables(self, view: View) -> list[str]:
        """Return the tables that the state has, or had, rows of in a view."""
        return self._state.tables(view)

    def clinical(self, table: Table, view: View) -> str | None:
        """Return a view of a CDM table's rows: its columns, b, ordinal, row, withdrawn; or None."""
        return self._view(table.name, view, clinical_columns(table, self._parameters))

    def whole(self, table: Table) -> str | None:
        """Return a CDM table's rows in the view that has all of them; see `clinical`."""
        return self.clinical(table, "site" if table.scope == "site" else "person")

    def vocabulary(self, table: str) -> str | None:
        """Return a view of the vocabulary slice; see `clinical`."""
        return self._view(table, "vocabulary", SLICE_COLUMNS[table])

    def mapping(self, name: str) -> str | None:
        """Return a view of ``map-concept`` or ``map-person``; see `clinical`."""
        return self._view(name, "mapping", _MAPPINGS[name])

    def first_placements(self) -> str:
        """Make the table ``placed`` (table, concept_id, ancestor) of the chain; return its name.

        It is that of a concept's first placement, whatever became of the batch since.
        """
        snapshot = self._state.snapshot
        paths = [
            snapshot.batch_folder(batch) / "MAP_CONCEPT" / "map-concept.parquet"
            for batch in self.batches
        ]
        there = [literal(path) for path in paths if path.exists()]
        rows = (
            f"read_parquet([{', '.join(there)}], hive_partitioning = false)"
            if there
            else "(from placed_nowhere)"
        )
        self._database.execute(
            'create temp table placed_nowhere ("table" varchar, concept_id bigint,'
            " family varchar, batch varchar)"
        )
        self._database.execute(
            "create or replace temp table placed as"
            ' select "table"::varchar as "table", concept_id, arg_min('
            "regexp_extract(family, '_([0-9]+)$', 1)::bigint,"
            " enum_code(batch::varchar::chain_batch)) as ancestor"
            f" from {rows} group by all"
        )
        return "placed"

    def batch_ids(self) -> pa.Table:
        """Return b, batch: the id in hex of each number."""
        numbers = pa.array(range(len(self.batches)), pa.int32())
        return pa.table({"b": numbers, "batch": pa.array(self.batches, pa.string())})

    def _view(self, table: str, view: View, columns: Mapping[str, str]) -> str | None:
        if (table, view) not in self._views:
            self._views[table, view] = self._made(table, view, columns)
        return self._views[table, view]

    def _made(self, table: str, view: View, columns: Mapping[str, str]) -> str | None:
        rows = self._state.rows(self._database, table, view)
        if rows is None:
            return None
        there = set(rows.columns)
        values = [
            f"{identifier(name) if name in there else 'null'}::{kind} as {identifier(name)}"
            for name, kind in columns.items()
        ]
        name = f"state_{view}_{table.replace('-', '_')}"
        rows.project(
            f"{', '.join(values)}, enum_code(batch::chain_batch)::integer as b, ordinal,"
            ' "row", withdrawn'
        ).create_view(name)
        return name
