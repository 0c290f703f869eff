"""``cohort --definition``: what a data team types, reads and is told."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner, Result

import precisionchain as pc
from precisionchain.cli.app import app
from precisionchain.errors import UsageError
from tests.lib.omop_builder import write_omop

SITE = """
    observation_period
    id | person | start      | end
    1  | 1      | 2010-01-01 | 2015-12-31
    2  | 2      | 2010-01-01 | 2012-12-31

    condition_occurrence
    id | person | concept | start
    1  | 1      | 10      | 2014-01-12
    2  | 2      | 10      | 2011-05-05
    """


@pytest.fixture(scope="module")
def site(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("site")
    made = pc.Site.init(folder / "site_a", site="A", build="GRCh38")
    made.ingest_omop(write_omop(folder / "csv", SITE), source="ehr")
    return folder / "site_a"


def definition(**members: Any) -> dict[str, Any]:
    items = [{"concept": {"CONCEPT_ID": 10}}]
    return {
        "ConceptSets": [{"id": 0, "name": "Smith", "expression": {"items": items}}],
        "PrimaryCriteria": {
            "CriteriaList": [{"ConditionOccurrence": {"CodesetId": 0, **members}}],
            "ObservationWindow": {"PriorDays": 365, "PostDays": 0},
        },
    }


def cohort(site: Path, *words: str | Path) -> Result:
    return CliRunner().invoke(app, ["-C", str(site), "cohort", *map(str, words)])


def test_dates_alone_and_beside_a_criterion(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "Smith.json"
    file.write_text(json.dumps(definition()), encoding="utf-8")
    every = [
        json.loads(line) for line in _lines(cohort(site, "--definition", file, "--dates", "--json"))
    ]
    assert [tuple(row.values()) for row in every] == [
        ("A", 1, "2014-01-12", "2015-12-31"),
        ("A", 2, "2011-05-05", "2012-12-31"),
    ]
    one = _lines(cohort(site, "persons(2)", "--definition", file, "--json", "--save", "two"))
    assert [json.loads(line) for line in one] == [{"site": "A", "person_id": 2}]
    with pc.connect(site) as net:
        log = " ".join(net.audit.entries()["question"].drop_nulls().to_list())
    assert "Smith" not in log
    assert '\\"ConditionOccurrence\\"' in log


def test_what_is_not_covered_is_told_by_its_place(site: Path, tmp_path: Path) -> None:
    file = tmp_path / "a.json"
    reason = {"StopReason": {"Text": "Smith", "Op": "contains"}}
    file.write_text(json.dumps(definition(**reason)), encoding="utf-8")
    told = _told(cohort(site, "--definition", file))
    assert told.startswith("PrimaryCriteria.CriteriaList[0].ConditionOccurrence.StopReason: ")
    assert "free text is not published" in told


def test_neither_a_criterion_nor_a_definition_is_told(site: Path) -> None:
    assert "--definition FILE.json" in _told(cohort(site))
    assert "has no dates" in _told(cohort(site, "condition(10)", "--dates"))


def _lines(ended: Result) -> list[str]:
    assert ended.exit_code == 0, ended.output
    return ended.stdout.strip().splitlines()


def _told(ended: Result) -> str:
    assert isinstance(ended.exception, UsageError)
    return str(ended.exception)
