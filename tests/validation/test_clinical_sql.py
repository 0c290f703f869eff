"""10,000 random clinical cohorts over GiBleed and a generated site are what SQL on the CSV says."""

from __future__ import annotations

from pathlib import Path

import pytest

from precisionchain.opened import OpenSite
from precisionchain.query.criterion_scope import CriterionScope
from precisionchain.query.universe import universe_of
from tests.lib.clinical_comparison import compare_with_sql
from tests.lib.clinical_inputs import write_clinical
from tests.lib.clinical_sql import ClinicalSql
from tests.validation.conftest import OMOP_FOLDERS, new_site

GIBLEED, GENERATED = 3_000, 7_000


@pytest.mark.parametrize("of", ["gibleed", "generated"])
def test_clinical_cohorts_are_what_sql_says(of: str, shared_data: Path, tmp_path: Path) -> None:
    folder = shared_data / OMOP_FOLDERS["gibleed"]
    if of == "generated":
        folder = write_clinical(tmp_path / "generated", persons=300, seed=20)
    site = new_site(tmp_path / "site_a")
    site.ingest_omop(folder, source=of)
    opened = OpenSite(tmp_path / "site_a")
    try:
        snapshot = opened.snapshot()
        scope = CriterionScope(snapshot, universe_of(snapshot), "A", frozenset({"A"}))
        asked = GIBLEED if of == "gibleed" else GENERATED
        tally = compare_with_sql(ClinicalSql(folder), scope, range(asked), seed=30)
    finally:
        opened.close()
    print(f"{of}: {tally}")  # noqa: T201  # pytest shows it with -rP or -s
    assert not tally.differences, "\n".join(tally.differences)
    assert tally.asked == asked
    assert tally.parted > 0.35 * tally.asked, str(tally)
    assert tally.unknown > (0.005 if of == "gibleed" else 0.08) * tally.asked, str(tally)
