"""Of what a rule is asked: each table, or each column of a kind, of the CDM tables of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Final

from precisionchain.ingest.sql_text import identifier, literals
from precisionchain.schemas.omop import TABLES, CdmVersion, Field, Table

CORE: Final = (
    *("person", "observation_period", "visit_occurrence", "condition_occurrence"),
    *("drug_exposure", "procedure_occurrence", "measurement", "observation"),
)
"""Tables that most studies need; one that is not delivered counts as empty."""

_RANGES: Final[Mapping[tuple[str, str], tuple[str, str]]] = {
    ("person", "year_of_birth"): ("1850", "NULL"),
    ("drug_exposure", "days_supply"): ("1", "365"),
    ("drug_exposure", "refills"): ("0", "24"),
    ("drug_exposure", "quantity"): ("0.0000001", "NULL"),
    ("procedure_occurrence", "quantity"): ("1", "NULL"),
    ("device_exposure", "quantity"): ("1", "NULL"),
    ("specimen", "quantity"): ("0.0000001", "NULL"),
    ("condition_era", "condition_occurrence_count"): ("1", "NULL"),
    ("drug_era", "drug_exposure_count"): ("1", "NULL"),
    ("drug_era", "gap_days"): ("0", "NULL"),
    ("dose_era", "dose_value"): ("0", "NULL"),
}
"""Column -> least and largest value: OHDSI's (DataQualityDashboard, field level of CDM 5.4)."""


_OF_VOCABULARY: Final = ("required column", "absent column", "text column")
"""What is asked of vocabulary tables, too, which are nobody's record."""


@dataclass(frozen=True, slots=True)
class Delivered:
    """A run's tables.

    Attributes:
        columns: by table, those that its file has.
        rows: by table, how many are accepted.
        version: of the CDM.
        whole: whether the run is the whole of its source.
    """

    columns: Mapping[str, Collection[str]]
    rows: Mapping[str, int]
    version: CdmVersion = "5.4"
    whole: bool = True

    @classmethod
    def everything(cls, version: CdmVersion = "5.4") -> Delivered:
        """Return an export of every table with every column."""
        return cls(
            {name: table.columns for name, table in TABLES.items()},
            dict.fromkeys(TABLES, 1),
            version,
        )

    def has(self, table: str) -> bool:
        """Whether a table has rows."""
        return bool(self.rows.get(table))


@dataclass(frozen=True, slots=True)
class Subject:
    """A table, or a column of one (empty for none), with what a rule's SQL has in braces."""

    table: str
    column: str = ""
    words: Mapping[str, str] = field(default_factory=dict)

    def fill(self, sql: str) -> str:
        """Return the SQL of a rule for this table and column."""
        return sql.format(
            table=self.table, column=identifier(self.column) if self.column else "", **self.words
        )


Scope = Callable[[Table, Collection[str], Delivered], Iterator[Subject]]


def subjects(each: str, delivered: Delivered) -> Iterator[Subject]:
    """Yield of what a rule is asked in a run, in the order of the tables."""
    if each == "core table":  # also those that are not there
        if delivered.whole:
            yield from (Subject(name) for name in CORE)
        return
    for table in TABLES.values():
        there = delivered.has(table.name) or each == "table of persons"
        asked = table.scope != "vocabulary" or each in _OF_VOCABULARY
        if table.name in delivered.columns and there and asked:
            yield from SCOPES[each](table, delivered.columns[table.name], delivered)


def _table_of_persons(table: Table, *_: object) -> Iterator[Subject]:
    if table.scope == "person":
        yield Subject(table.name)


def _core_events(table: Table, *_: object) -> Iterator[Subject]:
    if table.name in CORE and table.name != "person":
        yield Subject(table.name)


def _columns(wanted: Callable[[Table, Field], Mapping[str, str] | None]) -> Scope:
    def scope(table: Table, columns: Collection[str], _: Delivered) -> Iterator[Subject]:
        for each in table.fields:
            words = wanted(table, each) if each.name in columns else None
            if words is not None:
                yield Subject(table.name, each.name, words)

    return scope


def _when(holds: object, **words: str) -> Mapping[str, str] | None:
    return words if holds else None


def _absent(table: Table, columns: Collection[str], delivered: Delivered) -> Iterator[Subject]:
    for each in table.fields:
        newer = each.since == "5.4" and delivered.version == "5.3"
        if each.expected and each.name not in columns and not newer:
            yield Subject(table.name, each.name)


def _beside_dates(table: Table, columns: Collection[str], _: Delivered) -> Iterator[Subject]:
    for each in table.fields:
        day = each.name.removesuffix("time")
        if each.lexical.name == "Datetime" and {each.name, day} <= {*columns}:
            yield Subject(table.name, each.name, {"day": day})


def _end_times(table: Table, columns: Collection[str], _: Delivered) -> Iterator[Subject]:
    end = f"{table.end_date_column}time" if table.end_date_column else ""
    start = table.start_datetime_column
    if start and {start, end} <= {*columns}:
        yield Subject(table.name, end, {"start": start})


