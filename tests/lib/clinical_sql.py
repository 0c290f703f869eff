"""What ``docs/reference/cohorts.md`` says of clinical criteria, as SQL over the rows of CSV files.

Written from the page. SQL's own three-valued logic is the page's: a criterion becomes a Boolean
expression of a person, or of an index, that is true, false or null. Events become tables of rows
with ``meets``; what only may meet has it false. Read are valid files of one site: which rows are
rejected is checked elsewhere, and rows of persons without a person row are left out.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, ClassVar, Final

import duckdb

from precisionchain.query.criteria import (
    Age,
    And,
    AtLeast,
    AtSite,
    Attribute,
    Born,
    Bound,
    Criterion,
    Demographic,
    Either,
    Event,
    Events,
    Everyone,
    Index,
    Interval,
    Not,
    Observed,
    Or,
    SomeOf,
    Window,
    WithinDays,
)

_PREFIX: Final = {
    "condition_occurrence": ("condition", "condition"),
    "drug_exposure": ("drug_exposure", "drug"),
    "procedure_occurrence": ("procedure", "procedure"),
    "device_exposure": ("device_exposure", "device"),
    "measurement": ("measurement", "measurement"),
    "observation": ("observation", "observation"),
    "visit_occurrence": ("visit", "visit"),
    "visit_detail": ("visit_detail", "visit_detail"),
    "death": ("death", "cause"),
    "specimen": ("specimen", "specimen"),
    "episode": ("episode", "episode"),
    "condition_era": ("condition_era", "condition"),
    "drug_era": ("drug_era", "drug"),
    "dose_era": ("dose_era", "drug"),
}
"""What the date columns of a table begin with, and its main concept."""

_CONCEPTS: Final = {
    "type": "{p}_type_concept_id",
    "source": "{p}_source_concept_id",
    "status": "condition_status_concept_id",
    "route": "route_concept_id",
    "modifier": "modifier_concept_id",
    "unit": "unit_concept_id",
    "unit_source": "unit_source_concept_id",
    "operator": "operator_concept_id",
    "value_concept": "value_as_concept_id",
    "qualifier": "qualifier_concept_id",
    "admitted_from": "admitted_from_concept_id",
    "discharged_to": "discharged_to_concept_id",
    "anatomic_site": "anatomic_site_concept_id",
    "disease_status": "disease_status_concept_id",
    "object": "episode_object_concept_id",
}
_NUMBERS: Final = {
    "value": "value_as_number",
    "number": "episode_number",
    "occurrence_count": "condition_occurrence_count",
    "exposure_count": "drug_exposure_count",
    **{
        name: name
        for name in (
            *("quantity", "days_supply", "refills", "range_low", "range_high"),
            *("gap_days", "dose_value"),
        )
    },
}
_SHAPE: Final = "person_id, tbl, key, day, stop, visit, concept, pstart, pend"
_MEANT: Final = {4171756: "<", 4171754: "<=", 4172704: ">", 4171755: ">="}
_KEPT_TABLES: Final = 300


class RefusedError(Exception):
    """The question has no answer: values in several units."""


@dataclass
class ClinicalSql:
    """An oracle on one folder of CSV files.

    Args:
        folder: the files.
        site: the name of the site that ingests them.
    """

    folder: Path
    site: str = "A"
    database: duckdb.DuckDBPyConnection = field(default_factory=duckdb.connect)
    _tables: dict[object, str] = field(default_factory=dict)
    _made: int = 0

    def __post_init__(self) -> None:
        self.database.sql("set threads = 1")
        self._load("person")
        self.database.sql(
            "create table people as select person_id::bigint as person_id, "
            + ", ".join(
                f"try_cast({self._of('person', name)} as bigint) as {name}"
                for name in (
                    *("gender_concept_id", "race_concept_id", "ethnicity_concept_id"),
                    *("year_of_birth", "month_of_birth", "day_of_birth"),
                )
            )
            + " from raw_person"
        )
        self._load("observation_period")
        self.database.sql(
            "create table periods as select person_id::bigint as person_id, "
            "observation_period_start_date::date as s, observation_period_end_date::date as e "
            "from raw_observation_period semi join people using (person_id)"
        )
        self._load("concept_ancestor")
        self._load("visit_occurrence")
        self.database.sql(
            "create table visits as select person_id::bigint as person_id, "
            "visit_occurrence_id::bigint as visit, visit_concept_id::bigint as in_visit "
            "from raw_visit_occurrence"
        )
        for table in _PREFIX:
            self._base(table)

    # ------------------------------------------------------------------------------------ files

    def _load(self, table: str) -> bool:
        path = self.folder / f"{table}.csv"
        if not path.exists():
            return False
        if f"raw_{table}" in self._names():
            return True
        self.database.sql(
            f"create table raw_{table} as select * from "
            f"read_csv('{path}', all_varchar = true, header = true, normalize_names = false)"
        )
        for name in self._columns(table):
            plain = name.lower().removeprefix("date(").removesuffix(",'unixepoch')")
            if plain != name:
                self.database.execute(f'alter table raw_{table} rename "{name}" to "{plain}_"')
                self.database.execute(f'alter table raw_{table} rename "{plain}_" to "{plain}"')
        return True

    def _names(self) -> set[str]:
        found = self.database.sql("select table_name from duckdb_tables()").fetchall()
        return {name for (name,) in found}

    def _columns(self, table: str) -> list[str]:
        return list(self.database.sql(f"select * from raw_{table} limit 0").columns)

    def _of(self, table: str, column: str) -> str:
        return column if column in self._columns(table) else "null"

    def _base(self, table: str) -> None:
        """Make the table of all rows, with what each says under the page's names."""
        date, main = _PREFIX[table]
        if not self._load(table):
            self.database.sql(f"create table raw_{table} (person_id varchar)")
        start = f"{date}_start_date"
        if self._of(table, start) == "null":
            start = f"{date}_date"
        end = {"procedure_occurrence": "procedure_end_date"}.get(table, f"{date}_end_date")
        own = "visit_occurrence_id" if table != "death" else "nothing"
        key = self._of(table, f"{table}_id")
        concepts = ", ".join(
            f"coalesce(try_cast({self._of(table, column.format(p=_stem(table, name)))} as bigint), "
            f"0) as {name}"
            for name, column in _CONCEPTS.items()
        )
        numbers = ", ".join(
            f"try_cast({self._of(table, column)} as double) as {name}"
            for name, column in _NUMBERS.items()
        )
        self.database.sql(
            f"""create table ev_{table} as
            with rows as (
                select person_id::bigint as person_id, '{table}' as tbl,
                    {f"{key}::bigint" if key != "null" else "row_number() over ()"} as key,
                    {self._of(table, start)}::date as day,
                    nullif({self._of(table, end)}, '')::date as ended,
                    try_cast({self._of(table, own)} as bigint) as visit,
                    coalesce(try_cast({self._of(table, f"{main}_concept_id")} as bigint), 0)
                        as concept,
                    {concepts}, {numbers}
                from raw_{table} semi join people using (person_id)
            )
            select rows.*, coalesce(ended, day) as stop, coalesce(in_visit, 0) as in_visit,
                year(day) as year, month(day) as month, day(day) as day_of_month,
                ended - day as length,
                (select min(s) from periods q where q.person_id = rows.person_id
                    and rows.day between q.s and q.e) as pstart,
                (select max(e) from periods q where q.person_id = rows.person_id
                    and rows.day between q.s and q.e) as pend
            from rows left join visits using (person_id, visit)
            where day is not null"""
        )

    # ---------------------------------------------------------------------------------- answers

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
        return _three(f"{true} >= {of.n}", f"{possible} >= {of.n}")

    def _event(self, of: Events, x: str) -> str:
        return self._at_least(AtLeast(1, of), x)

    def _at_least(self, of: AtLeast, x: str) -> str:
        counted = "tbl || key"
        for name, column in (("days", "day"), ("concepts", "concept"), ("visits", "visit")):
            counted = column if getattr(of, name) else counted
        rows, lies = self._rows_around(of.event, x)
        sure = f"count(distinct {counted}) filter (r.meets)"
        return (
            f"(select {_three(f'{sure} >= {of.n}', f'count(distinct {counted}) >= {of.n}')}"
            f" from {rows} r where r.person_id = {x}.person_id and {lies})"
        )

    def _rows_around(self, events: Events, x: str) -> tuple[str, str]:
        """Return the table of events' rows, and the condition on where they lie to ``x``."""
        if isinstance(events, Event) and events.window is not None:
            return self._rows(events), _lies(events.window, "r", x)
        if isinstance(events, Either) and any(
            isinstance(part, Event) and part.window is not None for part in events.of
        ):
            union = " union all ".join(
                f"select *, {number} as part from {self._rows(part)}"
                for number, part in enumerate(events.of)
            )
            conditions = [
                f"(r.part = {number} and {_lies(getattr(part, 'window', None), 'r', x)})"
                for number, part in enumerate(events.of)
            ]
            return f"({union})", "(" + " or ".join(conditions) + ")"
        return self._rows(events), "true"

    def _within_days(self, of: WithinDays, x: str) -> str:
        first, second = self._rows(of.first), self._rows(of.second)
        name = self._table(
            of,
            f"select a.person_id, bool_or(a.meets and b.meets) as sure from {first} a "
            f"join {second} b using (person_id) where {_inside('b.day - a.day', of.days)} "
            "group by all",
        )
        return (
            f"(select {_three('bool_or(w.sure)', 'count(*) > 0')} from {name} w "
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
        said = f"nullif(p.{column}, 0) in ({_list(of.concepts)})"
        return f"(select {said} from people p where p.person_id = {x}.person_id)"

    def _born(self, of: Born, x: str) -> str:
        said = _inside("p.year_of_birth", of.years)
        return f"(select {said} from people p where p.person_id = {x}.person_id)"

    def _age(self, of: Age, x: str) -> str:
        at = f"{x}.day" if of.at is None else f"date '{of.at}'"
        said = _inside(_age_on(at, exact=of.exact), of.years)
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
                    order by meets desc, day {order}, stop desc, visit asc nulls last, tbl, key
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
            tables = [table for table in _PREFIX if not table.endswith("_era")]
        shape = "* exclude (pstart, pend), pstart, pend"
        union = " union all by name ".join(f"select {shape} from ev_{table}" for table in tables)
        among = self._among(event.concepts, event.descendants) if event.concepts else "true"
        without = self._among(event.exclude, event.descendants) if event.exclude else "false"
        rows = f"select * from ({union}) where {among} and not {without}"
        if event.first:
            rows += " qualify day = min(day) over (partition by person_id)"
        if event.value and not event.unit and any(_is_number(b) for b in event.value):
            units = self.database.sql(
                f"select count(distinct unit) from ({rows}) where value is not null"
            ).fetchall()
            if units[0][0] > 1:
                raise RefusedError
        conditions = [f"coalesce({one}, false)" for one in self._conditions(event)]
        meets, may = _value(event.value)
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
            found.append(f"b.unit in ({_list(event.unit)})")
        if event.age is not None:
            said = _inside(_age_on("b.day", exact=event.exact_age), event.age)
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
            f"{_number(asked.name)} {bound.operator} "
            f"{_number(bound.number) if isinstance(bound.number, str) else bound.number}"
            for bound in asked.bounds
        )

    def _among(self, concepts: Any, descendants: bool, column: str = "concept") -> str:
        below = (
            f" or {column} in (select descendant_concept_id::bigint from raw_concept_ancestor "
            f"where ancestor_concept_id::bigint in ({_list(concepts)}))"
        )
        return f"({column} in ({_list(concepts)}){below if descendants else ''})"

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


