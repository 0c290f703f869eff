r"""The digest of an answer: over its values, not over anybody's file format.

It is therefore the same whatever library version made the frame and however its buffers are cut::

    digest = SHA-256("precisionchain answer 1\0" | u64 rows | u32 columns
                     | name | column | name | column ...)
    name   = u32 length, UTF-8
    column = u8 type | sized(a bit per row, 1 = not null) | content
    sized  = u64 length, bytes

=== ============= ====================================================================
 1  integer       sized(int64)
 2  boolean       sized(int64), 0 or 1
 3  float         sized(IEEE binary64); every NaN is the same NaN
 4  text          sized(int64 bytes of each) sized(UTF-8 of all)
 5  date          sized(int64 days since 1970-01-01)
 6  datetime      sized(int64 microseconds since then)
 7  list          sized(int64 length of each), then the elements of all, as a column
 8  anything else Python's ``str`` of each value, as text; bytes in hex
=== ============= ====================================================================

Little-endian; bits from the least significant. A null's value is 0, its text and list are empty.
The order of rows and columns counts.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final

import numpy as np
import polars as pl

from precisionchain.schemas.canonical import canonical_json

_LABEL = b"precisionchain answer 1\x00"
_VALUE_LABEL = b"precisionchain value 1\x00"
_INTEGER, _BOOLEAN, _FLOAT, _TEXT, _DATE, _DATETIME, _LIST, _OTHER = range(1, 9)
_WIDE: Final = (pl.UInt64, pl.Int128, pl.UInt128)
"""Integers that may not fit int64: told as text."""


def frame_digest(frame: pl.DataFrame) -> str:
    """Return the digest of a frame, in hex."""
    total = sha256(_LABEL + struct.pack("<QI", frame.height, frame.width))
    for column in frame.iter_columns():
        name = column.name.encode()
        total.update(struct.pack("<I", len(name)) + name)
        for part in _column(column):
            total.update(part)
    return total.hexdigest()


def value_digest(value: Any) -> str:
    """Return the digest of an answer that is no frame but a JSON value, in hex.

    Raises:
        CodecError: the value has no canonical JSON.
    """
    return sha256(_VALUE_LABEL + canonical_json(value)).hexdigest()


def _column(column: pl.Series) -> Iterator[bytes]:
    kind = _kind_of(column.dtype)
    yield bytes((kind,))
    yield from _sized(np.packbits(column.is_not_null().to_numpy(), bitorder="little").tobytes())
    if kind in (_TEXT, _OTHER):
        text = (_as_text(column) if kind == _OTHER else column.cast(pl.String)).fill_null("")
        yield from _sized(_int64(text.str.len_bytes()))
        yield from _sized("".join(text.to_list()).encode())
    elif kind == _LIST:
        lists = column.arr.to_list() if isinstance(column.dtype, pl.Array) else column
        lengths = lists.list.len().fill_null(0)
        yield from _sized(_int64(lengths))
        yield from _column(lists.filter(lengths > 0).explode())
    elif kind == _FLOAT:
        values = column.cast(pl.Float64).fill_null(0.0).to_numpy().astype("<f8", copy=True)
        values[np.isnan(values)] = np.nan
        yield from _sized(values.tobytes())
    else:
        if kind == _DATETIME:
            column = column.dt.cast_time_unit("us")
        yield from _sized(_int64(column.to_physical()))


def _kind_of(dtype: pl.DataType) -> int:
    if dtype.is_integer():
        return _OTHER if dtype in _WIDE else _INTEGER
    if dtype.is_float():
        return _FLOAT
    if dtype in (pl.String, pl.Categorical, pl.Enum):
        return _TEXT
    if dtype in (pl.List, pl.Array):
        return _LIST
    exact = {pl.Boolean: _BOOLEAN, pl.Date: _DATE, pl.Datetime: _DATETIME}
    return exact.get(dtype.base_type(), _OTHER)


def _as_text(column: pl.Series) -> pl.Series:
    """Rare types (times, decimals, blobs, structs), value by value."""
    return pl.Series([None if value is None else _said(value) for value in column], dtype=pl.String)


def _said(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _int64(values: pl.Series) -> bytes:
    return values.cast(pl.Int64).fill_null(0).to_numpy().astype("<i8", copy=False).tobytes()


def _sized(part: bytes) -> Iterator[bytes]:
    yield struct.pack("<Q", len(part))
    yield part
