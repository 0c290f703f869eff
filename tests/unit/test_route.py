"""Placement: roll-over at insertion, and runs of sorted rows."""

from __future__ import annotations

import numpy as np
import pyarrow as pa
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.ingest.row_runs import row_runs
from precisionchain.ledger.base import StreamState
from precisionchain.ledger.buckets import Router
from precisionchain.schemas.placement import person_buckets


def router(max_items: int = 3, max_bytes: int = 100, **states: StreamState) -> Router:
    return Router(states, code="k3", max_items=max_items, max_bytes=max_bytes)


def test_a_full_stream_rolls_over_into_a_bucket_that_carries_the_sites_code() -> None:
    place = router(DRUG_0_1=StreamState(2, 20)).place
    assert [place("DRUG_0", 10) for _ in range(3)] == [
        ("DRUG_0_1", False),
        ("DRUG_0_2k3", True),
        ("DRUG_0_2k3", False),
    ]


def test_bytes_roll_over_too_and_an_item_larger_than_a_stream_gets_one_of_its_own() -> None:
    place = router(DRUG_0_1=StreamState(1, 95)).place
    assert place("DRUG_0", 10) == ("DRUG_0_2k3", True)
    assert place("DRUG_0", 500) == ("DRUG_0_3k3", True)
    assert place("DRUG_0", 1) == ("DRUG_0_4k3", True)


def test_another_sites_bucket_is_never_written_to() -> None:
    place = router(DRUG_0_1=StreamState(3, 1), DRUG_0_2zz=StreamState(0, 0)).place
    assert place("DRUG_0", 1) == ("DRUG_0_2k3", True)


def test_a_family_nobody_founded_gets_its_first_bucket() -> None:
    assert router().place("VAR_UN_1_16777216", 1) == ("VAR_UN_1_16777216_1", True)


@given(
    st.lists(st.tuples(st.integers(-5, 5), st.integers(1, 9)), max_size=12),
    st.integers(1, 7),
    st.integers(1, 11),
)
def test_runs_cut_a_sorted_stream_without_losing_or_mixing_rows(
    lengths: list[tuple[int, int]], max_rows: int, batch_rows: int
) -> None:
    values = sorted(value for value, length in lengths for _ in range(length))
    table = pa.table({"run": pa.array(values, pa.int64()), "row": np.arange(len(values))})
    reader = pa.RecordBatchReader.from_batches(table.schema, table.to_batches(batch_rows))
    pieces = list(row_runs(reader, "run", max_rows))
    assert [row for _, piece in pieces for row in piece["row"].to_pylist()] == list(
        range(len(values))
    )
    for value, piece in pieces:
        assert 1 <= piece.num_rows <= max_rows
        assert {values[row] for row in piece["row"].to_numpy()} == {value}
    largest = {value: values.count(value) for value in set(values)}
    for value, count in largest.items():
        assert sum(1 for run, _ in pieces if run == value) == -(-count // max_rows)


def slow_bucket(person: int, buckets: int) -> int:
    mask = 2**64 - 1
    z = person & mask
    z ^= z >> 30
    z = z * 0xBF58476D1CE4E5B9 & mask
    z ^= z >> 27
    z = z * 0x94D049BB133111EB & mask
    z ^= z >> 31
    return z % buckets + 1


@given(st.lists(st.integers(-(2**63), 2**63 - 1), max_size=50), st.integers(1, 40))
def test_person_buckets_equal_the_formula_in_plain_integers(ids: list[int], buckets: int) -> None:
    answer = person_buckets(np.array(ids, np.int64), buckets)
    assert answer.tolist() == [slow_bucket(person, buckets) for person in ids]


def test_person_buckets_spread_strided_ids() -> None:
    counts = np.bincount(person_buckets(np.arange(0, 2_000_000, 100), 20), minlength=21)[1:]
    assert counts.min() > 0.9 * counts.mean()
