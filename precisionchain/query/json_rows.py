"""The rows of a frame as JSON, an object a line, made column by column.

Line by line is what `precisionchain.query.json_text` says; of many rows that takes five times as
long, a tenth of a second for 17,000 rows of 14 columns.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Final

import polars as pl

from precisionchain.query.json_text import json_line, json_text

_FEW: Final = 300
"""Up to so many rows polars' expressions take longer than the rows do."""
_STRETCH: Final = 2**14
"""Rows that are text in memory at a time."""
_ESCAPED: Final = re.compile(r'[\x00-\x1f\\"]')
_DATE, _TIME = "%Y-%m-%d", "%Y-%m-%dT%H:%M:%S"


def json_lines(frame: pl.DataFrame) -> Iterator[str]:
    """Yield the rows of a frame as lines of text, one or many at a time."""
    if frame.height <= _FEW:
        yield from (f"{json_line(row)}\n" for row in frame.iter_rows(named=True))
        return
    for rows in frame.iter_slices(_STRETCH):
        members = [_member(column) for column in rows if column.null_count() < rows.height]
        if not members:
            yield "{}\n" * rows.height
            continue
        joined = pl.concat_str(members, separator=", ", ignore_nulls=True)
        lines = pl.concat_str(pl.lit("{"), joined, pl.lit("}\n"))
        yield str(rows.select(lines.str.join("")).item())


def _member(column: pl.Series) -> pl.Expr:
    """Return the name with the value of each row, null where there is none."""
    before, after = f"{json_text(column.name)}: ", ""
    kind, values = column.dtype, pl.col(column.name)
    if kind.is_integer() or kind == pl.Boolean:
        text = values.cast(pl.String)
    elif kind == pl.Date:
        text = values.dt.strftime(_DATE)
    elif isinstance(kind, pl.Datetime) and kind.time_zone in (None, "UTC"):
        text = _instants(values)
        after = "" if kind.time_zone is None else "+00:00"
    elif kind == pl.String and not _ESCAPED.search("".join(column.drop_nulls())):
        text = values
    else:
        text, kind = pl.lit(_one_by_one(column)), pl.Null()
    if kind.is_temporal() or kind == pl.String:
        before, after = f'{before}"', f'{after}"'
    return pl.concat_str(pl.lit(before), text, pl.lit(after))


def _instants(values: pl.Expr) -> pl.Expr:
    """Return what Python's isoformat does, without the offset."""
    values = values.dt.cast_time_unit("us")  # as Python has them
    exact = values.dt.strftime(f"{_TIME}%.6f")
    is_whole = values.dt.microsecond() == 0
    return pl.when(is_whole).then(values.dt.strftime(_TIME)).otherwise(exact)


def _one_by_one(column: pl.Series) -> pl.Series:
    """Return values that Python writes otherwise than polars, or that are to be escaped."""
    texts = [None if value is None else json_text(value) for value in column.to_list()]
    return pl.Series(column.name, texts, dtype=pl.String)