def _stem(table: str, name: str) -> str:
    """Return how a table's type and source columns begin."""
    if table == "death":
        return "death" if name == "type" else "cause"
    return _PREFIX[table][1]


def _lies(window: Window | None, r: str, x: str) -> str:
    if window is None:
        return "true"
    conditions = [
        _inside(f"{r}.{day} - {x}.{since}", days)
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


def _value(bounds: tuple[Bound, ...]) -> tuple[str, str]:
    """Return whether every number that a row stands for keeps the bounds, and whether some does.

    Between two numbers that are named, and beyond all, one stands for the others.
    """
    if not bounds:
        return "true", "true"
    named = ["b.value"] + [
        _number(bound.number) if isinstance(bound.number, str) else f"{bound.number}::double"
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


def _number(name: str) -> str:
    return {"day": "b.day_of_month"}.get(name, f"b.{name}")


def _is_number(bound: Bound) -> bool:
    return not isinstance(bound.number, str)


def _age_on(day: str, *, exact: bool) -> str:
    years = f"(year({day}) - p.year_of_birth)"
    if not exact:
        return years
    birthday = "(p.month_of_birth * 100 + p.day_of_birth)"
    return f"({years} - (month({day}) * 100 + day({day}) < {birthday})::int)"


def _inside(number: str, interval: Interval) -> str:
    low = "" if interval.low is None else f"{number} >= {interval.low}"
    high = "" if interval.high is None else f"{number} <= {interval.high}"
    return "(" + (" and ".join(one for one in (low, high) if one) or "true") + ")"


def _three(true: str, possible: str) -> str:
    return f"case when {true} then true when {possible} then null else false end"


def _list(concepts: Any) -> str:
    return ", ".join(map(str, concepts))
