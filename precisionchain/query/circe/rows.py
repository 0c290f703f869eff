"""The rows that a criterion of a cohort definition finds, with Circe's own start and end of each.

Cells stay null where they are: Circe's SQL compares nulls, and what is compared with a null is not
found. Normative text: ``docs/reference/circe.md``.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Any, Final

import polars as pl

from precisionchain.query.circe.members import (
    ABNORMAL,
    AGE,
    AGE_AT_END,
    CHOSEN,
    CONCEPTS,
    DATES,
    GENDER,
    HIGH_RATIO,
    KINDS,
    LENGTH,
    LOW_RATIO,
    VISIT_KIND,
    Asked,
    Kind,
)
from precisionchain.query.circe.values import Json
from precisionchain.query.event_tables import files_of
from precisionchain.query.person_rows import demographics, person_view
from precisionchain.query.slices import slices
from precisionchain.query.universe import Universe
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept
from precisionchain.schemas.omop import TABLES, Table

_COUNTED: Final = "DOMAIN_CONCEPT"
_BEYOND: Final = (4155142, 4155143)  # SNOMED's abnormally high and abnormally low
_OF_PERSON: Final = (AGE, AGE_AT_END, GENDER)
_DAYS_SUPPLY: Final = "days_supply"
_TYPE_OF_PERIOD: Final = "period_type_concept_id"

ROWS: Final = {
    "person": pl.Int32,
    "id": pl.Int64,
    "start": pl.Int32,
    "end": pl.Int32,
    "visit": pl.Int64,
}
"""A row: place in the universe, key in its table, first and last day, visit."""


_KEPT_BYTES: Final = 128 * 2**20
_rows: Final = Kept[pl.DataFrame](_KEPT_BYTES, lambda rows: int(rows.estimated_size()))


@dataclass(frozen=True, slots=True)
class Records:
    """The records of a network as criteria find them.

    Attributes:
        snapshot: the generation.
        universe: its universe.
        sets: the concepts of each concept set, by its number.
    """

    snapshot: Snapshot
    universe: Universe
    sets: Mapping[int, frozenset[int]]

    def rows(self, criterion: Json, column: str | None = None) -> pl.DataFrame:
        """Return the rows of a criterion (`ROWS`, and ``what``), whatever it asks of other rows.

        Args:
            criterion: one, of which the correlated criteria are not looked at.
            column: by what the rows are counted, as Circe calls it: ``what``, null without.
        """
        ((name, asked),) = criterion.items()
        kind = KINDS[name]
        counted = _column_counted(kind, column)
        tests = {one: kind.members[one] for one in asked if one in kind.members}
        rows = self._found(kind, asked, tests.values(), counted)
        if asked.get("First"):
            rows = rows.sort("person", "start", "id").unique("person", keep="first")
        rows = _adjusted(rows, asked.get("DateAdjustment"))
        rows = self._with_person(rows, tests.values())
        for one, test in tests.items():
            if test.of == VISIT_KIND:
                continue
            exclude = bool(test.exclude and asked.get(test.exclude))
            rows = rows.filter(self._holds(test, asked[one], exclude=exclude))
        rows = self._in_visits(rows, asked, tests)
        what = pl.lit(None) if counted is None else _value(counted)
        return rows.select(*ROWS, what.alias("what"))

    def concepts(self, number: int) -> list[int]:
        """Return the concepts of a concept set, ascending."""
        return sorted(self.sets[number])

    def chosen(self, value: pl.Expr, said: Json) -> pl.Expr:
        """Return the condition that a concept is in a set, or is not."""
        among = value.is_in(self.concepts(said["CodesetId"]))
        if not said.get("IsExclusion"):
            return among
        # What is unknown is not in a set of nothing either: SQL says so, and of no other set.
        return ~among if self.sets[said["CodesetId"]] else pl.lit(True)

    def said_of(self, what: str, person: pl.Series) -> pl.Series:
        """Return what their rows say of some persons, by place; null where they do not."""
        said, place = demographics(self.snapshot, self.universe)[what], person.to_numpy()
        known, value = pl.Series(said.known[place]), pl.Series(said.value[place])
        return pl.select(pl.when(known).then(value))[:, 0]

    # ------------------------------------------------------------------------------------- parts

    def _found(
        self, kind: Kind, asked: Json, tests: Iterable[Asked], counted: str | None
    ) -> pl.DataFrame:
        """Return the rows of a criterion's concept sets, with the columns that are asked for."""
        table = TABLES[kind.table]
        of = {test.of for test in tests} | ({counted} if counted else set())
        columns = {one for name in of for one in _columns_of(name)} & set(table.columns)
        if kind.table == "drug_exposure":
            columns.add(_DAYS_SUPPLY)
        if kind.table == "observation_period":
            rows = self._periods()
        else:
            rows = self._of_domain(table, kind, asked, sorted(columns))
        end = pl.col("end") if kind.has_end else pl.lit(None, pl.Int32)
        if kind.table == "drug_exposure":
            end = pl.coalesce(end, pl.col("start") + pl.col(_DAYS_SUPPLY).cast(pl.Int32))
        if kind.endless is not None:
            end = pl.coalesce(end, pl.col("start") + kind.endless)
        return rows.with_columns(end.cast(pl.Int32).alias("end")).filter(
            pl.col("start").is_not_null()
        )

    def _of_domain(self, table: Table, kind: Kind, asked: Json, columns: list[str]) -> pl.DataFrame:
        """Return rows of a table by its main concepts and its source concepts, kept once read."""
        main = None if "CodesetId" not in asked else self.sets[asked["CodesetId"]]
        source = self.sets[asked[kind.source]] if kind.source in asked else None
        key = (self.universe.key, table.name, main, source, tuple(columns))
        return _rows.get(key, lambda: self._read(table, main, source, columns))

    def _read(
        self,
        table: Table,
        main: frozenset[int] | None,
        source: frozenset[int] | None,
        columns: list[str],
    ) -> pl.DataFrame:
        wanted = [] if main is None else [(str(table.concept_column), sorted(main))]
        if source is not None:
            wanted.append((_source_column(table), sorted(source)))
        stored = {
            "id": table.primary_key,
            "start": table.start_date_column,
            "end": table.end_date_column,
            "visit": "visit_occurrence_id",
            **{name: name for name in columns},
        }
        schema = _schema(stored)
        parts = [pl.DataFrame(schema=schema)]
        for _, path in files_of(self.snapshot, table, main):
            scan = pl.scan_parquet(path)
            known = set(scan.collect_schema().names())
            for column, concepts in wanted:
                among = pl.col(column).is_in(concepts) if column in known else pl.lit(False)
                scan = scan.filter(among)
            picked = [
                (pl.col(column) if column in known else pl.lit(None)).cast(schema[name]).alias(name)
                for name, column in stored.items()
            ]
            rows = scan.select(pl.col("site").cast(pl.String), "person_id", *picked).collect()
            place = pl.Series("person", self.universe.places_of(rows), pl.Int32)
            parts.append(rows.select(place, *stored))
        # A death has no key: all of a person are one event, as they are to Circe.
        return pl.concat(parts).with_columns(pl.col("id").fill_null(0))

    def _periods(self) -> pl.DataFrame:
        return _rows.get((self.universe.key, "periods"), self._read_periods)

    def _read_periods(self) -> pl.DataFrame:
        columns = {
            "id": "observation_period_id",
            "start": "observation_period_start_date",
            "end": "observation_period_end_date",
            _TYPE_OF_PERIOD: _TYPE_OF_PERIOD,
        }
        rows = person_view(self.snapshot, "observation_period", columns, pl.Int64)
        place = pl.Series("person", self.universe.places_of(rows), pl.Int32)
        return rows.select(
            place,
            "id",
            pl.col("start", "end").cast(pl.Int32),
            pl.lit(None, pl.Int64).alias("visit"),
            _TYPE_OF_PERIOD,
        )

    def _with_person(self, rows: pl.DataFrame, tests: Iterable[Asked]) -> pl.DataFrame:
        if not any(test.of in _OF_PERSON for test in tests):
            return rows
        return rows.with_columns(
            self.said_of("sex", rows["person"]).alias("_gender"),
            self.said_of("year", rows["person"]).alias("_born"),
        )

    def _in_visits(
        self, rows: pl.DataFrame, asked: Json, tests: Mapping[str, Asked]
    ) -> pl.DataFrame:
        """Return the rows that are linked to a visit of the kinds that are asked for."""
        of_visits = {one: test for one, test in tests.items() if test.of == VISIT_KIND}
        if not of_visits:
            return rows
        table = TABLES["visit_occurrence"]
        visits = self._of_domain(
            table, KINDS["VisitOccurrence"], {}, [str(table.concept_column)]
        ).with_columns(pl.col(str(table.concept_column)).alias(VISIT_KIND))
        for one, test in of_visits.items():
            visits = visits.filter(self._holds(test, asked[one], exclude=False))
        return rows.join(visits, on=["person", "visit"], how="semi")

    def _holds(self, test: Asked, said: Any, *, exclude: bool) -> pl.Expr:
        """Return the condition that a member states."""
        value = _value(test.of)
        if test.kind == DATES:
            return in_range(value, said, _days)
        if test.kind == CONCEPTS:
            among = value.is_in([one["CONCEPT_ID"] for one in said])
            return ~among if exclude else among
        if test.kind == CHOSEN:
            return self.chosen(value, said)
        if test.kind == ABNORMAL:
            beyond = (value < pl.col("range_low")) | (value > pl.col("range_high"))
            return beyond | pl.col("value_as_concept_id").is_in(_BEYOND)
        return in_range(value, said, float)


