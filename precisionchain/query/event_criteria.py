"""Criteria of events: which rows meet them, and of which persons they are therefore true."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from precisionchain.query.criteria import AtLeast, Event, Interval, WithinDays
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.event_rows import NO_DAY, NO_VISIT, PLACED, event_rows
from precisionchain.query.kleene import Bools, Truth
from precisionchain.query.placed_rows import Rows
from precisionchain.query.row_conditions import columns_asked, conditions

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]


def rows_of(scope: CriterionScope, event: Event, *, placed: bool = False) -> Rows:
    """Return the rows that meet an event's own conditions, or may, whatever its window and where.

    Args:
        scope: what is asked.
        event: the event.
        placed: whether ends, visits, numbers and concepts of the rows are wanted.

    Raises:
        UnknownConceptError: a concept is in no vocabulary slice and the main concept of no row.
        UsageError: a value is asked without a unit, and the rows are in several.
    """
    columns = {*columns_asked(event), *(PLACED if placed else ())}
    rows = event_rows(scope.snapshot, scope.universe, event, columns)
    meets, possible = conditions(scope, event, rows)
    return Rows.of(rows, possible, meets)


def of_event(scope: CriterionScope, rows: Rows) -> Truth:
    """Return of whom an event is true: a row meets it; unknown where one only may."""
    persons = len(scope.universe)
    return Truth.of(_anybody(rows.person[rows.meets], persons), _anybody(rows.person, persons))


def of_at_least(scope: CriterionScope, asked: AtLeast, rows: Rows) -> Truth:
    """Return who has enough such rows, or days, concepts or visits with one."""
    persons = len(scope.universe)
    counted = counted_by(asked, rows)
    perhaps = _counted(rows.person, counted, persons) >= asked.n
    if rows.meets.all():
        return Truth.known(perhaps)
    sure = rows.person[rows.meets]
    surely = _counted(sure, None if counted is None else counted[rows.meets], persons) >= asked.n
    return Truth.of(surely, perhaps)


def counted_by(asked: AtLeast, rows: Rows) -> Int64s | None:
    """Return what is counted of each row, `NOT_COUNTED` where it has none; None for rows."""
    if asked.days:
        day = rows.day.astype(np.int64)
        return np.where(rows.day == NO_DAY, NOT_COUNTED, day)
    if asked.visits:
        return np.where(rows.visit == NO_VISIT, NOT_COUNTED, rows.visit)
    return rows.concept if asked.concepts else None


NOT_COUNTED = np.iinfo(np.int64).max
"""What a row is counted by that has no day or no visit."""


def of_within_days(scope: CriterionScope, asked: WithinDays, first: Rows, second: Rows) -> Truth:
    """Return who has a row of ``first`` and one of ``second`` so many days after it.

    Memory grows with the number of rows, not with that of pairs.
    """
    persons = len(scope.universe)
    possible = _paired(_dated(first), _dated(second), asked.days)
    if first.meets.all() and second.meets.all():
        return Truth.known(_anybody(possible, persons))
    sure = _paired(_dated(first, meeting_only=True), _dated(second, meeting_only=True), asked.days)
    return Truth.of(_anybody(sure, persons), _anybody(possible, persons))


def anybody_in(group: npt.NDArray[np.integer], size: int) -> Bools:
    """Return which of so many groups occur."""
    return _anybody(group, size)


def distinct_in(group: npt.NDArray[np.integer], what: Int64s, size: int) -> Int64s:
    """Return how many different things each of so many groups has, but `NOT_COUNTED`."""
    some = what != NOT_COUNTED
    if not some.all():
        group, what = group[some], what[some]
    if not _is_in_order(group, what):  # as days of rows are, which are by person and day
        order = np.lexsort((what, group))
        group, what = group[order], what[order]
    new = np.ones(len(group), np.bool_)
    new[1:] = (group[1:] != group[:-1]) | (what[1:] != what[:-1])
    return np.bincount(group[new], minlength=size)


def _is_in_order(group: npt.NDArray[np.integer], what: Int64s) -> bool:
    same = group[1:] == group[:-1]
    return bool(((group[1:] > group[:-1]) | (same & (what[1:] >= what[:-1]))).all())


# ------------------------------------------------------------------------------------- persons


def _anybody(places: npt.NDArray[np.integer], persons: int) -> Bools:
    found = np.zeros(persons, np.bool_)
    found[places] = True
    return found


def _counted(person: Int32s, what: Int64s | None, persons: int) -> Int64s:
    if what is None:
        return np.bincount(person, minlength=persons)
    return distinct_in(person, what, persons)


def _keys(person: Int32s, day: Int32s, first_day: int, span: int) -> Int64s:
    keys: Int64s = person.astype(np.int64) * span + (day.astype(np.int64) - first_day)
    return keys


def _distinct(keys: Int64s) -> Int64s:
    """Return ascending keys, each once."""
    return keys[np.append(True, keys[1:] != keys[:-1])] if len(keys) else keys


def _dated(rows: Rows, *, meeting_only: bool = False) -> tuple[Int32s, Int32s]:
    some = rows.day != NO_DAY
    if meeting_only:
        some &= rows.meets
    return rows.person[some], rows.day[some]


def _paired(first: tuple[Int32s, Int32s], second: tuple[Int32s, Int32s], days: Interval) -> Int32s:
    """Return the persons of ``first`` of whom a row of ``second`` is so many days after it.

    Person and day make one number, persons so far apart that no window reaches another one's days;
    then one search in the sorted numbers of ``second`` answers for each row of ``first``.
    """
    if not len(first[0]) or not len(second[0]):
        return first[0][:0]
    earliest = int(min(first[1].min(), second[1].min()))
    reach = int(max(first[1].max(), second[1].max())) - earliest + 1
    low = -reach if days.low is None else int(max(-reach, min(reach, days.low)))
    high = reach if days.high is None else int(max(-reach, min(reach, days.high)))
    from_keys = _distinct(_keys(*first, earliest, 3 * reach))
    to_keys = _distinct(_keys(*second, earliest, 3 * reach))
    at = np.searchsorted(to_keys, from_keys + low)
    found = at < len(to_keys)
    found[found] = to_keys[at[found]] <= from_keys[found] + high
    return (from_keys[found] // (3 * reach)).astype(np.int32)
