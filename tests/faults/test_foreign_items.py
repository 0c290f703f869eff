"""Items that somebody else puts under a batch's key: strays, which neither answer nor unseal."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from pathlib import Path

import pytest

from precisionchain.errors import ConflictError
from precisionchain.ingest.outbox import Outbox
from precisionchain.ledger.base import Ledger, LedgerItem
from precisionchain.ledger.batches import seals
from precisionchain.ledger.embedded import EmbeddedLedger
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.items import SEAL_ORDINAL, Item, ItemClass
from precisionchain.schemas.streams import batch_key, family_of
from tests.faults.test_publish import check_whole
from tests.lib.batches import SIGNER, STREAMS, Job, entitled, parameters, unsealed
from tests.lib.ledger_places import EmbeddedPlace
from tests.lib.site_builder import BuiltNetwork

STRANGER = Signer(bytes([5]) * 32)
ROWS = """
    condition_occurrence
    id | person | concept
    1  | 1      | 201826
    2  | 2      | 201826
    """


@pytest.fixture
def network(tmp_path: Path) -> BuiltNetwork:
    """Site A has sealed a batch; B is a member, and has its own."""
    network = BuiltNetwork(tmp_path, EmbeddedPlace(tmp_path))
    network.site().ingest(ROWS)
    network.site("B")
    return network


def sealed_items_of_a(network: BuiltNetwork) -> list[LedgerItem]:
    with closing(network.ledger()) as ledger:
        publisher = network.founder.signer.public_key
        return [
            found
            for found in ledger.items()
            if found.item.publisher == publisher and found.item.item_class is ItemClass.BATCH
        ]


def published_by_b(network: BuiltNetwork, item: Item) -> None:
    with closing(network.place.open(network.site("B").signer)) as ledger:
        ledger.publish(ledger.prepare([item]))


def foreign(network: BuiltNetwork, how: str) -> Item:
    """Return an item that B publishes under A's batch."""
    found = next(f.item for f in sealed_items_of_a(network) if "CONDITION" in f.item.stream)
    other = network.site("B").signer.public_key
    match how:
        case "same ordinal":
            return replace(found, publisher=other)
        case "an ordinal more":
            return replace(found, publisher=other, ordinal=1_000)
        case "a copy in another stream":
            return replace(found, publisher=other, stream="MEASUREMENT_0_1")
        case "an ordinal more in A's name":
            return replace(found, ordinal=1_000)
        case _:
            raise AssertionError(how)


@pytest.mark.parametrize(
    "how",
    ["same ordinal", "an ordinal more", "a copy in another stream", "an ordinal more in A's name"],
)
def test_a_foreign_item_is_a_stray_that_verify_names(network: BuiltNetwork, how: str) -> None:
    before = network.site().domain(201826)
    item = foreign(network, how)
    published_by_b(network, item)

    assert network.site().domain(201826).equals(before)
    assert network.site("B").domain(201826).equals(before)
    strays = next(c for c in network.site().site.verify() if c.name == "strays")
    with closing(network.ledger()) as ledger:
        newest = max(f.position for f in ledger.items(item.stream))
    assert [(f.stream, f.position) for f in strays.findings] == [(item.stream, newest)]
    network.site().ingest(ROWS + "3 | 2 | 436670\n")
    assert network.site().domain(201826).height == before.height


# -------------------------------------------------- in the publisher's own name, before it has sent


@pytest.fixture
def ledger(tmp_path: Path) -> Iterator[EmbeddedLedger]:
    with closing(EmbeddedLedger.create(tmp_path / "ledger.sqlite", SIGNER)) as ledger:
        ledger.create_streams(STREAMS)
        yield ledger


def frozen_items(job: Job, batch: bytes) -> list[Item]:
    with closing(Outbox(job.path)) as outbox:
        return [item for _, item in outbox.items(batch, without=frozenset())]


def put(ledger: EmbeddedLedger, item: Item) -> None:
    with closing(EmbeddedLedger(ledger.path, STRANGER)) as theirs:
        theirs.publish(theirs.prepare([item]))


def sealed(ledger: Ledger) -> bool:
    return bool(list(seals(ledger, entitled)))


@pytest.mark.parametrize("ordinal", [0, 5, 12, SEAL_ORDINAL])
def test_a_place_that_somebody_took_in_our_name_is_told_and_nothing_is_sealed(
    ledger: EmbeddedLedger, tmp_path: Path, ordinal: int
) -> None:
    """Who can write the file can write any publisher's name; only seals and blocks are signed."""
    job = Job(tmp_path / "outbox.sqlite", ledger, parameters())
    items = frozen_items(job, job.fill(unsealed()).batch_id)
    ours = next(item for item in items if item.ordinal == ordinal)
    payload = next(item.payload for item in items if item.ordinal == 1)
    put(ledger, replace(ours, payload=payload))

    with pytest.raises(ConflictError, match="somebody else"):
        job.send()
    assert not sealed(ledger)
    assert job.send() == []  # forgotten: the next export has another batch id
    job.fill(unsealed(content=b"february"))
    job.send()
    assert sealed(ledger)


def test_a_copy_of_our_own_item_that_somebody_put_there_first_counts_as_ours(
    ledger: EmbeddedLedger, tmp_path: Path
) -> None:
    job = Job(tmp_path / "outbox.sqlite", ledger, parameters())
    items = frozen_items(job, job.fill(unsealed()).batch_id)
    put(ledger, items[3])
    job.send()
    check_whole(ledger)


def test_a_copy_of_our_own_item_in_another_stream_is_told(
    ledger: EmbeddedLedger, tmp_path: Path
) -> None:
    job = Job(tmp_path / "outbox.sqlite", ledger, parameters())
    items = frozen_items(job, job.fill(unsealed()).batch_id)
    elsewhere = next(s for s in STREAMS if family_of(s) != family_of(items[3].stream))
    assert batch_key(items[3].batch_id) in items[3].keys
    put(ledger, replace(items[3], stream=elsewhere))
    with pytest.raises(ConflictError, match="somebody else"):
        job.send()
    assert not sealed(ledger)
