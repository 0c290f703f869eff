"""Parts of conditions in SQL: intervals, windows, ages, values, each as the page of cohorts has it.

Rows are ``b`` where they are judged by themselves; persons are ``p``.
"""

from __future__ import annotations

from typing import Any, Final

from precisionchain.query.criteria import Bound, Interval, Window

_MEANT: Final = {4171756: "<", 4171754: "<=", 4172704: ">", 4171755: ">="}


def lies(window: Window | None, r: str, x: str) -> str:
    if window is None:
        return "true"
    conditions = [
        inside(f"{r}.{day} - {x}.{since}", days)
        for days, day, since in (
            (window.start, "day", "day"),
            (window.start_after_end, "day", "stop"),
            (window.end, "stop", "day"),
            (window.end_after_end, "stop", "stop"),
        )
        if days is not None
    ]
    if window.same_visit:
        conditions.append(f"{r}.visit = {x}.visit")
    if window.same_period:
        conditions.append(f"{r}.day between {x}.pstart and {x}.pend")
    return f"coalesce({' and '.join(conditions)}, false)"


def value_bounds(bounds: tuple[Bound, ...]) -> tuple[str, str]:
    """Return whether every number that a row stands for keeps the bounds, and whether some does.

    Between two numbers that are named, and beyond all, one stands for the others.
    """
    if not bounds:
        return "true", "true"
    named = ["b.value"] + [
        number(bound.number) if isinstance(bound.number, str) else f"{bound.number}::double"
        for bound in bounds
    ]
    points = [*named, f"least({', '.join(named)}) - 1", f"greatest({', '.join(named)}) + 1"]
    points += [f"({a} + {b}) / 2" for i, a in enumerate(named) for b in named[i + 1 :]]
    cases = " ".join(f"when {concept} then s {sign} b.value" for concept, sign in _MEANT.items())
    stands = (
        "case when b.tbl <> 'measurement' then s = b.value "
        f"else case b.operator {cases} else s = b.value end end"
    )
    kept = " and ".join(
        f"s {bound.operator} {end}" for bound, end in zip(bounds, named[1:], strict=True)
    )
    could = f"list_filter([{', '.join(points)}], lambda s: {stands})"
    known = " and ".join(f"{one} is not null" for one in named)
    some = f"({known} and len(list_filter({could}, lambda s: {kept})) > 0)"
    every = f"({known} and len(list_filter({could}, lambda s: not ({kept}))) = 0)"
    return f"({some} and {every})", some


def number(name: str) -> str:
    return {"day": "b.day_of_month"}.get(name, f"b.{name}")


def is_number(bound: Bound) -> bool:
    return not isinstance(bound.number, str)


def age_on(day: str, *, exact: bool) -> str:
    years = f"(year({day}) - p.year_of_birth)"
    if not exact:
        return years
    birthday = "(p.month_of_birth * 100 + p.day_of_birth)"
    return f"({years} - (month({day}) * 100 + day({day}) < {birthday})::int)"


def inside(number: str, interval: Interval) -> str:
    low = "" if interval.low is None else f"{number} >= {interval.low}"
    high = "" if interval.high is None else f"{number} <= {interval.high}"
    return "(" + (" and ".join(one for one in (low, high) if one) or "true") + ")"


def three(true: str, possible: str) -> str:
    return f"case when {true} then true when {possible} then null else false end"


def listed(concepts: Any) -> str:
    return ", ".join(map(str, concepts))
