"""Rows lie in the stream of the nearest chosen ancestor; where they lie is in no answer."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from precisionchain.ledger.batches import family_items
from precisionchain.schemas.payloads import payload_table
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.lib.tables import Row, assert_same, draw
from tests.spec.conftest import Build

CHOSEN = """
    domain      | concept_id
    CONDITION   | 100
    CONDITION   | 200
    CONDITION   | 300
    CONDITION   | 400
    MEASUREMENT | 500
    """

TABLES = """
    concept_ancestor
    ancestor | descendant | levels
    100      | 1          | 2
    200      | 1          | 1
    200      | 2          | 1
    100      | 2          | 1
    300      | 3          | 3
    400      | 3          | 2
    50       | 3          | 1
    100      | 400        | 1
    400      | 400        | 0
    50       | 5          | 1
    500      | 6          | 1
    500      | 7          | 1
    100      | 8          | 0

    condition_occurrence
    id | person | concept
    1  | 1      | 1
    2  | 1      | 2
    3  | 2      | 3
    4  | 2      | 400
    5  | 3      | 5
    6  | 3      | 6
    7  | 3      | 0
    8  | 4      | 8
    9  | 4      | 1

    measurement
    id | person | concept
    1  | 1      | 7
    2  | 2      | 400
    """


def placed(network: BuiltNetwork) -> Iterator[Row]:
    """The mapping stream: where each concept of each table lies, and how many rows it has."""
    ledger = network.ledger()
    for found in family_items(ledger, "MAP_CONCEPT"):
        _, rows = payload_table(found.item.payload)
        for row in rows.to_pylist():
            yield {name: str(value) for name, value in row.items()}
    ledger.close()


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    network = build(ancestors=CHOSEN)
    network.site().ingest(TABLES)
    return network


def test_the_nearest_chosen_ancestor_places_a_concept(network: BuiltNetwork) -> None:
    # 1: the fewest levels; 2: a tie goes to the smaller id; 3: the nearest is not chosen, the next
    # is; 400: chosen itself; 5: no chosen ancestor; 6: chosen for another domain; 7: in that one.
    expected = """
        table                | concept_id | family          | n
        condition_occurrence | 0          | CONDITION_0     | 1
        condition_occurrence | 1          | CONDITION_200   | 2
        condition_occurrence | 2          | CONDITION_100   | 1
        condition_occurrence | 3          | CONDITION_400   | 1
        condition_occurrence | 5          | CONDITION_0     | 1
        condition_occurrence | 6          | CONDITION_0     | 1
        condition_occurrence | 8          | CONDITION_100   | 1
        condition_occurrence | 400        | CONDITION_400   | 1
        measurement          | 7          | MEASUREMENT_500 | 1
        measurement          | 400        | MEASUREMENT_0   | 1
        """
    assert_same(placed(network), expected)


def test_without_a_vocabulary_only_the_chosen_themselves_are_placed(build: Build) -> None:
    network = build(ancestors=CHOSEN)
    network.site().ingest("""
        condition_occurrence
        person | concept
        1      | 300
        1      | 1
        """)
    expected = """
        table                | concept_id | family
        condition_occurrence | 1          | CONDITION_0
        condition_occurrence | 300        | CONDITION_300
        """
    assert_same(placed(network), expected)


QUESTIONS = (0, 1, 2, 3, 5, 6, 7, 8, 50, 100, 200, 300, 400, 500)
HEADINGS = ("table", "id", "person", "concept", "start")


def answers(site: BuiltSite) -> dict[int | str, str]:
    """The answers to all questions, drawn."""
    found: dict[int | str, str] = {}
    with site.network() as network:
        for concept in QUESTIONS:
            answer = network.domain(concept)
            found[concept] = draw(HEADINGS, answer_rows(answer, HEADINGS))
        for person in range(1, 5):
            for name, rows in network.person(person).items():
                found[f"{person} {name}"] = draw(rows.columns, answer_rows(rows, rows.columns))
    return found


@pytest.mark.parametrize(
    "ancestors",
    [
        "domain | concept_id",
        """
        domain    | concept_id
        CONDITION | 50
        CONDITION | 500
        """,
    ],
    ids=["none", "others"],
)
def test_no_answer_depends_on_what_was_chosen(
    build: Build, network: BuiltNetwork, ancestors: str
) -> None:
    site = build(ancestors=ancestors).site()
    site.ingest(TABLES)
    assert answers(site) == answers(network.site())
