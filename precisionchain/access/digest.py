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
 8  struct        u32 fields, then of each its name and column
 9  anything else as text: Python's ``str`` of each value; bytes in hex
10  text in lists u32 different texts, these ascending by their UTF-8: sized(int64 bytes of each)
                  sized(UTF-8 of all); then sized(place of each element's text among them, each in
                  1, 2 or 4 bytes, the fewest that hold the greatest of as many places)
=== ============= ====================================================================

Little-endian; bits from the least significant. A null's value is 0, its text and list are empty.
The order of rows and columns counts. Lists of text name the same few over and over (millions of
times who was shown), so each is said once.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from hashlib import sha256
from typing import Any, Final, TypeAlias

import numpy as np
import polars as pl
import pyarrow as pa
from numpy.typing import NDArray

from precisionchain.schemas.arrow_values import cut, known_rows, values_of
from precisionchain.schemas.canonical import canonical_json

_Known: TypeAlias = NDArray[np.bool_] | None

_LABEL = b"precisionchain answer 1\x00"
_VALUE_LABEL = b"precisionchain value 1\x00"
_INTEGER, _BOOLEAN, _FLOAT, _TEXT, _DATE, _DATETIME, _LIST, _STRUCT, _OTHER = range(1, 10)
_LISTED_TEXT: Final = 10
_TICKS: Final = {"s": 1_000_000, "ms": 1_000}
_STRETCH: Final = 2**15
_NO_TEXT: Final = np.empty(0, np.uint8)
_WIDER_THAN_ARROW: Final = frozenset((pl.Int128, pl.UInt128))
_KINDS: Final[list[tuple[int, list[Any]]]] = [
    (_INTEGER, [pa.int8(), pa.int16(), pa.int32(), pa.int64()]),
    (_INTEGER, [pa.uint8(), pa.uint16(), pa.uint32()]),  # a uint64 may not fit: told as text
    (_FLOAT, [pa.float16(), pa.float32(), pa.float64()]),
    (_BOOLEAN, [pa.bool_()]),
    (_TEXT, [pa.large_string()]),
    (_DATE, [pa.date32()]),
    (_DATETIME, [pa.timestamp("us")]),
    (_LIST, [pa.large_list(pa.null()), pa.list_(pa.null(), 1)]),
    (_STRUCT, [pa.struct([])]),
]
_KIND_OF: Final = {dtype.id: kind for kind, dtypes in _KINDS for dtype in dtypes}
"""By the number of an Arrow type: a person's record has a hundred columns of a few rows."""
_NUMBERS: Final = frozenset((_INTEGER, _BOOLEAN, _FLOAT, _DATE, _DATETIME))
_HEAD, _SIZE = struct.Struct("<BQ"), struct.Struct("<Q")


def frame_digest(frame: pl.DataFrame) -> str:
    """Return the digest of a frame, in hex."""
    total = sha256(_LABEL + struct.pack("<QI", frame.height, frame.width))
    wide = [name for name, dtype in frame.schema.items() if dtype in _WIDER_THAN_ARROW]
    if wide:
        frame = frame.with_columns(pl.col(wide).cast(pl.Decimal(38, 0)))
    for column in frame.iter_columns():  # whole frames are converted by threads, which must wake
        total.update(_named(column.name))
        for part in _column(_arrow(column)):
            total.update(part)
    return total.hexdigest()


def value_digest(value: Any) -> str:
    """Return the digest of an answer that is no frame but a JSON value, in hex.

    Raises:
        CodecError: the value has no canonical JSON.
    """
    return sha256(_VALUE_LABEL + canonical_json(value)).hexdigest()


def _arrow(column: pl.Series) -> Any:
    return column.to_arrow(compat_level=pl.CompatLevel.oldest())


