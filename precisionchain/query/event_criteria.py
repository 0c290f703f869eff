"""Criteria of events: which rows meet them, and of which persons they are therefore true."""

from __future__ import annotations

from dataclasses import dataclass
from datetime import date
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UsageError
from precisionchain.query.criteria import AtLeast, Event, Interval, WithinDays
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.event_rows import NO_DAY, EventRows, Values, event_rows
from precisionchain.query.kleene import Bools, Truth
from precisionchain.query.person_rows import demographics
from precisionchain.query.value_bounds import meeting

Int32s = npt.NDArray[np.int32]
Int64s = npt.NDArray[np.int64]

_EPOCH: Final = date(1970, 1, 1)
_NEVER: Final = np.iinfo(np.int32).max


@dataclass(frozen=True, slots=True, eq=False)
class Rows:
    """Rows that meet an event's conditions, or may, in the order of person and day.

    Attributes:
        person: int32 places in the universe.
        day: int32 start dates in days since 1970-01-01.
        meets: bool; the others may.
    """

    person: Int32s
    day: Int32s
    meets: Bools


def rows_of(scope: CriterionScope, event: Event) -> Rows:
    """Return the rows that meet an event's conditions, or may.

    Raises:
        UnknownConceptError: a concept is in no vocabulary slice and the main concept of no row.
        UsageError: a value is asked without a unit, and the rows are in several.
    """
    rows = event_rows(scope.snapshot, scope.universe, event)
    if event.value and rows.values is not None and not event.unit:
        _require_one_unit(rows.values)
    possible = np.ones(len(rows), np.bool_)
    if event.first:
        possible &= _on_first_day(rows, len(scope.universe))
    if event.since is not None:
        possible &= rows.day >= days_of(event.since)
    if event.until is not None:
        possible &= (rows.day <= days_of(event.until)) & (rows.day != NO_DAY)
    if event.age is not None:
        possible &= _of_age(scope, rows, event.age, exact=event.exact_age)
    meets = possible
    if event.value and rows.values is not None:
        if event.unit:
            possible &= np.isin(rows.values.unit, event.unit)
        surely, perhaps = meeting(rows.values, event.value)
        meets, possible = possible & surely, possible & perhaps
    if possible.all():
        return Rows(rows.person, rows.day, meets)
    return Rows(rows.person[possible], rows.day[possible], meets[possible])


def of_event(scope: CriterionScope, rows: Rows) -> Truth:
    """Return of whom an event is true: a row meets it; unknown where one only may."""
    persons = len(scope.universe)
    return Truth.of(_anybody(rows.person[rows.meets], persons), _anybody(rows.person, persons))


def of_at_least(scope: CriterionScope, asked: AtLeast, rows: Rows) -> Truth:
    """Return who has enough such rows, or days with one."""
    persons = len(scope.universe)
    surely, perhaps = (
        _counted(rows.person[some], rows.day[some], persons, days=asked.days) >= asked.n
        for some in (rows.meets, slice(None))
    )
    return Truth.of(surely, perhaps)


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


# ---------------------------------------------------------------------------------- conditions


def _require_one_unit(values: Values) -> None:
    units = np.unique(values.unit[~np.isnan(values.number)]).tolist()
    if len(units) > 1:
        named = ", ".join("none" if unit == 0 else str(unit) for unit in units)
        raise UsageError(
            f"the values asked for are in several units: {named}",
            hint="say which with unit=, 0 for none; nothing is converted",
        )


def _on_first_day(rows: EventRows, persons: int) -> Bools:
    earliest = np.full(persons, _NEVER, np.int32)
    dated = rows.day != NO_DAY
    np.minimum.at(earliest, rows.person[dated], rows.day[dated])
    on_it: Bools = dated & (rows.day == earliest[rows.person])
    return on_it


def _of_age(scope: CriterionScope, rows: EventRows, years: Interval, *, exact: bool) -> Bools:
    said = demographics(scope.snapshot, scope.universe)
    born = said["year"]
    day = rows.day.astype("datetime64[D]")
    year = day.astype("datetime64[Y]")
    age = year.astype(np.int64) + 1970 - born.value[rows.person]
    known = born.known[rows.person] & (rows.day != NO_DAY)
    if exact:
        month = day.astype("datetime64[M]")
        today = 100 * ((month - year).astype(np.int64) + 1) + (day - month).astype(np.int64) + 1
        birthday = said["month"].value * 100 + said["day"].value
        known &= (said["month"].known & said["day"].known)[rows.person]
        age -= today < birthday[rows.person]
    fits: Bools = known & inside(age, years)
    return fits


def inside(numbers: Int64s, interval: Interval) -> Bools:
    """Return which numbers lie in a closed interval."""
    within = np.ones(len(numbers), np.bool_)
    if interval.low is not None:
        within &= numbers >= interval.low
    if interval.high is not None:
        within &= numbers <= interval.high
    return within


# ------------------------------------------------------------------------------------- persons


def _anybody(places: Int32s, persons: int) -> Bools:
    found = np.zeros(persons, np.bool_)
    found[places] = True
    return found


def _counted(person: Int32s, day: Int32s, persons: int, *, days: bool) -> Int64s:
    if days:
        dated = day != NO_DAY
        keys = _distinct(_keys(person[dated], day[dated], NO_DAY, 2**32))
        person = (keys >> 32).astype(np.int32)
    return np.bincount(person, minlength=persons)


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


def days_of(day: date) -> int:
    """Return a date in days since 1970-01-01."""
    return (day - _EPOCH).days
