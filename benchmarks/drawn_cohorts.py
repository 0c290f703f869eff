"""Random clinical criteria, and what an analyst would write for each in SQL; seeded.

Text by ``docs/reference/cohorts.md``; SQL over the tables as `duckdb_load` makes them. Nobody of a
generated hospital is unknown to what is drawn here, so that both are the same persons.
"""

from __future__ import annotations

import random
from collections.abc import Callable, Container, Sequence
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb

from precisionchain.schemas.omop import TABLES
from precisionchain.synthetic.concepts import (
    C_REACTIVE_PROTEIN,
    CONCEPTS,
    FEMALE,
    MALE,
    Concept,
    of_domain,
)

_EVENTS = {
    "condition": ("condition_occurrence", "Condition", 6),
    "drug": ("drug_exposure", "Drug", 4),
    "measurement": ("measurement", "Measurement", 4),
    "procedure": ("procedure_occurrence", "Procedure", 2),
    "observation": ("observation", "Observation", 1),
    "condition_era": ("condition_era", "Condition", 1),
}
_DESCENDANTS = (
    "{column} in (select descendant_concept_id from concept_ancestor"
    " where ancestor_concept_id in ({ids}))"
)


@dataclass(frozen=True, slots=True)
class Asked:
    """A criterion as text, and SQL of the persons of whom it is true."""

    text: str
    sql: str


@dataclass(frozen=True, slots=True)
class _Event:
    """A call, and SQL of its rows: person_id, day."""

    text: str
    rows: str


