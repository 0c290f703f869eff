"""Tables that are staged and never published are named before anything leaves, and on the page."""

from __future__ import annotations

from pathlib import Path

import pytest
from typer.testing import CliRunner

import precisionchain as pc
from precisionchain.cli.app import app
from tests.lib.page_reader import read_page

FILES = {
    "person": "person_id,year_of_birth\n7,1970\n",
    "cost": "cost_id,cost_event_id\n1,1\n",
    "fact_relationship": (
        "domain_concept_id_1,fact_id_1,domain_concept_id_2,fact_id_2,relationship_concept_id\n"
        "56,7,56,7,44818790\n"
    ),
    "cohort": "cohort_definition_id,subject_id,cohort_start_date,cohort_end_date\n"
    "1,7,2020-01-01,2020-02-01\n",
    "cohort_attribute": "cohort_definition_id,subject_id,cohort_start_date,cohort_end_date,"
    "attribute_definition_id\n1,7,2020-01-01,2020-02-01,5\n",
    "provider": "provider_id,provider_name\n3,somebody\n",
    "care_site": "care_site_id,care_site_name\n4,somewhere\n",
}
NEVER = ["cohort", "cohort_attribute", "cost", "fact_relationship", "provider"]


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> pc.Site:
    folder = tmp_path_factory.mktemp("unpublished")
    (folder / "omop").mkdir()
    for name, text in FILES.items():
        (folder / "omop" / f"{name}.csv").write_text(text, encoding="utf-8")
    made = pc.Site.init(folder / "site_a", site="A", build="GRCh37")
    made.stage_omop(folder / "omop")
    assert made.validate()["n_rejected"].sum() == 0
    return made


def test_the_dry_run_names_them_on_stderr(site: pc.Site) -> None:
    command = ["-C", str(site.folder.root), "publish", "--dry-run", "--json"]
    ended = CliRunner().invoke(app, command)
    assert ended.exit_code == 0
    (line,) = [line for line in ended.stderr.splitlines() if "no row" in line]
    assert line == f"no row of these tables leaves the site: {', '.join(NEVER)}"


def test_the_page_names_them_before_and_after_publication(site: pc.Site, tmp_path: Path) -> None:
    for page in ("before.html", "after.html"):
        shown = read_page(site.report(output=tmp_path / page).read_text(encoding="utf-8"))
        assert ", ".join(NEVER) in shown.texts["unpublished"].replace("\N{ZERO WIDTH SPACE}", "")
        if page == "before.html":
            site.publish()
    taken = {row[0]: set(row[4:]) - {"–", ""} for row in shown.rows("t-bytes") if row[0] in FILES}
    assert {name for name in FILES if taken.get(name)} == FILES.keys() - set(NEVER)


def test_a_run_without_such_a_table_names_none(tmp_path: Path) -> None:
    (tmp_path / "omop").mkdir()
    (tmp_path / "omop" / "person.csv").write_text(FILES["person"], encoding="utf-8")
    made = pc.Site.init(tmp_path / "site_a", site="A", build="GRCh37")
    made.stage_omop(tmp_path / "omop")
    made.validate()
    ended = CliRunner().invoke(app, ["-C", str(made.folder.root), "publish", "--dry-run"])
    assert "no row" not in ended.stderr
    assert "unpublished" not in read_page(made.report().read_text(encoding="utf-8")).texts
