"""What a MultiChain 2.3 node answers, continued: raw transactions, coins, blocks, HTTP."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from tests.lib.multichain_shapes import ADDRESS, HEX, TXID, Each, Fields
from tests.lib.multichain_steps import BLOCK, Derive, Post, fails, gives
from tests.lib.multichain_transcript import (
    SENDLESS,
    STREAM,
    UNWRITABLE,
    Scene,
    stream,
    writer,
)

NO_COIN = (
    "No unspent outputs are available. Please send a transaction, with zero amount, to this node "
    "or address first and wait for its confirmation."
)
UNENTITLED = "64: Metadata script rejected - Inputs don't belong to valid publisher"
SPENT = "18: bad-txns-inputs-spent"
ALREADY = "transaction already in block chain"


ITEM: list[dict[str, Any]] = [{"for": STREAM, "key": "k", "data": "aa"}]
NOWHERE = {"for": "no{tag}", "key": "k", "data": "aa"}
NOTHING = "Either addresses object or data array should not be empty"
UNSPENT_OF_A = ("listunspent", 0, 9999, ["$a"])
BLOCK_ITEMS = ("liststreamblockitems", STREAM)
FOREIGN_METHOD = {"code": -32601, "message": "Method not found"}


def signs(coin: str, key: str, keep: str) -> Scene:
    """Sign a transaction that spends a kept coin for an item, and keep its hex and its only
    other output, the coin that comes back, as ``<keep>_coin``."""
    items = [{"for": STREAM, "key": key, "data": "aa"}]
    return [
        gives(
            Fields(complete=True),
            *("createrawtransaction", ["$" + coin], {"$a": 0}, items, "sign"),
            keep=f"{keep}=hex",
        ),
        gives(
            Fields(vout=[Fields(n=0, scriptPubKey=Fields(addresses=["$a"])), Fields(n=1)]),
            *("decoderawtransaction", "$" + keep),
            keep=f"{keep}_txid=txid",
        ),
        Derive(f"{keep}_coin", lambda kept: {"txid": kept[f"{keep}_txid"], "vout": 0}),
    ]


SIGNED: Scene = [
    *stream(),
    *writer("a"),
    BLOCK,
    gives(
        {"hex": HEX, "complete": True},
        "createrawsendfrom",
        "$a",
        {},
        [
            {"for": STREAM, "keys": ["k", "l"], "data": "00ff"},
            {"for": STREAM, "key": "m", "data": ""},
        ],
        "sign",
        keep="signed=hex",
    ),
    gives(
        Fields(
            txid=TXID,
            vin=[Fields(txid=TXID, vout=int)],
            vout=[
                Fields(n=0, items=[Fields(name=STREAM, keys=["k", "l"], data="00ff")]),
                Fields(n=1, items=[Fields(publishers=["$a"], data="")]),
                Fields(n=2, scriptPubKey=Fields(type="pubkeyhash", addresses=["$a"])),
            ],
        ),
        *("decoderawtransaction", "$signed"),
        keep="txid=txid",
    ),
    fails(-710, "No information available about transaction", "getrawtransaction", "$txid", 1),
    fails(-710, "Invalid or non-wallet transaction id", "getwallettransaction", "$txid"),
    gives([], "liststreamitems", STREAM),
    gives("$txid", "sendrawtransaction", "$signed"),
    gives("$txid", "sendrawtransaction", "$signed"),
    gives([Fields(data="00ff"), Fields(data="")], "liststreamtxitems", STREAM, "$txid"),
    gives("$signed", "getrawtransaction", "$txid"),
    gives(
        Fields(confirmations=0, valid=True, txid="$txid", myaddresses=["$a"]),
        *("getwallettransaction", "$txid"),
    ),
    BLOCK,
    fails(-27, "transaction already in block chain", "sendrawtransaction", "$signed"),
    gives(
        Fields(confirmations=1, blockhash=TXID, blockheight=int, valid=True, hex="$signed"),
        *("getwallettransaction", "$txid", False, True),
    ),
    gives(Fields(confirmations=1, hex="$signed"), "gettransaction", "$txid"),
    gives(
        Fields(hex="$signed", txid="$txid", confirmations=1, blockhash=TXID),
        *("getrawtransaction", "$txid", 1),
    ),
    fails(-22, "TX decode failed", "sendrawtransaction", "00"),
    fails(-22, "TX decode failed", "sendrawtransaction", "zz"),
    fails(-3, "Expected type str, got int", "sendrawtransaction", 5),
    fails(-22, "TX decode failed", "decoderawtransaction", "00"),
    fails(
        -8,
        "parameter 1 must be hexadecimal string (not 'zz')",
        *("getrawtransaction", "zz"),
    ),
]

LANDED_AND_DEAD: Scene = [
    # A landed transaction and a dead one are answered alike once their coins' fate is confirmed.
    *stream(),
    *writer("a"),
    gives(ADDRESS, "getnewaddress", keep="b"),
    gives(Each(Fields(txid=TXID, address="$a", confirmations=0), 2), *UNSPENT_OF_A, keep="coins"),
    Derive("coin", lambda kept: {name: kept["coins"][0][name] for name in ("txid", "vout")}),
    # Two coins of one transaction: one for a, one that nobody spends.
    gives(
        Fields(complete=True),
        *("createrawtransaction", ["$coin"], {"$a": 0, "$b": 0}, [], "sign"),
        keep="split=hex",
    ),
    gives(TXID, "sendrawtransaction", "$split", keep="split_txid"),
    Derive("half", lambda kept: {"txid": kept["split_txid"], "vout": 0}),
    *signs("half", "first", "first"),
    *signs("half", "rival", "rival"),
    gives("$first_txid", "sendrawtransaction", "$first"),
    fails(-26, SPENT, "sendrawtransaction", "$rival"),
    *signs("first_coin", "second", "second"),
    *signs("first_coin", "late", "late"),
    gives("$second_txid", "sendrawtransaction", "$second"),
    fails(-26, SPENT, "sendrawtransaction", "$late"),
    BLOCK,
    fails(-27, ALREADY, "sendrawtransaction", "$second"),
    fails(-26, SPENT, "sendrawtransaction", "$first"),
    fails(-26, SPENT, "sendrawtransaction", "$rival"),
    fails(-27, "missing inputs", "sendrawtransaction", "$late"),
    *signs("second_coin", "third", "third"),
    gives("$third_txid", "sendrawtransaction", "$third"),
    fails(-27, ALREADY, "sendrawtransaction", "$second"),
    BLOCK,
    fails(-27, "missing inputs", "sendrawtransaction", "$second"),
    fails(-27, "missing inputs", "sendrawtransaction", "$late"),
    # Only the txid tells them apart.
    gives(Fields(confirmations=2), "getrawtransaction", "$second_txid", 1),
    fails(-710, "No information available about transaction", "getrawtransaction", "$late_txid", 1),
    gives(Each(Fields(), 3), "liststreamitems", STREAM),
]

NOT_ACCEPTED: Scene = [
    *stream(),
    *writer("a"),
    gives(HEX, "createrawsendfrom", "$a", {}, ITEM, keep="unsigned"),
    fails(-26, "64: Nonstandard transaction input", "sendrawtransaction", "$unsigned"),
    gives({"hex": HEX, "complete": True}, "signrawtransaction", "$unsigned", keep="signed=hex"),
    gives(TXID, "revoke", "$a", STREAM + ".write"),
    fails(-26, UNENTITLED, "sendrawtransaction", "$signed"),
    fails(-704, UNWRITABLE, "createrawsendfrom", "$a", {}, ITEM, "sign"),
    gives(TXID, "grant", "$a", STREAM + ".write"),
    gives(TXID, "revoke", "$a", "send"),
    fails(-26, "16: ConnectInputs failed", "sendrawtransaction", "$signed"),
    fails(-704, SENDLESS, "createrawsendfrom", "$a", {}, ITEM, "sign"),
    gives(TXID, "grant", "$a", "send"),
    gives(TXID, "sendrawtransaction", "$signed"),
    gives(
        Fields(complete=False),
        *("createrawtransaction", [{"txid": "11" * 32, "vout": 0}], {"$a": 0}, [], "sign"),
        keep="baseless=hex",
    ),
    fails(-27, "missing inputs", "sendrawtransaction", "$baseless"),
    *(
        fails(code, message, "createrawsendfrom", "$a", {}, [data], "sign")
        for code, message, data in (
            (-708, "Entity with this name not found: no{tag}", NOWHERE),
            (
                -8,
                "Invalid keys - should be non-empty array",
                {"for": STREAM, "keys": [], "data": "aa"},
            ),
            (-8, "Missing keys field", {"for": STREAM, "data": "aa"}),
            (-8, "Unrecognized parameter format", {"key": "k", "data": "aa"}),
            (-8, "Item key is too long", ITEM[0] | {"key": "x" * 257}),
        )
    ),
    fails(-8, NOTHING, "createrawsendfrom", "$a", {}, [], "sign"),
    fails(-5, "Invalid address: xx", "createrawsendfrom", "xx", {}, ITEM, "sign"),
    fails(-8, "Invalid action", "createrawsendfrom", "$a", {}, ITEM, "foo"),
    # A key that publishing refuses.
    gives(
        Fields(complete=True),
        *("createrawsendfrom", "$a", {}, [ITEM[0] | {"key": "*"}], "sign"),
    ),
]

COINS: Scene = [
    *stream(),
    *writer("a"),
    gives(
        Each(Fields(vout=0, address="$a", amount=0, spendable=True), 2), *UNSPENT_OF_A, keep="coins"
    ),
    Derive("named", lambda kept: [{n: c[n] for n in ("txid", "vout")} for c in kept["coins"]]),
    gives([], "listunspent", 1, 9999, ["$a"]),
    gives(True, "lockunspent", False, "$named"),
    gives(Each(Fields(txid=TXID, vout=0), 2), "listlockunspent"),
    gives([], *UNSPENT_OF_A),
    fails(-716, NO_COIN, "publishfrom", "$a", STREAM, "k", "aa"),
    fails(-716, NO_COIN, "createrawsendfrom", "$a", {}, ITEM, "sign"),
    gives(True, "lockunspent", True),
    gives([], "listlockunspent"),
    # What signs does not lock, and what is sent may be spent at once.
    gives(Fields(complete=True), "createrawsendfrom", "$a", {}, ITEM, "sign"),
    gives(Each(Fields(), 2), *UNSPENT_OF_A),
    *(gives(TXID, "createrawsendfrom", "$a", {}, ITEM, "send") for _ in range(5)),
    gives(Each(Fields(), 2), *UNSPENT_OF_A),
    gives(Fields(complete=True), "createrawsendfrom", "$a", {}, ITEM, "lock,sign"),
    gives(Each(Fields(), 1), *UNSPENT_OF_A),
    gives(True, "lockunspent", True),
    gives(None, "gettxout", "11" * 32, 0),
    fails(
        -704,
        "from-address must have send and receive permission",
        *("preparelockunspentfrom", "$a", {}),
    ),
]

BLOCKS: Scene = [
    *stream(),
    BLOCK,
    gives(TXID, "publishmultifrom", "$me", STREAM, [ITEM[0], ITEM[0]], keep="one"),
    gives(TXID, "publishfrom", "$me", STREAM, "k", "bb", keep="two"),
    gives(Fields(size=2, bytes=int), "getmempoolinfo"),
    gives([], "liststreamblockitems", STREAM, "-1"),
    BLOCK,
    gives({"size": 0, "bytes": 0}, "getmempoolinfo"),
    gives(
        {"hash": TXID, "height": int, "time": int, "txcount": 3, "miner": ADDRESS},
        "getlastblockinfo",
        keep="last",
    ),
    Derive("height", lambda kept: kept["last"]["height"]),
    Derive("hash", lambda kept: kept["last"]["hash"]),
    Derive("range", lambda kept: f"{kept['height'] - 1}-{kept['height']}"),
    gives("$hash", "getblockhash", "$height"),
    gives("$hash", "getbestblockhash"),
    gives(
        Fields(hash="$hash", height="$height", tx=Each(TXID, 3), confirmations=1, time=int),
        *("getblock", "$hash"),
    ),
    gives(Fields(hash="$hash", previousblockhash=TXID), "getblock", "{height}"),
    gives([Fields(height=int), Fields(hash="$hash", txcount=3)], "listblocks", "-2"),
    gives([Fields(height=int), Fields(hash="$hash", txcount=3)], "listblocks", "$range"),
    gives([], "listblocks", "1000000"),
    fails(-711, "Block height out of range", "getblockhash", 1_000_000),
    fails(-711, "Block height out of range", "getblock", 1_000_000),
    fails(-711, "Block height should be integer", "getblock", "zz"),
    fails(-711, "Block not found", "getblock", "11" * 32),
    fails(-711, "Skip out of range", "getlastblockinfo", 1_000_000),
    *(
        gives([Fields(txid="$one"), Fields(txid="$one"), Fields(txid="$two")], *BLOCK_ITEMS, which)
        for which in ("$height", "{height}", "$hash", "$range", "-2", ["$height"])
    ),
    # Pages of blocks count transactions.
    gives([Fields(txid="$two")], *BLOCK_ITEMS, "$height", False, 1),
    gives([Fields(txid="$one"), Fields(txid="$one")], *BLOCK_ITEMS, "$height", False, 1, 0),
    gives([], *BLOCK_ITEMS, 1_000_000),
    fails(-8, "Block hash must be hexadecimal string (not 'zz')", *BLOCK_ITEMS, "zz"),
    gives(Fields(chainname=str, blocks="$height", bestblockhash="$hash"), "getblockchaininfo"),
    gives(
        Fields(
            version="2.3",
            nodeversion=20300901,
            protocolversion=20013,
            blocks="$height",
            connections=int,
            miningpaused=bool,
            edition="Community",
        ),
        "getinfo",
    ),
    gives(list, "getpeerinfo"),
]

WRONG_CALLS: Scene = [
    fails(-32601, "Method not found", "foo"),
    fails(-1, "", "liststreamitems"),
    fails(-1, "", "publishfrom", "$me"),
    fails(-1, "", "sendrawtransaction"),
    fails(-8, "Invalid stream name, should be string", "create", "stream", None, False),
]

HTTP: Scene = [
    Post({"method": "foo", "id": 3}, 404, shape={"result": None, "error": FOREIGN_METHOD, "id": 3}),
    Post(
        {"method": "getblockcount", "id": "x"}, 200, shape={"result": int, "error": None, "id": "x"}
    ),
    Post(
        b"{",
        500,
        shape={"result": None, "error": {"code": -32700, "message": "Parse error"}, "id": 0},
    ),
    Post(
        b"5", 500, shape=Fields(error={"code": -32700, "message": "Top-level object parse error"})
    ),
    Post({"id": 7}, 400, shape=Fields(error={"code": -32600, "message": "Missing method"}, id=0)),
    Post(
        {"method": 5},
        400,
        shape=Fields(error={"code": -32600, "message": "Method must be a string"}),
    ),
    Post(
        {"method": "getinfo", "params": {}},
        400,
        shape=Fields(error={"code": -32600, "message": "Params must be an array"}),
    ),
    Post({"method": "getblockcount"}, 401, "", authorised=False),
    Post({"method": "getblockcount"}, 404, "", path="/x"),
    Post(b"", 405, "JSONRPC server handles only POST requests", verb="GET"),
    Post(
        b'{"method":"getinfo","params":["' + b"0" * (32 << 20) + b'"]}',
        413,
        "<HTML><HEAD>\n<TITLE>413 Request Entity Too Large</TITLE>",
    ),
    Post([], 200, shape=[]),
    Post(
        [{"method": "getblockcount", "id": 1}, {"method": "foo", "id": 2}, 5],
        200,
        shape=[
            {"result": int, "error": None, "id": 1},
            {"result": None, "error": FOREIGN_METHOD, "id": 2},
            {
                "result": None,
                "error": {"code": -32600, "message": "Invalid Request object"},
                "id": None,
            },
        ],
    ),
]

RAW_SCENES: Mapping[str, Scene] = {
    "signed": SIGNED,
    "landed and dead": LANDED_AND_DEAD,
    "not accepted": NOT_ACCEPTED,
    "coins": COINS,
    "blocks": BLOCKS,
    "wrong calls": WRONG_CALLS,
    "http": HTTP,
}
