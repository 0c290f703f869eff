"""What a test can do to the MultiChain double: faults, forks, restarts, calls that break nodes."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from tests.lib.multichain_double import MultiChainDouble
from tests.lib.multichain_double_chain import RpcError
from tests.lib.multichain_double_http import FaultKind

Call = Callable[..., Any]


@pytest.fixture
def chain() -> Iterator[MultiChainDouble]:
    with MultiChainDouble(2) as found:
        yield found


@pytest.fixture
def session() -> Iterator[requests.Session]:
    with requests.Session() as found:
        found.trust_env = False
        yield found


@pytest.fixture
def call(chain: MultiChainDouble, session: requests.Session) -> Call:
    """Call a method of node 0, or of ``node``."""

    def one(method: str, *params: Any, node: int = 0) -> Any:
        body: dict[str, Any] = {"method": method, "params": params, "id": 1}
        who = (chain.user, chain.password)
        answer = session.post(chain.url(node), json=body, auth=who, timeout=10)
        error = answer.json()["error"]
        if error is not None:
            raise RpcError(error["code"], error["message"])
        return answer.json()["result"]

    return one


@pytest.fixture
def me(chain: MultiChainDouble, call: Call) -> str:
    """Node 0's address, with a stream "s" that both nodes follow."""
    call("create", "stream", "s", False)
    for node in (0, 1):
        call("subscribe", "s", node=node)
    chain.mine()
    return chain.address()


def shown(call: Call, node: int = 0) -> list[str]:
    return [item["data"] for item in call("liststreamitems", "s", False, 1000, node=node)]


@pytest.mark.parametrize(("kind", "landed"), [("drop-before", False), ("drop-after", True)])
def test_a_dropped_connection_says_nothing_of_the_effect(
    chain: MultiChainDouble, call: Call, me: str, kind: FaultKind, *, landed: bool
) -> None:
    chain.doors[0].fail(kind, "publishfrom", skip=1)
    call("publishfrom", me, "s", "k", "01")
    with pytest.raises(requests.ConnectionError, match="RemoteDisconnected"):
        call("publishfrom", me, "s", "k", "02")
    assert shown(call) == ["01", "02"][: 1 + landed]


def test_a_hanging_node_answers_nobody_but_others(
    chain: MultiChainDouble, session: requests.Session, call: Call, me: str
) -> None:
    chain.doors[0].fail("hang-after", "publishfrom")
    body: dict[str, Any] = {"method": "publishfrom", "params": [me, "s", "k", "01"], "id": 1}
    with pytest.raises(requests.ReadTimeout):
        session.post(chain.url(), json=body, auth=(chain.user, chain.password), timeout=0.2)
    assert shown(call) == ["01"]


def test_an_overloaded_node_says_503_in_plain_text(
    chain: MultiChainDouble, session: requests.Session
) -> None:
    chain.doors[0].fail("busy", times=2)
    body: dict[str, Any] = {"method": "getinfo", "id": 1}
    who = (chain.user, chain.password)
    answers = [session.post(chain.url(), json=body, auth=who, timeout=10) for _ in range(3)]
    assert [answer.status_code for answer in answers] == [503, 503, 200]
    assert answers[0].text == "Work queue depth exceeded"


def test_more_than_twenty_calls_at_once_are_too_many(
    chain: MultiChainDouble, session: requests.Session
) -> None:
    chain.doors[0].fail("hang-before", times=20, seconds=0.5)
    body: dict[str, Any] = {"method": "getinfo", "id": 1}

    def one(_number: int) -> int:
        try:
            answer = requests.post(
                chain.url(), json=body, auth=(chain.user, chain.password), timeout=10
            )
        except requests.ConnectionError:
            return 0
        return answer.status_code

    with ThreadPoolExecutor(30) as pool:
        statuses = list(pool.map(one, range(30)))
    assert statuses.count(503) == 10


def test_a_stopped_node_refuses_and_comes_back_with_what_it_knew(
    chain: MultiChainDouble, call: Call, me: str
) -> None:
    call("publishfrom", me, "s", "k", "01")
    call("setruntimeparam", "maxshowndata", 5)
    unspent = call("listunspent", 0)
    call("lockunspent", False, [{"txid": one["txid"], "vout": one["vout"]} for one in unspent])
    url = chain.url()
    chain.stop()
    with pytest.raises(requests.ConnectionError):
        call("getinfo")
    chain.start(refusals=2)
    assert chain.url() == url
    for _ in range(2):
        with pytest.raises(RpcError) as refused:
            call("getinfo")
        assert refused.value.code == -28
    assert shown(call) == ["01"]
    assert call("listlockunspent") == []
    assert call("getruntimeparams")["maxshowndata"] == 16384


def test_a_locked_wallet_signs_and_mines_nothing(
    chain: MultiChainDouble, call: Call, me: str
) -> None:
    def refused(method: str, *params: Any) -> int:
        with pytest.raises(RpcError) as found:
            call(method, *params)
        return found.value.code

    signed = call("createrawsendfrom", me, {}, ["aa"], "sign")["hex"]
    unsigned = call("createrawsendfrom", me, {}, ["bb"])
    assert refused("walletlock") == -15
    call("encryptwallet", "words")
    for method, params in (
        ("publishfrom", (me, "s", "k", "01")),
        ("createrawsendfrom", (me, {}, ["aa"], "sign")),
        ("signrawtransaction", (unsigned,)),
        ("create", ("stream", "t", False)),
        ("grant", (me, "send")),
    ):
        assert refused(method, *params) == -13, method
    assert refused("publishfrom", me, "none", "k", "01") == -708
    assert shown(call) == []
    call("sendrawtransaction", signed)  # what is signed may go
    height = call("getblockcount")
    chain.mine_every(0.01)
    time.sleep(0.1)
    assert call("getblockcount") == height
    assert refused("walletpassphrase", "other words", 60) == -14
    call("walletpassphrase", "words", 60)
    time.sleep(0.2)
    assert call("getblockcount") > height
    chain.stop()
    chain.start()
    assert refused("publishfrom", me, "s", "k", "01") == -13


