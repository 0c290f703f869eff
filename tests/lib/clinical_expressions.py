"""Random clinical criteria over the rows of a `ClinicalSql`: every function and argument; seeded.

What is drawn occurs in the rows, so that answers are neither empty nor everybody.
"""

from __future__ import annotations

import random
from collections.abc import Callable
from datetime import date, timedelta
from typing import Any, Final

from precisionchain.query import expressions as of
from precisionchain.query.criteria import (
    EVENT_TABLES,
    Criterion,
    Event,
    Events,
    concept_attributes,
    number_attributes,
)
from tests.lib.clinical_sql import ClinicalSql

_WEIGHTS: Final = {
    "condition": 6,
    "drug": 5,
    "measurement": 5,
    "observation": 2,
    "procedure": 3,
    "visit": 2,
    "event": 1,
    "condition_era": 1,
    "drug_era": 1,
}
_DAYS: Final = (0, 1, 7, 30, 90, 365, 1000)


class ClinicalExpressions:
    """Draws criteria.

    Args:
        oracle: whose rows they are drawn from.
        seed: the same seed draws the same criteria.
    """

    def __init__(self, oracle: ClinicalSql, seed: int) -> None:
        self._seed, self._random = seed, random.Random(seed)
        self._used: dict[str, list[Any]] = {}
        self._database = oracle.database
        self._days = [day for (day,) in self._column("ev_condition_occurrence", "day")]
        tables = {function: table for function, table in EVENT_TABLES.items() if table != "event"}
        self._concepts = {
            function: [one for (one,) in self._column(f"ev_{table}", "concept")]
            for function, table in tables.items()
        }
        self._concepts["event"] = [one for some in self._concepts.values() for one in some]
        self._names = [name for name, some in self._concepts.items() if some]
        self._above = self._ancestors()

    def __call__(self, number: int) -> Criterion:
        """Return the criterion of a number."""
        self._random = random.Random(f"{self._seed}/{number}")
        return self._tree(self._random.choice((1, 1, 2, 2, 3)), at_index=False)

    def events(self, number: int) -> Events:
        """Return the events of a number."""
        self._random = random.Random(f"{self._seed}/events/{number}")
        return self._events(deep=self._random.choice((0, 0, 1, 2)))

    def _tree(self, levels: int, *, at_index: bool) -> Criterion:
        if levels == 1:
            return self._leaf(at_index=at_index)
        parts = [
            self._tree(levels - 1, at_index=at_index) for _ in range(self._random.choice((1, 2, 3)))
        ]
        if len(parts) == 1:
            return ~parts[0]
        if self._chance(0.15):
            return of.some_of(self._random.randint(1, len(parts)), *parts)
        return of.all_of(*parts) if self._chance(0.5) else of.any_of(*parts)

    def _leaf(self, *, at_index: bool) -> Criterion:
        kinds: dict[Callable[[], Criterion], float] = {
            lambda: self._events(at_index=at_index): 6,
            lambda: self._counted(at_index=at_index): 3,
            self._two: 2,
            lambda: self._observed(at_index=at_index): 1,
            lambda: self._of_person(at_index=at_index): 2,
        }
        leaf: Criterion = self._random.choices([*kinds], [*kinds.values()])[0]()
        return ~leaf if self._chance(0.2) else leaf

    # ----------------------------------------------------------------------------------- events

    def _events(self, *, at_index: bool = False, deep: int = 2) -> Events:
        """Return an event; or several, or an index, or what is made of these."""
        if at_index and self._chance(0.7):
            if self._chance(0.15):
                return of.either(
                    self._event(windowed=True), self._event(windowed=self._chance(0.8))
                )
            return self._event(windowed=True)
        if deep and self._chance(0.35):
            return self._nested(deep - 1)
        return self._event(deep=deep)

    def _nested(self, deep: int) -> Events:
        inner = self._events(deep=deep)
        kind = self._random.random()
        if kind < 0.15:
            return of.either(inner, self._events(deep=deep))
        if kind < 0.25:
            return of.during(inner, self._event())
        if kind < 0.32:
            return of.same_visit(inner, self._event())
        if kind < 0.45:
            return of.without(inner, self._event(), self._span())
        where = self._tree(self._random.choice((1, 1, 2)), at_index=True)
        return of.index(
            inner,
            self._random.choice(("first", "first", "last", "each")),
            where=where if self._chance(0.9) else None,
        )

    def _event(self, *, windowed: bool = False, deep: int = 0) -> Event:
        names = [name for name in self._names if name in _WEIGHTS or self._chance(0.2)]
        name = self._random.choices(names, [_WEIGHTS.get(one, 0.3) for one in names])[0]
        given: dict[str, Any] = {}
        concepts = None
        if self._chance(0.9):
            concepts = self._some_concepts(name)
            if self._chance(0.15):
                given["descendants"] = False
            if self._chance(0.1):
                given["exclude"] = self._some_concepts(name)
        given |= self._when() | self._attributes(EVENT_TABLES[name], concepts)
        if self._chance(0.15):
            given |= {"age": self._ages(), "exact_age": self._chance(0.4)}
        for flag, often in (("first", 0.15), ("observed", 0.1)):
            if self._chance(often):
                given[flag] = True
        if windowed:
            given |= self._window()
        if deep and self._chance(0.1):
            given["where"] = self._tree(1, at_index=True)
        made: Event = getattr(of, name)(concepts, **given)
        return made

    def _some_concepts(self, name: str) -> list[int]:
        own = self._concepts[name]
        pick = [self._random.choice(own) for _ in range(self._random.choice((1, 1, 2, 3)))]
        return [
            self._random.choice(self._above.get(one, [one])) if self._chance(0.4) else one
            for one in pick
        ]

    def _when(self) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for names, often in ((("since", "until"), 0.15), (("end_since", "end_until"), 0.05)):
            days = sorted(self._day() for _ in range(2))
            given |= {
                name: day for name, day in zip(names, days, strict=True) if self._chance(often)
            }
        return given

    def _attributes(self, table: str, concepts: list[int] | None) -> dict[str, Any]:
        given: dict[str, Any] = {}
        for name in sorted(concept_attributes(table) - {"event_field", "unit"}):
            if self._chance(0.06):
                given[name] = self._values(table, name)
        for name in sorted(number_attributes(table) - {"value"}):
            if self._chance(0.05) and (some := self._values(table, name)):
                given |= self._bounds(name, table, some[0])
        if "value" in number_attributes(table) and self._chance(0.6):
            some = self._values(table, "value") or [1]
            given |= self._bounds("value", table, some[0])
            if self._chance(0.85):
                given["unit"] = self._values(table, "unit") or 0
        elif "unit" in concept_attributes(table) and self._chance(0.1):
            given["unit"] = self._values(table, "unit") or 0
        return given

    def _bounds(self, name: str, table: str, value: float) -> dict[str, Any]:
        if self._chance(0.15) and name in ("value", "range_low"):
            others = {"range_low", "range_high"} & number_attributes(table)
            if others:
                sign = self._random.choice(("gt", "ge", "lt", "le"))
                return {f"{name}__{sign}": self._random.choice(sorted(others))}
        if self._chance(0.3):
            return {name: value}
        if self._chance(0.2):
            return {name: (value - 1, value + self._random.choice((0, 3)))}
        sign = self._random.choice(("gt", "ge", "lt", "le"))
        return {f"{name}__{sign}": value + self._random.choice((0, 0, 1, -0.5))}

    def _values(self, table: str, name: str) -> list[Any]:
        """Return one or two values that an attribute has in some rows; for concepts maybe 0."""
        key = f"{table}/{name}"
        if key not in self._used:
            tables = [table]
            if table == "event":
                tables = ["condition_occurrence", "measurement", "drug_exposure"]
            column = {"day": "day_of_month"}.get(name, name)
            self._used[key] = sorted(
                {
                    value
                    for one in tables
                    for (value,) in self._column(f"ev_{one}", column, limit=200)
                    if value is not None
                }
            )
        some = self._used[key]
        picked = [self._random.choice(some) for _ in range(self._random.choice((1, 2))) if some]
        if name in number_attributes(table):
            return picked if some else []
        return [*picked, 0] if not some or self._chance(0.1) else picked

    def _window(self) -> dict[str, Any]:
        given: dict[str, Any] = {}
        while not given:
            for name, often in (
                ("from_index", 0.6),
                ("from_index_end", 0.15),
                ("end_from_index", 0.12),
                ("end_from_index_end", 0.08),
            ):
                if self._chance(often):
                    given[name] = self._span()
            for name in ("same_visit", "same_period"):
                if self._chance(0.12):
                    given[name] = True
        return given

    def _counted(self, *, at_index: bool) -> Criterion:
        event = self._events(at_index=at_index, deep=1)
        counted = self._random.choice(
            ({}, {}, {"days": True}, {"concepts": True}, {"visits": True})
        )
        how = self._random.choice((of.at_least, of.at_least, of.at_most, of.exactly))
        return how(self._random.choice((1, 2, 2, 3, 5)), event, **counted)

    def _two(self) -> Criterion:
        first, second = (self._events(deep=1) for _ in range(2))
        if self._chance(0.3):
            return self._random.choice((of.before, of.after))(first, second)
        return of.within_days(first, second, self._span())

    # ------------------------------------------------------------------------- persons and days

    def _observed(self, *, at_index: bool) -> Criterion:
        if self._chance(0.5):
            given: dict[str, Any] = {"before": self._random.choice(_DAYS)}
            if self._chance(0.4):
                given["after"] = self._random.choice(_DAYS)
            return of.observed(**given, at=None if at_index else self._day())
        days = sorted(self._day() for _ in range(2))
        return of.observed(since=days[0], until=days[1] if self._chance(0.5) else None)

    def _of_person(self, *, at_index: bool) -> Criterion:
        kinds: list[Callable[[], Criterion]] = [
            lambda: of.sex(self._random.choice(("male", "female"))),
            lambda: of.race(self._random.choice((8515, 8516, 8527))),
            lambda: of.born(self._years(1900, 2000)),
            lambda: of.age(
                self._ages(),
                at=None if at_index and self._chance(0.7) else self._day(),
                exact=self._chance(0.5),
            ),
        ]
        return self._random.choice(kinds)()

    def _ages(self) -> tuple[int | None, int | None]:
        return self._years(0, 90)

    def _years(self, low: int, high: int) -> tuple[int | None, int | None]:
        first, last = sorted(self._random.randint(low, high) for _ in range(2))
        return self._random.choice(((first, last), (first, None), (None, last)))

    def _span(self) -> tuple[int | None, int | None]:
        low, high = sorted(self._random.choice((-1, 1)) * self._random.choice(_DAYS) for _ in "ab")
        return self._random.choice(((low, high), (low, high), (low, None), (None, high)))

    def _day(self) -> date:
        day: date = self._random.choice(self._days)
        return day + timedelta(self._random.choice((0, 0, -1, 1, 200)))

    # ---------------------------------------------------------------------------------- the rows

    def _column(self, table: str, column: str, *, limit: int = 1000) -> list[Any]:
        """Return values of some rows, the same ones each time."""
        return self._database.sql(
            f"select {column} from {table} order by hash(key), key limit {limit}"
        ).fetchall()

    def _ancestors(self) -> dict[int, list[int]]:
        found: dict[int, list[int]] = {}
        used = {one for some in self._concepts.values() for one in some}
        rows = self._database.sql(
            "select descendant_concept_id::bigint, ancestor_concept_id::bigint "
            "from raw_concept_ancestor order by all"
        ).fetchall()
        for below, above in rows:
            if below in used:
                found.setdefault(below, []).append(above)
        return found

    def _chance(self, probability: float) -> bool:
        return self._random.random() < probability
