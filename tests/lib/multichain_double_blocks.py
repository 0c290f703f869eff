"""Blocks and the node itself in the MultiChain double."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from tests.lib.multichain_double_chain import Block, RpcError
from tests.lib.multichain_double_node import Node, wanted_text
from tests.lib.multichain_double_streams import block_heights

VERSION = 20300901
PROTOCOL = 20013


def getinfo(node: Node) -> dict[str, Any]:
    return {
        "version": "2.3",
        "nodeversion": VERSION,
        "edition": "Community",
        "protocolversion": PROTOCOL,
        "chainname": node.parameters["chain-name"],
        "protocol": "multichain",
        "setupblocks": node.parameters["setup-first-blocks"],
        "nodeaddress": "pc@127.0.0.1:0",
        "miningpaused": node.mining_paused,
        "reindex": False,
        "blocks": node.height,
        "streams": len(node.pool.streams),
        "connections": _peers(node),
        "errors": "",
    }


def getblockchaininfo(node: Node) -> dict[str, Any]:
    return {
        "chain": "main",
        "chainname": node.parameters["chain-name"],
        "protocol": "multichain",
        "setupblocks": node.parameters["setup-first-blocks"],
        "reindex": False,
        "blocks": node.height,
        "headers": node.height,
        "bestblockhash": node.blocks[-1].hash,
        "verificationprogress": 1,
    }


def getblockchainparams(node: Node, display: Any = True, upgrades: Any = True) -> dict[str, Any]:
    return dict(node.parameters)


def getmempoolinfo(node: Node) -> dict[str, Any]:
    waiting = node.mempool.values()
    return {"size": len(waiting), "bytes": sum(len(tx.raw) for tx in waiting)}


def getrawmempool(node: Node) -> list[str]:
    return list(node.mempool)


def getpeerinfo(node: Node) -> list[dict[str, Any]]:
    return [
        {"id": number + 1, "addr": f"127.0.0.1:{40000 + number}", "synced_blocks": node.height}
        for number in range(_peers(node))
    ]


def _peers(node: Node) -> int:
    return node.linked() if node.peers is None else node.peers


def getblockcount(node: Node) -> int:
    return node.height


def getbestblockhash(node: Node) -> str:
    return node.blocks[-1].hash


def getblockhash(node: Node, height: Any) -> str:
    if not 0 <= height <= node.height:
        raise RpcError(-711, "Block height out of range")
    found: str = node.blocks[height].hash
    return found


def getblock(node: Node, which: Any, verbose: Any = 1) -> dict[str, Any]:
    text = str(which)
    if len(text) == 64:
        found = [block for block in node.blocks if block.hash == text]
        if not found:
            raise RpcError(-711, "Block not found")
        block = found[0]
    elif not text.isdecimal():
        raise RpcError(-711, "Block height should be integer")
    elif int(text) > node.height:
        raise RpcError(-711, "Block height out of range")
    else:
        block = node.blocks[int(text)]
    entry = _block(node, block)
    del entry["txcount"]
    entry["tx"] = [tx.txid for tx in block.txs]
    return entry | _neighbours(node, block)


def listblocks(node: Node, blocks: Any, verbose: Any = False) -> list[dict[str, Any]]:
    found = [node.blocks[height] for height in block_heights(node, blocks)]
    return [_block(node, block) | (_neighbours(node, block) if verbose else {}) for block in found]


def getlastblockinfo(node: Node, skip: Any = 0) -> dict[str, Any]:
    if skip > node.height:
        raise RpcError(-711, "Skip out of range")
    entry = _block(node, node.blocks[node.height - skip])
    return {field: entry[field] for field in ("hash", "height", "time", "txcount", "miner")}


def _block(node: Node, block: Block) -> dict[str, Any]:
    return {
        "hash": block.hash,
        "miner": block.miner,
        "confirmations": node.height - block.height + 1,
        "height": block.height,
        "time": block.time,
        "txcount": len(block.txs),
    }


def _neighbours(node: Node, block: Block) -> dict[str, Any]:
    entry: dict[str, Any] = {"size": sum(len(tx.raw) for tx in block.txs)}
    if block.height:
        entry["previousblockhash"] = block.previous
    if block.height < node.height:
        entry["nextblockhash"] = node.blocks[block.height + 1].hash
    return entry


def pause(node: Node, tasks: Any) -> str:
    node.mining_paused |= "mining" in wanted_text(tasks)
    return "Paused"


def resume(node: Node, tasks: Any) -> str:
    node.mining_paused &= "mining" not in wanted_text(tasks)
    return "Resumed"


def setruntimeparam(node: Node, name: Any, value: Any) -> None:
    if name == "miningrequirespeers":  # the double mines when it is told to
        return
    if name not in node.runtime:
        raise RpcError(-8, f"Unsupported runtime parameter: {name}")
    node.runtime[name] = int(value)


def getruntimeparams(node: Node) -> dict[str, Any]:
    return dict(node.runtime)


METHODS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        getinfo,
        getblockchaininfo,
        getblockchainparams,
        getmempoolinfo,
        getrawmempool,
        getpeerinfo,
        getblockcount,
        getbestblockhash,
        getblockhash,
        getblock,
        listblocks,
        getlastblockinfo,
        pause,
        resume,
        setruntimeparam,
        getruntimeparams,
    )
}
