"""Concepts: the nearest chosen ancestor each is placed by, and the slice a batch seals."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence

import duckdb
import pyarrow as pa

from precisionchain.ingest.drafts import Draft
from precisionchain.schemas.omop import Table
from precisionchain.schemas.payloads import table_payload
from precisionchain.schemas.streams import VOCABULARY

_SLICE_ROWS = 131_072
_CONCEPT_COLUMNS = (
    "concept_id",
    "concept_name",
    "domain_id",
    "vocabulary_id",
    "concept_class_id",
    "standard_concept",
    "concept_code",
)
_ANCESTOR_COLUMNS = ("ancestor_concept_id", "descendant_concept_id", "min_levels_of_separation")


def place_concepts(
    database: duckdb.DuckDBPyConnection, table: Table, ancestors: Sequence[int], *, known: bool
) -> None:
    """Make the relation ``placement`` (concept_id, ancestor, n) of a table's main concepts.

    The nearest chosen ancestor is the one with the fewest levels of separation, then the smaller
    id (``streams.md`` section 5); a concept is its own ancestor at level 0; 0 where there is none.
    Rows without a main concept count as concept 0.

    Args:
        database: with views ``accepted_<table>`` of all the table's columns, given or not.
        table: the table that is placed.
        ancestors: the chosen ancestors of its domain.
        known: whether ``accepted_concept_ancestor`` exists.
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
    database.execute(
        f"""
        create or replace temp table placement as
        with used as (
            select coalesce({table.concept_column}, 0) as concept_id, count(*) as n
            from accepted_{table.name} group by 1
        ), candidate as (
            select concept_id, concept_id as ancestor, 0 as levels from used {above}
        ), nearest as (
            select candidate.concept_id, arg_min(ancestor, (levels, ancestor)) as ancestor
            from candidate join chosen using (ancestor) group by 1
        )
        select used.concept_id, coalesce(nearest.ancestor, 0) as ancestor, used.n
        from used left join nearest using (concept_id)
        """
    )
    database.unregister("chosen")


def vocabulary_slice(
    database: duckdb.DuckDBPyConnection, tables: Mapping[str, Table], used: str
) -> Iterator[Draft]:
    """Yield the batch's vocabulary slice: used concepts, their ancestors' names, their pairs.

    With it readers expand descendants without a licensed vocabulary of their own.

    Args:
        database: with views ``accepted_<table>`` of all the table's columns, given or not.
        tables: the tables of the run.
        used: SQL for the distinct concepts that the batch publishes.
    """
    database.execute(f"create or replace temp table used_concept as {used}")
    if "concept_ancestor" in tables:
        pairs = database.sql(
            f"select {', '.join(_ANCESTOR_COLUMNS)} from accepted_concept_ancestor"
            " where descendant_concept_id in (select concept_id from used_concept)"
            " order by 2, 3, 1"
        )
        pairs.create_view("slice_ancestor")
        yield from _slice(pairs, "concept_ancestor")
    if "concept" in tables:
        above = (
            "or concept_id in (select ancestor_concept_id from slice_ancestor)"
            if "concept_ancestor" in tables
            else ""
        )
        concepts = database.sql(
            f"select {', '.join(_CONCEPT_COLUMNS)} from accepted_concept"
            f" where concept_id in (select concept_id from used_concept) {above} order by 1"
        )
        yield from _slice(concepts, "concept")


def vocabulary_release(
    database: duckdb.DuckDBPyConnection, tables: Mapping[str, Table]
) -> str | None:
    """Return the release the run's ``vocabulary`` table states for itself, where it does."""
    if "vocabulary" not in tables:
        return None
    found = database.execute(
        "select vocabulary_version from accepted_vocabulary where vocabulary_id = 'None'"
    ).fetchall()
    return found[0][0] if found else None


def _slice(rows: duckdb.DuckDBPyRelation, table: str) -> Iterator[Draft]:
    for batch in rows.to_arrow_reader(_SLICE_ROWS):
        if batch.num_rows:
            chunk = pa.Table.from_batches([batch])
            yield Draft(VOCABULARY, (), table_payload("vocabulary", chunk, table=table))
