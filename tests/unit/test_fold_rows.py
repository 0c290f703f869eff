"""Files of several batches are folded into one, whether they are sorted or not."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from precisionchain.replica import counting_rows, fold_rows
from precisionchain.replica.catalogue import SealedBatch
from precisionchain.replica.fold_rows import CountingFile
from precisionchain.replica.merged_rows import NotSortedError, SortedRows, SortKey, merged_rows

NAME = "CONDITION_0/condition_occurrence"
KEYS = ("condition_concept_id", "condition_start_date", "person_id", "condition_occurrence_id")
LATE = 2**63 - 1
Row = tuple[int | None, ...]
SMALL = st.none() | st.integers(0, 3) | st.sampled_from([-(2**63), 2**62])
ROWS = st.lists(st.tuples(SMALL, SMALL), max_size=12)


def _place(row: Row) -> tuple[int, ...]:
    """Where a row is wanted, unknown values last."""
    return tuple(LATE if value is None else value for value in row)


def _blocks(rows: list[Row], size: int) -> Iterator[pa.Table]:
    for start in range(0, len(rows), size):
        columns = zip(*rows[start : start + size], strict=True)
        yield pa.table(dict(zip("ab", (pa.array(one, pa.int64()) for one in columns), strict=True)))


@given(st.lists(ROWS, max_size=4), st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_merged_rows_are_those_of_one_sort(files: list[list[Row]], size: int) -> None:
    keys = [SortKey("a"), SortKey("b")]
    sources = [SortedRows(_blocks(sorted(one, key=_place), size), keys) for one in files]
    given_rows = [
        (row["a"], row["b"]) for block in merged_rows(sources) for row in block.to_pylist()
    ]
    every = [row for one in files for row in one]
    assert Counter(given_rows) == Counter(every)
    assert [_place(row) for row in given_rows] == sorted(map(_place, every))


@given(ROWS, ROWS, st.integers(1, 5))
@settings(max_examples=200, deadline=None)
def test_rows_out_of_order_are_found(first: list[Row], second: list[Row], size: int) -> None:
    keys = [SortKey("a"), SortKey("b")]
    sources = [SortedRows(_blocks(one, size), keys) for one in (first, second)]
    in_order = all(list(map(_place, one)) == sorted(map(_place, one)) for one in (first, second))
    if in_order:
        assert sum(block.num_rows for block in merged_rows(sources)) == len(first) + len(second)
    else:
        with pytest.raises(NotSortedError):
            list(merged_rows(sources))


def test_a_number_is_the_key_of_every_row() -> None:
    late, early = [(1, 1), (1, 2)], [(1, 1), (1, 3)]
    sources = [
        SortedRows(_blocks(list(rows), 1), [SortKey("a"), rank, SortKey("b")])
        for rows, rank in ((late, 1), (early, 0))
    ]
    found = [row["b"] for block in merged_rows(sources) for row in block.to_pylist()]
    assert found == [1, 3, 1, 2]


EPOCH = date(1970, 1, 1)
SEALED: dict[str, Any] = {"kind": "omop", "position": 0, "persons": 0}
DRAWN = st.fixed_dictionaries(
    {
        "person_id": st.integers(1, 4),
        "condition_concept_id": st.none() | st.integers(0, 3),
        "condition_start_date": st.none() | st.integers(0, 3),
        "condition_source_value": st.none() | st.sampled_from("ab"),
    }
)


FILE = st.tuples(
    st.lists(DRAWN, max_size=8),
    st.sets(st.integers(0, 7), max_size=4),  # rows that are gone
    st.sets(st.integers(1, 4), max_size=2),  # persons who are withdrawn
)


@pytest.fixture(scope="module")
def small_blocks() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patched:
        patched.setattr(counting_rows, "_BLOCK", 3)
        yield


@given(st.lists(FILE, min_size=1, max_size=4), st.booleans(), st.booleans())
@settings(max_examples=60, deadline=None)
@pytest.mark.usefixtures("small_blocks")
def test_a_folded_file_has_the_rows_that_count_in_order(
    tmp_path_factory: pytest.TempPathFactory,
    files: list[tuple[list[dict[str, Any]], set[int], set[int]]],
    in_order: bool,
    missing: bool,
) -> None:
    """Against Python's own sort; a file without a column counts as one of nulls."""
    folder = tmp_path_factory.mktemp("fold")
    sources, expected = [], []
    for number, (drawn, gone, persons) in enumerate(files):
        rows = [{**row, KEYS[-1]: n, **_origin(number)} for n, row in enumerate(drawn)]
        if in_order:
            rows.sort(key=_wanted)
        if missing and number:
            rows = [{**row, "condition_source_value": None} for row in rows]
        path = _write(folder / f"{number}.parquet", rows, missing and number > 0)
        places = _write_gone(folder / f"{number}.gone.parquet", number, gone) if gone else None
        origin: dict[str, Any] = _origin(number)
        sealed = SealedBatch(**origin, publisher="P", source="ehr", **SEALED)
        listed_by = ("later",) if gone else ()
        sources.append(CountingFile(sealed, path, places, listed_by, tuple(sorted(persons))))
        expected += [
            row for at, row in enumerate(rows) if at not in gone and row["person_id"] not in persons
        ]
    target = folder / "folded" / "one.parquet"
    with duckdb.connect() as database:
        if in_order:
            database.close()  # there is nothing to sort
        fold_rows.fold_rows(database, NAME, sources, target)
    found = pq.read_table(target).to_pylist()
    for row in found:
        day = row[KEYS[1]]
        row[KEYS[1]] = None if day is None else (day - EPOCH).days
    assert _counted(found) == _counted(expected)
    if in_order:
        assert list(map(_wanted, found)) == sorted(map(_wanted, expected))


def _origin(number: int) -> dict[str, str]:
    return {"site": f"S{number % 2}", "batch": f"{number:064}"}


def _wanted(row: dict[str, Any]) -> tuple[Any, ...]:
    """The order of a concept's rows; those of none stand with concept 0."""
    concept, day, person, key = (row[name] for name in KEYS)
    return (concept or 0, LATE if day is None else day, row["site"], person, key)


def _counted(rows: list[dict[str, Any]]) -> Counter[tuple[tuple[str, Any], ...]]:
    return Counter(tuple(sorted(row.items())) for row in rows)


def _write(path: Path, rows: list[dict[str, Any]], without_source: bool) -> Path:
    """Write rows as a batch has them, with their places."""
    word = pa.dictionary(pa.int32(), pa.string())
    kinds: dict[str, Any] = dict.fromkeys(("person_id", KEYS[0], KEYS[-1]), pa.int64())
    kinds |= {KEYS[1]: pa.date32(), "condition_source_value": pa.string()}
    kinds |= {"site": word, "batch": word, "ordinal": pa.int32(), "row": pa.int32()}
    if without_source:
        del kinds["condition_source_value"]
    placed = [{**row, "ordinal": 7, "row": at} for at, row in enumerate(rows)]
    columns = {name: pa.array([row[name] for row in placed], kind) for name, kind in kinds.items()}
    pq.write_table(pa.table(columns), path)
    return path


def _write_gone(path: Path, number: int, gone: set[int]) -> Path:
    listed = [{"batch": f"{number:064}", "ordinal": 7, "row": at} for at in sorted(gone)]
    kinds: Any = {"batch": pa.string(), "ordinal": pa.int32(), "row": pa.int32()}
    pq.write_table(pa.Table.from_pylist(listed, pa.schema(kinds)), path)
    return path
