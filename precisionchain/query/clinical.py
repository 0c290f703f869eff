"""Questions of the EHR level: rows of a concept (Q1) and a person's whole record (Q2).

Frames begin with site, person_id and table, then the CDM columns the network publishes; the
columns are listed in ``docs/reference/frames.md``.
"""

from __future__ import annotations

from collections.abc import Collection, Iterable, Mapping, Sequence
from datetime import date

import numpy as np
import polars as pl

from precisionchain.errors import UnknownPersonError, UsageError
from precisionchain.query.concepts import concept_set, placed_families
from precisionchain.query.frames import index_frame, rows_file
from precisionchain.query.person_files import LEADING, rows_of_person
from precisionchain.replica.catalogue import PLACE, Snapshot
from precisionchain.schemas.omop import TABLES, Table
from precisionchain.schemas.streams import MAP_PERSON


def domain_rows(
    snapshot: Snapshot,
    concept: int,
    *,
    table: str | None = None,
    since: date | None = None,
    until: date | None = None,
    descendants: bool = True,
) -> pl.DataFrame:
    """Return the rows whose main concept is a concept or, by default, a descendant of it.

    Args:
        snapshot: the generation to read.
        concept: an OMOP concept id.
        table: one CDM table (or its domain, ``condition``); None means all event tables, which
            eras are not.
        since: earliest start date, inclusive.
        until: latest start date, inclusive.
        descendants: whether descendants count.

    Raises:
        UnknownConceptError: the concept is in no vocabulary slice and in no row.
        UsageError: no such table.
    """
    wanted = None if table is None else event_table(table).name
    concepts = concept_set(snapshot, concept, descendants=descendants)
    frames = []
    for name, family in placed_families(snapshot, concepts).iter_rows():
        described = TABLES[name]
        path = snapshot.path(f"{family}/{name}")
        if path is None or (wanted is None and described.is_era) or wanted not in (None, name):
            continue
        rows = rows_file(path).filter(_of_concepts(described, concepts))
        start = described.start_date_column
        if start is not None and since is not None:
            rows = rows.filter(pl.col(start) >= since)
        if start is not None and until is not None:
            rows = rows.filter(pl.col(start) <= until)
        frames.append(answered(rows, name))
    return together(frames)


def person_record(
    snapshot: Snapshot, site: str, person_id: int, *, table: str | None = None
) -> dict[str, pl.DataFrame]:
    """Return a person's rows by CDM table, empty tables left out.

    Args:
        snapshot: the generation to read.
        site: the person's site.
        person_id: the site's own id, which may be negative.
        table: one CDM table; None means the whole record.

    Raises:
        UnknownPersonError: no batch of that site has published the person.
        UsageError: no such table.
    """
    if table is not None:
        table = person_table(table).name
    record = {}
    for family in person_families(snapshot, site, person_id):
        for name, path in snapshot.paths(f"{family}/").items():
            cdm = name.split("/")[1]
            if table not in (None, cdm):
                continue
            rows = rows_of_person(path, cdm, site, person_id)
            if rows is not None:
                record[cdm] = rows
    return dict(sorted(record.items()))


def among(
    snapshot: Snapshot, concepts: Iterable[int], *, descendants: bool = True
) -> frozenset[int] | None:
    """Return some concepts and, where asked, their descendants; None of none, which means any.

    Raises:
        UnknownConceptError: one is in no vocabulary slice and in no row.
    """
    found = [concept_set(snapshot, one, descendants=descendants) for one in concepts]
    return frozenset(one for several in found for one in several) if found else None


def within(
    record: Mapping[str, pl.DataFrame],
    concepts: Collection[int] | None,
    since: date | None,
    until: date | None,
) -> dict[str, pl.DataFrame]:
    """Return what of a person's record is of some concepts and starts within some days.

    Days are inclusive. Of tables without a start date all rows stay, whatever the days; tables
    without a main concept are left out where concepts are given, and so are those without a row.
    """
    kept = {}
    for name, rows in record.items():
        table = TABLES[name]
        start = table.start_date_column
        shown = rows
        if concepts is not None:
            if table.concept_column is None:
                continue
            shown = shown.filter(_of_concepts(table, list(concepts)))
        if start is not None and since is not None:
            shown = shown.filter(pl.col(start) >= since)
        if start is not None and until is not None:
            shown = shown.filter(pl.col(start) <= until)
        if shown.height:
            kept[name] = shown
    return kept


def person_families(snapshot: Snapshot, site: str, person_id: int) -> list[str]:
    """Return the Person-view families of a person, by the mapping stream alone.

    Raises:
        UnknownPersonError: no batch of that site has published the person.
    """
    mapped = index_frame(snapshot, f"{MAP_PERSON}/map-person")
    found: set[str] = set()
    if mapped is not None:  # without an expression of polars, which takes a millisecond
        rows = np.flatnonzero(mapped["person_id"].to_numpy() == person_id)
        placed = (mapped[name][rows].to_list() for name in ("site", "family"))
        found = {family for of, family in zip(*placed, strict=True) if of == site}
    if not found:
        raise UnknownPersonError(
            f"no clinical record of that person is published by site {site}",
            hint="a person is written SITE:person_id",
        )
    return sorted(found)


def event_table(text: str) -> Table:
    """Return the table with a main concept that a text names, by table or by domain.

    Raises:
        UsageError: there is none.
    """
    for table in TABLES.values():
        prefix = table.domain_prefix
        if prefix and text.lower() in (table.name, prefix.lower()):
            return table
    known = ", ".join(sorted(table.name for table in TABLES.values() if table.domain_prefix))
    raise UsageError(f"{text!r} is not an event table", hint=f"one of {known}")


def person_table(text: str) -> Table:
    """Return the table of a person's record that a text names.

    Raises:
        UsageError: there is none.
    """
    table = TABLES.get(text.lower())
    if table is None or table.scope != "person":
        known = ", ".join(sorted(t.name for t in TABLES.values() if t.scope == "person"))
        raise UsageError(f"{text!r} is not a table of persons", hint=f"one of {known}")
    return table


def _of_concepts(table: Table, concepts: Sequence[int]) -> pl.Expr:
    column = pl.col(str(table.concept_column))
    among = column.is_in(list(concepts))
    return among | column.is_null() if 0 in concepts else among


def answered(rows: pl.LazyFrame, table: str) -> pl.DataFrame:
    """Return rows of a file as an answer has them: `LEADING` first, then the published columns."""
    frame = rows.drop("batch", *PLACE, strict=False).with_columns(
        pl.lit(table).alias("table"), pl.col("site").cast(pl.Utf8)
    )
    leading = [pl.col(name) for name in LEADING]
    return frame.select(*leading, pl.exclude(*LEADING)).collect()


def together(frames: list[pl.DataFrame]) -> pl.DataFrame:
    """Return rows of several tables in one frame; columns that a table has not are null."""
    if not frames:
        return pl.DataFrame(schema={"site": pl.Utf8, "person_id": pl.Int64, "table": pl.Utf8})
    return pl.concat(frames, how="diagonal_relaxed")
