"""``cohort`` and ``cohorts`` as a user types them."""

from __future__ import annotations

import csv
from collections.abc import Iterator
from contextlib import chdir
from pathlib import Path

import pytest

from tests.functional.conftest import SmallSite
from tests.functional.test_cli import ok, run

ILL = {"site": "A", "person_id": 1}, {"site": "A", "person_id": 2}


@pytest.fixture(autouse=True)
def folder(tmp_path: Path, own_site: SmallSite) -> Iterator[Path]:
    """A folder for outputs beside a site with three persons, as ``-C site_a``."""
    with chdir(own_site.path.parent):
        yield own_site.path.parent


def test_a_line_a_member() -> None:
    assert tuple(ok("-C site_a cohort 'condition(201826)' --json").rows) == ILL
    assert ok("-C site_a cohort 'carries(9:100:A:G) & sex(female)' --json").rows == [ILL[1]]
    assert ok('-C site_a cohort \'{"sex": ["female"]}\' --json').rows == [ILL[1]]
    assert ok("-C site_a cohort 'condition(201826) & born(1900..1901)' --json").rows == []


def test_a_summary() -> None:
    [said] = ok("-C site_a cohort ' ~genotype(9:200:C:T,missing) ' --summary --json").rows
    assert said["criterion"] == "~genotype(9:200:C:T, missing)"
    assert (said["universe"], said["members"], said["unknown"]) == (3, 2, 0)
    assert (said["state"], "saved" in said, len(said["digest"])) == ("current", False, 64)
    [said] = ok("-C site_a cohort 'carries(9:200:C:T)' --save c --summary --json").rows
    assert (said["members"], said["unknown"], said["saved"]) == (1, 1, "c")


def test_the_table_begins_with_the_summary() -> None:
    lines = ok("-C site_a cohort 'condition(201826)'").out.splitlines()
    assert lines[0].split() == ["criterion", "condition(201826)"]
    assert ["members", "2"] in [line.split() for line in lines]
    assert lines[-1] == "2 rows"
    assert lines[-2].split() == ["A", "2"]


def test_saved_listed_and_written(folder: Path) -> None:
    ok("-C site_a cohort 'condition(201826)' --save ill --output ill.csv")
    with (folder / "ill.csv").open(encoding="utf-8", newline="") as file:
        assert list(csv.DictReader(file)) == [{"site": "A", "person_id": str(n)} for n in (1, 2)]
    assert tuple(ok("-C site_a cohort 'saved(ill)' --json").rows) == ILL
    taken = run("-C site_a cohort 'sex(male)' --save ill")
    assert (taken.code, taken.out) == (2, "")
    ok("-C site_a cohort 'sex(male)' --save ill --overwrite")
    [listed] = ok("-C site_a cohorts --json").rows
    assert (listed["name"], listed["criterion"], listed["members"]) == ("ill", "sex(male)", 2)
    (folder / "site_a" / "cohorts" / "ill.parquet").write_bytes(b"PAR1")
    damaged = run("-C site_a cohort 'saved(ill)'")
    assert (damaged.code, damaged.out) == (8, "")
    assert "cohorts/ill.parquet" in damaged.err


@pytest.mark.parametrize("criterion", ["condition(", "condition(99999)", "{", "saved(nobody)"])
def test_what_cannot_be_asked_prints_no_answer(criterion: str) -> None:
    done = run(f"-C site_a cohort '{criterion}' --json")
    assert (done.code, done.out, done.err.count("\n")) == (2, "", 1)