def _links(table: Table, columns: Collection[str], delivered: Delivered) -> Iterator[Subject]:
    for each in table.fields:
        referred = TABLES.get(each.references or "")
        if referred is None or each.must or each.name not in columns:
            continue
        if referred.scope != "vocabulary" and referred.primary_key and delivered.has(referred.name):
            words = {"key": referred.primary_key, "referred": referred.name}
            yield Subject(table.name, each.name, words)


def _source_values(table: Table, columns: Collection[str], _: Delivered) -> Iterator[Subject]:
    pair = source_columns(table, columns)
    if pair is not None:
        yield Subject(table.name, pair[0], {"concept": str(table.concept_column)})


def source_columns(table: Table, columns: Collection[str]) -> tuple[str, str | None] | None:
    """Return the columns of the source value and source concept of a table's main concept.

    None where the table has no such value; no second column where the file has none.
    """
    concept = table.concept_column
    if concept is None or concept not in columns:
        return None
    stem = concept.removesuffix("_concept_id")
    value, source = f"{stem}_source_value", f"{stem}_source_concept_id"
    if value not in columns or value not in table.columns:
        return None
    return value, source if source in columns else None


def _events(table: Table, columns: Collection[str], _: Delivered) -> Iterator[Subject]:
    if table.start_date_column in columns and table.person_column:
        yield Subject(table.name, str(table.start_date_column), _start(table))


def _lifetime_events(
    table: Table, columns: Collection[str], delivered: Delivered
) -> Iterator[Subject]:
    if table.domain_prefix and table.name != "death":
        yield from _events(table, columns, delivered)


def _observed(table: Table, columns: Collection[str], delivered: Delivered) -> Iterator[Subject]:
    if not table.is_era:
        yield from _lifetime_events(table, columns, delivered)


def _within_visits(
    table: Table, columns: Collection[str], delivered: Delivered
) -> Iterator[Subject]:
    if "visit_occurrence_id" in columns and table.name != "visit_occurrence":
        yield from _events(table, columns, delivered)


def _start(table: Table) -> Mapping[str, str]:
    return {"start": str(table.start_date_column)}


def _only(name: str, *needed: str) -> Scope:
    def scope(table: Table, columns: Collection[str], _: Delivered) -> Iterator[Subject]:
        if table.name == name and {*needed} <= {*columns}:
            yield Subject(table.name)

    return scope


def _diagnoses(table: Table, columns: Collection[str], _: Delivered) -> Iterator[Subject]:
    concept = table.concept_column
    if table.name in ("condition_occurrence", "procedure_occurrence") and concept in columns:
        yield Subject(table.name, str(concept), {"concept": str(concept)})


SCOPES: Final[Mapping[str, Scope]] = {
    "table of persons": _table_of_persons,
    "core table": _core_events,
    "core table of events": _core_events,
    "required column": _columns(lambda _, c: _when(c.expected and not c.must)),
    "absent column": _absent,
    "optional column": _columns(lambda t, c: _when(t.scope == "person" and not c.expected)),
    "text column": _columns(lambda _, c: _when(c.lexical.limit, limit=str(c.lexical.limit))),
    "concept": _columns(lambda _, c: _when(c.references == "concept")),
    "required concept": _columns(
        lambda t, c: _when(c.references == "concept" and (c.expected or _is_main(t, c)))
    ),
    "concept with a domain": _columns(
        lambda _, c: _when(c.references == "concept" and c.domains, domains=literals(c.domains))
    ),
    "main concept": _columns(lambda t, c: _when(_is_main(t, c))),
    "source concept": _columns(
        lambda t, c: _when(t.scope == "person" and c.name.endswith("_source_concept_id"))
    ),
    "ingredient": _columns(
        lambda t, c: _when(t.name in ("drug_era", "dose_era") and _is_main(t, c))
    ),
    "source value": _source_values,
    "link to a delivered table": _links,
    "datetime beside a date": _beside_dates,
    "end date": _columns(
        lambda t, c: _when(c.name == t.end_date_column, start=str(t.start_date_column))
    ),
    "end datetime": _end_times,
    "part of a birthday": _columns(
        lambda _, c: _when(
            c.name in ("month_of_birth", "day_of_birth"),
            largest="12" if c.name == "month_of_birth" else "31",
        )
    ),
    "column with a range": _columns(
        lambda t, c: (
            dict(zip(("low", "high"), _RANGES[t.name, c.name], strict=True))
            if (t.name, c.name) in _RANGES
            else None
        )
    ),
    "event": _events,
    "event of a domain": _lifetime_events,
    "observed event": _observed,
    "event within a visit": _within_visits,
    "diagnosis or procedure": _diagnoses,
    "measurement": _only("measurement", "value_as_number", "unit_concept_id"),
    "observation period": _only("observation_period", "observation_period_end_date"),
}
"""What ``for each`` of a rule may say."""


def _is_main(table: Table, column: Field) -> bool:
    return column.name == table.concept_column
