"""Concepts of accepted rows against the staged vocabulary: counted by rule and column."""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping
from pathlib import Path

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq

from precisionchain.ingest.sql_text import identifier, literal, parquet
from precisionchain.ingest.warn_rows import warning
from precisionchain.schemas.omop import TABLES, Table

_WANTED: Mapping[str, pa.DataType] = {
    "table_name": pa.string(),
    "column_name": pa.string(),
    "main": pa.bool_(),
    "needed": pa.bool_(),
    "domains": pa.list_(pa.string()),
}

_ODD = {
    "concept_zero": "needed AND used.concept_id = 0",
    "concept_unknown": "used.concept_id <> 0 AND concept.concept_id IS NULL",
    "concept_domain": "used.concept_id <> 0 AND NOT list_contains(domains, concept.domain_id)",
    "concept_standard": (
        "main AND concept.concept_id <> 0 AND concept.standard_concept IS DISTINCT FROM 'S'"
    ),
}


class ConceptWarnings:
    """Counts the concepts of each table, and looks them up once for all tables.

    Args:
        database: to ask.
        accepted: the folder of accepted rows.
    """

    def __init__(self, database: duckdb.DuckDBPyConnection, accepted: Path) -> None:
        self._database = database
        self._accepted = accepted
        database.execute(
            "CREATE TEMP TABLE used"
            " (table_name VARCHAR, column_name VARCHAR, concept_id BIGINT, n BIGINT)"
        )

    def add(self, table: Table, columns: Collection[str]) -> None:
        """Count the concepts in a table's accepted rows; the vocabulary's own are not looked at."""
        if table.scope == "vocabulary":
            return
        source = parquet(self._accepted / f"{table.name}.parquet")
        counts = [
            f"SELECT {literal(table.name)}, {literal(each.name)}, {identifier(each.name)}, count(*)"
            f" FROM {source} WHERE {identifier(each.name)} IS NOT NULL GROUP BY ALL"
            for each in table.fields
            if each.references == "concept" and each.name in columns
        ]
        if counts:
            self._database.execute(f"INSERT INTO used {' UNION ALL '.join(counts)}")

    def rows(self) -> Iterator[dict[str, object]]:
        """Yield rows of ``warnings.parquet``; without a vocabulary only those of concept 0."""
        self._database.register("wanted", pa.Table.from_pylist(_wanted(), pa.schema(_WANTED)))
        vocabulary = self._vocabulary()
        rules = [rule for rule in _ODD if vocabulary or rule == "concept_zero"]
        counts = ", ".join(f"sum(n) FILTER (WHERE {_ODD[rule]})" for rule in rules)
        found = self._database.execute(
            f"SELECT table_name, column_name, {counts} FROM used"
            f" JOIN wanted USING (table_name, column_name) {vocabulary or ''}"
            " GROUP BY ALL ORDER BY ALL"
        ).fetchall()
        for table, column, *numbers in found:
            for rule, n in zip(rules, numbers, strict=True):
                if n:
                    yield warning(table, (rule, column), int(n))

    def _vocabulary(self) -> str | None:
        path = self._accepted / "concept.parquet"
        if not path.exists() or not pq.read_metadata(path).num_rows:
            return None
        there = pq.read_schema(path).names
        columns = ", ".join(
            name if name in there else f"CAST(NULL AS VARCHAR) AS {name}"
            for name in ("concept_id", "domain_id", "standard_concept")
        )
        return f"LEFT JOIN (SELECT {columns} FROM {parquet(path)}) AS concept USING (concept_id)"


def _wanted() -> list[dict[str, object]]:
    return [
        {
            "table_name": table.name,
            "column_name": each.name,
            "main": each.name == table.concept_column,
            "needed": each.expected or each.name == table.concept_column,
            "domains": list(each.domains) or None,
        }
        for table in TABLES.values()
        for each in table.fields
        if each.references == "concept"
    ]
