"""Drafts of what a batch corrects: the places that no longer hold, and the mappings' new rows."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import duckdb
import numpy as np
import pyarrow as pa

from precisionchain.ingest.changes_maps import MAP_CONCEPT_COLUMNS
from precisionchain.ingest.drafts import Draft
from precisionchain.ingest.sql_text import identifier
from precisionchain.schemas.corrections import superseded_payload
from precisionchain.schemas.payloads import table_payload
from precisionchain.schemas.placement import person_buckets
from precisionchain.schemas.streams import MAP_CONCEPT, MAP_PERSON, SUPERSEDED

SUPERSEDED_ROWS: Final = 262_144
"""Places an item lists at most."""


def superseded_drafts(
    database: duckdb.DuckDBPyConnection, batch_ids: pa.Table, max_bytes: int
) -> Iterator[Draft]:
    """Yield the places in ``superseded``, each once, in order.

    Args:
        database: with ``superseded`` (b, ordinal, row).
        batch_ids: b, batch.
        max_bytes: a payload has at most.
    """
    database.register("batch_ids", batch_ids)
    places = database.sql(
        'select distinct batch, ordinal, "row" from superseded join batch_ids using (b)'
        " order by all"
    )
    for found in places.to_arrow_reader(SUPERSEDED_ROWS):
        if found.num_rows:
            yield from _places(pa.Table.from_batches([found]), max_bytes)


def _places(rows: pa.Table, max_bytes: int) -> Iterator[Draft]:
    payload = superseded_payload(rows)
    if len(payload.body) > max_bytes:
        half = rows.num_rows // 2
        yield from _places(rows.slice(0, half), max_bytes)
        yield from _places(rows.slice(half), max_bytes)
    else:
        yield Draft(SUPERSEDED, (), payload)


def mapping_drafts(database: duckdb.DuckDBPyConnection, buckets: int) -> Iterator[Draft]:
    """Yield the mappings' new rows, as `changes_maps` found them.

    Args:
        database: with ``now_map_concept``, ``fresh_map_concept`` and ``new_person``.
        buckets: over which persons are spread.
    """
    concepts = database.sql(
        f"select {', '.join(map(identifier, MAP_CONCEPT_COLUMNS))}"
        " from now_map_concept semi join fresh_map_concept using (_record) order by 1, 2"
    ).to_arrow_table()
    if concepts.num_rows:
        yield Draft(MAP_CONCEPT, (), table_payload("map-concept", concepts))
    persons = database.sql("from new_person order by 1").to_arrow_table()
    if persons.num_rows:
        ids = persons["person_id"].to_numpy().astype(np.int64)
        of_persons = person_buckets(ids, buckets).tolist()
        families = pa.array([f"CLIN_PERSON_{bucket}" for bucket in of_persons])
        placed = pa.table({"person_id": ids, "family": families})
        yield Draft(MAP_PERSON, (), table_payload("map-person", placed))
