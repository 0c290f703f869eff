"""What can be taken out of one column, and put back: the steps behind `columns.shrink`.

A step is a small JSON object. ``i`` is the column's place, ``t`` its Arrow type, ``n`` its name if
it is dropped, and ``k`` what was done:

==========  ===================================================================================
``null``    every value is null; the column is dropped
``value``   every value is ``v`` (floats: their bits; binary: hex); the column is dropped
``range``   integers ``b``, ``b + d``, ``b + 2 d`` ...; the column is dropped
``offset``  integers ``b + s * x``, where x is stored in the narrowest unsigned type
``delta``   as ``offset``, but of the differences; ``v`` is the first integer
``dict``    strings, stored as a dictionary with the narrowest index
``number``  strings ``p`` and a plain integer, stored as ``x`` says; ``y`` lists other rows
==========  ===================================================================================

Dates and timestamps count as integers, and so do floats whose every value is an integer divided
by ``10^e``. ``of`` names another column whose values were subtracted first, times ``f``.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any, Final, cast

import numpy as np
import numpy.typing as npt
import pyarrow as pa

from precisionchain.schemas.arrow_values import (
    Bools,
    Column,
    column_of,
    known_rows,
    text_column,
    values_of,
)

Step = dict[str, Any]
Ints = npt.NDArray[np.int64]


class _Compute:
    """`pyarrow.compute`, loaded by its first function: making the 286 takes as long as a question.

    The stubs describe its functions by one overload a type; our columns are of any type.
    """

    def __getattr__(self, name: str) -> Any:
        import pyarrow.compute

        return getattr(pyarrow.compute, name)


pc: Final = _Compute()

_INTEGERS = tuple(getattr(pa, f"{s}int{w}")() for s in ("", "u") for w in (8, 16, 32, 64))
_STAMPS = tuple(pa.timestamp(unit) for unit in ("s", "ms", "us", "ns"))
_STRINGS = (pa.string(), pa.large_string())
_OTHERS = (pa.bool_(), pa.binary(), pa.float32(), pa.float64(), pa.date32())
TYPES: Final[Mapping[str, pa.DataType]] = {
    str(t): t for t in (*_INTEGERS, *_STAMPS, *_STRINGS, *_OTHERS)
}
"""The types we transform, by the name that stands in metadata; others pass through."""

DROPPED: Final = frozenset({"null", "value", "range"})
"""The steps after which nothing of a column is stored."""

TICKS_A_DAY: Final[Mapping[str, int]] = {
    "timestamp[s]": 86_400,
    "timestamp[ms]": 86_400_000,
    "timestamp[us]": 86_400_000_000,
    "timestamp[ns]": 86_400_000_000_000,
}

_UNSIGNED: Final = (np.dtype(np.uint8), np.dtype(np.uint16), np.dtype(np.uint32))
_MAX_DECIMALS = 4
_EXACT = 2**53
_NUMBERED = re.compile(r"([^0-9]+)(?:0|[1-9][0-9]{0,17})", re.ASCII)


def shrink_column(array: Column, base: Ints | None, factor: int) -> tuple[Step, Column | None]:
    """Return what was done to a column, and what is left to store.

    Args:
        array: the column, of a type in `TYPES`, in one chunk.
        base: int64 values of the column it is told relative to (no nulls), or None.
        factor: what ``base`` is multiplied by.

    Returns:
        The step without ``i``, ``t`` and ``n`` (``of`` is empty, for the caller to fill), an empty
        one if the column is stored as it is; and the stored array, None if nothing is left.
    """
    kind = str(array.type)
    if array.null_count == len(array):
        return {"k": "null"}, None
    if kind in ("string", "large_string"):
        return _shrink_strings(array)
    if kind in ("bool", "binary"):
        return _shrink_constant(array)
    scaled = _integers(array)
    if scaled is None:
        step, stored = _shrink_constant(array)
        return step, stored if step else _without_rests(array)
    ints, exponent = scaled
    extra = {"e": exponent} if exponent is not None else {}
    if base is not None:
        relative = _minus(ints, base, factor, array)
        if relative is not None:
            step, stored = _shrink_integers(relative, array, array.type.bit_width)
            if step:
                return {**step, **extra, "of": "", "f": factor}, stored
    step, stored = _shrink_integers(ints, array, array.type.bit_width)
    return ({**step, **extra}, stored) if step else ({}, _without_rests(array))


def restore_column(step: Step, stored: Column | None, rows: int, base: Ints | None) -> Column:
    """Return the column that `shrink_column` was given (see there).

    Raises:
        KeyError, ValueError, TypeError, OverflowError, pyarrow.ArrowException: the step or the
            stored array is not one that `shrink_column` makes.
    """
    return _RESTORE[step["k"]](_Remains(step, TYPES[step["t"]], stored, rows, base))


def narrow(values: npt.NDArray[Any], largest: int) -> npt.NDArray[Any] | None:
    """Return non-negative integers in the smallest unsigned type, or None beyond 32 bits."""
    for dtype in _UNSIGNED:
        if largest <= np.iinfo(dtype).max:
            return values.astype(dtype)
    return None


def column_integers(array: Column) -> Ints | None:
    """Return a column without nulls as int64 (dates in days, timestamps in ticks), or None."""
    if array.null_count or str(array.type) not in TYPES:
        return None
    found = _integers(array)
    return found[0] if found and found[1] is None else None


# ------------------------------------------------------------------------------------ shrinking


def _shrink_constant(array: Column) -> tuple[Step, Column | None]:
    """Drop a column of one value; floats are compared, and kept, by their bits."""
    if array.null_count:
        return {}, array
    if pa.types.is_floating(array.type):
        bits = values_of(array).view(f"i{array.type.bit_width // 8}")
        if (bits == bits[0]).all():
            return {"k": "value", "v": int(bits[0])}, None
        return {}, array
    first = array[0]
    if pc.all(pc.equal(array, first)).as_py():
        value = first.as_py()
        return {"k": "value", "v": value.hex() if isinstance(value, bytes) else value}, None
    return {}, array


def _shrink_strings(array: Column) -> tuple[Step, Column | None]:
    step, stored = _shrink_constant(array)
    if step:
        return step, stored
    numbered = _shrink_numbered(array)
    if numbered is not None:
        return numbered
    encoded = array.dictionary_encode()
    codes = _filled(encoded.indices, 0)
    small = narrow(codes, len(encoded.dictionary) - 1)
    offset = 8 if array.type == pa.large_string() else 4
    if small is None:
        return {}, array
    cost = small.nbytes + _text_bytes(encoded.dictionary, offset)
    if 2 * cost > _text_bytes(array, offset):
        return {}, array
    indices = column_of(small, _mask(array))
    return {"k": "dict"}, pa.DictionaryArray.from_arrays(indices, encoded.dictionary)


def _shrink_numbered(array: Column) -> tuple[Step, Column | None] | None:
    """Store ``rs123``, ``rs45`` ... as numbers, if nearly every value is so written."""
    first: list[Any] = array.drop_null().slice(0, 8).to_pylist()
    prefix = next((match[1] for match in map(_NUMBERED.fullmatch, first) if match), None)
    if prefix is None:
        return None
    plain = pc.match_substring_regex(array, f"^{re.escape(prefix)}(0|[1-9][0-9]{{0,17}})$")
    other = pc.indices_nonzero(pc.invert(plain)).to_pylist()
    if len(other) > len(array) // 16:
        return None
    numbered = pc.fill_null(plain, False)
    digits = pc.if_else(numbered, pc.utf8_slice_codeunits(array, len(prefix)), "0")
    ints = values_of(digits.cast(pa.int64()))
    if other:
        good = values_of(numbered)
        ints = np.where(good, ints, ints[good].min())
    step, stored = _shrink_integers(ints, array, 64)
    if stored is None:
        return None
    said = [[row, array[row].as_py()] for row in other]
    return {**step, "x": step["k"], "k": "number", "p": prefix, "y": said}, stored


def _shrink_integers(ints: Ints, array: Column, width: int) -> tuple[Step, Column | None]:
    """Shrink integers that stand for a column with the same nulls.

    Args:
        ints: int64, one a row; those of null rows do not count.
        array: the column, for its nulls and its type.
        width: the step is empty unless the integers fit in fewer bits than these.
    """
    mask = _mask(array)
    known = ints if mask is None else ints[~mask]
    low, high = int(known.min()), int(known.max())
    if mask is None:
        if low == high:
            return {"k": "range", "b": low, "d": 0}, None
        step, stored = _shrink_ascending(ints)
        if step:
            return step, stored
    if high - low >= 2**63:
        return {}, None
    scale = 1
    if high > low and pa.types.is_timestamp(array.type):
        scale = int(np.gcd.reduce(known - low))
    filled = ints if mask is None else np.where(mask, low, ints)
    small = narrow((filled - low) // scale, (high - low) // scale)
    if small is None or small.dtype.itemsize * 8 >= width:
        return {}, None
    return {"k": "offset", "b": low, "s": scale}, column_of(small, mask)


def _shrink_ascending(ints: Ints) -> tuple[Step, Column | None]:
    """Shrink integers that never fall, by their differences."""
    if int(ints[-1]) - int(ints[0]) >= 2**63 or not bool((ints[1:] >= ints[:-1]).all()):
        return {}, None
    steps = np.diff(ints)
    low, high = int(steps.min()), int(steps.max())
    if low == high:
        return {"k": "range", "b": int(ints[0]), "d": low}, None
    small = narrow(np.concatenate(([0], steps - low)), high - low)
    if small is None:
        return {}, None
    return {"k": "delta", "v": int(ints[0]), "b": low}, column_of(small)


def _integers(array: Column) -> tuple[Ints, int | None] | None:
    """Return a column as int64 (0 for null), and the decimals of a float; None if it has none."""
    if pa.types.is_floating(array.type):
        return _decimal_integers(array)
    plain = array.cast(pa.int32()) if array.type == pa.date32() else array
    try:
        wide = plain if plain.type == pa.int64() else plain.cast(pa.int64())
    except pa.ArrowInvalid:  # an unsigned integer from 2^63 on
        return None
    return _filled(wide, 0), None


def _decimal_integers(array: Column) -> tuple[Ints, int] | None:
    """Return integers that give every float back, bit for bit, when divided by ``10^e``."""
    values = _filled(array, 0.0)
    if not np.isfinite(values).all():
        return None
    wide = values.astype(np.float64)
    bits = f"i{values.dtype.itemsize}"
    for exponent in range(_MAX_DECIMALS + 1):
        scaled = np.rint(wide * 10**exponent)
        if np.abs(scaled).max() >= _EXACT:
            return None
        ints = scaled.astype(np.int64)
        back = (ints / 10**exponent).astype(values.dtype)
        if np.array_equal(back.view(bits), values.view(bits)):
            return ints, exponent
    return None


def _minus(ints: Ints, base: Ints, factor: int, array: Column) -> Ints | None:
    """Return ``ints - factor * base`` (0 in null rows), or None where int64 cannot hold it."""
    limit = 2**62
    largest = max(abs(int(base.min())), abs(int(base.max()))) * factor
    if largest >= limit or max(abs(int(ints.min())), abs(int(ints.max()))) >= limit:
        return None
    difference: Ints = ints - factor * base
    mask = _mask(array)
    return difference if mask is None else np.where(mask, 0, difference)


def _filled(array: Column, value: Any) -> npt.NDArray[Any]:
    """Return a column's values, with ``value`` in null rows."""
    values = values_of(array)
    return (
        np.where(known_rows(array), values, values.dtype.type(value))
        if array.null_count
        else values
    )


