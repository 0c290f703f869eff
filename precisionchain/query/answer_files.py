"""An answer's frame as CSV or Parquet, for other programs.

CSV is RFC 4180 in UTF-8 with a header; null is an empty cell and an empty text is ``""``; dates and
times are ISO 8601; lists, maps and structs are JSON; bytes are hex. Parquet keeps polars' types,
but for integers of 128 bits, which few readers know: they become decimals.
"""

from __future__ import annotations

import io
from pathlib import Path

import polars as pl

_DATETIME = "%Y-%m-%dT%H:%M:%S%.f"
_WIDE = (pl.Int128, pl.UInt128)


def write_frame(answer: pl.DataFrame, path: Path, form: str) -> None:
    """Write a frame to a path as ``csv`` or ``parquet``."""
    if form == "parquet":
        wide = [pl.col(name).cast(pl.Decimal(38, 0)) for name in _of_types(answer, _WIDE)]
        whole = io.BytesIO()  # written by Python, so that a full disk is an OSError
        answer.with_columns(wide).write_parquet(whole)
        path.write_bytes(whole.getbuffer())
    else:
        path.write_text(csv_text(answer), encoding="utf-8", newline="")


def csv_text(answer: pl.DataFrame) -> str:
    """Return a frame as CSV."""
    if not answer.width:
        return ""
    return answer.select(_plain(column) for column in answer.iter_columns()).write_csv()


def _plain(column: pl.Series) -> pl.Expr:
    """Return a column as text or as a type that CSV writes in one way."""
    values, kind = pl.col(column.name), column.dtype
    if isinstance(kind, pl.List | pl.Array | pl.Map):
        # A struct of one member knows JSON, a list does not: its value is what stands between.
        before = len('{"":') + len("x")
        whole = pl.struct(values.alias("x")).struct.json_encode()
        text = whole.str.slice(before).str.strip_suffix("}")
        return pl.when(values.is_not_null()).then(text).alias(column.name)
    if isinstance(kind, pl.Struct):
        return pl.when(values.is_not_null()).then(values.struct.json_encode()).alias(column.name)
    if isinstance(kind, pl.Datetime):
        return values.dt.strftime(_DATETIME + ("%:z" if kind.time_zone else ""))
    if isinstance(kind, pl.Binary):
        return values.bin.encode("hex")
    return values


def _of_types(answer: pl.DataFrame, kinds: tuple[type[pl.DataType], ...]) -> list[str]:
    return [name for name, kind in answer.schema.items() if isinstance(kind, kinds)]
