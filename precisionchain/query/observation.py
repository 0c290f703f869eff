"""Observation periods around days: of some persons, on a day each."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.event_rows import NO_DAY
from precisionchain.query.kleene import Bools
from precisionchain.query.person_rows import observation_periods

Int32s = npt.NDArray[np.int32]


@dataclass(frozen=True, slots=True, eq=False)
class Spans:
    """The observation periods that hold a day each: of several the earliest start, the latest end.

    Attributes:
        start, end: int32 days; the day itself where no period holds it.
        any: whether one does.
    """

    start: Int32s
    end: Int32s
    any: Bools


def spans_of(scope: CriterionScope, person: Int32s, day: Int32s) -> Spans:
    """Return the observation periods that hold a day of each of some persons."""
    start, end = day.copy(), day.copy()
    held = np.zeros(len(day), np.bool_)
    for at, first, last in _around(scope, person, day):
        np.minimum.at(start, at, first)
        np.maximum.at(end, at, last)
        held[at] = True
    return Spans(start, end, held)


def observed_around(
    scope: CriterionScope, person: Int32s, day: Int32s, before: int, after: int
) -> Bools:
    """Return where one period holds all of ``before`` days before to ``after`` days after a day."""
    found = np.zeros(len(day), np.bool_)
    for at, first, last in _around(scope, person, day):
        held = (first <= day[at].astype(np.int64) - before) & (
            last >= day[at].astype(np.int64) + after
        )
        found[at[held]] = True
    return found


def _around(
    scope: CriterionScope, person: Int32s, day: Int32s
) -> list[tuple[npt.NDArray[np.int64], Int32s, Int32s]]:
    """Return the places of days, and first and last day of a period that holds each."""
    periods = observation_periods(scope.snapshot, scope.universe)
    dated = (periods.start != NO_DAY) & (periods.end != NO_DAY)
    order = np.argsort(periods.person[dated], kind="stable")
    whose = periods.person[dated][order]
    starts, ends = periods.start[dated][order], periods.end[dated][order]
    first = np.searchsorted(whose, person)
    count = np.searchsorted(whose, person, "right") - first
    found = []
    for number in range(int(count.max(initial=0))):
        at = np.flatnonzero(count > number)
        period = first[at] + number
        held = (starts[period] <= day[at]) & (ends[period] >= day[at]) & (day[at] != NO_DAY)
        found.append((at[held], starts[period[held]], ends[period[held]]))
    return found
