"""What a MultiChain 2.3 node answers, continued: addresses and rights."""

from __future__ import annotations

from collections.abc import Mapping

from tests.lib.multichain_shapes import ADDRESS, TXID, Fields
from tests.lib.multichain_steps import BLOCK, Derive, fails, gives
from tests.lib.multichain_transcript import SENDLESS, STREAM, UNWRITABLE, Scene, stream

RIGHTS: Scene = [
    *stream(),
    gives(ADDRESS, "getnewaddress", keep="a"),
    fails(-704, UNWRITABLE, "publishfrom", "$a", STREAM, "k", "aa"),
    gives(TXID, "grant", "$a", STREAM + ".write"),
    fails(
        -704,
        SENDLESS,
        *("publishfrom", "$a", STREAM, "k", "aa"),
    ),
    gives(TXID, "grant", "$a", "send,receive"),
    gives(TXID, "publishfrom", "$a", STREAM, "k", "aa"),
    gives(True, "verifypermission", "$a", STREAM + ".write"),
    gives(False, "verifypermission", "$a", STREAM + ".admin"),
    gives(True, "verifypermission", "$a", "send"),
    gives(False, "verifypermission", "$a", "admin"),
    gives(
        [
            {
                "address": "$a",
                "for": {"type": "stream", "name": STREAM, "streamref": None},
                "type": "write",
                "startblock": 0,
                "endblock": 4294967295,
            }
        ],
        *("listpermissions", STREAM + ".*", "$a"),
    ),
    gives(
        [Fields({"type": "send", "for": None}), Fields({"type": "receive", "for": None})],
        *("listpermissions", "send,receive", "$a"),
    ),
    fails(
        -704,
        "from-address doesn't have activate or admin permission",
        *("grantfrom", "$a", "$me", "send"),
    ),
    fails(
        -704,
        "from-address doesn't have admin permission",
        *("grantfrom", "$a", "$a", "admin"),
    ),
    fails(
        -704,
        "from-address doesn't have activate or admin permission for this entity",
        *("grantfrom", "$a", "$a", STREAM + ".write"),
    ),
    fails(
        -704,
        "from-address doesn't have create permission",
        *("createfrom", "$a", "stream", "n{tag}", False),
    ),
    gives(TXID, "revoke", "$a", STREAM + ".write"),
    gives(TXID, "revoke", "$a", STREAM + ".write"),
    fails(-704, UNWRITABLE, "publishfrom", "$a", STREAM, "k", "aa"),
    gives([], "listpermissions", STREAM + ".write", "$a"),
    fails(-8, "Invalid permission", "grant", "$a", "nope"),
    fails(-8, "Invalid permission", "verifypermission", "$a", STREAM + ".nope"),
    fails(-8, "Invalid permission", "listpermissions", "nope"),
    fails(-5, "Invalid address: xx", "grant", "xx", "send"),
    fails(-5, "Invalid address: xx", "verifypermission", "xx", "send"),
    fails(-1, "value is type array, expected str", "grant", ["$a"], "send"),
    fails(-708, "Entity with this name not found: no{tag}", "grant", "$a", "no{tag}.write"),
    fails(
        -708,
        "Entity with this name not found: s{tag}.admin,s{tag}",
        *("grant", "$a", STREAM + ".admin," + STREAM + ".activate"),
    ),
]

FOREIGN_ADDRESS: Scene = [
    *stream(),
    gives([Fields(address=ADDRESS)], "createkeypairs", keep="pairs"),
    Derive("foreign", lambda kept: kept["pairs"][0]["address"]),
    fails(
        -709,
        "Private key for from-address is not found in this wallet",
        *("publishfrom", "$foreign", STREAM, "k", "aa"),
    ),
    gives({"isvalid": False}, "validateaddress", "xx"),
    gives(Fields(isvalid=True, ismine=False), "validateaddress", "$foreign"),
    gives(Fields(isvalid=True, ismine=True), "validateaddress", "$me"),
    gives(TXID, "grant", "$foreign", "send"),
    gives([], "listunspent", 0, 9999, ["$foreign"]),
]

RIGHTS_IN_TIME: Scene = [
    *stream(),
    gives(ADDRESS, "getnewaddress", keep="a"),
    gives(TXID, "grant", "$a", STREAM + ".write"),
    gives(int, "getblockcount", keep="now"),
    Derive("start", lambda kept: kept["now"] + 2),
    Derive("end", lambda kept: kept["now"] + 3),
    gives(TXID, "grant", "$a", "send", 0, "$start", "$end"),
    gives(
        [Fields(startblock="$start", endblock="$end")],
        *("listpermissions", "send", "$a"),
    ),
    gives(False, "verifypermission", "$a", "send"),
    fails(-704, SENDLESS, "publishfrom", "$a", STREAM, "k", "aa"),
    BLOCK,
    # The right counts for the block that comes next.
    gives(True, "verifypermission", "$a", "send"),
    gives(TXID, "publishfrom", "$a", STREAM, "k", "aa"),
    BLOCK,
    gives(False, "verifypermission", "$a", "send"),
    fails(-704, SENDLESS, "publishfrom", "$a", STREAM, "k", "aa"),
    gives(
        [Fields(startblock="$start", endblock="$end")],
        *("listpermissions", "send", "$a"),
    ),
]

RIGHTS_SCENES: Mapping[str, Scene] = {
    "rights": RIGHTS,
    "foreign address": FOREIGN_ADDRESS,
    "rights in time": RIGHTS_IN_TIME,
}
