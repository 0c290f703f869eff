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
