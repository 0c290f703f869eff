"""Arrow columns as numpy arrays and back, by their buffers.

pyarrow's own ``to_numpy``, ``pa.array`` and ``pa.scalar`` import pandas where it is installed: a
quarter of a second of CPU that a question would wait for.

>>> values_of(column_of(np.array([7, 8, 9]), np.array([False, True, False]))).tolist()
[7, 8, 9]
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, TypeAlias, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

Column: TypeAlias = "pa.Array[Any]"
Bools: TypeAlias = npt.NDArray[np.bool_]


def values_of(array: Any) -> npt.NDArray[Any]:
    """Return a column of numbers, truths, dates or times as it is stored.

    Args:
        array: pyarrow Array [n] of a type with a fixed number of bits up to 64.

    Returns:
        [n], a read-only view where it can be: numbers as they are, dates in days and times in ticks
        as integers. What stands in a null row is whatever stands there.
    """
    kind, buffer = array.type, array.buffers()[1]
    if pa.types.is_boolean(kind):
        return _bits(array, buffer)
    letter = "f" if pa.types.is_floating(kind) else "i"
    if pa.types.is_unsigned_integer(kind):
        letter = "u"
    return cut(array, buffer, f"<{letter}{kind.bit_width // 8}", len(array))


def cut(array: Any, buffer: Any, dtype: str, length: int) -> npt.NDArray[Any]:
    """Return ``length`` values of a buffer from an array's offset on; zeros where there is none."""
    if buffer is None or len(array) == 0:
        return np.zeros(length, dtype)
    values: npt.NDArray[Any] = np.frombuffer(buffer, dtype)
    return values[array.offset : array.offset + length]


def one_chunk(column: pa.ChunkedArray[Any]) -> Column:
    """Return a column as one array, whatever number of chunks (none, too) it has.

    Of one chunk, that one: ``combine_chunks`` would copy it.
    """
    chunks: list[Column] = column.chunks or [pa.nulls(0).cast(column.type)]
    whole: Any = chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
    return cast("Column", whole)


def known_rows(array: Any) -> Bools:
    """Return which rows of any column are not null."""
    if pa.types.is_null(array.type):
        return np.zeros(len(array), np.bool_)
    buffer = array.buffers()[0] if array.null_count else None
    return np.ones(len(array), np.bool_) if buffer is None else _bits(array, buffer)


def column_of(values: npt.NDArray[Any], nulls: Bools | None = None) -> Column:
    """Return numbers or truths as a column, without copying the numbers.

    Args:
        values: [n].
        nulls: [n], the rows that are null; None for none.
    """
    kind: Any = pa.from_numpy_dtype(values.dtype)
    stored = np.ascontiguousarray(values)
    if values.dtype == np.bool_:
        stored = np.packbits(stored, bitorder="little")
    known = None
    if nulls is not None and nulls.any():
        known = pa.py_buffer(np.packbits(~nulls, bitorder="little").tobytes())
    buffers: Any = [known, pa.py_buffer(stored)]  # type: ignore[arg-type]  # any buffer, says Arrow
    return pa.Array.from_buffers(kind, len(values), buffers)


def text_column(texts: Sequence[str | bytes], kind: Any) -> Column:
    """Return texts (or, for ``pa.binary()``, bytes) as a column without nulls.

    Raises:
        AttributeError: something else than a text.
    """
    encoded = [text if isinstance(text, bytes) else text.encode() for text in texts]
    width = "<i8" if kind == pa.large_string() else "<i4"
    ends = np.cumsum([0, *map(len, encoded)], dtype=width)
    buffers: Any = [None, pa.py_buffer(ends.tobytes()), pa.py_buffer(b"".join(encoded))]
    return pa.Array.from_buffers(kind, len(encoded), buffers)


def repeated(text: str, length: int) -> Column:
    """Return a column of one text."""
    of_text: Any = text_column((text,), pa.string())[0]
    return cast("Column", pa.repeat(of_text, length))


def text_parts(array: Any) -> list[npt.NDArray[Any]]:
    """Return the lengths of a column's texts, int64, and all their bytes, one text after another.

    Args:
        array: pyarrow StringArray or LargeStringArray, without nulls.
    """
    width = "<i8" if array.type == pa.large_string() else "<i4"
    ends = cut(array, array.buffers()[1], width, len(array) + 1)
    if not len(array):
        return [np.zeros(0, np.int64), np.zeros(0, np.uint8)]
    values = array.buffers()[2]
    text: npt.NDArray[np.uint8] = np.frombuffer(b"" if values is None else values, np.uint8)
    return [np.diff(ends).astype(np.int64), text[int(ends[0]) : int(ends[-1])]]


def _bits(array: Any, buffer: Any) -> Bools:
    if buffer is None or len(array) == 0:
        return np.zeros(len(array), np.bool_)
    octets: npt.NDArray[np.uint8] = np.frombuffer(buffer, np.uint8)
    bits = np.unpackbits(octets, count=array.offset + len(array), bitorder="little")
    return bits[array.offset :].astype(np.bool_)
