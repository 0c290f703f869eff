"""The slices of sites with other releases are one vocabulary, and what each says can be seen."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import polars as pl
import pytest

from precisionchain.errors import UnknownConceptError
from precisionchain.network import Network
from precisionchain.query.slices import slices
from tests.lib.ledger_places import PLACES
from tests.lib.omop_builder import write_omop
from tests.lib.site_builder import BuiltNetwork
from tests.lib.tables import assert_same

Build = Callable[[], BuiltNetwork]

OLDER = """
    vocabulary
    vocabulary_id | vocabulary_version
    None          | v5.0 09-APR-22
    SNOMED        | 2021-09
    LOINC         | 2.70

    concept
    concept_id | concept_name | domain_id | vocabulary_id | concept_class_id | standard_concept | concept_code | invalid_reason
    1          | old one      | Condition | SNOMED        | Finding          | S                | c1           |
    2          | two          | Condition | SNOMED        | Finding          | S                | c2           |
    10         | over both    | Condition | SNOMED        | Finding          | S                | c10          |
    50         | a code       | Condition | ICD10CM       | Code             |                  | X50          |
    99         | of no row    | Drug      | LOINC         | Finding          | S                | c99          |

    concept_ancestor
    ancestor | descendant | levels
    10       | 1          | 2
    10       | 2          | 1
    20       | 99         | 1

    concept_relationship
    concept_id_1 | concept_id_2 | relationship_id | invalid_reason
    50           | 2            | Maps to         |
    50           | 1            | Is a            |
    51           | 2            | Maps to         |
    1            | 1            | Maps to         |
    """  # noqa: E501
NEWER = """
    vocabulary
    vocabulary_id | vocabulary_version
    None          | v5.0 29-AUG-24

    concept
    concept_id | concept_name | domain_id   | vocabulary_id | concept_class_id | standard_concept | concept_code | invalid_reason
    1          | new one      | Observation | SNOMED        | Finding          |                  | c1           | U
    3          | three        | Condition   | SNOMED        | Finding          | S                | c3           |
    4          | four         | Condition   | SNOMED        | Finding          | S                | c4           |
    10         | over both    | Condition   | SNOMED        | Finding          | S                | c10          |

    concept_ancestor
    ancestor | descendant | levels
    10       | 1          | 1
    10       | 3          | 1
    10       | 4          | 1

    concept_relationship
    concept_id_1 | concept_id_2 | relationship_id | invalid_reason
    51           | 4            | Maps to         |
    51           | 2            | Maps to         | D
    """  # noqa: E501
ROWS = """
    condition_occurrence
    id | person | concept | condition_source_concept_id
    1  | 7      | 1       | 0
    2  | 7      | {one}   | {source}
    """


def ingest(network: BuiltNetwork, site: str, vocabulary: str, one: int, source: int) -> str:
    """Ingest two rows with a vocabulary; return the batch."""
    built = network.site(site)
    rows = write_omop(built.new_folder(), ROWS.format(one=one, source=source))
    terms = write_omop(built.new_folder(), vocabulary)
    done = built.site.ingest_omop(rows, vocabulary=terms, source="ehr", allow_shrinking=True)
    assert done.batch is not None
    return done.batch


@pytest.fixture(scope="module")
def build(tmp_path_factory: pytest.TempPathFactory) -> Build:
    """Build networks on the ledger that is quickest: merging does not depend on it."""

    def build_network() -> BuiltNetwork:
        folder = tmp_path_factory.mktemp("network")
        return BuiltNetwork(folder, PLACES["memory"](folder))

    return build_network


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    """B is sealed first, and of the newer release."""
    network = build()
    ingest(network, "B", NEWER, 3, 51)
    ingest(network, "A", OLDER, 2, 50)
    return network


@pytest.fixture
def door(network: BuiltNetwork) -> Iterator[Network]:
    with network.site().network() as door:
        yield door


def drawn(frame: pl.DataFrame) -> list[dict[str, str]]:
    return [
        {name: "" if value is None else str(value) for name, value in row.items()}
        for row in frame.iter_rows(named=True)
    ]


def test_a_concept_has_the_names_of_the_newest_release(door: Network) -> None:
    """All of the row of one source: 1 is no standard concept any more, and in another domain."""
    expected = """
        concept_id | concept_name | domain_id   | standard_concept | invalid_reason
        1          | new one      | Observation |                  | U
        2          | two          | Condition   | S                |
        3          | three        | Condition   | S                |
        4          | four         | Condition   | S                |
        10         | over both    | Condition   | S                |
        50         | a code       | Condition   |                  |
        """
    assert_same(drawn(door.concepts()), expected)


def test_descendants_of_all_releases_count_and_pairs_with_their_fewest_levels(
    door: Network,
) -> None:
    expected = """
        concept_id | concept_name | levels
        1          | new one      | 1
        2          | two          | 1
        3          | three        | 1
        4          | four         | 1
        """
    assert_same(drawn(door.concept(10)["descendants"]), expected)
    # 4 is in no row: it is what the code 51 of a row maps to.
    assert sorted(door.domain(10)["condition_concept_id"].to_list()) == [1, 1, 2, 3]


def test_source_codes_of_rows_map_to_concepts(door: Network) -> None:
    """Valid rows `Maps to` alone, from concepts that rows have, to others."""
    expected = """
        concept_id | concept_name
        50         | a code
        """
    assert_same(drawn(door.concept(2)["mapped_from"]), expected)
    assert_same(drawn(door.concept(51)["maps_to"]), "concept_id | concept_name\n4 | four")
    assert door.concept(1)["mapped_from"].is_empty()


def test_what_differs_between_releases_is_shown(door: Network) -> None:
    expected = """
        concept_id | column           | value       | site | release        | taken
        1          | concept_name     | new one     | B    | v5.0 29-AUG-24 | True
        1          | concept_name     | old one     | A    | v5.0 09-APR-22 | False
        1          | domain_id        | Observation | B    | v5.0 29-AUG-24 | True
        1          | domain_id        | Condition   | A    | v5.0 09-APR-22 | False
        1          | standard_concept |             | B    | v5.0 29-AUG-24 | True
        1          | standard_concept | S           | A    | v5.0 09-APR-22 | False
        1          | invalid_reason   | U           | B    | v5.0 29-AUG-24 | True
        1          | invalid_reason   |             | A    | v5.0 09-APR-22 | False
        """
    assert_same(drawn(door.vocabularies(differences=True)), expected)


def test_releases_are_stated_by_site(door: Network) -> None:
    """Of the vocabularies that the slice names concepts of, and of the whole."""
    expected = """
        site | source | vocabulary_id | vocabulary_version | concepts
        A    | ehr    | ICD10CM       |                    | 1
        A    | ehr    | None          | v5.0 09-APR-22     | 0
        A    | ehr    | SNOMED        | 2021-09            | 3
        B    | ehr    | None          | v5.0 29-AUG-24     | 0
        B    | ehr    | SNOMED        |                    | 4
        """
    assert_same(drawn(door.vocabularies()), expected)


def test_a_concept_of_no_row_and_above_none_is_unknown(door: Network) -> None:
    for concept in (20, 99):
        with pytest.raises(UnknownConceptError):
            door.concept(concept)


def test_later_exports_and_withdrawals_change_who_names_a_concept(build: Build) -> None:
    network = build()
    door = network.site("B")
    first = ingest(network, "B", NEWER, 3, 51)
    ingest(network, "A", OLDER, 2, 50)

    def name(as_of: int | None = None) -> str:
        with door.network(as_of=as_of) as asked:
            said: str = asked.concepts("1")["concept_name"][0]
            return said

    with door.network() as asked:
        before = asked._snapshot().catalogue.position
    assert name() == "new one"
    # A's next export comes with a release newer than B's: the replaced slice rows do not count.
    ingest(network, "A", OLDER.replace("09-APR-22", "31-JAN-25").replace("old", "newest"), 2, 50)
    assert name() == "newest one"
    assert name(before) == "new one"
    # B's batch is withdrawn: what it says alone counts on, but it contradicts nobody any more.
    ingest(network, "A", OLDER, 2, 50)
    assert name() == "new one"
    network.site("B").site.withdraw_batch(first)
    assert name() == "old one"
    with network.site().network() as asked:
        found = slices(asked._snapshot())
        assert found.descendants_of([10]) == {1, 2, 3, 4}
        assert asked.concepts("three").height == 1
        assert asked.vocabularies(differences=True).is_empty()
