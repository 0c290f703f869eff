"""Concepts: the nearest chosen ancestor each is placed by, and the slice a batch seals."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from typing import Final

import duckdb
import pyarrow as pa

from precisionchain.ingest.drafts import Draft
from precisionchain.schemas.omop import Table
from precisionchain.schemas.payloads import table_payload
from precisionchain.schemas.streams import VOCABULARY

_SLICE_ROWS = 131_072
SLICE_COLUMNS: Final[Mapping[str, Mapping[str, str]]] = {
    "concept_relationship": {
        "concept_id_1": "BIGINT",
        "concept_id_2": "BIGINT",
        "relationship_id": "VARCHAR",
    },
    "concept_ancestor": {
        "ancestor_concept_id": "BIGINT",
        "descendant_concept_id": "BIGINT",
        "min_levels_of_separation": "BIGINT",
    },
    "concept": {
        "concept_id": "BIGINT",
        "concept_name": "VARCHAR",
        "domain_id": "VARCHAR",
        "vocabulary_id": "VARCHAR",
        "concept_class_id": "VARCHAR",
        "standard_concept": "VARCHAR",
        "concept_code": "VARCHAR",
        "invalid_reason": "VARCHAR",
    },
    "vocabulary": {"vocabulary_id": "VARCHAR", "vocabulary_version": "VARCHAR"},
}
"""Columns of the vocabulary slice, with their SQL types, by table in publishing order."""
_ORDER = {
    "concept_relationship": "2, 1, 3",
    "concept_ancestor": "2, 3, 1",
    "concept": "1",
    "vocabulary": "1",
}
_MAPS_TO = "Maps to"
_WHOLE_RELEASE = "None"
"""The id under which OMOP's table ``vocabulary`` states the release as a whole."""


def place_concepts(
    database: duckdb.DuckDBPyConnection,
    table: Table,
    ancestors: Sequence[int],
    *,
    rows: str,
    known: bool,
    placed: str | None = None,
) -> None:
    """Make the relation ``placement`` (concept_id, ancestor, n) of a table's main concepts.

    The nearest chosen ancestor is the one with the fewest levels of separation, then the smaller
    id (``streams.md`` section 5); a concept is its own ancestor at level 0; 0 where there is none.
    Rows without a main concept count as concept 0. A concept that was placed before stays there.

    Args:
        database: where the relations are.
        table: the table that is placed.
        ancestors: the chosen ancestors of its domain.
        rows: relation of the rows to place.
        known: whether ``accepted_concept_ancestor`` exists.
        placed: relation of earlier placements (table, concept_id, ancestor), if there are any.
    """
    chosen = pa.table({"ancestor": pa.array(ancestors, pa.int64())})
    database.register("chosen", chosen)
    above = (
        "union all select descendant_concept_id, ancestor_concept_id, min_levels_of_separation"
        " from accepted_concept_ancestor"
        " where descendant_concept_id in (select concept_id from used)"
        if known
        else ""
    )
    before, earlier = "", ""
    if placed is not None:
        before = "earlier.ancestor, "
        earlier = (
            f"left join {placed} earlier"
            f" on earlier.\"table\" = '{table.name}' and earlier.concept_id = used.concept_id"
        )
    database.execute(
        f"""
        create or replace temp table placement as
        with used as (
            select coalesce({table.concept_column}, 0) as concept_id, count(*) as n
            from {rows} group by 1
        ), candidate as (
            select concept_id, concept_id as ancestor, 0 as levels from used {above}
        ), nearest as (
            select candidate.concept_id, arg_min(ancestor, (levels, ancestor)) as ancestor
            from candidate join chosen using (ancestor) group by 1
        )
        select used.concept_id, coalesce({before}nearest.ancestor, 0) as ancestor, used.n
        from used left join nearest using (concept_id) {earlier}
        """
    )
    database.unregister("chosen")


