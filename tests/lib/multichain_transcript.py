"""What a MultiChain 2.3 node answers, as scenes of steps that run on the double and on real nodes.

No step comes near the calls that hang or crash a real node (``gettxoutdata`` of an output that is
not there, ``getwallettransaction`` of what is no txid). Scenes mine on command, make streams of
their own, and may run in any order on one chain.
"""

from __future__ import annotations

import re
from collections.abc import Mapping, Sequence

from tests.lib.multichain_shapes import ADDRESS, TXID, Each, Fields
from tests.lib.multichain_steps import BLOCK, Derive, Post, Step, fails, gives

Scene = Sequence[Step | Post | Derive | str]

STREAM = "s{tag}"
TOO_LARGE = "00" * 2_097_153
LARGEST = "00" * 2_097_152
SENDLESS = "from-address doesn't have send permission"
UNWRITABLE = "Publishing in this stream is not allowed from this address"
OPEN = {"write": False, "read": False, "onchain": False, "offchain": False}
REFERENCE = re.compile(r"\d+-\d+-\d+")


def stream(name: str = STREAM) -> Scene:
    return [gives(TXID, "create", "stream", name, False), gives(None, "subscribe", name)]


def writer(name: str) -> Scene:
    """A new address that may write to the stream, kept under a name. Its coins come with that."""
    return [
        gives(ADDRESS, "getnewaddress", keep=name),
        gives(TXID, "grant", "$" + name, "send"),
        gives(TXID, "grant", "$" + name, STREAM + ".write"),
    ]


def item(key: str, data: object, *, publisher: str = "$me") -> Mapping[str, object]:
    """An unconfirmed item as a listing shows it when not verbose."""
    shown = {"publishers": [publisher], "keys": [key], "offchain": False, "available": True}
    return {**shown, "data": data, "confirmations": 0, "txid": TXID}


def verbose(shown: Mapping[str, object], vout: int = 0) -> Mapping[str, object]:
    return {**shown, "vout": vout, "valid": True, "time": int, "timereceived": int}


def confirmed(shown: Mapping[str, object]) -> Mapping[str, object]:
    return {**shown, "confirmations": 1, "blocktime": int}


def placed(shown: Mapping[str, object]) -> Mapping[str, object]:
    block = {"blockhash": TXID, "blockheight": int, "blockindex": int}
    return {**confirmed(verbose(shown)), **block}


STREAMS: Scene = [
    gives(TXID, "create", "stream", STREAM, False, {"a": "b"}, keep="made"),
    fails(-705, "Entity with this name already exists", "create", "stream", "S{tag}", False),
    fails(-8, "Invalid stream name", "create", "stream", "x" * 33, False),
    fails(-8, "Invalid stream name: *", "create", "stream", "*", False),
    fails(
        -8,
        "Invalid stream name, looks like a stream reference",
        *("create", "stream", "1-2-3", False),
    ),
    fails(
        -8,
        "Invalid open flag, should be boolean or object",
        *("create", "stream", "y{tag}", "yes"),
    ),
    gives(TXID, "create", "stream", "{tag}" + "é" * 12, False),  # 8 + 24 bytes
    fails(-8, "Invalid stream name", "create", "stream", "{tag}" + "é" * 12 + "x", False),
    gives(TXID, "createfrom", "$me", "stream", "o{tag}", {"restrict": "write"}),
    gives(TXID, "create", "stream", "p{tag}", True),
    gives(
        [
            {
                "name": STREAM,
                "createtxid": "$made",
                "streamref": None,
                "restrict": OPEN | {"write": True},
                "salted": False,
                "details": {"a": "b"},
                "creators": ["$me"],
                "filters": [],
                "subscribed": False,
            }
        ],
        *("liststreams", "S{tag}", True),
    ),
    gives(Fields(name=STREAM, streamref=None), "getstreaminfo", "$made"),
    fails(-708, "Stream with this name not found: no{tag}", "getstreaminfo", "no{tag}"),
    fails(-708, "Stream with this name not found: no{tag}", "liststreams", "no{tag}"),
    BLOCK,
    gives(Fields(streamref=REFERENCE), "getstreaminfo", STREAM, keep="ref=streamref"),
    gives(Fields(name=STREAM), "getstreaminfo", "$ref"),
    gives(Fields(restrict=OPEN), "getstreaminfo", "p{tag}"),
    gives(
        [Fields(name="root", streamref="0-0-0", subscribed=bool), Fields(name=STREAM)],
        *("liststreams", [STREAM, "root"]),
    ),
]

