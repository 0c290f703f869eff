"""Which rows meet an event, which only may, by ``docs/reference/cohorts.md``, a row at a time."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from datetime import date
from fractions import Fraction
from functools import lru_cache
from itertools import pairwise
from typing import Final

from precisionchain.query.criteria import Bound, Event, Interval
from tests.lib.cohort_oracle_records import EVENTS, EventRow, Person, PersonRow, Records

BELOW, AT_MOST, ABOVE, AT_LEAST = 4171756, 4171754, 4172704, 4171755
"""``operator_concept_id``: the value is below a number, at most, above, at least."""

_KEPT: Final = {
    ">": lambda x, number: x > number,
    ">=": lambda x, number: x >= number,
    "<": lambda x, number: x < number,
    "<=": lambda x, number: x <= number,
    "=": lambda x, number: x == number,
}
_MEANT: Final = {BELOW: "<", AT_MOST: "<=", ABOVE: ">", AT_LEAST: ">="}


class RefusalError(Exception):
    """A question that has no answer.

    Args:
        reason: ``concept``, ``units``, ``site``, ``person``, ``several sites`` or ``saved``.
    """

    def __init__(self, reason: str) -> None:
        super().__init__(reason)
        self.reason = reason


@dataclass(frozen=True, slots=True)
class Found:
    """The rows of an event by person: those that meet it, and those that only may."""

    meet: Mapping[Person, Sequence[EventRow]]
    may: Mapping[Person, Sequence[EventRow]]


def found(records: Records, event: Event) -> Found:
    """Return the rows that meet an event, and those that may.

    Raises:
        RefusalError: a concept that is nowhere, or a value of several units.
    """
    rows = _rows_of_concepts(records, event)
    if event.value and not event.unit:
        units = {row.unit for row in rows if row.value is not None}
        if len(units) > 1:
            raise RefusalError("units")
    if event.first:
        earliest: dict[Person, date] = {}
        for row in rows:
            earliest[row.person] = min(row.day, earliest.get(row.person, row.day))
        rows = [row for row in rows if row.day == earliest[row.person]]
    meet: dict[Person, list[EventRow]] = defaultdict(list)
    may: dict[Person, list[EventRow]] = defaultdict(list)
    for row in _fitting(records, event, rows):
        certain, possible = True, True
        if event.value:
            certain, possible = _value_keeps(event.value, row.value, row.operator)
        if certain:
            meet[row.person].append(row)
        elif possible:
            may[row.person].append(row)
    return Found(meet, may)


def inside(number: float, interval: Interval) -> bool:
    """Return whether a number lies in a closed interval."""
    return (interval.low is None or number >= interval.low) and (
        interval.high is None or number <= interval.high
    )


def age_on(born: PersonRow, day: date, *, exact: bool) -> int | None:
    """Return an age in years: of the calendar years, or the completed ones; None if unknown."""
    if born.year is None:
        return None
    years = day.year - born.year
    if not exact:
        return years
    if born.month is None or born.day is None:
        return None
    return years - ((day.month, day.day) < (born.month, born.day))


def _rows_of_concepts(records: Records, event: Event) -> list[EventRow]:
    assert isinstance(event.concepts, tuple), "concept sets have an oracle of their own"
    wanted = _concepts(records, event.concepts, event.descendants)
    unwanted = _concepts(records, event.exclude, event.descendants)
    found: list[EventRow] = []
    for table in EVENTS if event.table == "event" else [event.table]:
        for concept, rows in records.events[table].items():
            if (not event.concepts or concept in wanted) and concept not in unwanted:
                found += rows
    return found


def _concepts(records: Records, asked: Iterable[int], descendants: bool) -> set[int]:
    every: set[int] = set()
    for concept in asked:
        if concept not in records.known:
            raise RefusalError("concept")
        every.add(concept)
        if descendants:
            every |= records.below.get(concept, set())
    return every


def _fitting(records: Records, event: Event, rows: list[EventRow]) -> list[EventRow]:
    """Return the rows that keep everything that is not about their concept or value."""
    since, until = event.since, event.until
    if since is not None:
        rows = [row for row in rows if row.day >= since]
    if until is not None:
        rows = [row for row in rows if row.day <= until]
    if event.unit:
        rows = [row for row in rows if row.unit in event.unit]
    if event.age is not None:
        rows = [row for row in rows if _of_age(records, event.age, event.exact_age, row)]
    return rows


def _of_age(records: Records, asked: Interval, exact: bool, row: EventRow) -> bool:
    born = records.persons.get(row.person)
    years = None if born is None else age_on(born, row.day, exact=exact)
    return years is not None and inside(years, asked)


@lru_cache(maxsize=100_000)
def _value_keeps(
    bounds: tuple[Bound, ...], value: Fraction | None, operator: int
) -> tuple[bool, bool]:
    """Return whether every number a row stands for keeps the bounds, and whether some does.

    Between two numbers that are named, and beyond all, one stands for the others.
    """
    if value is None:
        return False, False
    meant = _MEANT.get(operator, "=")
    named = sorted({value, *(Fraction(bound.number) for bound in bounds)})
    between = [(a + b) / 2 for a, b in pairwise(named)]
    points = [named[0] - 1, *named, *between, named[-1] + 1]
    kept = [
        all(_KEPT[bound.operator](x, Fraction(bound.number)) for bound in bounds)
        for x in points
        if _KEPT[meant](x, value)
    ]
    return all(kept), any(kept)
