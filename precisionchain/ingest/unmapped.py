"""Source codes that no standard concept was found for, by frequency: for the site itself alone."""

from __future__ import annotations

import duckdb
import pyarrow as pa

from precisionchain.ingest.quality_scopes import Delivered, source_columns
from precisionchain.ingest.run_tables import RUN_TABLES, UNMAPPED
from precisionchain.ingest.sql_text import identifier, literal
from precisionchain.schemas.omop import TABLES


def unmapped_codes(database: duckdb.DuckDBPyConnection, delivered: Delivered) -> pa.Table:
    """Return source values of rows whose main concept is 0, the most frequent of a table first.

    Args:
        database: with the tables by their names, as `make_views` makes them.
        delivered: the run's tables.

    Returns:
        Of schema ``unmapped``; tables in the order of the CDM.
    """
    parts = [RUN_TABLES[UNMAPPED].empty_table()]
    for name, table in TABLES.items():
        pair = source_columns(table, delivered.columns.get(name, ()))
        if pair is None or not delivered.has(name) or table.scope == "vocabulary":
            continue
        value, concept = pair
        persons = "count(DISTINCT person_id)" if table.person_column else "NULL"
        found = database.sql(
            f"SELECT {literal(name)} AS table_name, {identifier(value)} AS source_value,"
            f" {identifier(concept) if concept else 'NULL'} AS source_concept_id,"
            f" count(*) AS n_rows, {persons} AS n_persons FROM {identifier(name)}"
            f" WHERE {identifier(str(table.concept_column))} = 0"
            " GROUP BY ALL ORDER BY n_rows DESC, source_value, source_concept_id"
        )
        parts.append(found.to_arrow_table().cast(RUN_TABLES[UNMAPPED]))
    return pa.concat_tables(parts)
