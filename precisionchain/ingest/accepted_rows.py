"""The accepted rows of an OMOP run as they may leave the site: columns, persons, who is withheld.

Only the columns on the network's allow-list are read by what encodes; nothing else can leave.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa

from precisionchain.ingest.vocabulary import vocabulary_release
from precisionchain.schemas.omop import TABLES, Table
from precisionchain.schemas.parameters import NetworkParameters
from precisionchain.schemas.payloads import distinct_integers


class AcceptedRows:
    """The rows of one validated OMOP run, as relations of a database.

    Args:
        run: the run's folder, with ``accepted/``.
        parameters: the network's.
        withheld: withdrawn persons, whose rows are left out.

    Attributes:
        database: with a view ``accepted_<table>`` of all columns of each table of the run.
        tables: those of the run.
        parameters: the network's.
    """

    def __init__(
        self, run: Path, parameters: NetworkParameters, *, withheld: Collection[int] = ()
    ) -> None:
        self._accepted = run / "accepted"
        self.parameters = parameters
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

    @property
    def clinical(self) -> list[Table]:
        """The tables of the run that are no vocabulary, by name."""
        return [table for table in self.tables.values() if table.scope != "vocabulary"]

    # ------------------------------------------------------------------------------- the columns

    def columns(self, table: str) -> list[str]:
        """Return the columns that the file of a table has."""
        return self._present[table]

    def published_columns(self, table: Table) -> list[str]:
        """Return a table's columns that leave the site: present, and on the allow-list."""
        allowed = self.parameters.published.get(table.name, ())
        return [name for name in self.columns(table.name) if name in set(allowed)]

    def refused_columns(self) -> dict[str, tuple[str, ...]]:
        """Return, by table, the columns present that stay at the site."""
        refused = {}
        for table in self.tables.values():
            if table.scope == "vocabulary":
                continue
            leaving = set(self.published_columns(table))
            staying = tuple(name for name in self.columns(table.name) if name not in leaving)
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

    # ---------------------------------------------------------------------------------- the rows

    def export(self, table: Table) -> str | None:
        """Return the view of a table's rows that may leave, each with the person it follows.

        None for rows that follow a table which is not there.
        """
        if table.name not in self._exports:
            self._exports[table.name] = self._made_export(table)
        return self._exports[table.name]

    def file_of(self, table: Table, rows: str) -> Path | None:
        """Return the file that holds the rows of a relation, no fewer and as they are, if any."""
        as_they_are = not self._withholds and (
            table.scope == "site" or "person_id" in self.columns(table.name)
        )
        if as_they_are and rows == f"export_{table.name}":
            return self._accepted / f"{table.name}.parquet"
        return None

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

    # -------------------------------------------------------------------- whom and what they name

    def has_persons(self, table: Table) -> bool:
        """Whether each row of a table is some person's."""
        return table.scope == "person" and self.export(table) is not None

    def persons(self) -> list[int]:
        """Return the distinct persons of the batch, ascending."""
        rows = [self.export(table) for table in self.clinical if self.has_persons(table)]
        return distinct_integers(self.persons_of(rows)["person_id"])

    def persons_of(self, rows: Iterable[str | None]) -> pa.Table:
        """Return the distinct person_id of some relations, ascending."""
        parts = [f"select person_id from {relation}" for relation in rows if relation]
        union = " union ".join(parts) or "select cast(null as bigint) as person_id where false"
        persons: pa.Table = self.database.sql(
            f"select * from ({union}) order by 1"
        ).to_arrow_table()
        return persons

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

    def used_concepts(self) -> list[str]:
        """Return SQL for the concepts in any published concept column, table by table."""
        found = (
            [
                f"select {name} as concept_id from {self.export(table)} where {name} <> 0"
                for name in self.published_columns(table)
                if name.endswith("concept_id")
            ]
            for table in self.clinical
            if self.export(table)
        )
        return [" union ".join(columns) for columns in found if columns]

    def vocabulary_release(self) -> str | None:
        """Return the vocabulary release the run states for itself, None where it states none."""
        return vocabulary_release(self.database, self.tables)

    # ---------------------------------------------------------------------------------- internal

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
        if "person_id" in self.columns(table.name):
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
