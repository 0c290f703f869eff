"""An export of a part of a source, and one that undoes more than it may."""

from __future__ import annotations

from typing import Any

import pytest

from precisionchain.errors import SealRefusedError
from tests.lib.refreshes import (
    DELTA,
    JANUARY,
    PERSONS,
    holds,
    ingest,
)
from tests.lib.replayed_state import Replayed
from tests.lib.site_builder import BuiltNetwork
from tests.spec.conftest import Build


@pytest.fixture
def network(build: Build) -> BuiltNetwork:
    return build()


def test_an_absent_table_is_untouched_and_an_empty_one_is_asked_about(
    network: BuiltNetwork,
) -> None:
    ingest(network, JANUARY)
    ingest(network, PERSONS)
    holds(network, "death", "person | death_date\n9 | 2020-01-01")
    empty = f"{PERSONS}\n    death\n    person | death_date"
    with pytest.raises(SealRefusedError, match=r"no record in death.*--allow-empty"):
        ingest(network, empty)
    ingest(network, empty, allow_empty=True, allow_shrinking=False)
    holds(network, "death", "person | death_date")
    assert len(Replayed(network).rows("person", "condition_occurrence")) == 4


def rows(*numbers: int, shift: int = 0, start: str = "2015-01") -> str:
    """Conditions of person 7 with different days, each under its number plus ``shift``."""
    drawn = [f"{n + shift} | 7 | 10 | {start}-{n:02d}" for n in numbers]
    return "person\nid | year_of_birth\n7 | 1950\n\n" + "\n".join(
        ["condition_occurrence", "id | person | concept | start", *drawn]
    )


@pytest.mark.parametrize(
    ("text", "said", "option"),
    [
        (rows(*range(2, 21), start="2015-01"), None, ""),
        (rows(*range(3, 21)), r"2 of 20 rows of condition_occurrence \(10%\)", "allow_shrinking"),
        (rows(*range(1, 21), start="2016-03"), r"20 of 20 .*exchanged", "allow_churn"),
    ],
)
def test_an_export_that_undoes_much_is_refused_until_it_is_accepted(
    network: BuiltNetwork, text: str, said: str | None, option: str
) -> None:
    ingest(network, rows(*range(1, 21)))
    if said is None:
        ingest(network, text, allow_shrinking=False)
        return
    with pytest.raises(SealRefusedError, match=said) as refused:
        ingest(network, text, allow_shrinking=False)
    assert f"--{option.replace('_', '-')}" in str(refused.value)
    assert len(Replayed(network).batches) == 1
    accepted: dict[str, Any] = {"allow_shrinking": False, option: True}
    ingest(network, text, **accepted)
    assert len(Replayed(network).batches) == 2


def test_of_a_delta_rows_are_added_or_replaced_and_nothing_vanishes(network: BuiltNetwork) -> None:
    ingest(network, JANUARY)
    done = ingest(network, DELTA.replace("2  | 8", "2  | 8"), mode="delta", allow_shrinking=False)
    assert done.counts["rejected"] == 0, "persons accepted before are known"
    holds(
        network,
        "condition_occurrence",
        """
        id | person | concept | start
        1  | 7      | 10      | 2015-01-01
        2  | 8      | 30      | 2015-01-02
        3  | 9      | 20      | 2015-01-03
        4  | 9      | 20      | 2015-01-04
        6  | 9      | 10      | 2015-03-01
        """,
    )
    assert ingest(network, DELTA, mode="delta").new_items == 0
    assert Replayed(network).batches[1].manifest.settings["mode"] == "delta"


STRANGERS = """
    person
    id | year_of_birth

    condition_occurrence
    id | person | concept | start
    7  | 77     | 10      | 2015-04-01
    """
KNOWN = """
    person
    id | year_of_birth
    7  | 1950

    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01

    death
    person | death_date
    9      | 2020-01-01
    """


@pytest.mark.parametrize(("text", "accepted"), [(STRANGERS, 0), (KNOWN, 3)])
def test_a_delta_that_adds_and_replaces_nothing_publishes_nothing(
    network: BuiltNetwork, text: str, accepted: int
) -> None:
    first = ingest(network, JANUARY)
    done = ingest(network, text, mode="delta")
    assert (done.batch, done.new_items) == (first.batch, 0)
    assert done.ledger_bytes == 0
    assert done.counts["accepted"] == accepted
    assert done.line().endswith("nothing new was published")
    assert [batch.manifest.batch for batch in Replayed(network).batches] == [first.batch]
    later = ingest(network, DELTA, mode="delta")
    assert later.new_items > 0, "and the next one follows the head that there is"


def test_a_first_delta_of_which_nothing_is_accepted_seals_no_batch(network: BuiltNetwork) -> None:
    done = ingest(network, STRANGERS, mode="delta")
    assert (done.batch, done.items, done.new_items) == ("", 0, 0)
    assert done.counts == {"records": 1, "accepted": 0, "rejected": 1}
    assert "nothing new was published" in done.line()
    assert Replayed(network).batches == []
    assert ingest(network, JANUARY).new_items > 0


def test_whom_a_delta_is_about_is_known_from_the_ledger_alone(network: BuiltNetwork) -> None:
    ingest(network, JANUARY)
    site = network.site().site
    for run in site.staging.runs():
        for path in sorted(run.path.rglob("*"), reverse=True):
            path.rmdir() if path.is_dir() else path.unlink()
        run.path.rmdir()
    text = DELTA + "\n    person\n    id | year_of_birth\n    11 | 1990"
    assert ingest(network, text, mode="delta").counts["rejected"] == 0
    assert ingest(network, text, mode="full", allow_churn=True).counts["rejected"] == 2
