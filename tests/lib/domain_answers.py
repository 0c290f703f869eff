"""Answers to the question for a domain, in a form that is compared."""

from __future__ import annotations

from datetime import date

import polars as pl

from precisionchain.query.criteria import Events, Index
from precisionchain.query.evaluate import inside_out
from precisionchain.schemas.omop import TABLES

Row = tuple[str, int, date, int]


def assert_rows(events: Events, got: pl.DataFrame, must: list[Row]) -> None:
    """Check an answer: table, person, start date and key of each row.

    Of several first rows that are alike in what the page chooses by, any may be shown.
    """
    found = sorted_rows(got)
    if any(isinstance(one, Index) and one.which != "each" for one in inside_out(events)):
        pairs = (sorted((row[1], row[2]) for row in rows) for rows in (found, must))
        assert next(pairs) == next(pairs), events.text
        return
    assert found == must, events.text


def sorted_rows(rows: pl.DataFrame) -> list[Row]:
    """Return table, person, start date and key of each row, sorted; a death has the key 0."""
    found = []
    for row in rows.iter_rows(named=True):
        table = TABLES[row["table"]]
        key = 0 if table.primary_key is None else row[table.primary_key]
        found.append((table.name, row["person_id"], row[str(table.start_date_column)], key))
    return sorted(found)