def _without_rests(array: Column) -> Column:
    """Return a column of numbers with 0 in null rows, where whoever made it may leave anything."""
    if not array.null_count:
        return array
    zeros = column_of(_filled(array, 0), _mask(array))
    return cast("Column", zeros.view(array.type))


def _mask(array: Column) -> Bools | None:
    return ~known_rows(array) if array.null_count else None


def _text_bytes(array: Column, offset: int) -> int:
    return offset * len(array) + int(pc.sum(pc.binary_length(array)).as_py() or 0)


# ------------------------------------------------------------------------------------ restoring


@dataclass(frozen=True, slots=True)
class _Remains:
    """What is left of a column: the step, its type, what was stored, its length, its base."""

    step: Step
    kind: pa.DataType
    stored: Column | None
    rows: int
    base: Ints | None


def _restore_null(left: _Remains) -> Column:
    return cast("Column", pa.nulls(left.rows, cast("Any", left.kind)))


def _restore_value(left: _Remains) -> Column:
    value = left.step["v"]
    if pa.types.is_floating(left.kind):
        width = left.kind.bit_width // 8
        floats = np.full(left.rows, value, f"i{width}").view(f"f{width}")
        return column_of(floats)
    if left.kind == pa.bool_():
        if not isinstance(value, bool):
            raise TypeError("a truth")
        return column_of(np.full(left.rows, value))
    if pa.types.is_integer(left.kind):
        return column_of(np.full(left.rows, value, str(left.kind)))
    text = text_column([bytes.fromhex(value) if left.kind == pa.binary() else value], left.kind)
    return cast("Column", pa.repeat(cast("Any", text[0]), left.rows))


