"""The order of a table's rows by integer keys, and its cutting into runs, in memory.

Rows are put in order digit by digit, the last key first, by a sort that keeps the order of equal
digits: numpy's, which counts digits of 16 bits. Of whole rows, a database's sort costs ten times as
much.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from typing import Any, TypeAlias

import numpy as np
import numpy.typing as npt
import pyarrow.compute

from precisionchain.schemas.arrow_values import known_rows, values_of

Ints: TypeAlias = npt.NDArray[np.int64]
_Digits: TypeAlias = npt.NDArray[np.uint16]

# The stubs describe compute functions by one overload a type; our columns are of any type.
pc: Any = pyarrow.compute

_DIGIT_BITS = 16
_HALF_BITS = 32


@dataclass(frozen=True, slots=True)
class Runs:
    """The run of each value of a column.

    Args:
        values: distinct values, sorted by run and then as rows are to follow each other.
        numbers: [values] the run of each, ascending.
    """

    values: Any
    numbers: Ints

    def ranks(self, column: Any) -> tuple[Any, Ints]:
        """Return each row's value's place in ``values`` as a column, and how many rows each has."""
        found = pc.index_in(column, value_set=self.values)
        if found.null_count:
            raise AssertionError("a row of a value that has no run")
        return found, np.bincount(values_of(found), minlength=len(self.numbers))

    def pieces(self, n_rows: Ints, max_rows: int) -> Iterator[tuple[int, int, int]]:
        """Yield (run, start, end) of sorted rows, each run cut at every ``max_rows``.

        Args:
            n_rows: [values] rows of each value.
            max_rows: rows of a piece at most.
        """
        ends = np.cumsum(n_rows)
        last = np.flatnonzero(np.diff(self.numbers, append=self.numbers[-1:] + 1))
        bounds = [0, *ends[last].tolist()]
        for run, (start, end) in zip(self.numbers[last].tolist(), pairwise(bounds), strict=True):
            for begin in range(start, end, max_rows):
                yield run, begin, min(begin + max_rows, end)


def row_order(keys: Sequence[Any], order: Ints | None = None) -> Ints:
    """Return the numbers of rows in the order of their keys.

    Args:
        keys: pyarrow Arrays [n] of integers or dates, the most significant first; nulls come last.
        order: [n], that of rows whose keys are equal; as they are by default.

    Returns:
        [n].
    """
    for key in reversed(keys):
        for digits in () if order is None and _ascends(key) else _digits(key):
            if order is None:
                order = np.argsort(digits, kind="stable")
            else:
                order = order[np.argsort(digits[order], kind="stable")]
    return np.arange(len(keys[0])) if order is None else order


def _ascends(key: Any) -> bool:
    """Whether rows are sorted by a key as they stand, as exports mostly are by their own."""
    values = values_of(key)
    return not key.null_count and bool((values[1:] >= values[:-1]).all())


def _digits(key: Any) -> Iterator[_Digits]:
    """Yield the digits of a key's values, the least significant first; none where all are equal."""
    values = values_of(key)
    nulls = ~known_rows(key) if key.null_count else None
    known = values if nulls is None else values[~nulls]
    if not len(known):
        return
    low, high = int(known.min()), int(known.max())
    span = high - low + (nulls is not None)
    kind = np.uint32 if span.bit_length() <= _HALF_BITS else np.uint64
    codes: npt.NDArray[Any] = values.astype(kind)  # modulo its size, as the lowest is taken off
    size = 8 * codes.itemsize
    codes -= kind(low % 2**size)
    if nulls is not None:
        codes[nulls] = kind(span % 2**size)
    for _ in range(0, min(span.bit_length(), size), _DIGIT_BITS):
        yield codes.astype(np.uint16)
        codes >>= kind(_DIGIT_BITS)
    if nulls is not None and span.bit_length() > size:  # no number is left for them
        yield nulls.astype(np.uint16)