def _column(array: Any) -> Iterator[bytes | memoryview]:
    if pa.types.is_dictionary(array.type):
        array = array.cast(pa.large_string())
    kind, rows, nulls = _KIND_OF.get(array.type.id, _OTHER), len(array), array.null_count
    if nulls == rows and kind in _NUMBERS:  # most columns of most records
        yield _HEAD.pack(kind, (rows + 7) // 8) + bytes((rows + 7) // 8) + _SIZE.pack(8 * rows)
        yield bytes(8 * rows)
        return
    valid = _known(array) if nulls else None
    bits = _packed(valid, rows)
    yield _HEAD.pack(kind, len(bits)) + bits
    if kind == _LIST:
        yield from _sized(_int64(np.diff(_list_offsets(array)), valid))
        yield from _elements(array.flatten())
    elif kind == _STRUCT:
        yield struct.pack("<I", array.type.num_fields)
        for field, values in zip(array.type, array.flatten(), strict=True):
            yield _named(field.name)
            yield from _column(values)
    elif kind in (_TEXT, _OTHER):
        yield from _text(_as_text(array) if kind == _OTHER else array, valid)
    elif kind == _FLOAT:
        floats = _where(valid, values_of(array).astype("<f8"))
        floats[np.isnan(floats)] = np.nan
        yield from _sized(floats.tobytes())
    else:
        yield from _sized(_int64(_integers(array), valid))


def _elements(array: Any) -> Iterator[bytes | memoryview]:
    """A list's elements: texts, each said once, or as any column."""
    if pa.types.is_large_string(array.type):
        array = array.dictionary_encode()
    if not pa.types.is_dictionary(array.type):
        yield from _column(array)
        return
    valid, codes = _known(array), values_of(array.indices)
    used = _used(codes if valid is None else codes[valid], len(array.dictionary))
    named = pl.Series("text", array.dictionary, dtype=pl.String).to_frame().with_row_index("code")
    kept = named.filter(pl.Series(used)).sort("text")
    places = np.zeros(used.size, _narrowest(kept.height))
    places[kept["code"].to_numpy()] = np.arange(kept.height)
    same = kept.height == used.size and bool(kept["code"].is_sorted())
    found = codes.astype(places.dtype, copy=False) if same else _looked_up(places, codes, valid)
    found = _where(valid, found)
    texts = _arrow(kept["text"])
    yield bytes((_LISTED_TEXT,))
    yield from _sized(_packed(valid, len(array)))
    yield struct.pack("<I", kept.height)
    yield from _text(texts, None)
    yield from _sized(found.data.cast("B") if found.size else b"")


def _used(codes: NDArray[Any], n: int) -> NDArray[np.bool_]:
    """Return which of n codes are there; millions that name the same few are not all looked at."""
    used = np.zeros(n, np.bool_)
    for begin in range(0, codes.size, _STRETCH):
        used[codes[begin : begin + _STRETCH]] = True
        if used.all():
            break
    return used


def _looked_up(places: NDArray[Any], codes: NDArray[Any], valid: _Known) -> NDArray[Any]:
    """Return the place of each code; of a null, whatever."""
    if not places.size:
        return np.zeros(codes.size, places.dtype)
    found: NDArray[Any] = places[_where(valid, codes)]
    return found


def _known(array: Any) -> _Known:
    """Return which rows are not null, None for all: most columns, of which less is to be done."""
    return known_rows(array) if array.null_count else None


def _packed(valid: _Known, rows: int) -> bytes:
    """Return a bit per row, 1 where it is not null."""
    if valid is None:
        return b"\xff" * (rows // 8) + bytes([(1 << rows % 8) - 1])[: rows % 8]
    return np.packbits(valid, bitorder="little").tobytes()


def _where(valid: _Known, values: NDArray[Any]) -> NDArray[Any]:
    """Return values with 0 for those of nulls."""
    return values if valid is None else np.where(valid, values, values.dtype.type(0))


def _narrowest(count: int) -> str:
    return "<u1" if count <= 2**8 else "<u2" if count <= 2**16 else "<u4"


# ------------------------------------------------------------------------------------ Arrow buffers


def _integers(array: Any) -> NDArray[np.int64]:
    values = values_of(array)
    if not pa.types.is_timestamp(array.type):
        return values.astype(np.int64, copy=False)
    unit = array.type.unit
    return values if unit == "us" else values // 1_000 if unit == "ns" else values * _TICKS[unit]


def _list_offsets(array: Any) -> NDArray[Any]:
    if pa.types.is_fixed_size_list(array.type):
        size: int = array.type.list_size
        return np.arange(len(array) + 1, dtype=np.int64) * size
    return cut(array, array.buffers()[1], "<i8", len(array) + 1)


def _text(array: Any, valid: _Known) -> Iterator[bytes | memoryview]:
    offsets = cut(array, array.buffers()[1], "<i8", len(array) + 1)
    lengths = np.diff(offsets)
    yield from _sized(_int64(lengths, valid))
    buffer = array.buffers()[2]
    octets: NDArray[np.uint8] = np.frombuffer(buffer, np.uint8) if buffer else _NO_TEXT
    content = octets[offsets[0] : offsets[-1]]
    if valid is not None and lengths[~valid].any():  # Arrow allows a null to lie over text
        content = content[np.repeat(valid, lengths)]
    yield from _sized(content.tobytes())


def _as_text(array: Any) -> Any:
    """Rare types (times, decimals, blobs), value by value."""
    said = [None if value is None else _said(value) for value in array.to_pylist()]
    return _arrow(pl.Series(said, dtype=pl.String))


def _said(value: Any) -> str:
    return value.hex() if isinstance(value, bytes) else str(value)


def _int64(values: NDArray[Any], valid: _Known) -> bytes:
    return _where(valid, values).astype("<i8", copy=False).tobytes()


def _named(name: str) -> bytes:
    encoded = name.encode()
    return struct.pack("<I", len(encoded)) + encoded


def _sized(part: bytes | memoryview) -> tuple[bytes, bytes | memoryview]:
    return _SIZE.pack(len(part)), part
