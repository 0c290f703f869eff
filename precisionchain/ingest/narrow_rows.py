"""A table's rows in memory, each column of whole numbers in no more bytes than its values need.

Ids, concepts and dates of an export mostly fit in two bytes of their eight, so that a table of
millions of rows can be put in any order where it is. Rows are taken out as they were.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any, Final

import pyarrow as pa
import pyarrow.compute

from precisionchain.row_order import Ints
from precisionchain.schemas.arrow_values import column_of

# The stubs describe compute functions by one overload a type; our columns are of any type.
pc: Any = pyarrow.compute

MAX_BYTES: Final = 2**27
"""What the columns of a table may take in memory."""
MAX_ROWS: Final = 2**23
"""Rows of a table in memory: each takes some 24 bytes more while they are put in order."""
_PART_ROWS: Final = 2**19
"""Rows of a column that are worked on at a time."""
_SECOND: Final = 1_000_000
_UNSIGNED: Final = ((8, pa.uint8()), (16, pa.uint16()), (32, pa.uint32()))


@dataclass(frozen=True, slots=True)
class _Narrow:
    """A column: ``low + scale * stored``, and as it is where ``stored`` has its type.

    ``stored`` is None where every row is null.
    """

    kind: Any
    stored: Any
    low: int = 0
    scale: int = 1

    def part(self, start: int, length: int) -> _Narrow:
        """Return rows that follow each other."""
        stored = None if self.stored is None else self.stored.slice(start, length)
        return replace(self, stored=stored)

    def taken(self, rows: Any, length: int) -> Any:
        """Return rows by their numbers; all where these are None."""
        if self.stored is None:
            return pa.nulls(length, self.kind)
        found = self.stored if rows is None else pc.take(self.stored, rows, boundscheck=False)
        if found.type == self.kind:
            return found
        ints = pa.int32() if self.kind == pa.date32() else pa.int64()
        wide = pc.cast(found, ints)
        if self.scale > 1:
            wide = pc.multiply(wide, pa.scalar(self.scale, ints))
        if self.low:
            wide = pc.add(wide, pa.scalar(self.low, ints))
        return wide if self.kind == ints else wide.view(self.kind)


@dataclass(frozen=True, slots=True)
class NarrowRows:
    """Rows of a table, in the order they were read in."""

    names: tuple[str, ...]
    columns: tuple[_Narrow, ...]
    length: int

    @property
    def n_bytes(self) -> int:
        """What they take."""
        return sum(one.stored.nbytes for one in self.columns if one.stored is not None)

    def column(self, name: str) -> Any:
        """Return a column as it was, in one chunk."""
        return self.columns[self.names.index(name)].taken(None, self.length)

    def parts(self, name: str) -> Iterator[Any]:
        """Yield a column as it was in parts, one at least."""
        column = self.columns[self.names.index(name)]
        for start in range(0, max(self.length, 1), _PART_ROWS):
            rows = min(_PART_ROWS, self.length - start)
            yield column.part(start, rows).taken(None, rows)

    def key(self, name: str) -> Any:
        """Return numbers that order the rows as those of a column do, nulls likewise."""
        stored = self.columns[self.names.index(name)].stored
        return self.column(name) if stored is None else stored

    def take(self, names: Sequence[str], order: Ints) -> pa.Table:
        """Return columns of rows by their numbers, each column in one chunk."""
        rows = column_of(order)
        taken = [self.columns[self.names.index(name)].taken(rows, len(order)) for name in names]
        return pa.Table.from_arrays(taken, names=list(names))


def narrow_rows(columns: Iterable[tuple[str, pa.ChunkedArray[Any]]]) -> NarrowRows | None:
    """Return columns with their names, taken one after the other; None where they are too large."""
    names: list[str] = []
    kept: list[_Narrow] = []
    room, length = MAX_BYTES, 0
    for name, column in columns:
        length = len(column)
        if length > MAX_ROWS:
            return None
        kept.append(_narrow(column))
        names.append(name)
        if kept[-1].stored is not None:
            room -= kept[-1].stored.nbytes
        if room < 0:
            return None
        del column  # before the next one is read
    return NarrowRows(tuple(names), tuple(kept), length)


def _narrow(column: pa.ChunkedArray[Any]) -> _Narrow:
    kind: Any = column.type
    if column.null_count == len(column):
        return _Narrow(kind, None)
    stamps = pa.types.is_timestamp(kind)
    if not (stamps or kind in (pa.int64(), pa.date32())):
        return _Narrow(kind, _joined(column.chunks))
    ints = pa.int32() if kind == pa.date32() else pa.int64()
    whole = [chunk.view(ints) for chunk in column.chunks]
    scale = _SECOND if stamps and kind.unit == "us" and all(map(_of_seconds, _parts(whole))) else 1
    bounds: Any = pc.min_max(pa.chunked_array(whole, ints))
    low, high = bounds["min"].as_py(), bounds["max"].as_py()
    bits = ((high - low) // scale).bit_length()
    stored = next((one for width, one in _UNSIGNED if bits <= width), None)
    if stored is None or stored.bit_width >= ints.bit_width:
        return _Narrow(kind, _joined(column.chunks))
    lowest, unit = pa.scalar(low, ints), pa.scalar(scale, ints)
    narrow = []
    for part in _parts(whole):
        less = pc.subtract(part, lowest)
        narrow.append(pc.cast(pc.divide(less, unit) if scale > 1 else less, stored))
    return _Narrow(kind, _joined(narrow), low, scale)


def _parts(chunks: Iterable[Any]) -> Iterator[Any]:
    """Yield columns in parts, so that what is made of one on the way takes little room."""
    for chunk in chunks:
        for start in range(0, len(chunk), _PART_ROWS):
            yield chunk.slice(start, _PART_ROWS)


def _of_seconds(stamps: Any) -> bool:
    """Whether times in microseconds are whole seconds."""
    seconds = pc.divide(stamps, pa.scalar(_SECOND, pa.int64()))
    return pc.all(pc.equal(pc.multiply(seconds, _SECOND), stamps)).as_py() is not False


def _joined(chunks: Sequence[Any]) -> Any:
    return chunks[0] if len(chunks) == 1 else pa.concat_arrays(chunks)
