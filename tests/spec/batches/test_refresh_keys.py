"""Rows under other keys, of withdrawn persons, and the vocabulary that a later export brings."""

from __future__ import annotations

import pytest

from precisionchain.errors import SealRefusedError
from precisionchain.ingest.changes_limits import Mode
from tests.lib.refreshes import (
    DELTA,
    FEBRUARY,
    JANUARY,
    PERSONS,
    VIEWS,
    conditions_of,
    holds,
    ingest,
)
from tests.lib.replayed_state import Replayed
from tests.lib.site_builder import BuiltNetwork
from tests.lib.tables import assert_same
from tests.spec.conftest import Build


@pytest.fixture
def network(build: Build) -> BuiltNetwork:
    return build()


class Said:
    """Progress that is kept."""

    def __init__(self) -> None:
        self.lines: list[str] = []

    def step(self, text: str) -> None:
        self.lines.append(text)

    def warn(self, text: str) -> None:
        self.lines.append(f"warning: {text}")

    def advance(self, done: int, total: int) -> None:
        pass


VISITS = """
    visit_occurrence
    id | person | concept | start      | end
    {} | 7      | 9201    | 2015-01-01 | 2015-01-02
    {} | 8      | 9201    | 2015-02-01 | 2015-02-02
    {} | 9      | 9201    | 2015-03-01 | 2015-03-02

    condition_occurrence
    id | person | concept | start      | visit_occurrence_id
    {} | 7      | 10      | 2015-01-01 | {}
    {} | 8      | 20      | 2015-02-01 | {}
    {} | 9      | 20      | 2015-03-01 | {}
    """


def test_rows_under_other_keys_keep_those_of_the_ledger(network: BuiltNetwork) -> None:
    """Visits 1, 2, 3 are 2, 3, 4 in February, and 1 is a new one; so are the conditions."""
    ingest(network, PERSONS + VISITS.format(1, 2, 3, 1, 1, 2, 2, 3, 3))
    added = VISITS.format(2, 3, 4, 2, 2, 3, 3, 4, 4).replace(
        "2015-03-02\n", "2015-03-02\n    1 | 9 | 9202 | 2014-01-01 | 2014-01-02\n"
    )
    added = added.rstrip() + "\n    1 | 9 | 30 | 2014-01-01 | 1\n"
    heard = Said()
    done = ingest(network, PERSONS + added, progress=heard)
    assert (
        "visit_occurrence: rows have other keys than before; the ledger's are kept" in heard.lines
    )
    assert done.changes["visit_occurrence"] == {
        "new": 1,
        "changed": 0,
        "gone": 0,
        "unchanged": 3,
        "withheld": 0,
    }
    assert done.changes["condition_occurrence"]["unchanged"] == 3
    holds(
        network,
        "condition_occurrence",
        """
        id | person | concept | visit_occurrence_id
        1  | 7      | 10      | 1
        2  | 8      | 20      | 2
        3  | 9      | 20      | 3
        5  | 9      | 30      | 5
        """,
    )
    renumbered = Replayed(network).batches[1].manifest.settings["renumbered"]
    assert sorted(renumbered) == ["condition_occurrence", "visit_occurrence"]
    with pytest.raises(SealRefusedError, match=r"condition_occurrence.*--mode full"):
        ingest(network, DELTA, mode="delta")


FOLLOWING = """
    visit_occurrence
    id | person | concept | start      | end        | preceding_visit_occurrence_id
    {} | 7      | 9201    | 2015-01-01 | 2015-01-02 |
    {} | 7      | 9201    | 2015-02-01 | 2015-02-02 | {}
    {} | 7      | 9201    | 2015-03-01 | 2015-03-02 | {}
    """


def test_links_within_a_table_are_told_with_it_each_time(network: BuiltNetwork) -> None:
    for keys in ((1, 2, 1, 3, 2), (5, 6, 5, 7, 6), (5, 6, 5, 7, 6), (8, 9, 8, 4, 9)):
        ingest(network, PERSONS + FOLLOWING.format(*keys))
        holds(
            network,
            "visit_occurrence",
            """
            id | start      | preceding_visit_occurrence_id
            1  | 2015-01-01 |
            2  | 2015-02-01 | 1
            3  | 2015-03-01 | 2
            """,
        )


PROCEDURES = """
    procedure_occurrence
    id | person | concept | start      | visit_occurrence_id
    1  | 7      | 50      | 2015-01-01 | {}
    """


