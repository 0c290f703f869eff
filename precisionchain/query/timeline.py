"""A person's events in the order of time, of all domains in one frame."""

from __future__ import annotations

from collections.abc import Collection, Mapping
from dataclasses import dataclass
from datetime import date
from typing import Final

import polars as pl

from precisionchain.query.clinical import event_table, person_record
from precisionchain.query.concepts import concept_set
from precisionchain.query.slices import slices
from precisionchain.replica.catalogue import Snapshot
from precisionchain.schemas.omop import TABLES, Table

TIMELINE: Final[Mapping[str, type[pl.DataType]]] = {
    "site": pl.String,
    "person_id": pl.Int64,
    "table": pl.String,
    "start_date": pl.Date,
    "end_date": pl.Date,
    "concept_id": pl.Int64,
    "concept_name": pl.String,
    "value": pl.Float64,
    "unit_concept_id": pl.Int64,
    "value_concept_id": pl.Int64,
    "value_concept_name": pl.String,
    "visit_occurrence_id": pl.Int64,
}
"""Columns of a timeline."""

_NAMED: Final = ("concept", "value_concept")
_ORDER: Final = (
    *("start_date", "table", "concept_id", "end_date", "visit_occurrence_id"),
    *("value", "value_concept_id"),
)


@dataclass(frozen=True, slots=True)
class Wanted:
    """What of a person's events is asked for.

    Attributes:
        tables: CDM tables or their domains; none means all event tables but eras.
        concepts: main concepts; none means any.
        descendants: whether descendants of these count.
        since: earliest start date, inclusive.
        until: latest start date, inclusive.
    """

    tables: Collection[str] = ()
    concepts: Collection[int] = ()
    descendants: bool = True
    since: date | None = None
    until: date | None = None


def timeline(snapshot: Snapshot, site: str, person_id: int, wanted: Wanted) -> pl.DataFrame:
    """Return a person's events (`TIMELINE`) by start date, then by table, concept and end date.

    Args:
        snapshot: the generation to read.
        site: the person's site.
        person_id: the site's own id.
        wanted: which of the events.

    Raises:
        UnknownPersonError: no batch of that site has published the person.
        UnknownConceptError: a concept is in no vocabulary slice and in no row.
        UsageError: no such table.
    """
    tables = {event_table(text).name for text in wanted.tables}
    among = [
        each
        for one in wanted.concepts
        for each in concept_set(snapshot, one, descendants=wanted.descendants)
    ]
    record = person_record(snapshot, site, person_id)
    shown = [
        _events(rows, TABLES[name])
        for name, rows in record.items()
        if (name in tables if tables else _is_event(TABLES[name]))
    ]
    frame = pl.concat([pl.DataFrame(schema=_unnamed()), *shown])
    if wanted.concepts:
        frame = frame.filter(pl.col("concept_id").fill_null(0).is_in(among))
    if wanted.since is not None:
        frame = frame.filter(pl.col("start_date") >= wanted.since)
    if wanted.until is not None:
        frame = frame.filter(pl.col("start_date") <= wanted.until)
    return _with_names(snapshot, frame.sort(*_ORDER, nulls_last=True, maintain_order=True))


def _is_event(table: Table) -> bool:
    return table.domain_prefix is not None and not table.is_era


def _unnamed() -> dict[str, type[pl.DataType]]:
    return {name: kind for name, kind in TIMELINE.items() if not name.endswith("_name")}


def _events(rows: pl.DataFrame, table: Table) -> pl.DataFrame:
    """Return a table's rows under the names of a timeline; null where it has no such column."""
    stored = {
        "start_date": table.start_date_column,
        "end_date": table.end_date_column,
        "concept_id": table.concept_column,
        "value": "value_as_number",
        "value_concept_id": "value_as_concept_id",
    }
    picked = []
    for name, kind in _unnamed().items():
        source = stored.get(name, name)
        column = pl.col(source) if source in rows.columns else pl.lit(None)
        picked.append(column.cast(kind).alias(name))
    return rows.select(picked)


def _with_names(snapshot: Snapshot, frame: pl.DataFrame) -> pl.DataFrame:
    said = slices(snapshot).concepts.select("concept_id", "concept_name")
    for what in _NAMED:
        names = said.rename({"concept_id": f"{what}_id", "concept_name": f"{what}_name"})
        frame = frame.join(names, on=f"{what}_id", how="left", maintain_order="left")
    return frame.select(*TIMELINE)
