"""A person is written site:person_id; a bare id is the own site's, or the only other one's."""

from __future__ import annotations

import pytest

from precisionchain.errors import AmbiguousPersonError, UnknownPersonError, UsageError
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.spec.conftest import Build

AT_A = """
    condition_occurrence
    id | person | concept
    1  | 42     | 10
    2  | -42    | 20
    """
AT_B = """
    condition_occurrence
    id | person | concept
    1  | 42     | 30
    2  | 7      | 30
    3  | -9223372036854775808 | 30
    """


@pytest.fixture(scope="module")
def network(build: Build) -> BuiltNetwork:
    """Sites A and B with records; site C asks and has none of its own."""
    network = build()
    network.site("A").ingest(AT_A)
    network.site("B").ingest(AT_B)
    network.site("C")
    return network


def conditions(site: BuiltSite, person: str | int, expected: str) -> None:
    rows = site.person(person)["condition_occurrence"]
    assert_same(answer_rows(rows, drawn(expected).headings), expected)


@pytest.mark.parametrize("asking", ["A", "B", "C"])
def test_every_site_gets_the_same_answer_about_a_site_s_person(
    network: BuiltNetwork, asking: str
) -> None:
    site = network.site(asking)
    conditions(site, "A:42", "person | id | concept\n A:42 | 1 | 10")
    conditions(site, "B:42", "person | id | concept\n B:42 | 1 | 30")
    conditions(site, "A:-42", "person | id | concept\n A:-42 | 2 | 20")
    smallest = "B:-9223372036854775808"
    conditions(site, smallest, f"person | id | concept\n {smallest} | 3 | 30")


def test_persons_of_one_id_at_two_sites_are_two_persons(network: BuiltNetwork) -> None:
    expected = """
        person | concept
        A:42   | 10
        """
    assert_same(answer_rows(network.site("B").domain(10), drawn(expected).headings), expected)


def test_a_bare_id_is_the_own_site_s_person_first(network: BuiltNetwork) -> None:
    conditions(network.site("A"), 42, "person | concept\n A:42 | 10")
    conditions(network.site("B"), "42", "person | concept\n B:42 | 30")
    conditions(network.site("A"), -42, "person | concept\n A:-42 | 20")


def test_a_bare_id_that_one_other_site_holds_is_that_person(network: BuiltNetwork) -> None:
    conditions(network.site("A"), 7, "person | concept\n B:7 | 30")
    conditions(network.site("C"), "-42", "person | concept\n A:-42 | 20")


def test_a_bare_id_that_several_other_sites_hold_is_an_error_that_names_them(
    network: BuiltNetwork,
) -> None:
    with pytest.raises(AmbiguousPersonError, match="A, B"):
        network.site("C").person(42)


@pytest.mark.parametrize("person", ["A:7", "B:-42", "C:42", "D:42", "a:42", 8])
def test_a_person_no_batch_has_published_is_unknown(
    network: BuiltNetwork, person: str | int
) -> None:
    with pytest.raises(UnknownPersonError):
        network.site("A").person(person)


@pytest.mark.parametrize(
    "person", ["A:", ":43", "A:43:1", "A:4.2", "A:+43", "43a", "", "A 43", "A:9223372036854775808"]
)
def test_what_is_no_person_is_refused_without_repeating_it(
    network: BuiltNetwork, person: str
) -> None:
    with pytest.raises(UsageError, match="not a person") as refusal:
        network.site("A").person(person)
    assert not any(len(part) > 1 and part in str(refusal.value) for part in person.split(":"))
