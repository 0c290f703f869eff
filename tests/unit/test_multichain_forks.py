"""What a node says of transactions after a fork, on the double and on two real nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lib.multichain_double_chain import RpcError
from tests.lib.multichain_nodes import ReachableNode, real_node_absent, until
from tests.lib.multichain_pairs import NodePair, double_pair, real_pair


@pytest.fixture(scope="module", params=["double", pytest.param("real", marks=pytest.mark.slow)])
def pair(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[NodePair]:
    if request.param == "double":
        with double_pair() as found:
            yield found
    elif absent := real_node_absent():
        pytest.skip(absent)
    else:
        folder: Path = tmp_path_factory.mktemp("pair")
        with real_pair(folder) as found:
            yield found


def shown(node: ReachableNode) -> list[tuple[str, int]]:
    items = node.call("liststreamitems", "s", False, 1000)
    return [(item["data"], item["confirmations"]) for item in items]


def refusal(node: ReachableNode, method: str, *params: Any) -> int:
    with pytest.raises(RpcError) as refused:
        node.call(method, *params)
    return refused.value.code


def writer(node: ReachableNode) -> str:
    address: str = node.call("getnewaddress")
    node.call("grant", address, "send")
    node.call("grant", address, "s.write")
    return address


@pytest.fixture
def shared(pair: NodePair) -> str:
    """An address whose key both nodes hold: only so can a fork spend a coin twice."""
    first, second = pair.first, pair.second
    if "s" not in [one["name"] for one in first.call("liststreams")]:
        first.call("create", "stream", "s", False)
    address = writer(first)
    second.call("importprivkey", first.call("dumpprivkey", address), "", False)
    first.mine()
    pair.agree()
    for node in (first, second):
        node.call("subscribe", "s")
    return address


def rivals(node: ReachableNode, address: str, *data: str) -> list[str]:
    """Sign several transactions that spend one coin of an address."""
    unspent = node.call("listunspent", 0, 9999, [address])[0]
    coin = {name: unspent[name] for name in ("txid", "vout")}
    return [spending(node, coin, address, one) for one in data]


def spending(node: ReachableNode, coin: Any, address: str, data: str) -> str:
    """Sign a transaction that spends a coin for an item."""
    item = {"for": "s", "key": "k", "data": data}
    made = node.call("createrawtransaction", [coin], {address: 0}, [item], "sign")
    return str(made["hex"])


def test_a_fork_kills_and_reorders(pair: NodePair, shared: str) -> None:
    first, second = pair.first, pair.second
    alone = writer(first)
    near, far = rivals(first, shared, "aa", "bb")

    pair.cut()
    dead = first.call("sendrawtransaction", near)
    late = first.call("publishfrom", alone, "s", "k", "11")
    first.mine()
    orphan = first.call("getbestblockhash")
    assert shown(first) == [("aa", 1), ("11", 1)]
    second.call("sendrawtransaction", far)
    second.mine(3)
    assert shown(second) == [("bb", 3)]
    pair.heal()

    # What is still valid waits again, now behind what the other side wrote.
    assert shown(first) == [("bb", 3), ("11", 0)]
    until(lambda: len(shown(second)) == 2, "the waiting item on the other node")
    assert first.call("getwallettransaction", late)["confirmations"] == 0
    # What is dead is gone in the chain's order; by arrival, and by txid, it looks unconfirmed.
    local = first.call("liststreamitems", "s", True, 10, 0, True)
    by_txid = first.call("liststreamtxitems", "s", dead, True)
    for found in ([item for item in local if item["txid"] == dead], by_txid):
        assert [(item["confirmations"], item["valid"]) for item in found] == [(0, False)]
    raw = first.call("getrawtransaction", dead, 1)
    assert (raw["confirmations"], raw["blockhash"]) == (0, orphan)
    assert "blocktime" not in raw
    for method in ("getwallettransaction", "gettransaction"):
        described = first.call(method, dead)
        assert (described["confirmations"], described["valid"]) == (-1, False)
        assert "blockhash" not in described
    assert first.call("gettxoutdata", dead, 1) == "aa"
    assert refusal(first, "sendrawtransaction", near) in {-26, -27}
    assert refusal(second, "getrawtransaction", dead) == -710

    first.mine()
    pair.agree()
    assert shown(first) == shown(second) == [("bb", 4), ("11", 1)]


def test_a_waiting_transaction_that_another_block_kills_is_nowhere(
    pair: NodePair, shared: str
) -> None:
    first, second = pair.first, pair.second
    near, far = rivals(first, shared, "cc", "dd")
    pair.cut()
    first.call("sendrawtransaction", near)
    first.mine(2)
    dead = second.call("sendrawtransaction", far)
    assert ("dd", 0) in shown(second)
    pair.heal()

    assert ("dd", 0) not in shown(second)
    assert refusal(second, "getrawtransaction", dead) == -710
    described = second.call("getwallettransaction", dead)
    assert (described["confirmations"], described["valid"]) == (-1, False)
    (item,) = second.call("liststreamtxitems", "s", dead, True)
    assert (item["confirmations"], item["valid"]) == (0, False)
    assert refusal(second, "sendrawtransaction", far) in {-26, -27}


def test_a_wallet_knows_its_own_transactions_and_those_of_streams_it_follows(
    pair: NodePair,
) -> None:
    first, second = pair.first, pair.second
    me = first.call("getaddresses")[0]
    for name in ("followed", "other"):
        first.call("create", "stream", name, False)
    first.mine()
    pair.agree()
    second.call("subscribe", "followed")
    followed = first.call("publishfrom", me, "followed", "k", "01")
    foreign = first.call("publishfrom", me, "other", "k", "02")
    until(lambda: second.call("getmempoolinfo")["size"] == 2, "both on the other node")

    assert second.call("gettransaction", followed)["confirmations"] == 0
    assert len(second.call("liststreamtxitems", "followed", followed)) == 1
    assert second.call("liststreamtxitems", "other", foreign) == []
    assert second.call("gettxoutdata", foreign, 0) == "02"
    assert second.call("getrawtransaction", foreign) == first.call("getrawtransaction", foreign)
    for txid in (followed, foreign):
        assert refusal(second, "getwallettransaction", txid) == -710
