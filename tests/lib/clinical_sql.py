"""What ``docs/reference/cohorts.md`` says of clinical criteria, as SQL over the rows of CSV files.

Written from the page. SQL's own three-valued logic is the page's: a criterion becomes a Boolean
expression of a person, or of an index, that is true, false or null. Events become tables of rows
with ``meets``; what only may meet has it false. Read are valid files of one site: which rows are
rejected is checked elsewhere, and rows of persons without a person row are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from datetime import date
from typing import Any, ClassVar, Final

from precisionchain.query.criteria import (
    Age,
    And,
    AtLeast,
    AtSite,
    Attribute,
    Born,
    Criterion,
    Demographic,
    Either,
    Event,
    Events,
    Everyone,
    Index,
    Not,
    Observed,
    Or,
    SomeOf,
    WithinDays,
)
from tests.lib.clinical_fragments import (
    age_on,
    inside,
    is_number,
    lies,
    listed,
    number,
    three,
    value_bounds,
)
from tests.lib.clinical_tables import PREFIX, ClinicalTables

_SHAPE: Final = "person_id, tbl, key, day, stop, visit, concept, pstart, pend"
_KEPT_TABLES: Final = 300


class RefusedError(Exception):
    """The question has no answer: values in several units."""


@dataclass
class ClinicalSql(ClinicalTables):
    """An oracle on one folder of CSV files.

    Args:
        site: the name of the site that ingests them.
    """

    site: str = "A"
    _tables: dict[object, str] = field(default_factory=dict)
    _made: int = 0

    def answer(self, criterion: Criterion) -> tuple[frozenset[int], frozenset[int]]:
        """Return the persons of whom a criterion is true, and of whom it is unknown.

        Raises:
            RefusedError: the question has no answer.
        """
        if len(self._tables) > _KEPT_TABLES:
            for name in self._tables.values():
                self.database.sql(f"drop table {name}")
            self._tables.clear()
        found = self.database.sql(
            f"select person_id, {self._says(criterion, 'x')} from people x"
        ).fetchall()
        return (
            frozenset(person for person, said in found if said is True),
            frozenset(person for person, said in found if said is None),
        )

    def rows(self, events: Events) -> list[tuple[str, int, date, int]]:
        """Return the rows that meet what events ask for: table, person, start date and key.

        A death has the key 0. They are sorted.

        Raises:
            RefusedError: the question has no answer.
        """
        name = self._rows(events)
        return self.database.sql(
            f"select tbl, person_id, day, if(tbl = 'death', 0, key) from {name} where meets "
            "order by all"
        ).fetchall()

    def _says(self, criterion: Criterion, x: str) -> str:
        """Return a criterion as an expression of the person or index ``x``."""
        return self._expressions[type(criterion)](self, criterion, x)

    def _and(self, of: And, x: str) -> str:
        return "(" + " and ".join(self._says(part, x) for part in of.of) + ")"

    def _or(self, of: Or, x: str) -> str:
        return "(" + " or ".join(self._says(part, x) for part in of.of) + ")"

    def _not(self, of: Not, x: str) -> str:
        return f"(not {self._says(of.of, x)})"

    def _some_of(self, of: SomeOf, x: str) -> str:
        said = [self._says(part, x) for part in of.of]
        true = " + ".join(f"({one} is true)::int" for one in said)
        possible = " + ".join(f"({one} is not false)::int" for one in said)
        return three(f"{true} >= {of.n}", f"{possible} >= {of.n}")

    def _event(self, of: Events, x: str) -> str:
        return self._at_least(AtLeast(1, of), x)

    def _at_least(self, of: AtLeast, x: str) -> str:
        counted = "tbl || key"
        for name, column in (("days", "day"), ("concepts", "concept"), ("visits", "visit")):
            counted = column if getattr(of, name) else counted
        rows, where = self._rows_around(of.event, x)
        sure = f"count(distinct {counted}) filter (r.meets)"
        return (
            f"(select {three(f'{sure} >= {of.n}', f'count(distinct {counted}) >= {of.n}')}"
            f" from {rows} r where r.person_id = {x}.person_id and {where})"
        )

    def _rows_around(self, events: Events, x: str) -> tuple[str, str]:
        """Return the table of events' rows, and the condition on where they lie to ``x``."""
        if isinstance(events, Event) and events.window is not None:
            return self._rows(events), lies(events.window, "r", x)
        if isinstance(events, Either) and any(
            isinstance(part, Event) and part.window is not None for part in events.of
        ):
            union = " union all ".join(
                f"select *, {number} as part from {self._rows(part)}"
                for number, part in enumerate(events.of)
            )
            conditions = [
                f"(r.part = {number} and {lies(getattr(part, 'window', None), 'r', x)})"
                for number, part in enumerate(events.of)
            ]
            return f"({union})", "(" + " or ".join(conditions) + ")"
        return self._rows(events), "true"

    def _within_days(self, of: WithinDays, x: str) -> str:
        first, second = self._rows(of.first), self._rows(of.second)
        name = self._table(
            of,
            f"select a.person_id, bool_or(a.meets and b.meets) as sure from {first} a "
            f"join {second} b using (person_id) where {inside('b.day - a.day', of.days)} "
            "group by all",
        )
        return (
            f"(select {three('bool_or(w.sure)', 'count(*) > 0')} from {name} w "
            f"where w.person_id = {x}.person_id)"
        )

    def _observed(self, of: Observed, x: str) -> str:
        held = "true"
        if of.before is not None or of.after is not None:
            at = f"{x}.day" if of.at is None else f"date '{of.at}'"
            held = f"q.s <= {at} - {of.before or 0} and q.e >= {at} + {of.after or 0}"
        elif of.since or of.until:
            held = f"q.s <= date '{of.since or of.until}' and q.e >= date '{of.until or of.since}'"
        return (
            f"(exists (select 1 from periods q where q.person_id = {x}.person_id "
            f"and q.s is not null and q.e is not null and {held}))"
        )

    def _demographic(self, of: Demographic, x: str) -> str:
        column = {"sex": "gender"}.get(of.what, of.what) + "_concept_id"
        said = f"nullif(p.{column}, 0) in ({listed(of.concepts)})"
        return f"(select {said} from people p where p.person_id = {x}.person_id)"

    def _born(self, of: Born, x: str) -> str:
        said = inside("p.year_of_birth", of.years)
        return f"(select {said} from people p where p.person_id = {x}.person_id)"

    def _age(self, of: Age, x: str) -> str:
        at = f"{x}.day" if of.at is None else f"date '{of.at}'"
        said = inside(age_on(at, exact=of.exact), of.years)
        return f"(select {said} from people p where p.person_id = {x}.person_id)"

    def _everyone(self, of: Everyone, x: str) -> str:  # one signature for all
        return "false" if of.what == "genotyped" else "true"

    def _at_site(self, of: AtSite, x: str) -> str:
        return str(self.site in of.sites).lower()

    # ------------------------------------------------------------------------------------- rows

    def _rows(self, events: Events) -> str:
        """Return the name of the table of events' rows, whatever their window."""
        match events:
            case Event():
                return self._table(events, self._event_rows(events))
            case Either():
                union = " union all ".join(f"select * from {self._rows(one)}" for one in events.of)
                return self._table(
                    events,
                    f"select {_SHAPE}, bool_or(meets) as meets from ({union}) group by all",
                )
            case Index():
                chosen = self._chosen(self._rows(events.event), events.which)
                return self._table(events, self._asked(chosen, events.where))
        raise AssertionError(events)

    def _chosen(self, rows: str, which: str) -> str:
        if which == "each":
            return f"select * from {rows}"
        least, first = ("min", "<=") if which == "first" else ("max", ">=")
        order = "asc" if which == "first" else "desc"
        return f"""
            with known as (
                select *, {least}(day) over w as foremost,
                    {least}(day) filter (meets) over w as surely
                from {rows} window w as (partition by person_id)
            ), numbered as (
                select *, row_number() over (
                    partition by person_id
                    order by meets desc, day {order}, stop desc, visit asc nulls last,
                        concept, tbl, key
                ) as number
                from known
            )
            select {_SHAPE}, meets and foremost = surely as meets from numbered
            where case when foremost = surely then number = 1
                else surely is null or day {first} surely end"""

    def _asked(self, rows: str, where: Criterion | None) -> str:
        if where is None:
            return rows
        said = f"select x.*, {self._says(where, 'x')} as said from ({rows}) x"
        return (
            f"select {_SHAPE}, meets and said is true as meets from ({said}) "
            "where said is not false"
        )

    def _event_rows(self, event: Event) -> str:
        tables = [event.table]
        if event.table == "event":
            tables = [table for table in PREFIX if not table.endswith("_era")]
        shape = "* exclude (pstart, pend), pstart, pend"
        union = " union all by name ".join(f"select {shape} from ev_{table}" for table in tables)
        among = self._among(event.concepts, event.descendants) if event.concepts else "true"
        without = self._among(event.exclude, event.descendants) if event.exclude else "false"
        rows = f"select * from ({union}) where {among} and not {without}"
        if event.first:
            rows += " qualify day = min(day) over (partition by person_id)"
        if event.value and not event.unit and any(is_number(b) for b in event.value):
            units = self.database.sql(
                f"select count(distinct unit) from ({rows}) where value is not null"
            ).fetchall()
            if units[0][0] > 1:
                raise RefusedError
        conditions = [f"coalesce({one}, false)" for one in self._conditions(event)]
        meets, may = value_bounds(event.value)
        fit = (
            f"select {_SHAPE}, {meets} as meets from ({rows}) b "
            f"where {' and '.join(['true', *conditions])} and {may}"
        )
        return self._asked(fit, event.where)

    def _conditions(self, event: Event) -> list[str]:
        found = []
        named = {
            "day >=": event.since,
            "day <=": event.until,
            "ended >=": event.end_since,
            "ended <=": event.end_until,
        }
        found += [f"b.{what} date '{day}'" for what, day in named.items() if day is not None]
        if event.unit:
            found.append(f"b.unit in ({listed(event.unit)})")
        if event.age is not None:
            said = inside(age_on("b.day", exact=event.exact_age), event.age)
            found.append(f"(select {said} from people p where p.person_id = b.person_id)")
        if event.observed:
            found.append("b.pstart is not null")
        for asked in event.attributes:
            found.append(self._keeps(asked, event.descendants))
        return found

    def _keeps(self, asked: Attribute, descendants: bool) -> str:
        if asked.concepts:
            assert isinstance(asked.concepts, tuple)
            return self._among(asked.concepts, descendants, f"b.{asked.name}")
        return " and ".join(
            f"{number(asked.name)} {bound.operator} "
            f"{number(bound.number) if isinstance(bound.number, str) else bound.number}"
            for bound in asked.bounds
        )

    def _among(self, concepts: Any, descendants: bool, column: str = "concept") -> str:
        below = (
            f" or {column} in (select descendant_concept_id::bigint from raw_concept_ancestor "
            f"where ancestor_concept_id::bigint in ({listed(concepts)}))"
        )
        return f"({column} in ({listed(concepts)}){below if descendants else ''})"

    def _table(self, key: object, query: str) -> str:
        if key not in self._tables:
            self._made += 1
            self.database.sql(f"create temp table t{self._made} as {query}")
            self._tables[key] = f"t{self._made}"
        return self._tables[key]

    _expressions: ClassVar[Mapping[type[Criterion], Callable[..., str]]] = {
        And: _and,
        Or: _or,
        Not: _not,
        SomeOf: _some_of,
        Event: _event,
        Either: _event,
        Index: _event,
        AtLeast: _at_least,
        WithinDays: _within_days,
        Observed: _observed,
        Demographic: _demographic,
        Born: _born,
        Age: _age,
        Everyone: _everyone,
        AtSite: _at_site,
    }
