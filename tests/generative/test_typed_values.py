"""Typed values keep their meaning as text: the lexical rules read what was stored, or reject it.

What is expected is said of the values by Python alone; text is only what lies between.
"""

from __future__ import annotations

import datetime as dt
import math
import tempfile
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import duckdb
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from precisionchain.ingest.typed_columns import text_of
from precisionchain.schemas.lexical import (
    DATE,
    DATETIME,
    FLOAT,
    INTEGER64,
    TEXT,
    LexicalError,
    LexicalType,
)

EXACT = 2**53 - 1
UTC = dt.UTC


def texts(cells: list[Any], kind: pa.DataType) -> list[str | None]:
    """The text of values of a Parquet file, as staging asks DuckDB for it."""
    with tempfile.TemporaryDirectory() as name, duckdb.connect() as database:
        path = Path(name) / "cells.parquet"
        pq.write_table(pa.table({"cell": pa.array(cells, kind)}), path)
        source = f"read_parquet('{path}')"
        ((_, sql_type, *_),) = database.execute(f"describe select * from {source}").fetchall()
        text = text_of("cell", sql_type)
        assert text is not None, sql_type
        return [row[0] for row in database.execute(f"select {text} from {source}").fetchall()]


def meant(lexical: LexicalType, text: str | None) -> Any:
    """The value that a cell has, ``...`` for a cell that is rejected."""
    if text is None or lexical.is_null(text):
        return None
    try:
        return lexical.parse(text)
    except LexicalError:
        return ...


def whole(value: Any) -> Any:
    if isinstance(value, int):
        return value if -(2**63) <= value < 2**63 else ...
    return int(value) if value == int(value) and abs(value) <= EXACT else ...


def finite(value: float) -> Any:
    return value if math.isfinite(value) else ...


def midnight(value: dt.datetime) -> Any:
    return value.date() if value.time() == dt.time() else ...


floats = st.floats(width=64)
times = st.datetimes(min_value=dt.datetime(1, 1, 1))  # noqa: DTZ001
digits = st.decimals(min_value=-(10**9), max_value=10**9, places=4)

Case = tuple[pa.DataType, st.SearchStrategy[Any], LexicalType, Callable[[Any], Any]]
CASES: dict[str, Case] = {
    "int64 as an id": (pa.int64(), st.integers(-(2**63), 2**63 - 1), INTEGER64, whole),
    "uint64 as an id": (pa.uint64(), st.integers(0, 2**64 - 1), INTEGER64, whole),
    "int16 as a number": (pa.int16(), st.integers(-(2**15), 2**15 - 1), FLOAT, float),
    "float as a number": (pa.float64(), floats, FLOAT, finite),
    "float as an id": (
        pa.float64(),
        st.integers(-(2**60), 2**60).map(float) | floats.filter(math.isfinite),
        INTEGER64,
        whole,
    ),
    "short float as an id": (
        pa.float32(),
        st.integers(-(2**26), 2**26).map(np.float32).map(float),
        INTEGER64,
        lambda value: int(value) if abs(value) < 2**24 else ...,
    ),
    "decimal as a number": (pa.decimal128(18, 4), digits, FLOAT, float),
    "decimal as an id": (
        pa.decimal128(38, 2),
        st.integers(-(10**17), 10**17).map(Decimal) | digits.map(lambda d: round(d, 2)),
        INTEGER64,
        whole,
    ),
    "date": (pa.date32(), st.dates(), DATE, lambda day: day),
    "date as a time": (
        pa.date32(),
        st.dates(),
        DATETIME,
        lambda day: dt.datetime.combine(day, dt.time()),
    ),
    "time": (pa.timestamp("us"), times, DATETIME, lambda time: time),
    "time as a date": (
        pa.timestamp("us"),
        times | st.dates().map(lambda day: dt.datetime.combine(day, dt.time())),
        DATE,
        midnight,
    ),
    "milliseconds": (
        pa.timestamp("ms"),
        times.map(lambda time: time.replace(microsecond=time.microsecond // 1000 * 1000)),
        DATETIME,
        lambda time: time,
    ),
    "instant": (
        pa.timestamp("us", "America/New_York"),
        times.map(lambda time: time.replace(tzinfo=UTC)),
        DATETIME,
        lambda time: time.replace(tzinfo=None),
    ),
    "text": (pa.string(), st.text(st.characters(codec="utf-8", exclude_characters="\0")), TEXT,
             lambda text: text or None),
}  # fmt: skip


@pytest.mark.parametrize("name", list(CASES))
def test_the_lexical_rules_read_what_was_stored(name: str) -> None:
    kind, cells, lexical, expected = CASES[name]

    @given(st.lists(st.none() | cells, min_size=1, max_size=60))
    @settings(max_examples=15)
    def check(drawn: list[Any]) -> None:
        read = [meant(lexical, text) for text in texts(drawn, kind)]
        assert read == [None if cell is None else expected(cell) for cell in drawn]

    check()


@given(st.lists(st.floats(width=32, allow_nan=False, allow_infinity=False), min_size=1))
@example([0.1, 16777217.0, 3.4e38, -0.0])
@settings(max_examples=15)
def test_a_short_float_is_the_shortest_decimal_that_it_is_read_back_from(
    drawn: list[float],
) -> None:
    for cell, text in zip(drawn, texts(drawn, pa.float32()), strict=True):
        assert np.float32(meant(FLOAT, text)) == np.float32(cell)
        assert len(str(text).lstrip("-").replace(".", "").split("e")[0].strip("0")) <= 9
