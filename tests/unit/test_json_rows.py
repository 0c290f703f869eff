"""Frames as JSON lines: many rows are written as Python's json writes each."""

from __future__ import annotations

import json
import random
from datetime import UTC, date, datetime, time, timedelta
from decimal import Decimal
from typing import Any

import polars as pl
import pytest

from precisionchain.query.json_rows import json_lines

ROWS = 20_000
_RANDOM = random.Random(5)
_MOMENT = datetime.fromisoformat("1987-01-02T03:04:05")


def _plain(value: Any) -> Any:
    """What JSON has no type for, as frames.md and cli.md say."""
    if isinstance(value, bytes):
        return value.hex()
    return str(value) if isinstance(value, Decimal) else value.isoformat()


def _moment(_: int) -> datetime:
    micro = _RANDOM.choice((0, 0, 1, 500_000, 999_999))
    return (_MOMENT + timedelta(days=_RANDOM.randrange(-9_000, 9_000))).replace(microsecond=micro)


COLUMNS: dict[str, tuple[Any, Any]] = {
    "integer": (pl.Int64, lambda n: _RANDOM.choice((n, -n, 2**63 - 1, -(2**63)))),
    "small": (pl.UInt8, lambda n: n % 256),
    "truth": (pl.Boolean, lambda n: n % 3 == 0),
    "float": (
        pl.Float64,
        lambda n: _RANDOM.choice((n / 7, 1e16, 1e-7, -0.0, 1.0, float("inf"), 5e-324)),
    ),
    "text": (pl.String, lambda n: f"été {n} 😀 \x7f"),
    "escaped": (
        pl.String,
        lambda n: _RANDOM.choice(('a"b', "back\\slash", "tab\t", "\x00\x1f", "")),
    ),
    "kind": (pl.Categorical, lambda n: f"kind {n % 3}"),
    "day": (pl.Date, lambda n: date(1, 1, 1) + timedelta(days=n * 91)),
    "moment": (pl.Datetime("us"), _moment),
    "coarse": (pl.Datetime("ms"), lambda n: _moment(n).replace(microsecond=n % 1000 * 1000)),
    "instant": (pl.Datetime("us", "UTC"), lambda n: _moment(n).replace(tzinfo=UTC)),
    "abroad": (pl.Datetime("us", "Europe/Paris"), lambda n: _moment(n).replace(tzinfo=UTC)),
    "clock": (pl.Time, lambda n: time(n % 24, n % 60)),
    "bytes": (pl.Binary, lambda n: bytes((n % 256,))),
    "list": (pl.List(pl.String), lambda n: ["a", None, 'b"'][: n % 4]),
    "exact": (pl.Decimal(10, 2), lambda n: Decimal(n) / 4),
    'a "name"\n': (pl.Int64, lambda n: n),
    "null": (pl.Int64, lambda n: None),
}


@pytest.mark.parametrize("rows", [1, 300, 301, ROWS])
def test_every_row_is_written_as_python_writes_it(rows: int) -> None:
    frame = pl.DataFrame(
        [
            pl.Series(
                name,
                [None if _RANDOM.random() < 0.2 else made(n) for n in range(rows)],
                dtype=kind,
            )
            for name, (kind, made) in COLUMNS.items()
        ]
    )
    expected = [
        json.dumps(
            {name: value for name, value in row.items() if value is not None},
            ensure_ascii=False,
            default=_plain,
        )
        for row in frame.to_dicts()
    ]
    assert "".join(json_lines(frame)).split("\n") == [*expected, ""]


@pytest.mark.parametrize("rows", [0, 2, 1_000])
def test_rows_without_a_value_are_empty_objects(rows: int) -> None:
    frame = pl.DataFrame({"none": [None] * rows}, schema={"none": pl.Int64})
    assert "".join(json_lines(frame)) == "{}\n" * rows