SUBSCRIBING: Scene = [
    gives(TXID, "create", "stream", STREAM, False),
    gives(TXID, "publishfrom", "$me", STREAM, "k", "aa", keep="tx"),
    fails(-703, "Not subscribed to this stream", "liststreamitems", STREAM),
    fails(-703, "Not subscribed to this stream", "liststreamkeyitems", STREAM, "k"),
    fails(-703, "Not subscribed to this stream", "liststreamkeys", STREAM, "k"),
    gives(None, "subscribe", STREAM),
    gives(None, "subscribe", [STREAM]),
    gives([item("k", "aa")], "liststreamitems", STREAM),
    gives(
        [Fields(subscribed=True, synchronized=True, items=1, confirmed=0, keys=1, publishers=1)],
        *("liststreams", STREAM, True),
    ),
    fails(-708, "Entity with this name not found: no{tag}", "subscribe", "no{tag}"),
    fails(-708, "Stream with this name not found: no{tag}", "liststreamitems", "no{tag}"),
    gives(None, "unsubscribe", STREAM),
    fails(-703, "Not subscribed to this stream", "liststreamitems", STREAM),
]

ITEMS: Scene = [
    *stream(),
    gives(TXID, "publishfrom", "$me", STREAM, "k", "beef", keep="first"),
    gives([{**item("k", "beef"), "txid": "$first"}], "liststreamitems", STREAM, False),
    gives([verbose(item("k", "beef"))], "liststreamitems", STREAM, True),
    gives(
        TXID,
        "publishmultifrom",
        "$me",
        STREAM,
        [
            {"keys": ["k", "k", ""], "data": ""},
            {"key": "t", "data": {"text": "é"}},
            {"key": "j", "data": {"json": {"a": [1, "é", None]}}},
        ],
        keep="second",
    ),
    gives(
        [
            verbose({**item("k", ""), "keys": ["k", "k", ""], "txid": "$second"}),
            verbose({**item("t", {"text": "é"}), "txid": "$second"}, vout=1),
            verbose({**item("j", {"json": {"a": [1, "é", None]}}), "txid": "$second"}, vout=2),
        ],
        *("liststreamtxitems", STREAM, "$second", True),
    ),
    BLOCK,
    gives([confirmed(item("k", "beef"))], "liststreamitems", STREAM, False, 1, 0),
    gives([placed(item("k", "beef"))], "liststreamitems", STREAM, True, 1, 0),
    gives(TXID, "publishfrom", "$me", STREAM, "k", "aa"),
    BLOCK,
    gives([Fields(confirmations=2)], "liststreamitems", STREAM, True, 1, 0),
]

PAGES: Scene = [
    *stream(),
    gives(
        TXID,
        "publishmultifrom",
        "$me",
        STREAM,
        [{"key": f"k{n}", "data": f"{n:02x}"} for n in range(12)],
        keep="tx",
    ),
    gives(Each(Fields(), 10), "liststreamitems", STREAM),
    gives([Fields(data="02"), Fields(data="03")], "liststreamitems", STREAM, False, 2, 2),
    gives([Fields(data="0a"), Fields(data="0b")], "liststreamitems", STREAM, False, 2),
    gives([Fields(data="09"), Fields(data="0a")], "liststreamitems", STREAM, False, 2, -3),
    gives([Fields(data="0b")], "liststreamitems", STREAM, False, 5, 11),
    gives([], "liststreamitems", STREAM, False, 5, 12),
    gives([Fields(data="00")], "liststreamitems", STREAM, False, 1, -1000),
    gives([], "liststreamitems", STREAM, False, 0),
    gives(Each(Fields(), 12), "liststreamitems", STREAM, False, 100_000),
    fails(-8, "Invalid count", "liststreamitems", STREAM, False, -1),
    fails(-8, "Invalid count", "liststreamitems", STREAM, False, "x"),
    fails(
        -8,
        "Invalid parameter value type, should be boolean",
        *("liststreamitems", STREAM, "x"),
    ),
    gives(Each(Fields(txid="$tx"), 12), "liststreamtxitems", STREAM, "$tx"),
    gives([], "liststreamtxitems", STREAM, "11" * 32),
    fails(
        -8,
        "txid must be hexadecimal string (not 'zz')",
        *("liststreamtxitems", STREAM, "zz"),
    ),
    fails(
        -701,
        "This transaction has more than one output for this stream, please use liststreamtxitems",
        *("getstreamitem", STREAM, "$tx"),
    ),
    gives(Each(Fields(publishers=["$me"]), 10), "liststreampublisheritems", STREAM, "$me"),
    fails(-5, "Invalid address", "liststreampublisheritems", STREAM, "xx"),
]

