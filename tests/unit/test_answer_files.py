"""Frames as CSV, for column types that CSV does not know."""

from __future__ import annotations

import csv
import io
import json

import polars as pl

from precisionchain.query.answer_files import csv_text


def test_maps_are_json() -> None:
    kind = pl.Map(pl.String, pl.Int64)
    frame = pl.DataFrame({"m": pl.Series([{"a": 1, "b": 2}, None], dtype=kind)})
    header, first, second = csv.reader(io.StringIO(csv_text(frame)))
    assert header == ["m"]
    assert json.loads(first[0]) == {"a": 1, "b": 2}
    assert second in ([""], [])


def test_cells_that_a_spreadsheet_would_run_stand_as_they_are() -> None:
    """As cli.md says: numbers below 0 and texts of other members are what they were."""
    texts = ["=cmd|calc", "+1", "-1", "@sum"]
    frame = pl.DataFrame({"text": texts, "number": [-1.5, 2.0, None, -0.25]})
    back = pl.read_csv(csv_text(frame).encode(), schema=frame.schema)
    assert back.equals(frame)
