"""Questions while a batch is being published: what nothing seals yet is neither read nor synced."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest

from precisionchain.ledger.base import Ledger, LedgerItem, Prepared, Receipt
from precisionchain.ledger.batches import seals
from precisionchain.ledger.signing import Signer
from precisionchain.opened import OpenSite
from precisionchain.schemas.items import SEAL_ORDINAL, Codec, Item, ItemClass, Payload
from precisionchain.schemas.streams import BATCH, batch_key, family_of
from tests.lib.faulty_ledger import FaultyLedger
from tests.lib.ledger_places import EmbeddedPlace, MemoryPlace
from tests.lib.site_builder import BuiltNetwork, open_on

PAGES = 300
ROWS = """
    condition_occurrence
    id | person | concept
    1  | 1      | 201826
    2  | 2      | 201826
    """


class CountingLedger(FaultyLedger):
    """Counts the items that are read of each family."""

    def __init__(self, inner: Ledger) -> None:
        super().__init__(inner)
        self.read: Counter[str] = Counter()

    def items(self, *asked: Any, **named: Any) -> Iterator[LedgerItem]:
        for found in super().items(*asked, **named):
            self.read[family_of(found.item.stream)] += 1
            yield found


@pytest.fixture
def network(tmp_path: Path) -> BuiltNetwork:
    """Site A has sealed a batch, and asked."""
    network = BuiltNetwork(tmp_path, EmbeddedPlace(tmp_path))
    network.site().ingest(ROWS)
    network.site().domain(201826)
    return network


def publish_pages(network: BuiltNetwork, *ordinals: int, kind: str = "leaves") -> None:
    """Put items into BATCH as a publication of A does before, or instead of, its manifest."""
    key, batch = network.founder.signer.public_key, bytes([9]) * 32
    payload = Payload(kind, Codec.RAW, bytes(500))
    with closing(network.ledger()) as ledger:
        for ordinal in ordinals:
            item = Item(
                "BATCH_1", (batch_key(batch),), ItemClass.BATCH, key, batch, ordinal, payload
            )
            ledger.publish(ledger.prepare([item]))


def opened_counting(network: BuiltNetwork) -> tuple[OpenSite, CountingLedger]:
    """Open A's folder as a program that asks does."""
    opened = open_on(network.place, network.founder.folder.root)
    opened.ledger = counting = CountingLedger(opened.ledger)
    return opened, counting


def test_pages_that_nothing_seals_yet_are_not_read_and_sync_nothing(network: BuiltNetwork) -> None:
    opened, counting = opened_counting(network)
    with closing(opened):
        before = opened.sync_if_behind().catalogue
        publish_pages(network, *range(PAGES))
        counting.read.clear()
        after = opened.sync_if_behind().catalogue

        assert counting.read[BATCH] == 0
        assert after.generation == before.generation


def test_a_seal_after_pages_is_found_by_reading_seals_alone(network: BuiltNetwork) -> None:
    opened, counting = opened_counting(network)
    with closing(opened):
        before = opened.sync_if_behind().catalogue
        publish_pages(network, *range(PAGES))
        network.site().ingest(ROWS + "3 | 3 | 201826\n")
        counting.read.clear()
        found = list(seals(counting, opened.membership.is_entitled))

        assert counting.read == {BATCH: 2}
        assert [seal.position for seal in found] == sorted(seal.position for seal in found)
        after = opened.sync_if_behind().catalogue
        assert len(after.sealed) == len(before.sealed) + 1
    assert network.site().domain(201826).height == 3


def test_a_manifest_that_is_none_is_looked_at_once(network: BuiltNetwork) -> None:
    opened, counting = opened_counting(network)
    with closing(opened):
        before = opened.sync_if_behind().catalogue
        publish_pages(network, SEAL_ORDINAL, kind="manifest")
        assert opened.sync_if_behind().catalogue.sealed == before.sealed
        counting.read.clear()
        opened.sync_if_behind()

        assert counting.read[BATCH] == 0


class WithholdingLedger(FaultyLedger):
    """Says that it took leaf pages, and takes them only later, after the manifest."""

    def __init__(self, inner: Ledger, late: list[Item]) -> None:
        super().__init__(inner)
        self._late = late

    def publish(self, prepared: Prepared) -> Receipt:
        self._late += [item for item in prepared.items if item.payload.kind == "leaves"]
        rest = [item for item in prepared.items if item not in self._late]
        return self.inner.publish(self.inner.prepare(rest))

    def ordinals(self, publisher: bytes, batch_id: bytes, *, final: bool = False) -> frozenset[int]:
        withheld = {item.ordinal for item in self._late if item.batch_id == batch_id}
        return self.inner.ordinals(publisher, batch_id, final=final) | withheld


class WithholdingPlace(MemoryPlace):
    """A ledger in plain lists, from which leaf pages are withheld."""

    def __init__(self, folder: Path) -> None:
        super().__init__(folder)
        self.late: list[Item] = []

    def open(self, signer: Signer) -> Ledger:
        return WithholdingLedger(super().open(signer), self.late)


def test_a_batch_that_was_not_whole_is_taken_when_its_page_comes(tmp_path: Path) -> None:
    """From another program, or on a chain, a page may land after the manifest that names it."""
    place = WithholdingPlace(tmp_path)
    network = BuiltNetwork(tmp_path, place)
    network.site().ingest(ROWS)
    opened = open_on(place, network.founder.folder.root)
    with closing(opened):
        (batch,) = opened.sync_if_behind().catalogue.incomplete
        place._ledger.publish(place._ledger.prepare(place.late))
        after = opened.sync_if_behind().catalogue

    assert place.late
    assert (after.incomplete, [one.batch for one in after.sealed]) == ((), [batch])
    assert network.site().domain(201826).height == 2
