"""What SQL accepts, pydantic accepts, with the same value and the same normalisations: cells, rows.

The oracle of a row is its pydantic model, cell after cell; rules on sets of rows (persons, keys)
are worked out here in plain Python.
"""

from __future__ import annotations

import csv
import tempfile
from collections import Counter
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.ingest.cell_columns import cells_of_text, column_of
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Staging
from precisionchain.ingest.validate import validate_omop
from precisionchain.schemas.lexical import (
    DATE,
    DATETIME,
    FLAG,
    FLOAT,
    INTEGER64,
    TEXT,
    LexicalError,
    LexicalType,
)
from precisionchain.schemas.omop import TABLES

_PIECES = (
    *"0123456789+-.eE:TZ \t\n_,/xXaNn'\"\\é٣",
    *("00", "99", "UTC", "NaN", "inf", "-", ".0", "24:00", "0000", "02-29", "02-30", "+00:00"),
    " 00:00:00",
)  # fmt: skip

_SEEDS = (
    *("0", "-1", "32020.0", "9007199254740992.0", "9223372036854775807", "-9223372036854775808"),
    *("1.5", ".5", "5.", "-0.0", "1e308", "1.7976931348623159e308", "4.9e-324", "2e-324"),
    "007.50e-3",
    *("2016-02-29", "1900-02-29", "20150102", "2015-1-2", "0001-01-01", "9999-12-31"),
    *("2015-01-02 10:30:00", "2015-01-02T10:30Z", "2015-01-02 00:00:00.000"),
    "2015-01-02 10:30:00.1234560 UTC",
    *("2015-01-02 00:00:00", "2015-01-02T10:30:00", "2015-01-02T10:30:00.5", "2015-01-02"),
    *("S", "", " ", "text"),
)  # fmt: skip


@st.composite
def cells(draw: st.DrawFn) -> str:
    """Cells near the border: a plausible one with pieces put in and taken out, or pieces alone."""
    text = draw(st.sampled_from(_SEEDS))
    for _ in range(draw(st.integers(0, 3))):
        at = draw(st.integers(0, len(text)))
        cut = draw(st.integers(0, 2))
        text = text[:at] + draw(st.sampled_from(("", *_PIECES))) + text[at + cut :]
    return text


def _in_python(kind: LexicalType, cell: str | None) -> tuple[bool, Any, set[str]]:
    if cell is None:
        return True, None, set()
    if kind.is_null(cell):
        return True, None, set(kind.normalisations_of(cell))
    try:
        return True, kind.parse(cell), set(kind.normalisations_of(cell))
    except LexicalError:
        return False, None, set()


def _in_sql(kind: LexicalType, cells: list[str | None]) -> list[tuple[bool, Any, set[str], Any]]:
    named = kind.sql_normalisations("cell")
    wanted = [
        kind.sql_valid("cell"),
        kind.sql_cast("cell"),
        kind.sql_plain("cell"),
        *named.values(),
    ]
    with duckdb.connect() as database:
        database.register("cells", pa.table({"cell": pa.array(cells, pa.string())}))
        rows = database.execute(f"SELECT {', '.join(wanted)} FROM cells").fetchall()
    return [
        (valid, value, {name for name, yes in zip(named, flags, strict=True) if yes}, plain)
        for valid, value, plain, *flags in rows
    ]


@pytest.mark.parametrize(
    "kind", [INTEGER64, FLOAT, DATE, DATETIME, FLAG, TEXT], ids=lambda kind: kind.name
)
@given(batch=st.lists(st.none() | cells() | st.text(max_size=12), min_size=50, max_size=200))
@settings(max_examples=8)
def test_cells(kind: LexicalType, batch: list[str | None]) -> None:
    batch = [cell if cell is None else cell.replace("\0", "") for cell in batch]
    for cell, (valid, value, normalised, plain) in zip(batch, _in_sql(kind, batch), strict=True):
        expected = _in_python(kind, cell)
        # repr tells -0.0 from 0.0 and dates from datetimes.
        assert (valid, repr(value), normalised) == (expected[0], repr(expected[1]), expected[2])
        is_plain = valid and cell is not None and value is not None and not normalised
        assert (plain is not None) == is_plain


