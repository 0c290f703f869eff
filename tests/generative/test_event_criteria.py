"""Pairs of days and bounds on open-ended values, against trying everything."""

from __future__ import annotations

from fractions import Fraction
from itertools import product
from pathlib import Path

import numpy as np
from hypothesis import example, given, settings
from hypothesis import strategies as st

from precisionchain.query.criteria import AtLeast, Bound, Event, Interval, WithinDays
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.event_criteria import of_at_least, of_event, of_within_days
from precisionchain.query.event_rows import NO_DAY, Values
from precisionchain.query.placed_rows import Rows
from precisionchain.query.universe import Universe
from precisionchain.query.value_bounds import AT_LEAST, AT_MOST, LESS, MORE, meeting
from precisionchain.replica.catalogue import Catalogue, Snapshot

PERSONS = 4
SCOPE = CriterionScope(
    Snapshot(Path(), Catalogue("", 0, 0)),
    Universe({"A": np.arange(PERSONS)}, np.ones(PERSONS, np.bool_), np.zeros(PERSONS, np.bool_)),
)
EVENT = Event("condition_occurrence")

Row = tuple[int, int, bool]
"""A person, a day, and whether the row meets its event's conditions or only may."""

days = st.one_of(st.integers(-6, 6), st.sampled_from([NO_DAY, -700_000, 2_900_000]))
rows = st.lists(st.tuples(st.integers(0, PERSONS - 1), days, st.booleans()), max_size=8)
ends = st.one_of(st.none(), st.integers(-8, 8), st.sampled_from([-(2**62), 2**62, 3_600_000]))


def columns(found: list[Row]) -> Rows:
    found = sorted(found)
    return Rows(
        np.array([person for person, _, _ in found], np.int32),
        np.array([day for _, day, _ in found], np.int32),
        np.array([meets for _, _, meets in found], np.bool_),
    )


def values(true: set[int], possible: set[int]) -> list[str]:
    return [
        "true" if person in true else "unknown" if person in possible else "false"
        for person in range(PERSONS)
    ]


def as_values(truth: object) -> list[str]:
    true, unknown = truth.true, truth.unknown  # type: ignore[attr-defined]
    return [
        "true" if t else "unknown" if u else "false" for t, u in zip(true, unknown, strict=True)
    ]


@settings(max_examples=400)
@given(rows, rows, ends, ends)
@example([(0, 0, True)], [(1, 0, True)], None, None)
@example([(1, -6, True)], [(0, 6, True)], -(2**62), 2**62)
def test_days_apart(first: list[Row], second: list[Row], low: int | None, high: int | None) -> None:
    if low is not None and high is not None and low > high:
        low, high = high, low
    asked = WithinDays(EVENT, EVENT, Interval(low, high))
    true, possible = set(), set()
    for (person, day, meets), (other, later, also) in product(first, second):
        if person != other or NO_DAY in (day, later):
            continue
        if (low is None or later - day >= low) and (high is None or later - day <= high):
            possible.add(person)
            if meets and also:
                true.add(person)
    found = of_within_days(SCOPE, asked, columns(first), columns(second))
    assert as_values(found) == values(true, possible)


@given(rows, st.integers(1, 4), st.booleans())
def test_enough_rows_or_days(found: list[Row], n: int, on_days: bool) -> None:
    def enough(person: int, *, surely: bool) -> bool:
        own = [(day, i) for i, (p, day, m) in enumerate(found) if p == person and (m or not surely)]
        return len({day for day, _ in own if day != NO_DAY} if on_days else own) >= n

    true = {person for person in range(PERSONS) if enough(person, surely=True)}
    possible = {person for person in range(PERSONS) if enough(person, surely=False)}
    answer = of_at_least(SCOPE, AtLeast(n, EVENT, on_days), columns(found))
    assert as_values(answer) == values(true, possible)
    if n == 1 and not on_days:
        assert as_values(of_event(SCOPE, columns(found))) == values(true, possible)


COMPARED = {
    "<": lambda a, b: a < b,
    "<=": lambda a, b: a <= b,
    ">": lambda a, b: a > b,
    ">=": lambda a, b: a >= b,
    "=": lambda a, b: a == b,
}
OPERATORS = {0: "=", 4172703: "=", LESS: "<", AT_MOST: "<=", MORE: ">", AT_LEAST: ">="}
EVERYWHERE = [Fraction(n, 2) for n in range(-12, 13)]
"""With numbers -5 to 5, these stand for every real number: each one, and between each two."""

numbers = st.one_of(st.none(), st.integers(-5, 5))
bounds = st.lists(st.builds(Bound, st.sampled_from(list(COMPARED)), st.integers(-5, 5)), max_size=3)


@settings(max_examples=400)
@given(st.lists(st.tuples(numbers, st.sampled_from(list(OPERATORS))), max_size=6), bounds)
def test_bounds_on_a_value_that_may_be_open_ended(
    given_rows: list[tuple[int | None, int]], asked: list[Bound]
) -> None:
    found = Values(
        np.array([np.nan if number is None else number for number, _ in given_rows], np.float64),
        np.zeros(len(given_rows), np.int64),
        np.array([operator for _, operator in given_rows], np.int64),
    )
    expected = []
    for number, operator in given_rows:
        could_be = [
            x for x in EVERYWHERE if number is not None and COMPARED[OPERATORS[operator]](x, number)
        ]
        keeps = [
            all(COMPARED[bound.operator](x, bound.number) for bound in asked) for x in could_be
        ]
        expected.append((bool(keeps) and all(keeps), any(keeps)))
    surely, perhaps = meeting(found, asked)
    assert list(zip(surely.tolist(), perhaps.tolist(), strict=True)) == expected