KEYS: Scene = [
    *stream(),
    gives(TXID, "publishfrom", "$me", STREAM, ["a", "b"], "01"),
    gives(TXID, "publishfrom", "$me", STREAM, ["a", "A"], "02"),
    gives([{"key": "a", "items": 2, "confirmed": 0}], "liststreamkeys", STREAM, "a"),
    BLOCK,
    gives(TXID, "publishfrom", "$me", STREAM, "a", "03"),
    gives(
        [
            {"key": "a", "items": 3, "confirmed": 2},
            {"key": "b", "items": 1, "confirmed": 1},
            {"key": "A", "items": 1, "confirmed": 1},
        ],
        *("liststreamkeys", STREAM),
    ),
    gives(
        [{"key": "b", "items": 1, "confirmed": 1}, {"key": "zz", "items": 0, "confirmed": 0}],
        *("liststreamkeys", STREAM, ["b", "zz"]),
    ),
    gives(
        [Fields(key="a", items=3, first=Fields(data="01"), last=Fields(data="03"))],
        *("liststreamkeys", STREAM, "a", True),
    ),
    fails(
        -8,
        "Invalid parameter, duplicate value: a",
        *("liststreamkeys", STREAM, ["a", "a"]),
    ),
    gives([Fields(key="A")], "liststreamkeys", STREAM, "*", False, 1, -1),
    gives([Fields(data="02"), Fields(data="03")], "liststreamkeyitems", STREAM, "a", False, 2),
    gives([Fields(data="01")], "liststreamkeyitems", STREAM, "b"),
    gives([], "liststreamkeyitems", STREAM, "none"),
    fails(-1, "value is type array, expected str", "liststreamkeyitems", STREAM, ["a"]),
    gives(TXID, "publishfrom", "$me", STREAM, "é" * 128, "aa"),
    fails(-8, "Item key is too long", "publishfrom", "$me", STREAM, "é" * 128 + "x", "aa"),
    fails(-8, "Invalid item-key-string: *", "publishfrom", "$me", STREAM, "*", "aa"),
    fails(
        -8,
        "Item keys should be either string or array",
        *("publishfrom", "$me", STREAM, 5, "aa"),
    ),
    fails(-8, "Item keys array cannot be empty", "publishfrom", "$me", STREAM, [], "aa"),
    fails(-8, "Item key should be string", "publishfrom", "$me", STREAM, [5], "aa"),
]

PUBLISHING_BADLY: Scene = [
    *stream(),
    *(
        fails(
            -8,
            "data should be hexadecimal string or recognized object",
            *("publishfrom", "$me", STREAM, "k", wrong),
        )
        for wrong in ("zz", "abc", 5)
    ),
    fails(
        -8,
        "data should be object with single element",
        *("publishfrom", "$me", STREAM, "k", {"text": "x", "json": 1}),
    ),
    fails(
        -702,
        "Unsupported item data type: foo",
        *("publishfrom", "$me", STREAM, "k", {"foo": "x"}),
    ),
    fails(-5, "Invalid address: xx", "publishfrom", "xx", STREAM, "k", "aa"),
    fails(
        -708,
        "Stream with this name not found: no{tag}",
        *("publishfrom", "$me", "no{tag}", "k", "aa"),
    ),
    fails(
        -8,
        "Either addresses object or data array should not be empty",
        *("publishmultifrom", "$me", STREAM, []),
    ),
    fails(-8, "Missing data field", "publishmultifrom", "$me", STREAM, [{"key": "k"}]),
    fails(
        -8,
        "Invalid field: zz",
        *("publishmultifrom", "$me", STREAM, [{"key": "k", "data": "aa", "zz": 1}]),
    ),
    fails(
        -708,
        "Stream with this name not found: no{tag}",
        "publishmultifrom",
        "$me",
        STREAM,
        [{"key": "k", "data": "aa"}, {"key": "k", "data": "aa", "for": "no{tag}"}],
    ),
    gives([], "liststreamitems", STREAM),
]

