"""OHDSI cohort definitions, drawn, over a public export and a generated site: persons and days.

The other side is SQL written after OHDSI's templates, over the raw files (``tests/lib/circe_sql``).
"""

from __future__ import annotations

import csv
from pathlib import Path

import polars as pl
import pytest

from precisionchain.opened import OpenSite
from precisionchain.query.circe.cohorts import defined
from precisionchain.query.circe.reading import cohort_definition
from precisionchain.query.universe import universe_of
from tests.lib.circe_definitions import Definitions, World
from tests.lib.circe_sql import CirceSql
from tests.lib.clinical_inputs import write_clinical
from tests.validation.conftest import OMOP_FOLDERS, new_site

DRAWN = {"gibleed": 120, "generated": 250}


@pytest.mark.parametrize("of", DRAWN)
def test_drawn_definitions_are_what_sql_says(of: str, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / OMOP_FOLDERS["gibleed"]
    if of == "generated":
        folder = _with_apart_periods(write_clinical(tmp_path / "raw", persons=300, seed=20))
    new_site(tmp_path / "site_a").ingest_omop(folder, source=of)
    oracle = CirceSql(folder)
    drawn = Definitions(World.of(oracle.database), seed=40)
    differences: list[str] = []
    found = 0
    opened = OpenSite(tmp_path / "site_a")
    try:
        snapshot = opened.snapshot()
        universe = universe_of(snapshot)
        ids = universe.frame["person_id"].to_numpy()
        for number in range(DRAWN[of]):
            definition = drawn(number)
            must = sorted(oracle.answer(definition))
            entries = defined(snapshot, universe, cohort_definition(definition)).entries
            days = entries.select(pl.col("start", "end").cast(pl.Date))
            got = sorted(zip(ids[entries["person"].to_numpy()].tolist(), *days, strict=True))
            found += bool(must)
            if got != must:
                differences.append(f"{number}: {len(got)} times, must be {len(must)}")
    finally:
        opened.close()
    assert not differences, "\n".join(differences)
    assert found > 0.3 * DRAWN[of]


def _with_apart_periods(folder: Path) -> Path:
    """Leave out observation periods that overlap another of the same person: they are none."""
    path = folder / "observation_period.csv"
    with path.open(encoding="utf-8", newline="") as file:
        rows = list(csv.DictReader(file))
    kept: list[dict[str, str]] = []
    last = ""
    start, end = "observation_period_start_date", "observation_period_end_date"
    for row in sorted(rows, key=lambda one: (int(one["person_id"]), one[start])):
        if not kept or kept[-1]["person_id"] != row["person_id"] or last < row[start]:
            kept.append(row)
            last = row[end]
    with path.open("w", encoding="utf-8", newline="") as file:
        writer = csv.DictWriter(file, list(rows[0]))
        writer.writeheader()
        writer.writerows(kept)
    return folder
