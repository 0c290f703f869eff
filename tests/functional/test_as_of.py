"""``--as-of``: every command that answers takes it, and says on stderr what was taken."""

from __future__ import annotations

import re

import pytest

import precisionchain as pc
from tests.functional.conftest import CONDITION, SmallSite, omop_folder
from tests.functional.test_cli import ok, run

SAID = re.compile(
    r"as of position (\d+) \(\d{4}-\d\d-\d\dT[\d:]+\+00:00\): (\d+) withdrawn persons?"
)


@pytest.fixture(scope="module")
def earlier(shared_site: SmallSite) -> int:
    """The position before person 2's row was changed and person 1 was withdrawn."""
    with pc.connect(shared_site.path) as network:
        position = network.sync().position
    site = pc.Site(shared_site.path)
    changed = CONDITION.replace("2016-01-01", "2017-07-07")
    folder = shared_site.path.parent / "february"
    site.ingest_omop(omop_folder(folder, condition_occurrence=changed), source="ehr")
    site.withdraw_persons([1])
    return position


@pytest.mark.parametrize(
    "command",
    [
        *("query domain 201826", "query person A:2", "query variant 9:100:A:G"),
        *("query person-variants A:2", "query maf 0-0.5"),
        *("cohort 'everyone()'", "cohort 'everyone()' --save then --overwrite", "cohorts"),
        "export cohort then --definition-id 1 --skip-unobserved",
        "export genotypes --output {path}/then.vcf --overwrite",
    ],
)
def test_an_answer_is_as_of_then(command: str, shared_site: SmallSite, earlier: int) -> None:
    asked = command.format(path=shared_site.path)
    done = ok(f"-C {shared_site.path} {asked} --as-of {earlier}")
    said = SAID.search(done.err)
    assert said is not None
    assert (int(said[1]), int(said[2])) == (earlier, 1)
    assert "withdrawn" not in done.out


def test_what_was_corrected_is_seen_and_who_was_withdrawn_is_not(
    shared_site: SmallSite, earlier: int
) -> None:
    asked = f"-C {shared_site.path} query domain 201826 --json"
    then, now = (ok(f"{asked} {when}").rows for when in (f"--as-of {earlier}", ""))
    starts = [(row["person_id"], row["condition_start_date"]) for row in (*then, *now)]
    assert starts == [(2, "2016-01-01"), (2, "2017-07-07")]


@pytest.mark.parametrize("wrong", ["1000000", "2001-01-01", "soon", "-1"])
def test_no_moment_of_the_ledger_is_refused(wrong: str, shared_site: SmallSite) -> None:
    assert run(f"-C {shared_site.path} query domain 201826 --as-of {wrong}").code == 2