@pytest.mark.parametrize(
    "kind", [INTEGER64, FLOAT, DATE, DATETIME, FLAG, TEXT], ids=lambda kind: kind.name
)
@given(batch=st.lists(st.none() | cells() | st.sampled_from(_SEEDS), min_size=50, max_size=200))
@settings(max_examples=20)
def test_what_is_read_while_staging(kind: LexicalType, batch: list[str | None]) -> None:
    column = column_of(cells_of_text(pa.array(batch, pa.string())), kind)
    texts = pa.nulls(len(batch), pa.string()) if column.written is None else column.written
    with duckdb.connect() as database:
        database.register("read", pa.table({"value": column.values}))
        made = database.execute("SELECT value, CAST(value AS VARCHAR) FROM read").fetchall()
    normalised: Counter[str] = Counter()
    for cell, (value, again), text in zip(batch, made, texts.to_pylist(), strict=True):
        # The text is kept, or is what DuckDB makes of the value.
        assert cell == (again if text is None else text)
        if value is not None:
            valid, same, ways = _in_python(kind, cell)
            assert (valid, repr(value)) == (True, repr(same))
            assert not ways or text is not None
            normalised.update(ways)
        if cell == "":
            normalised["empty_quotes"] += 1
    assert column.normalised == normalised


def test_what_most_exports_hold_needs_no_text() -> None:
    usual: dict[LexicalType, list[str | None]] = {
        INTEGER64: ["0", "-7", "999999999999999999", None],
        FLOAT: ["0.0", "5.0", "-48.1", "0.0001", "99999999999999.5", None],
        DATE: ["2015-04-01", "0001-01-01", "9999-12-31", "2016-02-29", None],
        DATETIME: ["2015-04-01 00:00:00", "2016-02-29 23:59:59", None],
        FLAG: ["S", "1", None],
        TEXT: ["text", " ", None],
    }
    for kind, batch in usual.items():
        column = column_of(cells_of_text(pa.array(batch, pa.string())), kind)
        assert (column.written, column.values.null_count) == (None, 1)


def test_what_many_exports_hold_is_read_at_once() -> None:
    usual = {
        INTEGER64: ["32020.0", "-7.00", "0.0"],
        FLOAT: ["5", "48.10", "0.00001"],
        DATE: ["20150401", "2015-04-01 00:00:00", "2015-04-01T00:00:00"],
        DATETIME: ["2015-04-01", "2015-04-01T10:30:00", "2015-04-01 10:30:00.125"],
    }
    for kind, batch in usual.items():
        values = column_of(cells_of_text(pa.array(batch)), kind).values
        assert values.to_pylist() == [_in_python(kind, cell)[1] for cell in batch]


def test_every_day_of_the_calendar_and_none_beside_it() -> None:
    days = [
        f"{year:04}-{month:02}-{day:02}"
        for year in (0, 1, 4, 100, 400, 1582, 1700, 1900, 1999, 2000, 2023, 2024, 2100, 9999)
        for month in range(14)
        for day in range(33)
    ]
    read = column_of(cells_of_text(pa.array(days)), DATE).values.to_pylist()
    assert read == [_in_python(DATE, day)[1] for day in days]
    spelled = [*days, *(day.replace("-", "") for day in days)]
    for cell, (valid, value, *_) in zip(spelled, _in_sql(DATE, list(spelled)), strict=True):
        assert (valid, value) == _in_python(DATE, cell)[:2]


# ------------------------------------------------------------------------------------------ rows

