"""A full stream goes on in its next bucket; the answers and the roots do not know."""

from __future__ import annotations

import pytest

from precisionchain.ledger.batches import seals
from precisionchain.ledger.membership import Membership
from precisionchain.schemas.streams import StreamName
from tests.lib.omop_builder import answer_rows
from tests.lib.site_builder import BuiltNetwork
from tests.lib.tables import Row, draw
from tests.spec.conftest import Build

FIRST = """
    condition_occurrence
    id | person | concept | start
    1  | 7      | 10      | 2015-01-01
    2  | 8      | 10      | 2016-01-01
    """
SECOND = """
    condition_occurrence
    id | person | concept | start
    1  | 9      | 10      | 2017-01-01
    2  | 7      | 20      | 2018-01-01
    """
HEADINGS = ("person", "id", "concept", "start")


def fill(network: BuiltNetwork) -> BuiltNetwork:
    network.site("A").ingest(FIRST, source="hospital")
    network.site("A").ingest(SECOND, source="practice")
    network.site("B").ingest(FIRST)
    return network


@pytest.fixture(scope="module")
def roomy(build: Build) -> BuiltNetwork:
    return fill(build())


@pytest.fixture(scope="module")
def cramped(build: Build) -> BuiltNetwork:
    """One item fills a stream."""
    return fill(build(settings={"max_stream_items": 1}))


def answers(network: BuiltNetwork) -> list[str]:
    found: list[list[Row]] = []
    for name in ("A", "B"):
        with network.site(name).network() as asking:
            found += [answer_rows(asking.domain(concept), HEADINGS) for concept in (10, 20)]
            for person in ("A:7", "A:8", "A:9", "B:7"):
                record = asking.person(person)["condition_occurrence"]
                found.append(answer_rows(record, HEADINGS))
    return [draw(HEADINGS, rows) for rows in found]


def streams(network: BuiltNetwork) -> dict[str, int]:
    """Items by stream, of the streams that have any."""
    ledger = network.ledger()
    sizes = {name: state.items for name, state in ledger.streams().items() if state.items}
    ledger.close()
    return sizes


def test_answers_are_the_same_in_any_bucket(roomy: BuiltNetwork, cramped: BuiltNetwork) -> None:
    assert answers(cramped) == answers(roomy)


def test_a_full_bucket_is_followed_by_one_that_names_its_site(cramped: BuiltNetwork) -> None:
    """Site A has the code a0, B the code b1: no two sites can create the same name."""
    sizes = streams(cramped)
    conditions = {name: n for name, n in sizes.items() if name.startswith("CONDITION_0")}
    assert conditions == {"CONDITION_0_1": 1, "CONDITION_0_2a0": 1, "CONDITION_0_2b1": 1}
    assert {StreamName.parse(name).code for name in sizes} == {"", "a0", "b1"}


def test_no_bucket_holds_more_than_the_network_allows(cramped: BuiltNetwork) -> None:
    sizes = streams(cramped)
    unbounded = ("NETWORK_1", "CHECKPOINT_1")
    bounded = {name: n for name, n in sizes.items() if name not in unbounded}
    bounded["ACCESS_1"] -= 2  # log keys of two users, which stay there however full it is
    over = {name: n for name, n in bounded.items() if n > 1}
    assert over == {}


def test_where_there_is_room_nobody_opens_a_bucket(roomy: BuiltNetwork) -> None:
    assert {StreamName.parse(name).bucket for name in streams(roomy)} == {1}


def test_verify_finds_nothing_wrong_with_either(roomy: BuiltNetwork, cramped: BuiltNetwork) -> None:
    for network in (roomy, cramped):
        for name in ("A", "B"):
            network.site(name).domain(10)  # bring the replica up
            assert [
                check.line() for check in network.site(name).site.verify() if not check.ok
            ] == []


def test_every_batch_is_sealed_once(cramped: BuiltNetwork) -> None:
    ledger = cramped.ledger()
    membership = Membership.fold(ledger.items("NETWORK_1"))
    found = [
        (seal.publisher, seal.manifest.source) for seal in seals(ledger, membership.is_entitled)
    ]
    ledger.close()
    assert len(found) == len(set(found)) == 3
