"""Rows of sorted files in one order, block by block.

A batch's rows of one name are published in the order in which those of several batches are wanted,
so that they are merged and need no sort of all: memory holds a block of each file, and a row is
moved once. It is checked that they are in order; whose are not, are to be sorted otherwise.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from typing import Any, Final

import numpy as np
import pyarrow as pa
import pyarrow.compute

from precisionchain.row_order import Ints, row_order
from precisionchain.schemas.arrow_values import column_of, known_rows, one_chunk, values_of

# The stubs describe compute functions by one overload a type; our columns are of any type.
pc: Any = pyarrow.compute

_LATE: Final = {4: 2**31, 8: 2**63 - 1}
"""What a null counts as by the bytes of its column: it comes last."""


class NotSortedError(Exception):
    """Rows of a file do not follow each other by the keys."""


@dataclass(frozen=True, slots=True)
class SortKey:
    """A column of whole numbers or dates that rows are sorted by.

    Args:
        name: of the column; rows without it are all null.
        missing: what a null counts as; None for last.
    """

    name: str
    missing: int | None = None


@dataclass(slots=True)
class SortedRows:
    """Rows of one file in the order of keys, as far as they are read and not yet taken.

    Args:
        blocks: the rows, all of one schema.
        keys: what they are sorted by; a number is the key of all of them.
    """

    blocks: Iterator[pa.Table]
    keys: Sequence[SortKey | int]
    _rows: pa.Table = field(default_factory=lambda: pa.table({}), init=False)
    _values: list[Ints] = field(default_factory=list, init=False)
    _last: tuple[int, ...] = field(default=(), init=False)

    @property
    def last(self) -> tuple[int, ...]:
        """The keys of the last row that is read."""
        return self._last

    def more(self) -> bool:
        """Whether there are rows, of which some are read now.

        Raises:
            NotSortedError: they do not follow each other.
        """
        while not self._rows.num_rows:
            block = next(self.blocks, None)
            if block is None:
                return False
            if not block.num_rows:
                continue
            values = [_values(block, key) for key in self.keys]
            if not _ascend(values) or tuple(int(one[0]) for one in values) < self._last:
                raise NotSortedError
            self._rows, self._values = block, values
            self._last = tuple(int(one[-1]) for one in values)
        return True

    def take(self, cut: Sequence[int]) -> tuple[pa.Table, list[Ints]]:
        """Take the rows that are read and do not come after keys; with their own."""
        end = _not_after(self._values, cut)
        taken = self._rows[:end], [one[:end] for one in self._values]
        self._rows, self._values = self._rows[end:], [one[end:] for one in self._values]
        return taken


def merged_rows(sources: Sequence[SortedRows]) -> Iterator[pa.Table]:
    """Yield the rows of all sources in the order of their keys; of equal ones, by source.

    Args:
        sources: of one schema, by keys of one kind.

    Raises:
        NotSortedError: the rows of a source do not follow each other; some may be given already.
    """
    left = [source for source in sources if source.more()]
    while left:
        cut = min(source.last for source in left)
        taken = [(rows, keys) for rows, keys in (one.take(cut) for one in left) if rows.num_rows]
        yield taken[0][0] if len(taken) == 1 else _in_order(taken)
        left = [source for source in left if source.more()]


def _in_order(taken: Sequence[tuple[pa.Table, list[Ints]]]) -> pa.Table:
    rows = pa.concat_tables([rows for rows, _ in taken]).unify_dictionaries().combine_chunks()
    keys = [
        column_of(np.concatenate(of_key))
        for of_key in zip(*(keys for _, keys in taken), strict=True)
    ]
    return rows.take(column_of(row_order(keys)))


def _values(block: pa.Table, key: SortKey | int) -> Ints:
    if isinstance(key, int):
        return np.full(block.num_rows, key, np.int64)
    column = one_chunk(block[key.name])
    values: Ints = values_of(column).astype(np.int64)
    if column.null_count:
        missing = _LATE[column.type.bit_width // 8] if key.missing is None else key.missing
        values[~known_rows(column)] = missing
    return values


def _ascend(keys: Sequence[Ints]) -> bool:
    """Whether rows follow each other by the first key, then the second, and so on."""
    tied = np.ones(max(len(keys[0]) - 1, 0), np.bool_)
    for key in keys:
        before, after = key[:-1], key[1:]
        if bool((tied & (after < before)).any()):
            return False
        tied &= after == before
    return True


def _not_after(keys: Sequence[Ints], cut: Sequence[int]) -> int:
    """Return how many of sorted rows do not come after keys."""
    low, high = 0, len(keys[0])
    for key, value in zip(keys, cut, strict=True):
        part = key[low:high]
        first, after = (int(np.searchsorted(part, value, side)) for side in ("left", "right"))
        low, high = low + first, low + after
    return high
