"""Rows put in order in memory: against Python's own sort, and against DuckDB's of whole rows."""

from __future__ import annotations

from datetime import date, datetime, time
from pathlib import Path

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import example, given, settings
from hypothesis import strategies as st

from precisionchain.founding import founding_parameters
from precisionchain.ingest import encode_omop, narrow_rows
from precisionchain.ingest.accepted_rows import AcceptedRows
from precisionchain.ingest.encode_omop import OmopEncoder
from precisionchain.row_order import Runs, row_order
from precisionchain.schemas.arrow_values import values_of

_LEAST, _MOST = -(2**63), 2**63 - 1
INTEGERS = st.one_of(st.none(), st.integers(-3, 3), st.integers(_LEAST, _MOST))
DATES = st.one_of(st.none(), st.dates())


@given(st.lists(st.tuples(INTEGERS, DATES, INTEGERS), min_size=1, max_size=60))
@example([(None, None, None), (_MOST, None, _MOST), (_LEAST, None, _LEAST)])
def test_rows_are_ordered_as_python_sorts_them(rows: list[tuple[object, ...]]) -> None:
    kinds = (pa.int64(), pa.date32(), pa.int64())
    keys = [
        pa.array(values, kind) for values, kind in zip(zip(*rows, strict=True), kinds, strict=True)
    ]

    def nulls_last(row: int) -> list[tuple[bool, object]]:
        return [(value is None, 0 if value is None else value) for value in rows[row]]

    assert row_order(keys).tolist() == sorted(range(len(rows)), key=nulls_last)


@given(st.lists(st.sampled_from([7, 5, 9, 2]), min_size=1, max_size=40), st.integers(1, 7))
def test_runs_are_cut_where_they_are_full(values: list[int], most: int) -> None:
    run_of = {5: 1, 9: 1, 2: 3, 7: 4}
    runs = Runs(pa.array(list(run_of)), values_of(pa.array(list(run_of.values()))))
    ranks, n_rows = runs.ranks(pa.array(values))
    in_order = [values[row] for row in row_order([ranks])]
    pieces = list(runs.pieces(n_rows, most))
    assert [at for _, start, end in pieces for at in range(start, end)] == list(range(len(values)))
    for run, start, end in pieces:
        assert {run_of[value] for value in in_order[start:end]} == {run}
        assert 1 <= end - start <= most
    for run in set(run_of.values()):
        length = sum(run_of[value] == run for value in values)
        assert sum(one == run for one, _, _ in pieces) == -(-length // most)


_COLUMNS = {
    "small": (pa.int64(), st.integers(-5, 200)),
    "wide": (pa.int64(), st.integers(_LEAST, _MOST)),
    "day": (pa.date32(), st.dates()),
    "midnight": (pa.timestamp("us"), st.dates().map(lambda d: datetime.combine(d, time.min))),
    "moment": (pa.timestamp("us"), st.datetimes()),
    "value": (pa.float64(), st.floats(allow_nan=False)),
    "word": (pa.string(), st.text(max_size=3)),
    "nothing": (pa.int64(), st.none()),
}


@settings(max_examples=30)
@given(st.data(), st.integers(0, 12), st.integers(1, 5))
def test_rows_are_taken_as_they_were(data: st.DataObject, length: int, chunk: int) -> None:
    columns = {
        name: pa.chunked_array(
            [
                pa.array(values[start : start + chunk], kind)
                for start in range(0, max(length, 1), chunk)
            ]
        )
        for name, (kind, one) in _COLUMNS.items()
        for values in [
            data.draw(st.lists(st.one_of(st.none(), one), min_size=length, max_size=length))
        ]
    }
    table = pa.table(columns)
    order = data.draw(st.lists(st.integers(0, length - 1), max_size=9)) if length else []
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(narrow_rows, "_PART_ROWS", 3)
        found = narrow_rows.narrow_rows(columns.items())
        assert found is not None
        for name in table.column_names:
            assert pa.concat_arrays(found.parts(name)).equals(table[name].combine_chunks())
    for name in ("small", "day", "midnight", "moment", "nothing"):
        assert row_order([found.key(name)]).tolist() == row_order([found.column(name)]).tolist()
    taken = found.take(table.column_names, values_of(pa.array(order, pa.int64())))
    taken.validate(full=True)
    assert taken.equals(table.take(pa.array(order, pa.int64())))


def test_a_column_of_an_export_takes_what_its_values_need() -> None:
    days = pa.chunked_array([pa.array([date(2010, 1, 1), None, date(2020, 1, 1)] * 1000)])
    keys = pa.chunked_array([pa.array(range(10**12, 10**12 + 3000))])
    found = narrow_rows.narrow_rows([("day", days), ("key", keys)])
    assert found is not None
    assert found.n_bytes <= 3000 * (2 + 2) + 3000 // 8 + 64


@pytest.fixture
def run(tmp_path: Path) -> Path:
    """Accepted rows in the order of nothing, with ties, events without a concept, and children."""
    rng = np.random.default_rng(8)
    n = 5_000
    person = rng.integers(-40, 40, n)
    keys = rng.permutation(n) + 10**10
    days = rng.integers(10_000, 10_030, n).astype("datetime64[D]")
    tables = {
        "person": {"person_id": np.unique(person), "year_of_birth": 1950 + np.unique(person)},
        "measurement": {
            "measurement_id": keys,
            "person_id": person,
            "measurement_concept_id": pa.array(
                rng.integers(0, 6, n) * 1000, mask=rng.random(n) < 0.1
            ),
            "measurement_date": days,
            "value_as_number": pa.array(rng.random(n), mask=rng.random(n) < 0.2),
        },
        "death": {"person_id": np.unique(person)[::-1], "death_date": days[: len(set(person))]},
        "note": {"note_id": keys, "person_id": person, "note_date": days},
        "note_nlp": {
            "note_nlp_id": keys[::-1],
            "note_id": keys,
            "note_nlp_concept_id": rng.integers(0, 9, n),
        },
    }
    (tmp_path / "accepted").mkdir()
    for name, columns in tables.items():
        rows = pa.table(columns)
        pq.write_table(rows, tmp_path / "accepted" / f"{name}.parquet", row_group_size=999)
    return tmp_path


def test_items_are_the_same_whoever_sorts_their_rows(
    run: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    parameters = founding_parameters("GRCh37", None)
    for withheld in ((), (7, -7)):
        rows = AcceptedRows(run, parameters, withheld=withheld)
        in_memory = list(OmopEncoder(rows).drafts())
        with monkeypatch.context() as patched:
            patched.setattr(encode_omop, "MAX_ROWS", 0)
            by_duckdb = list(OmopEncoder(AcceptedRows(run, parameters, withheld=withheld)).drafts())
        with monkeypatch.context() as patched:
            patched.setattr(encode_omop, "_LARGE_ROWS", 0)
            alone = list(OmopEncoder(AcceptedRows(run, parameters, withheld=withheld)).drafts())
        assert in_memory == by_duckdb == alone
        assert len({draft.family for draft in in_memory}) > 20
