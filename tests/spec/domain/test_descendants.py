"""Q1: a concept stands for itself and for every descendant that the vocabulary gives it."""

from __future__ import annotations

import pytest

from precisionchain.errors import UnknownConceptError
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

# Below 10 is 20, below 20 is 30; 30 is also below 40, which no row has. 60 is in no row.
TABLES = """
    concept_ancestor
    ancestor | descendant | levels
    10       | 10         | 0
    10       | 20         | 1
    10       | 30         | 2
    20       | 20         | 0
    20       | 30         | 1
    30       | 30         | 0
    40       | 30         | 1
    40       | 40         | 0
    10       | 60         | 1

    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 7      | 20      | 2015-01-02
    3  | 8      | 30      | 2015-01-03
    4  | 9      | 50      | 2015-01-04
    """


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest(TABLES)
    return site


def ask(site: BuiltSite, concept: int, expected: str, *, descendants: bool = True) -> None:
    answer = site.domain(concept, descendants=descendants)
    assert_same(answer_rows(answer, drawn(expected).headings), expected)


def test_a_concept_stands_for_itself_and_all_levels_below_it(site: BuiltSite) -> None:
    expected = """
        table                | id | person | concept | start
        condition_occurrence | 1  | A:7    | 10      | 2015-01-01
        condition_occurrence | 2  | A:7    | 20      | 2015-01-02
        condition_occurrence | 3  | A:8    | 30      | 2015-01-03
        """
    ask(site, 10, expected)


def test_an_intermediate_concept_leaves_what_is_above_it_out(site: BuiltSite) -> None:
    expected = """
        id | person | concept
        2  | A:7    | 20
        3  | A:8    | 30
        """
    ask(site, 20, expected)


def test_a_concept_below_two_parents_is_found_by_either(site: BuiltSite) -> None:
    """40 is in no row itself: the vocabulary slice alone knows it."""
    expected = """
        id | person | concept
        3  | A:8    | 30
        """
    ask(site, 40, expected)
    ask(site, 30, expected)


def test_without_descendants_a_concept_stands_for_itself(site: BuiltSite) -> None:
    expected = """
        id | person | concept
        1  | A:7    | 10
        """
    ask(site, 10, expected, descendants=False)


def test_without_descendants_a_concept_of_no_row_has_an_empty_answer(site: BuiltSite) -> None:
    ask(site, 40, "id | person | concept", descendants=False)


def test_a_concept_that_the_vocabulary_lacks_stands_for_itself(site: BuiltSite) -> None:
    expected = """
        id | person | concept
        4  | A:9    | 50
        """
    ask(site, 50, expected)
    ask(site, 50, expected, descendants=False)


def test_a_slice_holds_the_concepts_that_are_used_and_no_others(site: BuiltSite) -> None:
    with pytest.raises(UnknownConceptError):
        site.domain(60)


def test_concept_zero_is_unknown_where_every_row_has_a_concept(site: BuiltSite) -> None:
    with pytest.raises(UnknownConceptError):
        site.domain(0)


def test_one_batch_s_slice_expands_the_rows_of_another(build: Build) -> None:
    """A reader needs no licensed vocabulary, nor does a site that published none."""
    network = build()
    network.site("A").ingest(TABLES)
    network.site("B").ingest("""
        condition_occurrence
        id | person | concept
        1  | 7      | 20
        """)
    expected = """
        id | person | concept
        2  | A:7    | 20
        3  | A:8    | 30
        1  | B:7    | 20
        """
    ask(network.site("A"), 20, expected)
    ask(network.site("B"), 20, expected)