_COLUMNS = {
    "condition_occurrence": (
        "condition_occurrence_id",
        "person_id",
        "condition_concept_id",
        "condition_start_date",
        "condition_start_datetime",
        "stop_reason",
    ),
    "measurement": (
        "measurement_id",
        "person_id",
        "measurement_concept_id",
        "measurement_date",
        "value_as_number",
        "measurement_time",
    ),
    "concept": ("concept_id", "concept_name", "standard_concept", "valid_start_date"),
}

_GOOD = {
    "Integer64": st.integers(1, 6).map(str),
    "Float": st.floats(allow_nan=False, allow_infinity=False).map(repr),
    "Date": st.dates().map(lambda day: day.isoformat()),
    "Datetime": st.datetimes().map(lambda time: time.isoformat(sep=" ")),
    "Flag": st.sampled_from("SC"),
}


def _rows(table: str) -> st.SearchStrategy[list[dict[str, str]]]:
    row = {
        name: st.one_of(
            *[_GOOD.get(TABLES[table].field(name).lexical.name, st.just("free text"))] * 4,
            st.just(""),
            cells(),
        )
        for name in _COLUMNS[table]
    }
    return st.lists(st.fixed_dictionaries(row), min_size=1, max_size=40)


def _judged(
    table: str, rows: list[dict[str, str]], persons: set[int]
) -> dict[int, set[tuple[str, str]]]:
    """The reasons to reject each record, by the model and by plain Python."""
    described, found, seen = TABLES[table], {}, set()
    for record, row in enumerate(rows, start=1):
        reasons = described.model.faults(row)
        kind, cell = INTEGER64, row.get("person_id", "")
        known, person, _ = _in_python(kind, cell)
        if described.person_column and known and person is not None and person not in persons:
            reasons.add(("unknown_person", "person_id"))
        key = described.primary_key
        if not reasons and key:
            value = _in_python(kind, row[key])[1]
            if value in seen:
                reasons.add(("duplicate_key", key))
            seen.add(value)
        if reasons:
            found[record] = reasons
    return found


@pytest.mark.parametrize("table", list(_COLUMNS))
@given(data=st.data())
@settings(max_examples=8)
def test_rows(table: str, data: st.DataObject) -> None:
    rows = data.draw(_rows(table))
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        with (folder / f"{table}.csv").open("w", encoding="utf-8", newline="") as file:
            writer = csv.DictWriter(file, _COLUMNS[table], quoting=csv.QUOTE_ALL)
            writer.writeheader()
            writer.writerows(rows)
        staging = Staging(folder / "staging")
        known = pa.table({"person_id": [1, 2, 3]})
        run = validate_omop(staging, stage_omop(staging, folder), known_persons=known)
        with staging.database() as database:
            rejected: dict[int, set[tuple[str, str]]] = {}
            for record, rule, column in database.execute(
                "SELECT record, rule, column_name FROM rejected"
            ).fetchall():
                rejected.setdefault(record, set()).add((rule, column))
            columns = ", ".join(_COLUMNS[table])
            accepted = database.execute(
                f"SELECT _record, {columns} FROM {table} ORDER BY _record"
            ).fetchall()
            normalised = database.execute(
                "SELECT column_name, normalisation, n FROM normalised"
            ).fetchall()
    assert run.validated
    assert rejected == _judged(table, rows, {1, 2, 3})
    for record, *values in accepted:
        row = TABLES[table].model.model_validate(rows[record - 1])
        assert repr(values) == repr([getattr(row, name) for name in _COLUMNS[table]])
    assert {row[0] for row in accepted} | set(rejected) == set(range(1, len(rows) + 1))
    assert sorted(normalised) == _normalised(table, rows)


def _normalised(table: str, rows: list[dict[str, str]]) -> list[tuple[str, str, int]]:
    counts: dict[tuple[str, str], int] = {}
    for row in rows:
        for name, cell in row.items():
            for each in TABLES[table].field(name).lexical.normalisations_of(cell):
                counts[name, each] = counts.get((name, each), 0) + 1
    return sorted((*key, n) for key, n in counts.items())
