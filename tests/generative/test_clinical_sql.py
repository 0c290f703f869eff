"""Random clinical cohorts of a small generated site are what SQL on its CSV files says."""

from __future__ import annotations

from pathlib import Path

from tests.lib.asked_cohorts import scope_of
from tests.lib.clinical_comparison import compare_with_sql
from tests.lib.clinical_inputs import write_clinical
from tests.lib.clinical_sql import ClinicalSql
from tests.lib.ledger_places import PLACES
from tests.lib.site_builder import BuiltNetwork

EXPRESSIONS = 40


def test_random_clinical_cohorts_are_what_sql_says(tmp_path: Path) -> None:
    folder = write_clinical(tmp_path / "files", persons=40, seed=3)
    network = BuiltNetwork(tmp_path, PLACES["memory"](tmp_path))
    network.site("A").site.ingest_omop(folder, source="ehr")
    tally = compare_with_sql(ClinicalSql(folder), scope_of(network), range(EXPRESSIONS), seed=4)
    assert not tally.differences, "\n".join(tally.differences)
    assert tally.parted > 0.4 * tally.asked, str(tally)
    assert tally.unknown > 0.04 * tally.asked, str(tally)
