"""What a node says of transactions after a fork, on the double and on two real nodes."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

from tests.lib.multichain_double_chain import RpcError
from tests.lib.multichain_nodes import ReachableNode, real_node_absent, until
from tests.lib.multichain_pairs import NodePair, double_pair, real_pair


@pytest.fixture(params=["double", pytest.param("real", marks=pytest.mark.slow)])
def pair(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[NodePair]:
    if request.param == "double":
        with double_pair() as found:
            yield found
    elif absent := real_node_absent():
        pytest.skip(absent)
    else:
        with real_pair(tmp_path) as found:
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


def spending(node: ReachableNode, coin: Any, address: str, data: str) -> str:
    """Sign a transaction that spends a coin for an item."""
    item = {"for": "s", "key": "k", "data": data}
    made = node.call("createrawtransaction", [coin], {address: 0}, [item], "sign")
    return str(made["hex"])


def test_a_fork_kills_and_reorders(pair: NodePair) -> None:
    first, second = pair.first, pair.second
    first.call("create", "stream", "s", False)
    shared, alone = writer(first), writer(first)
    far = second.call("getaddresses")[0]
    first.call("grant", far, "s.write")
    first.mine()
    pair.agree()
    for node in (first, second):
        node.call("subscribe", "s")
    second.call("importprivkey", first.call("dumpprivkey", shared), "", False)
    unspent = first.call("listunspent", 0, 9999, [shared])[0]
    coin = {name: unspent[name] for name in ("txid", "vout")}
    rivals = [spending(first, coin, shared, data) for data in ("aa", "bb")]

    pair.cut()
    dead = first.call("sendrawtransaction", rivals[0])
    late = first.call("publishfrom", alone, "s", "k", "11")
    first.mine()
    orphan = first.call("getbestblockhash")
    assert shown(first) == [("aa", 1), ("11", 1)]
    second.call("sendrawtransaction", rivals[1])
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
    assert refusal(first, "sendrawtransaction", rivals[0]) in {-26, -27}
    assert refusal(second, "getrawtransaction", dead) == -710

    first.mine()
    pair.agree()
    assert shown(first) == shown(second) == [("bb", 4), ("11", 1)]


def test_a_wallet_knows_its_own_transactions_and_those_of_streams_it_follows(
    pair: NodePair,
) -> None:
    first, second = pair.first, pair.second
    me = first.call("getaddresses")[0]
    first.call("create", "stream", "s", False)
    first.call("create", "stream", "other", False)
    until(lambda: len(second.call("liststreams")) == 3, "the streams on the other node")
    second.call("subscribe", "s")
    followed = first.call("publishfrom", me, "s", "k", "01")
    foreign = first.call("publishfrom", me, "other", "k", "02")
    until(lambda: second.call("getmempoolinfo")["size"] == 4, "all on the other node")

    assert second.call("gettransaction", followed)["confirmations"] == 0
    assert len(second.call("liststreamtxitems", "s", followed)) == 1
    assert second.call("liststreamtxitems", "other", foreign) == []
    assert second.call("gettxoutdata", foreign, 0) == "02"
    assert second.call("getrawtransaction", foreign) == first.call("getrawtransaction", foreign)
    for txid in (followed, foreign):
        assert refusal(second, "getwallettransaction", txid) == -710