def _restore_range(left: _Remains) -> Column:
    running = np.arange(left.rows, dtype=np.int64)
    ints = np.int64(left.step["b"]) + np.int64(left.step["d"]) * running
    return _typed(ints, None, left)


def _restore_offset(left: _Remains) -> Column:
    ints, mask = _offset_integers(left.step, left.step["k"], left.stored)
    return _typed(ints, mask, left)


def _restore_dict(left: _Remains) -> Column:
    if left.stored is None:
        raise ValueError("a dictionary column is absent")
    return left.stored.cast(left.kind)


def _restore_number(left: _Remains) -> Column:
    ints, mask = _offset_integers(left.step, left.step["x"], left.stored)
    digits = column_of(ints, mask).cast(left.kind)
    prefix, nothing = text_column((left.step["p"], ""), left.kind)
    named = pc.binary_join_element_wise(prefix, digits, nothing)
    if left.step["y"]:
        rows, texts = zip(*left.step["y"], strict=True)
        other = np.zeros(len(ints), np.bool_)
        other[list(rows)] = True
        named = pc.replace_with_mask(named, column_of(other), text_column(texts, left.kind))
    return cast("Column", named)


def _offset_integers(step: Step, kind: str, stored: Column | None) -> tuple[Ints, Bools | None]:
    if stored is None or not pa.types.is_integer(stored.type):
        raise ValueError("an integer column is absent")
    narrowed = _filled(stored, 0).astype(np.int64)
    if kind == "delta":
        running = np.arange(len(narrowed), dtype=np.int64)
        return np.int64(step["v"]) + np.cumsum(narrowed) + np.int64(step["b"]) * running, None
    return np.int64(step["b"]) + np.int64(step["s"]) * narrowed, _mask(stored)


def _typed(ints: Ints, mask: Bools | None, left: _Remains) -> Column:
    """Return integers as a column of their type, after adding what was subtracted."""
    kind = left.kind
    if left.base is not None:
        ints = ints + np.int64(left.step["f"]) * left.base
    if pa.types.is_floating(kind):
        exponent = left.step["e"]
        if exponent not in range(_MAX_DECIMALS + 1):
            raise ValueError("decimals")
        floats = (ints / 10**exponent).astype(f"f{kind.bit_width // 8}")
        return column_of(floats, mask)
    array = column_of(ints, mask)
    return array.cast(pa.int32()).cast(kind) if kind == pa.date32() else array.cast(kind)


_RESTORE: Final[Mapping[str, Callable[[_Remains], Column]]] = {
    "null": _restore_null,
    "value": _restore_value,
    "range": _restore_range,
    "offset": _restore_offset,
    "delta": _restore_offset,
    "dict": _restore_dict,
    "number": _restore_number,
}
