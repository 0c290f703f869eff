"""Rows seen from an index: how many rows of events lie where a criterion says, index by index."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.query.criteria import AtLeast, Interval, Window
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.event_criteria import counted_by, distinct_in
from precisionchain.query.event_rows import NO_DAY, NO_VISIT
from precisionchain.query.kleene import Bools, Truth
from precisionchain.query.observation import Spans, spans_of
from precisionchain.query.placed_rows import Rows
from precisionchain.query.row_conditions import inside

Int64s = npt.NDArray[np.int64]

_PAIRS: Final = 2_000_000  # of an index and a row, looked at together


@dataclass(frozen=True, slots=True, eq=False)
class _Found:
    """Pairs of an index and a row that lies where it should.

    Attributes:
        index: int64 places of indexes.
        row: int64, a number for each row.
        what: int64 by which the rows are counted, where they are not by number.
        meets: bool: whether the row meets what is asked of it.
    """

    index: Int64s
    row: Int64s
    what: Int64s | None
    meets: Bools


def of_rows_around(
    scope: CriterionScope, indexes: Rows, parts: Sequence[tuple[Rows, Window]], asked: AtLeast
) -> Truth:
    """Return at which indexes there are enough rows of some events, each in its window.

    Args:
        scope: what is asked.
        indexes: placed rows that are the indexes.
        parts: placed rows of each event, and where they should lie; one row may be of several.
        asked: how many, and by what they are counted.
    """
    spans = None
    if any(window.same_period for _, window in parts):
        spans = spans_of(scope, indexes.person, indexes.day)
    if len(parts) == 1 and counted_by(asked, parts[0][0]) is None and _by_start(parts[0][1]):
        rows, window = _dated(parts[0][0]), parts[0][1]
        first, last = _reach(indexes, rows, window)
        sure = np.append(0, np.cumsum(rows.meets))
        return Truth.of(sure[last] - sure[first] >= asked.n, last - first >= asked.n)
    found = [
        pairs for rows, window in parts for pairs in _pairs(indexes, rows, window, spans, asked)
    ]
    return _enough(found, asked.n, len(indexes), distinct_rows=len(parts) > 1)


def _enough(found: Sequence[_Found], n: int, size: int, *, distinct_rows: bool) -> Truth:
    if not found:
        return Truth.known(np.zeros(size, np.bool_))
    index, row, meets = (
        np.concatenate([getattr(each, name) for each in found])
        for name in ("index", "row", "meets")
    )
    whats = [each.what for each in found if each.what is not None]
    what = np.concatenate(whats) if whats else (row if distinct_rows else None)
    counts = [
        np.bincount(index[some], minlength=size)
        if what is None
        else distinct_in(index[some], what[some], size)
        for some in (meets, slice(None))
    ]
    return Truth.of(counts[0] >= n, counts[1] >= n)


def _pairs(
    indexes: Rows, rows: Rows, window: Window, spans: Spans | None, asked: AtLeast
) -> Iterator[_Found]:
    """Yield the pairs of an index and a row in its window, some indexes at a time."""
    rows = _dated(rows)
    first, last = _reach(indexes, rows, window)
    counted = counted_by(asked, rows)
    before = np.append(0, np.cumsum(last - first))
    at = 0
    while at < len(indexes):
        to = max(at + 1, int(np.searchsorted(before, before[at] + _PAIRS, "right")) - 1)
        count = (last - first)[at:to]
        index = np.repeat(np.arange(at, to), count)
        row = np.arange(len(index)) - np.repeat(np.cumsum(count) - count, count)
        row += first[index]
        kept = _fits(indexes, rows, window, spans, (index, row))
        index, row = index[kept], row[kept]
        what = None if counted is None else counted[row]
        yield _Found(index, rows.row[row], what, rows.meets[row])
        at = to


def _fits(
    indexes: Rows, rows: Rows, window: Window, spans: Spans | None, pairs: tuple[Int64s, Int64s]
) -> Bools:
    """Return which pairs of places lie as a window says."""
    index, row = pairs
    fits = np.ones(len(index), np.bool_)
    measured = (
        (window.start, indexes.day, rows.day),
        (window.start_after_end, indexes.end, rows.day),
        (window.end, indexes.day, rows.end),
        (window.end_after_end, indexes.end, rows.end),
    )
    for days, since, day in measured:
        if days is not None:
            fits &= inside(day[row].astype(np.int64) - since[index], days)
    if window.same_visit:
        visit = indexes.visit[index]
        fits &= (visit == rows.visit[row]) & (visit != NO_VISIT)
    if window.same_period and spans is not None:
        day = rows.day[row]
        fits &= spans.any[index] & (spans.start[index] <= day) & (day <= spans.end[index])
    return fits


def _by_start(window: Window) -> bool:
    """Whether a window says nothing but how far starts are from one day of the index."""
    one = (window.start is None) != (window.start_after_end is None)
    others = (window.end, window.end_after_end, window.same_visit, window.same_period)
    return one and not any(others)


def _dated(rows: Rows) -> Rows:
    dated = rows.day != NO_DAY
    return rows if dated.all() else rows.take(dated)


def _reach(indexes: Rows, rows: Rows, window: Window) -> tuple[Int64s, Int64s]:
    """Return of each index the places of the first row in reach of it, and behind the last one.

    In reach are rows of the person in the window on starts, where there is one.
    """
    days, since = window.start, indexes.day
    if days is None and window.start_after_end is not None:
        days, since = window.start_after_end, indexes.end
    if days is None or not len(rows) or not len(indexes):
        return (
            np.searchsorted(rows.person, indexes.person),
            np.searchsorted(rows.person, indexes.person, "right"),
        )
    # Person and day make one number, persons so far apart that no window reaches another's days.
    earliest = int(min(since.min(), rows.day.min()))
    reach = int(max(since.max(), rows.day.max())) - earliest + 1
    low, high = _limited(days, reach)
    keys = rows.person.astype(np.int64) * (3 * reach) + (rows.day.astype(np.int64) - earliest)
    own = indexes.person.astype(np.int64) * (3 * reach) + (since.astype(np.int64) - earliest)
    first = np.searchsorted(keys, own + low)
    return first, np.maximum(first, np.searchsorted(keys, own + high, "right"))


def _limited(days: Interval, reach: int) -> tuple[int, int]:
    low = -reach if days.low is None else int(max(-reach, min(reach, days.low)))
    high = reach if days.high is None else int(max(-reach, min(reach, days.high)))
    return low, high
