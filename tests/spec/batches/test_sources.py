"""A batch is one export of one source: the newest of each source answers, and sources add up."""

from __future__ import annotations

import pytest

from precisionchain.errors import SealRefusedError, UnknownConceptError, UnknownPersonError
from precisionchain.ledger.base import Ledger
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltNetwork, BuiltSite
from tests.lib.tables import assert_same, drawn
from tests.lib.two_months import FEBRUARY, JANUARY
from tests.spec.conftest import Build

OF_JANUARY = """
    person | id | concept | start
    A:7    | 1  | 10      | 2015-01-01
    """
OF_FEBRUARY = """
    person | id | concept | start
    A:7    | 1  | 10      | 2015-01-01
    A:9    | 3  | 10      | 2015-02-01
    """


def shows(site: BuiltSite, concept: int, expected: str) -> None:
    assert_same(answer_rows(site.domain(concept), drawn(expected).headings), expected)


def published(network: BuiltNetwork) -> list[str]:
    """Names of what is on the ledger outside the access log."""
    ledger: Ledger = network.ledger()
    names = [
        f"{found.item.stream} {found.item.batch_id.hex()} {found.item.ordinal}"
        for found in ledger.items()
        if not found.item.stream.startswith("ACCESS")
    ]
    ledger.close()
    return names


def test_the_same_source_again_publishes_nothing(build: Build) -> None:
    network = build()
    first = network.site().ingest(JANUARY)
    before = published(network)
    again = network.site().ingest(JANUARY)
    assert published(network) == before
    assert (first.new_items, again.new_items) == (first.items, 0)
    assert again.batch == first.batch
    shows(network.site(), 10, OF_JANUARY)


def test_rows_in_another_order_are_another_export_with_the_same_answer(build: Build) -> None:
    """A source is known by its files' records; an answer by its rows."""
    site = build().site()
    first = site.ingest(JANUARY)
    swapped = "\n".join([*JANUARY.splitlines()[:3], *reversed(JANUARY.splitlines()[3:5])])
    second = site.ingest(swapped)
    assert second.batch != first.batch
    shows(site, 10, OF_JANUARY)


def test_january_february_january_are_three_states(build: Build) -> None:
    site = build().site()
    batches = []
    for tables, expected in (
        (JANUARY, OF_JANUARY),
        (FEBRUARY, OF_FEBRUARY),
        (JANUARY, OF_JANUARY),
    ):
        batches.append(site.ingest(tables, allow_shrinking=True).batch)
        shows(site, 10, expected)
    assert len(set(batches)) == 3


def test_a_later_export_replaces_the_source_s_earlier_one_as_a_whole(build: Build) -> None:
    site = build().site()
    site.ingest(FEBRUARY)
    site.ingest(JANUARY, allow_shrinking=True)
    shows(site, 20, "person | id\n A:8 | 2")
    with pytest.raises(UnknownConceptError):
        site.domain(30)
    with pytest.raises(UnknownPersonError):
        site.person("A:9")


def test_an_export_that_lost_persons_is_refused_until_it_is_accepted(build: Build) -> None:
    network = build()
    site = network.site()
    site.ingest(FEBRUARY)
    before = published(network)
    with pytest.raises(SealRefusedError, match="1 of 3 persons"):
        site.ingest(JANUARY)
    assert published(network) == before
    shows(site, 10, OF_FEBRUARY)
    site.ingest(JANUARY, allow_shrinking=True)
    shows(site, 10, OF_JANUARY)


def test_sources_of_a_site_add_up_and_are_replaced_each_by_itself(build: Build) -> None:
    site = build().site()
    site.ingest(JANUARY, source="hospital")
    site.ingest(
        """
        condition_occurrence
        id | person | concept | start
        1  | 70     | 10      | 2016-01-01
        """,
        source="practice",
    )
    both = """
        person | id | start
        A:7    | 1  | 2015-01-01
        A:70   | 1  | 2016-01-01"""
    shows(site, 10, both)
    site.ingest(FEBRUARY, source="hospital")
    shows(site, 10, f"{both}\n A:9 | 3 | 2015-02-01")
    assert site.ingest(FEBRUARY, source="hospital").new_items == 0


def test_a_delivery_may_rest_on_persons_of_another_source(build: Build) -> None:
    """A person accepted in any earlier batch of the site is known to the next."""
    site = build().site()
    site.ingest(JANUARY, source="hospital")
    laboratory = (
        "measurement_id,person_id,measurement_concept_id,measurement_date\n"
        "1,7,40,2015-01-01\n2,99,40,2015-01-01\n"
    )
    done = site.ingest_files(source="laboratory", measurement=laboratory)
    assert dict(done.counts) == {"records": 2, "accepted": 1, "rejected": 1}
    shows(site, 40, "person | id\n A:7 | 1")
    assert sorted(site.person("A:7")) == ["condition_occurrence", "measurement", "person"]
