"""Two sites at two real nodes whose line is cut: what the losing side sees, and how it goes on."""

from __future__ import annotations

from collections import Counter
from contextlib import closing
from pathlib import Path

import pytest

from precisionchain.ledger.multichain import MultiChainLedger
from precisionchain.schemas.items import Codec, Item, ItemClass, Payload
from tests.lib.multichain_ledgers import founded, opened, site_folder
from tests.lib.multichain_nodes import real_node_absent
from tests.lib.multichain_pairs import real_pair

ABSENT = real_node_absent()
STREAM, DEPTH = "CONDITION_1_1", "?finality=2"
pytestmark = [
    pytest.mark.validation,
    pytest.mark.timeout(600),
    pytest.mark.skipif(ABSENT is not None, reason=str(ABSENT)),
]


def item(publisher: int, ordinal: int) -> Item:
    payload = Payload("test", Codec.RAW, b"row" * ordinal)
    batch = bytes([publisher + 100]) * 32
    return Item(STREAM, (), ItemClass.BATCH, bytes([publisher]) * 32, batch, ordinal, payload)


def publish(ledger: MultiChainLedger, *items: Item) -> int:
    return ledger.publish(ledger.prepare(items)).new


def test_what_the_losing_side_published_lands_once(tmp_path: Path) -> None:
    with real_pair(tmp_path / "pair") as pair:
        folders = [site_folder(tmp_path, name) for name in ("first", "second")]
        with (
            closing(founded(pair.first, folders[0], MultiChainLedger, setting=DEPTH)) as first,
            closing(opened(pair.second, folders[1], MultiChainLedger, setting=DEPTH)) as second,
        ):
            first.create_stream(STREAM)
            second.make_addresses()
            first.admit(second.addresses())
            pair.first.mine(2)
            pair.agree()
            publish(first, item(1, 1))
            publish(second, item(2, 1))
            pair.first.mine(3)
            pair.agree()
            assert len(list(second.items())) >= 1

            pair.cut()
            publish(first, item(1, 2), item(1, 3))
            pair.first.mine(3)  # final for who looks at this side alone
            lost = first.head()
            assert [one.item for one in first.items()][-2:] == [item(1, 2), item(1, 3)]
            publish(second, item(2, 2))
            pair.second.mine(7)
            pair.heal()

            assert not first.extends(lost)  # a replica made there is told
            assert item(1, 2) not in [one.item for one in first.items()]
            publish(first, item(1, 2), item(1, 3))  # as the repeated command does
            pair.first.mine(3)
            pair.agree()
            expected = Counter([item(1, 1), item(1, 2), item(1, 3), item(2, 1), item(2, 2)])
            for ledger in (first, second):
                assert Counter(one.item for one in ledger.items()) == expected
                assert list(ledger.findings()) == []
                assert list(ledger._index.odd_rows()) == []
