"""Arrow columns read and made by their buffers, held against pyarrow's own conversions."""

from __future__ import annotations

from datetime import date
from typing import Any

import numpy as np
import pyarrow as pa
import pytest

from precisionchain.schemas.arrow_values import column_of, known_rows, text_column, values_of

COLUMNS: dict[str, Any] = {
    "int8": pa.array([1, -2, None, 127], pa.int8()),
    "uint32": pa.array([0, 2**32 - 1, None], pa.uint32()),
    "int64": pa.array([None, -(2**63), 2**63 - 1], pa.int64()),
    "float64": pa.array([1.5, float("nan"), None, -0.0]),
    "bool": pa.array([True, None, False, True, True, False, None, True, False]),
    "date": pa.array([date(1969, 12, 31), None, date(2200, 1, 1)], pa.date32()),
    "time": pa.array([1_577_836_800_000_000, None], pa.timestamp("us")),
    "text": pa.array(["a", None]),
    "nulls": pa.nulls(3),
    "nothing": pa.array([], pa.int32()),
    "no truths": pa.array([], pa.bool_()),
    "all known": pa.array([3, 1, 2], pa.int16()),
}


@pytest.mark.parametrize("name", COLUMNS)
@pytest.mark.parametrize("start", [0, 1])
def test_nulls_are_found_also_in_a_slice(name: str, start: int) -> None:
    column = COLUMNS[name][start:]
    assert known_rows(column).tolist() == [value is not None for value in column.to_pylist()]


@pytest.mark.parametrize("name", [name for name in COLUMNS if name not in ("text", "nulls")])
@pytest.mark.parametrize("start", [0, 1, 2])
def test_values_are_pyarrows_also_in_a_slice(name: str, start: int) -> None:
    column = COLUMNS[name][start:]
    known = column.drop_null()
    if pa.types.is_date(known.type):
        known = known.cast(pa.int32())
    elif pa.types.is_timestamp(known.type):
        known = known.cast(pa.int64())
    expected = known.to_numpy(zero_copy_only=False)
    found = values_of(column)[known_rows(column)]
    assert found.dtype == expected.dtype
    np.testing.assert_array_equal(found, expected)


@pytest.mark.parametrize("dtype", ["i1", "i2", "i4", "i8", "u1", "u2", "u4", "u8", "f4", "f8", "?"])
@pytest.mark.parametrize("nulls", [None, [False] * 9, [True] * 9, [True, False, False] * 3])
def test_a_column_is_the_one_pyarrow_makes(dtype: str, nulls: list[bool] | None) -> None:
    values = np.array([0, 1, 0, 1, 1, 1, 0, 0, 1]).astype(dtype)
    mask = None if nulls is None else np.array(nulls)
    expected = pa.array(values, mask=mask)
    made = column_of(values, mask)
    made.validate(full=True)
    assert made.equals(expected)
    assert made.null_count == expected.null_count


def test_every_second_value_of_an_array_makes_a_column() -> None:
    assert column_of(np.arange(10)[::2]).to_pylist() == [0, 2, 4, 6, 8]


def test_a_column_outlives_the_array_it_was_made_of() -> None:
    made = [column_of(np.full(1000, number)) for number in range(50)]
    assert [column.to_pylist()[999] for column in made] == list(range(50))


@pytest.mark.parametrize("kind", [pa.string(), pa.large_string()], ids=str)
@pytest.mark.parametrize("texts", [[], [""], ["a", "", "\N{LATIN SMALL LETTER E WITH ACUTE}bc"]])
def test_a_column_of_texts_is_the_one_pyarrow_makes(kind: Any, texts: list[str]) -> None:
    made = text_column(texts, kind)
    made.validate(full=True)
    assert made.equals(pa.array(texts, kind))


def test_bytes_make_a_column_too() -> None:
    assert text_column([b"\xff\0"], pa.binary()).equals(pa.array([b"\xff\0"]))