def test_connected_nodes_see_each_others_transactions(
    chain: MultiChainDouble, call: Call, me: str
) -> None:
    txid = call("publishfrom", me, "s", "k", "01")
    assert shown(call, node=1) == ["01"]
    chain.mine(node=1)
    assert call("getrawtransaction", txid, 1)["confirmations"] == 1
    assert [len(call("getpeerinfo", node=node)) for node in (0, 1)] == [1, 1]
    chain.nodes[0].peers = 0
    assert call("getpeerinfo") == []
    assert call("getinfo")["connections"] == 0


def test_a_healed_fork_takes_the_longer_side_and_keeps_what_is_still_valid(
    chain: MultiChainDouble, call: Call, me: str
) -> None:
    other = chain.address(1)
    call("grant", other, "s.write")
    chain.mine()
    chain.partition([0], [1])
    assert call("getpeerinfo") == []
    call("publishfrom", me, "s", "k", "aa")
    chain.mine(1)
    call("publishfrom", other, "s", "k", "bb", node=1)
    chain.mine(2, node=1)
    assert (shown(call), shown(call, node=1)) == (["aa"], ["bb"])
    chain.heal()
    assert shown(call) == shown(call, node=1) == ["bb", "aa"]
    confirmations = [item["confirmations"] for item in call("liststreamitems", "s")]
    assert confirmations == [2, 0]
    assert call("getbestblockhash") == call("getbestblockhash", node=1)


def test_a_reorganisation_drops_and_reorders(chain: MultiChainDouble, call: Call, me: str) -> None:
    other = call("getnewaddress")
    call("grant", other, "send")
    call("grant", other, "s.write")
    chain.mine()
    lost = call("publishfrom", me, "s", "k", "01")
    child = call("publishfrom", me, "s", "k", "02")  # spends the first one's change
    call("publishfrom", other, "s", "k", "03")
    chain.mine()
    call("publishfrom", other, "s", "k", "04")
    height, block = call("getblockcount"), call("getbestblockhash")
    assert shown(call) == ["01", "02", "03", "04"]
    assert chain.reorganise(1, drop=[lost]) == [lost, child]
    assert shown(call) == shown(call, node=1) == ["03", "04"]
    assert call("getblockcount") == height + 1
    assert call("getblockhash", height) != block
    chain.mine()
    assert chain.reorganise(3, order=lambda txs: txs[::-1]) == []
    assert shown(call) == ["04", "03"]  # they spend different coins, so either order is valid


def test_a_dropped_transaction_may_be_sent_again_until_its_coin_is_spent(
    chain: MultiChainDouble, call: Call, me: str
) -> None:
    items = [{"for": "s", "key": "k", "data": "01"}]
    signed = call("createrawsendfrom", me, {}, items, "sign")["hex"]
    txid = call("sendrawtransaction", signed)
    chain.mine()
    chain.reorganise(1, drop=[txid])
    assert call("sendrawtransaction", signed) == txid
    chain.mine()
    chain.reorganise(1, drop=[txid])
    rival = chain.double_spend(signed)
    with pytest.raises(RpcError, match="18: bad-txns-inputs-spent") as dead:
        call("sendrawtransaction", signed)
    assert dead.value.code == -26
    chain.mine()
    assert call("getrawtransaction", rival, 1)["confirmations"] == 1
    with pytest.raises(RpcError) as buried:
        call("sendrawtransaction", signed)
    assert buried.value.code in {-26, -27}
    assert shown(call) == []


def test_a_block_takes_no_more_than_fits(session: requests.Session) -> None:
    with MultiChainDouble(parameters={"maximum-block-size": 5000}) as chain:
        node = chain.nodes[0]
        who = (chain.user, chain.password)
        for _ in range(3):
            body: dict[str, Any] = {
                "method": "publish",
                "params": ["root", "k", "00" * 2000],
                "id": 1,
            }
            session.post(chain.url(), json=body, auth=who, timeout=10).raise_for_status()
        assert len(node.mempool) == 3
        chain.mine()
        assert len(node.mempool) == 1
        chain.mine()
        assert len(node.mempool) == 0


@pytest.mark.parametrize(
    ("method", "params"),
    [
        ("getwallettransaction", ["nope"]),
        ("getwallettransaction", ["00" * 32]),
        ("gettransaction", [""]),
        ("gettxoutdata", [7]),
    ],
)
def test_a_call_that_breaks_real_nodes_fails_the_test(
    session: requests.Session, method: str, params: list[Any]
) -> None:
    chain = MultiChainDouble()

    def post(method: str, params: list[Any]) -> Any:
        body: dict[str, Any] = {"method": method, "params": params, "id": 1}
        who = (chain.user, chain.password)
        return session.post(chain.url(), json=body, auth=who, timeout=10).json()

    published = post("publish", ["root", "k", "aa"])["result"]
    chain.check()
    if method == "gettxoutdata":
        assert post(method, [published, *params])["error"]["code"] == -712
    else:
        with pytest.raises(requests.ConnectionError):
            post(method, params)
    chain.close()
    with pytest.raises(AssertionError, match="would have died or hung"):
        chain.check()
