"""What an event asks of a row by itself: attributes, value, dates, the person's age then."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from datetime import date
from typing import Any, Final

import numpy as np
import numpy.typing as npt

from precisionchain.errors import UsageError
from precisionchain.query.criteria import CALENDAR, LENGTH, Attribute, Bound, Event, Interval
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.event_rows import (
    NO_DAY,
    VALUED,
    EventRows,
    Values,
    attribute_concepts,
)
from precisionchain.query.kleene import Bools
from precisionchain.query.observation import spans_of
from precisionchain.query.person_rows import demographics
from precisionchain.query.value_bounds import meeting
from precisionchain.schemas.distinct import distinct

Int32s = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]

_EPOCH: Final = date(1970, 1, 1)
_NEVER: Final = np.iinfo(np.int32).max


def columns_asked(event: Event) -> Iterator[str]:
    """Yield the columns of rows that an event's own conditions are judged by."""
    if event.value:
        yield from VALUED
    if event.unit:
        yield "unit"
    if event.end_since is not None or event.end_until is not None:
        yield "end"
    named = {asked.name for asked in event.attributes}
    named |= {bound.number for bound in _bounds(event) if isinstance(bound.number, str)}
    for name in named:
        if name == LENGTH:
            yield "end"
        elif name not in CALENDAR:
            yield name


def conditions(scope: CriterionScope, event: Event, rows: EventRows) -> tuple[Bools, Bools]:
    """Return which rows meet all that an event asks of a row by itself, and which do or may.

    Raises:
        UnknownConceptError: of a concept that an attribute is asked to be there is nothing.
        UsageError: a value is asked without a unit, and the rows are in several.
    """
    possible = np.ones(len(rows), np.bool_)
    if event.value and not event.unit and _in_a_unit(event):
        _require_one_unit(rows.values)
    if event.first:
        possible &= _on_first_day(rows, len(scope.universe))
    possible &= _between(rows.day, event.since, event.until)
    if event.end_since is not None or event.end_until is not None:
        possible &= _between(rows.columns["end"], event.end_since, event.end_until)
        possible &= rows.columns["end"] != NO_DAY
    if event.age is not None:
        age, known = age_on(scope, rows.person, rows.day, exact=event.exact_age)
        possible &= known & inside(age, event.age)
    if event.observed:
        possible &= spans_of(scope, rows.person, rows.day).any
    if event.unit:
        possible &= np.isin(rows.columns["unit"], event.unit)
    for asked in event.attributes:
        possible &= _keeps(scope, event, asked, rows)
    if not event.value:
        return possible, possible
    numbers = {
        bound.number: numbers_of(rows, bound.number)
        for bound in event.value
        if isinstance(bound.number, str)
    }
    surely, perhaps = meeting(rows.values, event.value, numbers)
    return possible & surely, possible & perhaps


def numbers_of(rows: EventRows, name: str) -> Floats:
    """Return a number of each row, nan where it has none."""
    if name in CALENDAR:
        return _calendar(rows.day, name)
    if name != LENGTH:
        return rows.columns[name]
    end = rows.columns["end"]
    none = (end == NO_DAY) | (rows.day == NO_DAY)
    return np.where(none, np.nan, end.astype(np.int64) - rows.day)


def age_on(
    scope: CriterionScope, person: Int32s, day: Int32s, *, exact: bool
) -> tuple[npt.NDArray[np.int64], Bools]:
    """Return the ages of some persons on a day each, and of whom they are known."""
    said = demographics(scope.snapshot, scope.universe)
    born = said["year"]
    dated = day.astype("datetime64[D]")
    year = dated.astype("datetime64[Y]")
    age = year.astype(np.int64) + 1970 - born.value[person]
    known = born.known[person] & (day != NO_DAY)
    if exact:
        month = dated.astype("datetime64[M]")
        today = 100 * ((month - year).astype(np.int64) + 1) + (dated - month).astype(np.int64) + 1
        birthday = said["month"].value * 100 + said["day"].value
        known &= (said["month"].known & said["day"].known)[person]
        age -= today < birthday[person]
    return age, known


def inside(numbers: npt.NDArray[Any], interval: Interval) -> Bools:
    """Return which numbers lie in a closed interval."""
    within = np.ones(len(numbers), np.bool_)
    if interval.low is not None:
        within &= numbers >= interval.low
    if interval.high is not None:
        within &= numbers <= interval.high
    return within


def days_of(day: date) -> int:
    """Return a date in days since 1970-01-01."""
    return (day - _EPOCH).days


def _bounds(event: Event) -> Iterator[Bound]:
    yield from event.value
    for asked in event.attributes:
        yield from asked.bounds


def _in_a_unit(event: Event) -> bool:
    """Whether a value is compared with a number that somebody gave, which is of some unit."""
    return not all(isinstance(bound.number, str) for bound in event.value)


def _require_one_unit(values: Values) -> None:
    units = distinct(values.unit[~np.isnan(values.number)]).tolist()
    if len(units) > 1:
        named = ", ".join("none" if unit == 0 else str(unit) for unit in units)
        raise UsageError(
            f"the values asked for are in several units: {named}",
            hint="say which with unit=, 0 for none; nothing is converted",
        )


def _keeps(scope: CriterionScope, event: Event, asked: Attribute, rows: EventRows) -> Bools:
    """Return which rows keep a condition on an attribute."""
    if asked.concepts:
        among = attribute_concepts(scope.snapshot, scope.universe, event, asked)
        found: Bools = np.isin(rows.columns[asked.name], list(among))
        return found
    numbers = numbers_of(rows, asked.name)
    kept = np.ones(len(rows), np.bool_)
    for bound in asked.bounds:
        other: Floats | float
        if isinstance(bound.number, str):
            other = numbers_of(rows, bound.number)
        else:
            other = float(bound.number)
        kept &= _COMPARE[bound.operator](numbers, other)
    return kept


_COMPARE: Final[Mapping[str, Any]] = {
    ">": np.greater,
    ">=": np.greater_equal,
    "<": np.less,
    "<=": np.less_equal,
    "=": np.equal,
}


def _calendar(day: Int32s, name: str) -> Floats:
    dated = day.astype("datetime64[D]")
    year, month = dated.astype("datetime64[Y]"), dated.astype("datetime64[M]")
    if name == "year":
        found = year.astype(np.int64) + 1970
    elif name == "month":
        found = (month - year).astype(np.int64) + 1
    else:
        found = (dated - month).astype(np.int64) + 1
    return np.where(day == NO_DAY, np.nan, found)


def _between(day: Int32s, since: date | None, until: date | None) -> Bools:
    within = np.ones(len(day), np.bool_)
    if since is not None:
        within &= day >= days_of(since)
    if until is not None:
        within &= (day <= days_of(until)) & (day != NO_DAY)
    return within


def _on_first_day(rows: EventRows, persons: int) -> Bools:
    earliest = np.full(persons, _NEVER, np.int32)
    dated = rows.day != NO_DAY
    np.minimum.at(earliest, rows.person[dated], rows.day[dated])
    on_it: Bools = dated & (rows.day == earliest[rows.person])
    return on_it