def make_slice(
    database: duckdb.DuckDBPyConnection, tables: Mapping[str, Table], used: Iterable[str]
) -> list[str]:
    """Make the vocabulary slice: used concepts, what they map to, their ancestors, all by name.

    With it readers expand descendants and source codes without a licensed vocabulary of their own.

    Args:
        database: with views ``accepted_<table>`` of all the table's columns, given or not.
        tables: the tables of the run.
        used: SQL for the concepts that the batch publishes, each for some of them; one after the
            other, since all at once they take the memory of all tables.

    Returns:
        the tables of the slice, in publishing order, each a view ``slice_<table>``; and in the
        database the table ``used_concept`` (concept_id), with what used concepts map to.
    """
    _collect_used(database, used)
    made = []
    if "concept_relationship" in tables:
        database.execute(
            "create or replace temp table slice_concept_relationship as"
            f" select distinct {_columns('concept_relationship')}"
            " from accepted_concept_relationship semi join used_concept"
            " on concept_id_1 = concept_id"
            f" where relationship_id = '{_MAPS_TO}' and concept_id_1 <> concept_id_2"
            " and invalid_reason is null"
        )
        database.execute(
            "insert into used_concept select distinct concept_id_2 from slice_concept_relationship"
            " where concept_id_2 not in (from used_concept)"
        )
        made.append("concept_relationship")
    if "concept_ancestor" in tables:
        database.execute(
            "create or replace view slice_concept_ancestor as"
            f" select distinct {_columns('concept_ancestor')} from accepted_concept_ancestor"
            " where descendant_concept_id in (select concept_id from used_concept)"
        )
        made.append("concept_ancestor")
    if "concept" in tables:
        above = (
            "or concept_id in (select ancestor_concept_id from slice_concept_ancestor)"
            if "concept_ancestor" in tables
            else ""
        )
        database.execute(
            f"create or replace view slice_concept as select {_columns('concept')}"
            " from accepted_concept"
            f" where concept_id in (select concept_id from used_concept) {above}"
        )
        made.append("concept")
    if "vocabulary" in tables:
        named = "or vocabulary_id in (select vocabulary_id from slice_concept)"
        database.execute(
            f"create or replace view slice_vocabulary as select {_columns('vocabulary')}"
            " from accepted_vocabulary"
            f" where vocabulary_id = '{_WHOLE_RELEASE}' {named if 'concept' in made else ''}"
        )
        made.append("vocabulary")
    return made


def _collect_used(database: duckdb.DuckDBPyConnection, used: Iterable[str]) -> None:
    database.execute("create or replace temp table used_concept (concept_id bigint)")
    for concepts in used:
        database.execute(
            f"insert into used_concept select distinct concept_id from ({concepts})"
            " where concept_id not in (from used_concept)"
        )


def slice_drafts(
    database: duckdb.DuckDBPyConnection, table: str, rows: str | None = None
) -> Iterator[Draft]:
    """Yield a table of the slice, sorted: all of ``slice_<table>``, or a relation's rows."""
    found = database.sql(
        f"select {_columns(table)} from {rows or f'slice_{table}'} order by {_ORDER[table]}"
    )
    for batch in found.to_arrow_reader(_SLICE_ROWS):
        if batch.num_rows:
            chunk = pa.Table.from_batches([batch])
            yield Draft(VOCABULARY, (), table_payload("vocabulary", chunk, table=table))


def vocabulary_release(
    database: duckdb.DuckDBPyConnection, tables: Mapping[str, Table]
) -> str | None:
    """Return the release the run's ``vocabulary`` table states for itself, where it does."""
    if "vocabulary" not in tables:
        return None
    found = database.execute(
        "select vocabulary_version from accepted_vocabulary where vocabulary_id = ?",
        [_WHOLE_RELEASE],
    ).fetchall()
    return found[0][0] if found else None


def _columns(table: str) -> str:
    return ", ".join(SLICE_COLUMNS[table])
