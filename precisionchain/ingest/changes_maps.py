"""What becomes of the mappings: who has rows after a batch, and how many rows each concept has.

The places of a mapping's rows that no longer hold are added to the database's ``superseded``.
"""

from __future__ import annotations

from typing import Final

import pyarrow as pa

from precisionchain.ingest.changes_after import RowsAfter
from precisionchain.ingest.changes_rows import PLACE, Compared, compare_by_key, count
from precisionchain.ingest.changes_state import clinical_columns
from precisionchain.ingest.vocabulary import SLICE_COLUMNS
from precisionchain.schemas.omop import TABLES

MAP_CONCEPT_COLUMNS: Final = {
    "table": "VARCHAR",
    "concept_id": "BIGINT",
    "family": "VARCHAR",
    "n": "BIGINT",
}


def compare_persons(after: RowsAfter) -> tuple[int, int, int]:
    """Find who has rows now: the table ``new_person``, and the places of those with none left.

    Returns:
        how many of the source's persons vanish, of how many, and how many there are now.
    """
    database, state = after.rows.database, after.state
    tables = [table for table in TABLES.values() if table.scope == "person"]
    now = [rows for table in tables for rows in after.relations(table)]
    held = [rows for table in tables if (rows := state.clinical(table, "person"))]
    before = [f"(from {rows} where not withdrawn)" for rows in held]
    for name, relations in (("person_now", now), ("person_before", before)):
        parts = [f"select person_id from {rows}" for rows in relations]
        union = " union ".join(parts) or "select null::bigint as person_id limit 0"
        database.execute(f"create temp table {name} as {union}")
    mapped = state.mapping("map-person")
    database.execute(
        "create temp table new_person as select person_id from person_now"
        + (f" anti join {mapped} using (person_id)" if mapped else "")
    )
    if mapped:
        database.execute(
            f"insert into superseded select {PLACE} from {mapped}"
            " anti join person_now using (person_id)"
        )
    gone = count(database, "(from person_before anti join person_now using (person_id))")
    there = count(database, "(from person_now anti join withheld_person using (person_id))")
    return gone, count(database, "person_before"), there


def compare_concept_map(after: RowsAfter, encoded: pa.Table, placed: str) -> None:
    """Find the mapping's rows of tables in which rows come or go, counted as they are now.

    Makes ``now_map_concept`` and, of what is new of it, ``fresh_map_concept``.

    Args:
        after: the rows there are.
        encoded: ``map-concept`` rows of what the batch encodes.
        placed: relation of earlier placements: table, concept_id, ancestor.
    """
    database = after.rows.database
    database.register("encoded_map", encoded)
    parts = ['select "table", concept_id, family, n from encoded_map']
    touched = [
        name
        for name, one in after.tables.items()
        if name not in SLICE_COLUMNS and one.new + one.changed + one.gone
    ]
    for table in map(TABLES.__getitem__, touched):
        held = after.state.clinical(table, "domain")
        if held is not None:
            named = table.concept_column in clinical_columns(table, after.rows.parameters)
            concept = f"coalesce({table.concept_column}, 0)" if named else "0::bigint"
            rows = after.counting(table, held)
            parts.append(f"select '{table.name}', {concept}, null, count(*) {rows} group by all")
    database.execute(
        "create temp table now_map_concept as select *, row_number() over () as _record from"
        ' (select now."table", now.concept_id, coalesce(any_value(now.family),'
        " any_value(was.family)) as family, sum(n)::bigint as n"
        f" from ({' union all '.join(parts)}) now left join ({_placed_families(placed)}) was"
        ' on was."table" = now."table" and was.concept_id = now.concept_id group by all)'
    )
    held = after.state.mapping("map-concept")
    if held is None:
        database.execute("create temp table fresh_map_concept as from now_map_concept")
        return
    names = ", ".join(f"'{name}'" for name in touched) or "null"
    compared = Compared(
        "map_concept",
        f'(from {held} where "table" in ({names}))',
        "now_map_concept",
        MAP_CONCEPT_COLUMNS,
        ("table", "concept_id"),
    )
    compare_by_key(database, compared)
    database.execute(f"insert into superseded select {PLACE} from gone_map_concept")


def _placed_families(placed: str) -> str:
    prefixes = " ".join(
        f"when '{table.name}' then '{table.domain_prefix}'"
        for table in TABLES.values()
        if table.domain_prefix
    )
    return (
        f'select "table", concept_id, case "table" {prefixes} end || \'_\' || ancestor'
        f" as family from {placed}"
    )