@pytest.mark.parametrize("mode", ["full", "delta"])
def test_rows_are_refused_that_point_to_keys_nobody_can_tell(
    network: BuiltNetwork, mode: Mode
) -> None:
    """Visit 2 of February's files is visit 1 of the ledger; without visits nothing says so."""
    january, february = (
        VISITS.format(1, 2, 3, 1, 1, 2, 2, 3, 3),
        VISITS.format(2, 3, 4, *(1, 2, 2, 3, 3, 4)),
    )
    conditions = "\n    " + february[february.index("condition_occurrence") :]
    ingest(network, PERSONS + january)
    ingest(network, PERSONS + february)
    for unknown in (conditions, PROCEDURES.format(2)):
        with pytest.raises(
            SealRefusedError, match=r"point to visit_occurrence, whose keys.*--mode"
        ):
            ingest(network, PERSONS + unknown, mode=mode)
    assert ingest(network, PERSONS + PROCEDURES.format(""), mode=mode).new_items > 0
    done = ingest(network, PERSONS + february + PROCEDURES.format(2), allow_churn=True)
    assert done.new_items > 0
    holds(
        network,
        "procedure_occurrence",
        """
        id | person | concept | visit_occurrence_id
        1  | 7      | 50      | 1
        """,
    )


WITHHELD_MARCH = FEBRUARY.replace("2015-01-03", "2015-01-05")


def test_rows_of_a_withdrawn_person_are_withheld_and_stay_as_they_are(
    network: BuiltNetwork,
) -> None:
    ingest(network, JANUARY)
    site = network.site().site
    site.withdraw_persons(["9"])
    done = ingest(network, WITHHELD_MARCH)
    second = Replayed(network).batches[1]
    assert dict(second.manifest.withheld) == {"persons": 1, "rows": 3, "calls": 0}
    assert done.changes["condition_occurrence"] == {
        "new": 1,
        "changed": 1,
        "gone": 0,
        "unchanged": 1,
        "withheld": 1,
    }
    for (view, _), found in second.rows.items():
        if view in VIEWS:
            assert all(row["person_id"] != 9 for row in found.values())
    assert ingest(network, WITHHELD_MARCH).new_items == 0
    site.readmit_persons(["9"])
    assert ingest(network, WITHHELD_MARCH).new_items > 0
    holds(
        network,
        "condition_occurrence",
        conditions_of(WITHHELD_MARCH),
    )
    assert ingest(network, WITHHELD_MARCH).new_items == 0


TERMS = """
    concept
    concept_id | concept_name
    10         | ten
    20         | {}
    99         | above

    concept_ancestor
    ancestor | descendant | levels
    10       | 10         | 0
    20       | 20         | 0
    {}       | 20         | 1
    """


def test_the_slice_follows_the_vocabulary_and_placements_stay(build: Build) -> None:
    network = build(ancestors="domain | concept_id\nCONDITION | 99\nCONDITION | 10")
    ingest(network, JANUARY, vocabulary=TERMS.format("twenty", 99))
    ingest(network, FEBRUARY, vocabulary=TERMS.format("score", 10))
    state = Replayed(network)
    assert_same(
        state.shown("vocabulary", "concept", "concept_id", "concept_name"),
        "concept_id | concept_name\n10 | ten\n20 | score",
    )
    assert_same(
        state.shown("vocabulary", "concept_ancestor", "ancestor", "descendant"),
        "ancestor | descendant\n10 | 10\n20 | 20\n10 | 20",
    )
    placed = {row["concept_id"]: row["family"] for row in state.rows("mapping", "map-concept")}
    assert placed[20] == "CONDITION_99", "where it was placed first"
    assert {
        row["stands_in"]
        for row in state.rows("domain", "condition_occurrence")
        if row["condition_concept_id"] == 20
    } == {"CONDITION_99"}


def test_without_a_vocabulary_the_slice_and_the_placements_stay(build: Build) -> None:
    network = build(ancestors="domain | concept_id\nCONDITION | 99")
    ingest(network, JANUARY, vocabulary=TERMS.format("twenty", 99))
    ingest(network, FEBRUARY)
    state = Replayed(network)
    assert len(state.rows("vocabulary", "concept")) == 3
    new = state.batches[1].rows["domain", "condition_occurrence"].values()
    families = {row["condition_concept_id"]: row["stands_in"] for row in new}
    assert families == {20: "CONDITION_99", 30: "CONDITION_0"}


def test_a_key_that_was_used_again_meanwhile_is_two_rows_until_an_export_says(
    network: BuiltNetwork,
) -> None:
    """Row 3 of a withdrawn person stays; row 3 of another comes; then the person is back."""
    ingest(network, JANUARY)
    site = network.site().site
    site.withdraw_persons(["9"])
    reused = JANUARY.replace("3  | 9 ", "3  | 7 ").replace("4  | 9 ", "4  | 8 ")
    ingest(network, reused)
    site.readmit_persons(["9"])
    ingest(network, reused.replace("1  | 7 ", "6  | 7 "), allow_churn=True)
    holds(
        network,
        "condition_occurrence",
        conditions_of(reused.replace("1  | 7 ", "6  | 7 ")),
    )