def records_of(snapshot: Snapshot, universe: Universe, definition: Json) -> Records:
    """Return the records of a generation, with the concept sets of a definition resolved in it.

    A set of which the network knows no concept finds nothing, as it does for Circe.
    """
    from precisionchain.query.atlas_sets import atlas_sets

    vocabulary = slices(snapshot)
    sets = {
        one.number: frozenset() if one.concepts is None else one.concepts.resolve(vocabulary)
        for one in atlas_sets({"ConceptSets": definition["ConceptSets"]})
        if one.number is not None
    }
    return Records(snapshot, universe, sets)


def in_range(value: pl.Expr, said: Json, read: Any) -> pl.Expr:
    """Return the condition of a range: ``Op`` compares with ``Value``, or is between two."""
    low, operator = read(said["Value"]), said["Op"]
    if operator.endswith("bt"):
        inside: pl.Expr = (value >= low) & (value <= read(said["Extent"]))
        return ~inside if operator.startswith("!") else inside
    compared: dict[str, pl.Expr] = {
        "lt": value < low,
        "lte": value <= low,
        "eq": value == low,
        "!eq": value != low,
        "gt": value > low,
        "gte": value >= low,
    }
    return compared[operator]


def days_of(day: str) -> int:
    """Return a day in days since 1970-01-01."""
    return _days(day)


