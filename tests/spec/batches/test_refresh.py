"""A later export of a source: what is published, what is listed as gone, and what then counts."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from precisionchain.errors import SealRefusedError
from tests.lib.refreshes import (
    FEBRUARY,
    JANUARY,
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


def test_a_later_batch_holds_what_is_new_and_lists_what_is_gone(network: BuiltNetwork) -> None:
    ingest(network, JANUARY)
    done = ingest(network, FEBRUARY)
    _, second = Replayed(network).batches
    for view in VIEWS:
        rows = second.rows[view, "condition_occurrence"].values()
        assert sorted(row["condition_occurrence_id"] for row in rows) == [2, 5]
        assert second.n(view, "death") == second.n(view, "person") == 0
    assert dict(second.manifest.changes["condition_occurrence"]) == {
        "new": 1,
        "changed": 1,
        "gone": 1,
        "unchanged": 2,
        "withheld": 0,
    }
    assert second.manifest.changes["person"]["unchanged"] == 3
    assert done.changes == second.manifest.changes
    assert re.search("1 new, 1 changed, 1 gone, 6 unchanged, 0 withheld", done.line())
    holds(
        network,
        "condition_occurrence",
        conditions_of(FEBRUARY),
    )


def test_both_places_of_a_row_are_listed_and_mappings_follow(network: BuiltNetwork) -> None:
    ingest(network, JANUARY)
    ingest(network, FEBRUARY)
    state = Replayed(network)
    assert_same(
        state.shown("mapping", "map-concept", "table", "concept_id", "n", "family"),
        """
        table                | concept_id | n | family
        condition_occurrence | 10         | 1 | CONDITION_0
        condition_occurrence | 20         | 2 | CONDITION_0
        condition_occurrence | 30         | 1 | CONDITION_0
        death                | 0          | 1 | DEATH_0
        """,
    )
    assert len(state.rows("mapping", "map-person")) == 3
    second = state.batches[1]
    assert len(second.lists) == 2 * 2 + 1  # rows 2 and 4 in both views; concept 20's count
    assert second.n("mapping", "map-person") == 0


def test_the_same_rows_in_another_order_publish_no_row(network: BuiltNetwork) -> None:
    ingest(network, JANUARY)
    lines = JANUARY.splitlines()
    at = next(number for number, line in enumerate(lines) if line.strip().startswith("1  | 7 "))
    lines[at], lines[at + 1] = lines[at + 1], lines[at]
    again = ingest(network, "\n".join(lines))
    assert (again.items, again.new_items) == (3, 3)  # results of quality, leaves, the seal
    assert Replayed(network).batches[1].manifest.families == (("QUALITY", 1),)
    assert ingest(network, "\n".join(lines)).new_items == 0


def test_a_person_without_rows_is_mapped_nowhere(network: BuiltNetwork) -> None:
    ingest(network, JANUARY)
    ingest(
        network,
        "person\nid | year_of_birth\n7 | 1950\n\ncondition_occurrence\n"
        "id | person | concept | start\n1 | 7 | 10 | 2015-01-01\n\ndeath\nperson | death_date\n"
        "7 | 2020-01-01",
        allow_churn=True,
    )
    (row,) = Replayed(network).rows("mapping", "map-person")
    assert row["person_id"] == 7


def test_a_withdrawn_head_is_followed_by_what_is_missing(network: BuiltNetwork) -> None:
    ingest(network, JANUARY)
    february = ingest(network, FEBRUARY)
    network.site().site.withdraw_batch(february.batch)
    again = ingest(network, FEBRUARY, allow_churn=True)
    assert again.batch != february.batch
    assert again.changes["condition_occurrence"]["new"] == 2
    holds(
        network,
        "condition_occurrence",
        conditions_of(FEBRUARY),
    )


def test_a_head_that_moves_meanwhile_is_not_followed(
    network: BuiltNetwork, monkeypatch: pytest.MonkeyPatch
) -> None:
    from precisionchain.ingest.publish import Publisher

    ingest(network, JANUARY)
    true: Callable[[Publisher], dict[str, Any]] = Publisher.heads
    monkeypatch.setattr(Publisher, "heads", lambda _publisher: {})
    with pytest.raises(SealRefusedError, match="run the command again"):
        ingest(network, FEBRUARY)
    monkeypatch.setattr(Publisher, "heads", true)
    assert len(Replayed(network).batches) == 1
    ingest(network, FEBRUARY)
    assert len(Replayed(network).batches) == 2