LIMITS: Scene = [
    *stream(),
    gives(
        Fields({"max-std-op-return-size": 2_097_152, "max-std-op-returns-count": 32}),
        "getblockchainparams",
    ),
    fails(
        -26,
        "Error: The transaction was rejected: 64: scriptpubkey",
        *("publishfrom", "$me", STREAM, "k", TOO_LARGE),
    ),
    fails(
        -26,
        "64: scriptpubkey",
        *("publishmultifrom", "$me", STREAM, [{"key": "k", "data": TOO_LARGE}]),
    ),
    fails(
        -8,
        "Transaction too large",
        *("publishmultifrom", "$me", STREAM, [{"key": "k", "data": LARGEST}] * 2),
    ),
    fails(
        -8,
        "Number of items exceeds 32 (max-std-op-returns-count)",
        *("publishmultifrom", "$me", STREAM, [{"key": "k", "data": "aa"}] * 33),
    ),
    gives(
        Fields(complete=True),
        *("createrawsendfrom", "$me", {}, [{"for": STREAM, "key": "k", "data": TOO_LARGE}], "sign"),
        keep="large=hex",
    ),
    fails(-26, "64: scriptpubkey", "sendrawtransaction", "$large"),
    gives(
        Fields(complete=True),
        "createrawsendfrom",
        *("$me", {}, [{"for": STREAM, "key": "k", "data": "aa"}] * 33, "sign"),
        keep="many=hex",
    ),
    fails(-26, "64: multi-op-return", "sendrawtransaction", "$many"),
    gives([], "liststreamitems", STREAM),
    gives(TXID, "publishfrom", "$me", STREAM, "k", LARGEST, keep="tx"),
    gives(
        [Fields(data={"txid": "$tx", "vout": 0, "format": "raw", "size": 2_097_152})],
        *("liststreamitems", STREAM),
    ),
]

SHOWN_DATA: Scene = [
    *stream(),
    gives(TXID, "publishfrom", "$me", STREAM, "k", "00" * 16_384),
    gives([Fields(data="00" * 16_384)], "liststreamitems", STREAM, False, 1),
    gives(TXID, "publishfrom", "$me", STREAM, "k", "abcd" * 10_000, keep="hex"),
    gives(
        [Fields(data={"txid": "$hex", "vout": 0, "format": "raw", "size": 20_000})],
        *("liststreamitems", STREAM, False, 1),
    ),
    gives("abcd" * 10_000, "gettxoutdata", "$hex", 0),
    gives("cdab", "gettxoutdata", "$hex", 0, 2, 1),
    gives("cd", "gettxoutdata", "$hex", 0, 5, 19_999),
    gives("", "gettxoutdata", "$hex", 0, 4, 20_001),
    fails(-8, "Invalid count", "gettxoutdata", "$hex", 0, -1, 0),
    fails(-713, "Output without metadata", "gettxoutdata", "$hex", 1),
    fails(-710, "No information available about transaction", "gettxoutdata", "11" * 32, 0),
    gives(TXID, "publishfrom", "$me", STREAM, "k", {"text": "é" * 10_000}, keep="text"),
    gives(
        [Fields(data={"txid": "$text", "vout": 0, "format": "text", "size": 20_000})],
        *("liststreamitems", STREAM, False, 1),
    ),
    gives({"text": "é" * 10_000}, "gettxoutdata", "$text", 0),
    fails(
        -8,
        "Invalid count, must include all text or JSON data",
        *("gettxoutdata", "$text", 0, 5, 0),
    ),
    gives(None, "setruntimeparam", "maxshowndata", 30_000),
    gives([Fields(data="abcd" * 10_000)], "liststreamitems", STREAM, False, 1, 1),
    gives(None, "setruntimeparam", "maxshowndata", "16384"),
    gives(Fields(maxshowndata=16_384), "getruntimeparams"),
    fails(-8, "Unsupported runtime parameter: nope", "setruntimeparam", "nope", "1"),
]

SCENES: Mapping[str, Scene] = {
    "streams": STREAMS,
    "subscribing": SUBSCRIBING,
    "items": ITEMS,
    "pages": PAGES,
    "keys": KEYS,
    "publishing badly": PUBLISHING_BADLY,
    "limits": LIMITS,
    "shown data": SHOWN_DATA,
}