def years_of(day: pl.Expr) -> pl.Expr:
    """Return the year of a day."""
    return day.cast(pl.Date).dt.year().cast(pl.Int64)


def _days(day: str) -> int:
    return (date.fromisoformat(day) - date(1970, 1, 1)).days


def _value(of: str) -> pl.Expr:
    """Return what a member is of, of rows that have its columns."""
    derived: dict[str, pl.Expr] = {
        AGE: years_of(pl.col("start")) - pl.col("_born"),
        AGE_AT_END: years_of(pl.col("end")) - pl.col("_born"),
        GENDER: pl.col("_gender"),
        LENGTH: pl.col("end") - pl.col("start"),
        LOW_RATIO: _ratio("range_low"),
        HIGH_RATIO: _ratio("range_high"),
    }
    return derived.get(of, pl.col(of))


def _ratio(name: str) -> pl.Expr:
    return pl.col("value_as_number") / pl.when(pl.col(name) != 0).then(pl.col(name))


def _columns_of(of: str) -> tuple[str, ...]:
    """Return the columns that a member is judged by."""
    if of in (LOW_RATIO, HIGH_RATIO):
        return ("value_as_number", "range_low" if of == LOW_RATIO else "range_high")
    if of == "value_as_number":
        return (of, "range_low", "range_high", "value_as_concept_id")
    return (of,)


def _column_counted(kind: Kind, column: str | None) -> str | None:
    if column != _COUNTED:
        return None if column is None else kind.counted[column]
    if kind.table == "observation_period":
        return _TYPE_OF_PERIOD
    return str(TABLES[kind.table].concept_column)


def _source_column(table: Table) -> str:
    main = "cause" if table.name == "death" else str(table.concept_column)[: -len("_concept_id")]
    return f"{main}_source_concept_id"


def _adjusted(rows: pl.DataFrame, adjustment: Json | None) -> pl.DataFrame:
    if adjustment is None:
        return rows
    start, end = (
        pl.col("start" if adjustment[f"{which}With"] == "START_DATE" else "end")
        + adjustment[f"{which}Offset"]
        for which in ("Start", "End")
    )
    moved = rows.with_columns(start.cast(pl.Int32).alias("start"), end.cast(pl.Int32).alias("end"))
    return moved.filter(pl.col("end") >= pl.col("start"))


def _schema(stored: Mapping[str, str | None]) -> dict[str, Any]:
    days = ("start", "end")
    schema: dict[str, Any] = {"person": pl.Int32}
    for name in stored:
        whole = name in ("id", "visit") or name.endswith("concept_id")
        schema[name] = pl.Int32 if name in days else pl.Int64 if whole else pl.Float64
    return schema
