"""Q1: concept 0, a concept that nobody has, and a concept that nobody knows."""

from __future__ import annotations

import pytest

import precisionchain as pc
from precisionchain.errors import UnknownConceptError
from precisionchain.query.criteria import Events
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

TABLES = """
    concept
    id | concept_name
    10 | Hypertension
    20 | Hypotension

    condition_occurrence
    id | person | concept | condition_source_concept_id
    1  | 7      | 10      | 20
    2  | 7      | 0       | 0

    death
    person | concept | start
    7      |         | 2020-01-06
    """


@pytest.fixture(scope="module")
def site(build: Build) -> BuiltSite:
    site = build().site()
    site.ingest(TABLES)
    return site


def ask(site: BuiltSite, concept: int, expected: str) -> None:
    assert_same(answer_rows(site.domain(concept), drawn(expected).headings), expected)


def test_concept_zero_is_asked_like_any_other(site: BuiltSite) -> None:
    """A death without a cause has no main concept: it counts as concept 0."""
    expected = """
        table                | person | concept
        condition_occurrence | A:7    | 0
        death                | A:7    |
        """
    ask(site, 0, expected)


def test_a_concept_known_from_the_vocabulary_alone_is_an_empty_answer(site: BuiltSite) -> None:
    """20 is used as a source concept, so the slice names it; it is the main concept of no row."""
    ask(site, 20, "table | person | concept")


@pytest.mark.parametrize(
    "asked",
    [pc.condition(20), pc.condition(10, since="2090-01-01"), pc.condition(10, age=(90, 99))],
)
def test_an_answer_without_rows_has_the_columns_of_its_table(
    site: BuiltSite, asked: Events
) -> None:
    with site.network() as network:
        empty, rows = network.domain(asked), network.domain(10, table="condition")
    assert (rows.height, empty.height) == (1, 0)
    assert empty.schema == rows.schema


@pytest.mark.parametrize("concept", [11, -10, 2**62])
def test_a_concept_in_no_slice_and_in_no_row_is_an_error(site: BuiltSite, concept: int) -> None:
    with pytest.raises(UnknownConceptError, match=str(concept)):
        site.domain(concept)


def test_on_an_empty_network_every_concept_is_unknown(build: Build) -> None:
    with pytest.raises(UnknownConceptError):
        build().site().domain(10)
