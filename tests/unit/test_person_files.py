"""One person's rows of a file, kept narrow or searched, are what a filter over the file gives."""

from __future__ import annotations

import random
from datetime import date
from pathlib import Path
from typing import Any

import polars as pl
import pytest
from polars.testing import assert_frame_equal

from precisionchain.query import person_files
from precisionchain.query.person_files import LEADING, PersonRows, rows_of_person

SITES = ("A", "B", "C")
_VALUES: dict[str, tuple[Any, list[Any]]] = {
    "condition_occurrence_id": (pl.Int64, [1, -5, 2**62, 2**31]),
    "condition_concept_id": (pl.Int64, [0, 4, 120]),
    "condition_start_date": (pl.Date, [date(1969, 12, 31), date(2020, 1, 1)]),
    "value_as_number": (pl.Float64, [0.0, -0.0, 1.5, float("nan")]),
    "operator_concept_id": (pl.Int32, [7]),
    "stop_reason": (pl.String, ["", "é", "x"]),
    "verbatim_end_date": (pl.Date, []),
}


def written(path: Path, rng: random.Random, *, n: int, in_order: bool) -> pl.DataFrame:
    """Write a file of the Person view with rows of three sites; return its rows."""
    rows = [(rng.choice(SITES), rng.choice((-7, 0, 3, 42, 2**62))) for _ in range(n)]
    if in_order:
        rows = sorted((rows[0][0], person) for _, person in rows) if rows else rows
    nulls = rng.choice((0.0, 0.4, 1.0))
    columns = {
        name: pl.Series(
            name,
            [rng.choice(some) if some and rng.random() > nulls else None for _ in rows],
            dtype,
        )
        for name, (dtype, some) in _VALUES.items()
    }
    frame = pl.DataFrame(
        {
            "person_id": pl.Series([person for _, person in rows], dtype=pl.Int64),
            **columns,
            "site": pl.Series([site for site, _ in rows], dtype=pl.Categorical),
            "batch": pl.Series(["ab"] * n, dtype=pl.Categorical),
            "ordinal": pl.Series([1] * n, dtype=pl.Int32),
            "row": pl.Series(range(n), dtype=pl.Int32),
        }
    )
    frame.write_parquet(path)
    return frame


def filtered(frame: pl.DataFrame, site: str, person_id: int) -> pl.DataFrame:
    """Return a person's rows the slow way, in the order of the file."""
    mine = frame.filter(pl.col("site") == site, pl.col("person_id") == person_id)
    mine = mine.drop("batch", "ordinal", "row").with_columns(
        pl.col("site").cast(pl.String), pl.lit("condition_occurrence").alias("table")
    )
    return mine.select(*LEADING, pl.exclude(*LEADING))


@pytest.mark.parametrize("large", [False, True])
@pytest.mark.parametrize("seed", range(12))
def test_a_persons_rows_are_those_that_a_filter_gives(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, seed: int, large: bool
) -> None:
    if large:
        monkeypatch.setattr(person_files, "LARGE_FILE_BYTES", 0)
    rng = random.Random(seed)
    path = tmp_path / "condition_occurrence.parquet"
    frame = written(path, rng, n=rng.choice((1, 2, 40)), in_order=seed % 2 == 0)
    for site in (*SITES, "D"):
        for person_id in (-7, 0, 3, 42, 2**62, 5, -(2**63), 2**63 - 1):
            expected = filtered(frame, site, person_id)
            found = rows_of_person(path, "condition_occurrence", site, person_id)
            if expected.height:
                assert found is not None
                assert_frame_equal(found, expected)
                assert repr(found.rows()) == repr(expected.rows())  # -0.0 too
            else:
                assert found is None


def test_a_file_is_kept_in_little_room(tmp_path: Path) -> None:
    n = 20_000
    frame = pl.DataFrame(
        {
            "measurement_id": range(n),
            "person_id": [at // 100 for at in range(n)],
            "measurement_concept_id": [3_004_249 + at % 100 for at in range(n)],
            "value_as_number": [float(at) for at in range(n)],
            "visit_detail_id": pl.Series([None] * n, dtype=pl.Int64),
            "measurement_type_concept_id": [32_817] * n,
            "site": pl.Series(["A"] * n, dtype=pl.Categorical),
            "batch": pl.Series(["ab"] * n, dtype=pl.Categorical),
        }
    )
    frame.write_parquet(tmp_path / "measurement.parquet")
    kept = PersonRows.read(tmp_path / "measurement.parquet")
    assert kept.nbytes < 20 * n < frame.estimated_size() / 2
