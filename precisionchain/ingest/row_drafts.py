"""Rows of one family as drafts: the keys they are found by, in items of bounded size."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute as pc

from precisionchain.ingest.drafts import Draft
from precisionchain.schemas.omop import Table
from precisionchain.schemas.payloads import distinct_integers, table_payload
from precisionchain.schemas.streams import concept_key, person_key, table_key, year_key

ITEM_ROWS: Final = 32_768
"""Rows an item holds at most: about 100 to 500 kB compressed."""
ITEM_KEYS: Final = 2_048
"""Keys an item carries at most: each costs the ledger an index entry."""


def row_drafts(
    family: str,
    table: Table,
    rows: pa.Table,
    *,
    keys_of: Callable[[pa.Table], list[str]],
    max_bytes: int,
) -> Iterator[Draft]:
    """Yield rows as one draft, or as halves where it would be too large or have many keys.

    Args:
        family: of the stream.
        table: whose rows they are.
        rows: at least one.
        keys_of: the keys of an item by its rows.
        max_bytes: a payload has at most, but for that of a single row.
    """
    keys = keys_of(rows)
    payload = table_payload("clinical", rows, table=table.name)
    large = len(payload.body) > max_bytes or len(keys) > ITEM_KEYS
    if large and rows.num_rows > 1:
        half = rows.num_rows // 2
        for part in (rows.slice(0, half), rows.slice(half)):
            yield from row_drafts(family, table, part, keys_of=keys_of, max_bytes=max_bytes)
    else:
        yield Draft(family, tuple(keys), payload, (table.name, rows))


def by_concept(table: Table) -> Callable[[pa.Table], list[str]]:
    """Return the keys of rows in the Domain view: their main concepts, and years of start."""

    def keys_of(rows: pa.Table) -> list[str]:
        concepts: Any = pc.fill_null(rows[str(table.concept_column)], 0)  # type: ignore[type-var]
        keys = [concept_key(value) for value in distinct_integers(concepts)]
        return keys + [year_key(year) for year in _years(rows, table.start_date_column)]

    return keys_of


def by_person(table: Table) -> Callable[[pa.Table], list[str]]:
    """Return the keys of rows in the Person view: their persons, and the table."""

    def keys_of(rows: pa.Table) -> list[str]:
        keys = [person_key(person) for person in distinct_integers(rows["person_id"])]
        return [*keys, table_key(table.name)]

    return keys_of


def _years(rows: pa.Table, column: str | None) -> list[int]:
    if column is None or column not in rows.column_names:
        return []
    years: Any = pc.year(rows[column])
    return distinct_integers(years)