class ClinicalCohorts:
    """Draws criteria: a tree of one to four leaves.

    Args:
        seed: the same seed draws the same criteria of the same concepts.
        known: concepts of the rows, and those above them.
    """

    def __init__(self, seed: int, known: Container[int]) -> None:
        self._seed, self._random = seed, random.Random(seed)
        self._concepts = {
            domain: [one for one in _askable(domain) if one.concept_id in known]
            for _, domain, _ in _EVENTS.values()
        }

    def __call__(self, number: int) -> Asked:
        """Return the criterion of a number."""
        self._random = random.Random(f"{self._seed}/{number}")
        return self._tree(self._random.choice((1, 1, 2, 2, 3, 4)))

    def _tree(self, leaves: int) -> Asked:
        if leaves == 1:
            leaf = self._leaf()
            return _not(leaf) if self._random.random() < 0.15 else leaf
        first = self._random.randint(1, leaves - 1)
        one, two = self._tree(first), self._tree(leaves - first)
        sign, word = self._random.choice((("&", "intersect"), ("&", "intersect"), ("|", "union")))
        return Asked(f"({one.text} {sign} {two.text})", f"({one.sql}) {word} ({two.sql})")

    def _leaf(self) -> Asked:
        kinds: dict[Callable[[], Asked], int] = {
            self._some_event: 8,
            self._at_least: 3,
            self._within_days: 2,
            self._demographic: 4,
            self._observed: 1,
        }
        return self._random.choices([*kinds], [*kinds.values()])[0]()

    def _some_event(self) -> Asked:
        event = self._event()
        return Asked(event.text, f"select distinct person_id from ({event.rows})")

    def _at_least(self) -> Asked:
        event, n = self._event(), self._random.randint(2, 4)
        days = self._random.random() < 0.3
        counted = "count(distinct day)" if days else "count(*)"
        return Asked(
            f"at_least({n}, {event.text}{', days=true' if days else ''})",
            f"select person_id from ({event.rows}) group by 1 having {counted} >= {n}",
        )

    def _within_days(self) -> Asked:
        one, two = self._event(), self._event()
        low, high = sorted(self._random.randint(-90, 365) for _ in range(2))
        return Asked(
            f"within_days({one.text}, {two.text}, {low}..{high})",
            f"select distinct a.person_id from ({one.rows}) a join ({two.rows}) b using (person_id)"
            f" where b.day - a.day between {low} and {high}",
        )

    def _demographic(self) -> Asked:
        kind, first = self._random.randrange(3), self._random.randint(1935, 1995)
        if kind == 0:
            name, concept = self._random.choice((("male", MALE), ("female", FEMALE)))
            return Asked(f"sex({name})", _persons(f"gender_concept_id = {concept}"))
        if kind == 1:
            held = f"year_of_birth between {first} and {first + 20}"
            return Asked(f"born({first}..{first + 20})", _persons(held))
        held = f"2020 - year_of_birth between {2000 - first} and {2020 - first}"
        return Asked(f"age({2000 - first}..{2020 - first}, at=2020-06-30)", _persons(held))

    def _observed(self) -> Asked:
        since = self._day()
        until = since + timedelta(days=self._random.randint(30, 1500))
        return Asked(
            f"observed(since={since}, until={until})",
            "select person_id from observation_period where observation_period_start_date <="
            f" '{since}' and observation_period_end_date >= '{until}'",
        )

    def _event(self) -> _Event:
        weights = [weight for *_, weight in _EVENTS.values()]
        name = self._random.choices([*_EVENTS], weights)[0]
        table, domain, _ = _EVENTS[name]
        about = TABLES[table]
        asked = self._random.sample(self._concepts[domain], self._random.choice((1, 1, 2)))
        ids = ", ".join(str(concept.concept_id) for concept in asked)
        words, held = [f"[{ids}]"], []
        if self._random.random() < 0.15:
            words.append("descendants=false")
            own = f"{about.concept_column} in ({ids})"
        else:
            own = _DESCENDANTS.format(column=about.concept_column, ids=ids)
        if name == "measurement" and len(asked) == 1 and asked[0].unit:
            value, unit = round(asked[0].mean + asked[0].sd, 1), asked[0].unit
            words += [f"value > {value:g}", f"unit={unit}"]
            held += [f"value_as_number > {value}", f"unit_concept_id = {unit}"]
        if self._random.random() < 0.35:
            since = self._day()
            words.append(f"since={since}")
            held.append(f"day >= '{since}'")
        if self._random.random() < 0.2:
            low = self._random.randint(10, 70)
            words.append(f"age={low}..{low + 20}")
            held.append(f"year(day) - year_of_birth between {low} and {low + 20}")
        rows = f"select *, {about.start_date_column} as day from {table} where {own}"
        if self._random.random() < 0.15:
            words.append("first=true")
            # Not by QUALIFY: DuckDB 2.0 loses it where such rows are joined with others.
            earliest = f"select person_id, min(day) as day from ({rows}) group by person_id"
            rows = f"select * from ({rows}) join ({earliest}) using (person_id, day)"
        where = f" where {' and '.join(held)}" if held else ""
        return _Event(
            f"{name}({', '.join(words)})",
            f"select person_id, day from ({rows}) join person p using (person_id){where}",
        )

    def _day(self) -> date:
        return date(2006, 1, 1) + timedelta(days=self._random.randint(0, 6000))


def known_concepts(database: duckdb.DuckDBPyConnection) -> set[int]:
    """Return the concepts of rows, and those above them, of tables that are loaded."""
    tables = {table for table, _, _ in _EVENTS.values()}
    used = " union ".join(
        f"select {TABLES[table].concept_column} as concept_id from {table}"
        for table in sorted(tables)
    )
    rows = database.execute(
        "select distinct ancestor_concept_id from concept_ancestor"
        f" where descendant_concept_id in ({used})"
    ).fetchall()
    return {concept for (concept,) in rows}


def _askable(domain: str) -> Sequence[Concept]:
    """Return concepts of events and those above them; without censored values."""
    used = [one for one in of_domain(domain) if one.concept_id != C_REACTIVE_PROTEIN]
    above = {parent for one in used for parent in one.parents}
    return [*used, *(one for one in CONCEPTS if one.concept_id in above and one.domain == domain)]


def _persons(held: str) -> str:
    return f"select person_id from person where {held}"


def _not(asked: Asked) -> Asked:
    return Asked(f"~{asked.text}", f"select person_id from person except ({asked.sql})")
