"""What nodes and networks do to a MultiChain ledger: every item is there once all the same."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator
from contextlib import closing, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from precisionchain.errors import (
    AccessRefusedError,
    ConflictError,
    LedgerFormatError,
    LedgerUnavailableError,
)
from precisionchain.ingest.outbox import Outbox
from precisionchain.ledger import multichain_client, multichain_sending
from precisionchain.ledger.base import LedgerItem, settle
from precisionchain.ledger.multichain import MultiChainLedger
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.schemas.items import Item
from tests.contract.ledger_contract import BATCH_1, SITE_A, A, B, item
from tests.lib.batches import SIGNER, STREAMS, Job, parameters, unsealed
from tests.lib.multichain_double import MultiChainDouble
from tests.lib.multichain_ledgers import LONELY, PromptLedger, founded, opened, site_folder
from tests.lib.multichain_nodes import ReachableNode, double_node

SEND = "sendrawtransaction"


@pytest.fixture
def node() -> Iterator[ReachableNode]:
    with double_node(**LONELY) as node:
        yield node


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return site_folder(tmp_path)


@pytest.fixture
def ledger(node: ReachableNode, folder: Path) -> Iterator[MultiChainLedger]:
    """Two streams; blocks are made when a test says so."""
    with closing(founded(node, folder, MultiChainLedger)) as ledger:
        ledger.create_streams([A, B])
        node.mine()
        yield ledger


def double_of(node: ReachableNode) -> MultiChainDouble:
    assert node.double is not None
    return node.double


def publish(ledger: MultiChainLedger, *items: Item) -> int:
    return ledger.publish(ledger.prepare(items)).new


def contents(ledger: MultiChainLedger) -> list[Item]:
    return [found.item for found in ledger.items()]


def written(node: ReachableNode) -> int:
    """How many items there are in all blocks, counted at the node, without our index."""
    found = 0
    for height in range(1, node.call("getblockcount") + 1):
        for txid in node.call("getblock", node.call("getblockhash", height), 1)["tx"]:
            outputs = node.call("getrawtransaction", txid, 1)["vout"]
            found += sum(len(output.get("items", ())) for output in outputs)
    return found


# ------------------------------------------------------------------------------- answers that fail


@pytest.mark.parametrize("restarted", [False, True], ids=["same program", "after a restart"])
@pytest.mark.parametrize("kind", ["drop-before", "drop-after", "hang-before", "hang-after"])
def test_a_publish_without_an_answer_is_repeated_and_lands_once(
    node: ReachableNode, folder: Path, ledger: MultiChainLedger, kind: Any, restarted: bool
) -> None:
    ledger._client._answer = 0.3
    double_of(node).doors[0].fail(kind, SEND, seconds=1)
    items = [item(0, A, "c:1"), item(1, B)]
    with pytest.raises(LedgerUnavailableError, match="may have been done"):
        publish(ledger, *items)
    again = opened(node, folder, MultiChainLedger) if restarted else ledger
    # Repeated in another cut, as a restart does that asks which ordinals are there.
    publish(again, items[1])
    publish(again, *items)
    node.mine()

    assert contents(again) == items
    assert again.ordinals(SITE_A, BATCH_1, final=True) == {0, 1}
    assert written(node) == 2
    assert list(again.findings()) == []
    again.close()


@pytest.mark.parametrize("kind", ["drop-before", "drop-after"])
def test_whichever_call_of_a_publish_fails_it_lands_once(
    node: ReachableNode, ledger: MultiChainLedger, kind: Any
) -> None:
    door = double_of(node).doors[0]
    before = len(door.calls)
    publish(ledger, item(0))
    for number in range(1, len(door.calls) - before + 5):
        door.fail(kind, skip=number - 1)
        with suppress(LedgerUnavailableError):
            publish(ledger, item(number))
        publish(ledger, item(number))
        door._faults.clear()
        node.mine()
        assert contents(ledger) == [item(n) for n in range(number + 1)]
    assert written(node) == number + 1


@pytest.mark.parametrize("kind", ["busy", "starting"])
def test_a_call_that_the_node_did_not_take_is_made_again(
    node: ReachableNode, ledger: MultiChainLedger, kind: Any
) -> None:
    for method in ("createrawsendfrom", SEND, "getrawmempool"):
        double_of(node).doors[0].fail(kind, method, times=2)
    assert publish(ledger, item(0)) == 1
    double_of(node).doors[0].fail(kind, times=1000)
    with pytest.raises(LedgerUnavailableError, match=r"overloaded|starting"):
        ledger.head()


def test_a_new_address_waits_for_the_block_that_gave_it_its_rights(
    node: ReachableNode, ledger: MultiChainLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    wallet = double_of(node).nodes[0].wallet
    held = set(double_of(node).nodes[0].pool.coins)
    wallet.locked_coins |= held
    in_a_block = threading.Timer(0.6, wallet.locked_coins.difference_update, [held])
    in_a_block.start()
    assert publish(ledger, item(0)) == 1
    in_a_block.join()

    wallet.locked_coins |= set(double_of(node).nodes[0].pool.coins)
    ledger._client._patience = 0.1
    monkeypatch.setattr(multichain_client, "GRANT_SECONDS", 0.3)
    with pytest.raises(LedgerUnavailableError, match="no block has the rights"):
        publish(ledger, item(1))
    wallet.locked_coins.clear()
    assert publish(ledger, item(1)) == 1
    node.mine()
    assert contents(ledger) == [item(0), item(1)]


def test_a_ledger_outlives_its_node(node: ReachableNode, ledger: MultiChainLedger) -> None:
    publish(ledger, item(0))
    double_of(node).stop()
    with pytest.raises(LedgerUnavailableError, match="no connection"):
        publish(ledger, item(1))
    double_of(node).start(refusals=2)
    assert publish(ledger, item(0), item(1)) == 1
    node.mine()
    assert contents(ledger) == [item(0), item(1)]


# ----------------------------------------------------------------------- transactions that conflict


def unsent(node: ReachableNode, ledger: MultiChainLedger, *items: Item) -> str:
    """Publish without an answer and without an effect; return the signed transaction in hex."""
    double_of(node).doors[0].fail("drop-before", SEND)
    with pytest.raises(LedgerUnavailableError):
        publish(ledger, *items)
    (txid,) = ledger._index.signed_items()
    return ledger._index.signed_bytes(txid).hex()


def test_a_transaction_is_dead_once_what_took_its_coin_is_final(
    node: ReachableNode, ledger: MultiChainLedger
) -> None:
    double_of(node).double_spend(unsent(node, ledger, item(0)))
    with pytest.raises(LedgerUnavailableError, match="not decided"):
        publish(ledger, item(0))
    node.mine()
    assert publish(ledger, item(0)) == 1
    node.mine()

    assert contents(ledger) == [item(0)]
    assert written(node) == 1


def test_a_transaction_that_landed_is_known_by_its_id_whatever_the_node_answers(
    node: ReachableNode, ledger: MultiChainLedger
) -> None:
    raw = unsent(node, ledger, item(0))
    node.call(SEND, raw)
    node.mine()  # sent again now, it is refused with -27, as a dead one is

    assert publish(ledger, item(0)) == 0
    assert contents(ledger) == [item(0)]


def test_a_transaction_refused_the_first_time_it_is_sent_is_signed_anew_at_once(
    node: ReachableNode, ledger: MultiChainLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    double, send = double_of(node), ledger._client.sendrawtransaction
    taken: list[str] = []

    def late(raw: str) -> Any:
        if not taken:
            taken.append(double.double_spend(raw))
        return send(raw)

    monkeypatch.setattr(ledger._client, SEND, late)
    assert publish(ledger, item(0)) == 1
    node.mine()
    assert contents(ledger) == [item(0)]


def test_two_programs_of_a_site_that_publish_the_same_write_it_once(
    node: ReachableNode, folder: Path, ledger: MultiChainLedger
) -> None:
    def work() -> None:
        with closing(opened(node, folder, MultiChainLedger)) as mine:
            for number in range(10):
                publish(mine, item(2 * number), item(2 * number + 1, B))

    threads = [threading.Thread(target=work) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    node.mine()

    assert sorted(one.ordinal for one in contents(ledger)) == list(range(20))
    assert written(node) == 20


# --------------------------------------------------------------------------------- blocks that go


def test_nothing_shows_before_it_is_final_and_nothing_final_moves(folder: Path) -> None:
    with (
        double_node(**LONELY) as node,
        closing(founded(node, folder, MultiChainLedger, setting="?finality=3")) as ledger,
    ):
        ledger.create_stream(A)
        node.mine(3)
        for ordinal in range(3):
            publish(ledger, item(ordinal))
        node.mine()
        before = ledger.head()
        assert contents(ledger) == []
        assert ledger.ordinals(SITE_A, BATCH_1) == {0, 1, 2}
        assert ledger.ordinals(SITE_A, BATCH_1, final=True) == frozenset()
        assert ledger.streams()[A].items == 3
        double_of(node).reorganise(1, order=lambda txs: txs[::-1])
        node.mine(2)

        assert {one.ordinal for one in contents(ledger)} == {0, 1, 2}
        assert ledger.extends(before)
        assert list(ledger.findings()) == []


def test_what_a_fork_dropped_is_published_again_and_lands_once(
    node: ReachableNode, ledger: MultiChainLedger
) -> None:
    publish(ledger, item(0), item(1))
    node.mine()
    held = ledger.head()
    (txid,) = {row.txid for row, _ in ledger._index.rows(A, None, -1, 1 << 62)}
    assert double_of(node).reorganise(1, drop=[txid]) == [txid]

    assert contents(ledger) == []
    assert not ledger.extends(held)  # what the replica is told: see replica.history
    assert publish(ledger, item(0), item(1)) == 0  # the same transaction, sent again
    node.mine()
    assert contents(ledger) == [item(0), item(1)]
    assert written(node) == 2


def test_settle_waits_for_blocks_and_not_for_ever(
    node: ReachableNode, ledger: MultiChainLedger
) -> None:
    publish(ledger, item(0))
    with pytest.raises(LedgerUnavailableError, match="not final"):
        settle(ledger, SITE_A, BATCH_1, seconds=0.1)
    timer = threading.Timer(0.1, node.mine)
    timer.start()
    settle(ledger, SITE_A, BATCH_1, seconds=10)
    assert contents(ledger) == [item(0)]
    timer.join()


def test_publishing_holds_back_while_too_much_waits_for_a_block(
    folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with (
        double_node(**LONELY, maximum_block_size=100_000) as node,
        closing(founded(node, folder, MultiChainLedger)) as ledger,
    ):
        ledger.create_streams([A, "ACCESS_1"])
        node.mine()
        for ordinal in range(7):
            publish(ledger, item(ordinal, body=bytes(60_000)))
        monkeypatch.setattr(multichain_sending, "HOLD_SECONDS", 0.3)
        with pytest.raises(LedgerUnavailableError, match="wait for a block"):
            publish(ledger, item(8))
        assert publish(ledger, item(9, "ACCESS_1")) == 1  # log entries never wait
        monkeypatch.setattr(multichain_sending, "HOLD_SECONDS", 30)
        timer = threading.Timer(0.2, node.mine)
        timer.start()
        started = time.monotonic()
        assert publish(ledger, item(8)) == 1
        assert time.monotonic() - started > 0.1
        timer.join()


def test_a_node_without_peers_says_so(folder: Path) -> None:
    with (
        double_node(mining_requires_peers=True) as node,
        closing(founded(node, folder, MultiChainLedger)) as ledger,
    ):
        assert ledger.depth == 6
        assert [found.check for found in ledger.findings()] == ["isolated"]
        double_of(node).nodes[0].peers = 1
        assert list(ledger.findings()) == []


# -------------------------------------------------------------------------------- who may write


@pytest.fixture
def other(node: ReachableNode, ledger: MultiChainLedger, tmp_path: Path) -> PromptLedger:
    """Another site of the same node, admitted."""
    other = opened(node, site_folder(tmp_path, "other"), PromptLedger)
    other.make_addresses()
    ledger.admit(other.addresses())
    ledger.admit(other.addresses())
    node.mine()
    return other


def found_by(ledger: MultiChainLedger) -> list[LedgerItem]:
    return list(ledger.items())


def test_who_is_not_admitted_cannot_write_and_who_is_dismissed_no_more(
    node: ReachableNode, ledger: MultiChainLedger, other: PromptLedger, tmp_path: Path
) -> None:
    publish(other, item(0))
    ledger.dismiss(other.addresses())
    node.mine()
    with pytest.raises(AccessRefusedError):
        publish(other, item(1))
    stranger = opened(node, site_folder(tmp_path, "stranger"), PromptLedger)
    stranger.make_addresses()
    with pytest.raises(AccessRefusedError):
        publish(stranger, item(2))
    with pytest.raises(AccessRefusedError):
        other.admit(stranger.addresses())

    assert [(found.item, found.address) for found in found_by(ledger)] == [
        (item(0), other.addresses()["publish"])
    ]


def test_the_right_to_send_goes_before_the_rights_on_streams(
    ledger: MultiChainLedger, other: PromptLedger, monkeypatch: pytest.MonkeyPatch
) -> None:
    taken: list[tuple[str, str]] = []
    revoke = NodeClient.revokefrom

    def recorded(client: NodeClient, giver: str, address: str, rights: str) -> object:
        taken.append((address, rights))
        return revoke(client, giver, address, rights)

    monkeypatch.setattr(NodeClient, "revokefrom", recorded)
    ledger.dismiss(other.addresses())
    for address in other.addresses().values():
        of_address = [rights for taken_from, rights in taken if taken_from == address]
        assert "send" in of_address[0].split(",")
        assert any("." in rights for rights in of_address[1:]) or len(of_address) == 1
    assert any("." in rights for _, rights in taken)


def test_another_administrator_gives_and_takes_what_the_first_does(
    node: ReachableNode, ledger: MultiChainLedger, other: PromptLedger, tmp_path: Path
) -> None:
    second = opened(node, site_folder(tmp_path, "second"), PromptLedger)
    third = opened(node, site_folder(tmp_path, "third"), PromptLedger)
    for joining in (second, third):
        joining.make_addresses()
    ledger.admit(second.addresses(), admin=True)
    node.mine()
    other.create_stream("CLIN_PERSON_7_2a1")
    second.admit(third.addresses())
    node.mine()
    publish(third, item(0))

    second.dismiss(other.addresses())
    node.mine()
    with pytest.raises(AccessRefusedError):
        publish(other, item(1))
    second.admit(other.addresses())
    node.mine()
    publish(other, item(2))

    second.admit(ledger.addresses())  # no administrator any more
    node.mine()
    with pytest.raises(AccessRefusedError):
        ledger.dismiss(third.addresses())
    publish(third, item(3))
    publish(ledger, item(4))
    node.mine()
    assert [found.item for found in found_by(second)] == [item(0), item(2), item(3), item(4)]


def test_what_a_member_writes_under_another_s_batch_is_a_stray(
    ledger: MultiChainLedger, other: PromptLedger, node: ReachableNode
) -> None:
    junk = item(0, body=b"not what A says")
    publish(other, junk)
    assert publish(ledger, item(0), item(1)) == 2
    node.mine()

    assert contents(ledger) == [junk, item(0), item(1)]
    assert publish(ledger, item(0)) == 0
    with pytest.raises(ConflictError):
        publish(ledger, item(1, body=b"other"))
    publish(other, item(1))  # a copy of A's, as it stands on the ledger
    assert contents(ledger) == [junk, item(0), item(1)]


# ---------------------------------------------------------------------------------- the local index


def test_the_index_may_be_lost_and_is_derived_again(
    node: ReachableNode, folder: Path, ledger: MultiChainLedger
) -> None:
    publish(ledger, item(0, A, "c:1", body=bytes(20_000)), item(1))
    node.mine()
    everything = found_by(ledger)
    ledger.close()
    (folder / "multichain.sqlite").unlink()
    with closing(opened(node, folder, MultiChainLedger)) as again:
        assert found_by(again) == everything
        assert publish(again, everything[0].item) == 0
    with closing(opened(node, None, MultiChainLedger)) as reading:
        assert found_by(reading) == everything
        with pytest.raises(LedgerUnavailableError, match="reading only"):
            publish(reading, item(2))


def test_a_changed_index_is_found(node: ReachableNode, ledger: MultiChainLedger) -> None:
    publish(ledger, item(0), item(1, B))
    node.mine()
    position = found_by(ledger)[1].position
    with ledger._index.writing() as database:
        database.execute("DELETE FROM items WHERE position = ?", (position,))
    found = [(one.check, one.stream, one.position) for one in ledger.findings()]
    assert found == [("index", B, position)]


def test_an_index_of_another_chain_is_refused(
    node: ReachableNode, folder: Path, ledger: MultiChainLedger
) -> None:
    ledger.close()
    time.sleep(1.1)  # the double's first block is known by its second
    with (
        double_node(**LONELY) as elsewhere,
        pytest.raises(LedgerFormatError, match="another chain"),
    ):
        opened(elsewhere, folder, MultiChainLedger)


def test_a_batch_goes_on_while_its_first_items_wait_for_a_block(
    node: ReachableNode, ledger: MultiChainLedger, tmp_path: Path
) -> None:
    """A job was killed after its first transaction; the next one finds it without a block."""
    ledger.create_streams(STREAMS)
    node.mine()
    job = Job(tmp_path / "outbox.sqlite", ledger, parameters())
    frozen = job.fill(unsealed())
    with closing(Outbox(job.path)) as outbox:
        kept = list(outbox.items(frozen.batch_id, without=frozenset()))[:3]
    publish(ledger, *(replace(one, stream=f"{family}_1") for family, one in kept))
    assert not ledger.ordinals(SIGNER.public_key, frozen.batch_id, final=True)
    double_of(node).mine_every(0.05)
    (sent,) = job.send()
    assert (sent.items, sent.new_items) == (frozen.items, frozen.items - 3)
    assert written(node) == frozen.items
