"""Streams in the MultiChain double: subscribing, and reading what was published."""

# ruff: noqa: PLR0917 - an RPC method's parameters are positional

from __future__ import annotations

import json
import re
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any, TypeVar

from tests.lib.multichain_double_chain import Coin, Output, RpcError, Stream
from tests.lib.multichain_double_node import Node, wanted_text

_Row = TypeVar("_Row")

MAX_DATA_BYTES = 64 * 1024**2


def subscribe(node: Node, streams: Any, rescan: Any = True, indexes: Any = "") -> None:
    for stream in _streams(node, streams, word="Entity"):
        node.subscribed.add(stream.created)
        node.followed.add(stream.created)


def unsubscribe(node: Node, streams: Any, purge: Any = False) -> None:
    for stream in _streams(node, streams, word="Entity"):
        node.subscribed.discard(stream.created)


def getstreaminfo(node: Node, stream: Any, verbose: Any = False) -> dict[str, Any]:
    return _described(node, node.stream(stream), verbose=_flag(verbose))


def liststreams(
    node: Node, streams: Any = "*", verbose: Any = False, count: Any = None, start: Any = None
) -> list[dict[str, Any]]:
    found = list(node.pool.streams.values())
    if streams != "*":
        asked = [stream.created for stream in _streams(node, streams)]
        found = [stream for stream in found if stream.created in asked]
    page = _page(found, len(found) if count is None else count, start)
    return [_listed(node, stream, verbose=_flag(verbose)) for stream in page]


def liststreamitems(
    node: Node,
    stream: Any,
    verbose: Any = False,
    count: Any = 10,
    start: Any = None,
    local: Any = False,
) -> list[dict[str, Any]]:
    shown = _flag(verbose)
    items = _ordered(node, stream, local=local)
    return _items(node, _page(items, count, start), verbose=shown)


def liststreamkeyitems(
    node: Node,
    stream: Any,
    key: Any,
    verbose: Any = False,
    count: Any = 10,
    start: Any = None,
    local: Any = False,
) -> list[dict[str, Any]]:
    shown, wanted = _flag(verbose), wanted_text(key)
    items = [one for one in _ordered(node, stream, local=local) if wanted in _keys(node, one)]
    return _items(node, _page(items, count, start), verbose=shown)


def liststreampublisheritems(
    node: Node,
    stream: Any,
    address: Any,
    verbose: Any = False,
    count: Any = 10,
    start: Any = None,
    local: Any = False,
) -> list[dict[str, Any]]:
    shown = _flag(verbose)
    if not is_address(address):
        raise RpcError(-5, "Invalid address")
    items = _ordered(node, stream, local=local)
    mine = [item for item in items if address in node.seen[item.txid].signers]
    return _items(node, _page(mine, count, start), verbose=shown)


def liststreamkeys(
    node: Node,
    stream: Any,
    keys: Any = "*",
    verbose: Any = False,
    count: Any = None,
    start: Any = None,
    local: Any = False,
) -> list[dict[str, Any]]:
    by_key: dict[str, list[Coin]] = {}
    for item in _subscribed(node, stream).items:
        for key in dict.fromkeys(_keys(node, item)):
            by_key.setdefault(key, []).append(item)
    asked = list(by_key) if keys == "*" else keys if isinstance(keys, list) else [keys]
    _require_distinct(asked)
    return [
        _counted(node, "key", key, by_key.get(key, []), verbose=_flag(verbose))
        for key in _page(asked, len(asked) if count is None else count, start)
    ]


def liststreampublishers(
    node: Node, stream: Any, addresses: Any = "*", verbose: Any = False
) -> list[dict[str, Any]]:
    by_address: dict[str, list[Coin]] = {}
    for item in _subscribed(node, stream).items:
        for address in node.pool.publishers[item.txid]:
            by_address.setdefault(address, []).append(item)
    asked = addresses if isinstance(addresses, list) else [addresses]
    return [
        _counted(node, "publisher", one, by_address.get(one, []), verbose=_flag(verbose))
        for one in (by_address if addresses == "*" else asked)
    ]


def liststreamblockitems(
    node: Node,
    stream: Any,
    blocks: Any,
    verbose: Any = False,
    count: Any = None,
    start: Any = None,
) -> list[dict[str, Any]]:
    """List the items of some blocks. ``count`` and ``start`` count transactions, not items."""
    heights = set(block_heights(node, blocks))
    items = _subscribed(node, stream).items
    there = [i for i in items if i.txid in node.places and node.places[i.txid][0].height in heights]
    txids = list(dict.fromkeys(item.txid for item in there))
    taken = set(_page(txids, len(txids) if count is None else count, start))
    return _items(node, [item for item in there if item.txid in taken], verbose=_flag(verbose))


def liststreamtxitems(
    node: Node, stream: Any, txids: Any, verbose: Any = False
) -> list[dict[str, Any]]:
    asked = txids if isinstance(txids, list) else [txids]
    _require_distinct(asked)
    for txid in asked:
        if not re.fullmatch(r"[0-9a-fA-F]{64}", wanted_text(txid)):
            raise RpcError(-8, f"txid must be hexadecimal string (not '{txid}')")
    wanted = {txid: 0 for txid in asked if node.knows(txid)}
    items = _every(node, node.stream(stream), wanted)
    return _items(node, items, verbose=_flag(verbose))


def getstreamitem(node: Node, stream: Any, txid: Any, verbose: Any = False) -> dict[str, Any]:
    found = liststreamtxitems(node, stream, txid, verbose)
    if not found:
        raise RpcError(-710, "This transaction was not found in this stream")
    if len(found) > 1:
        raise RpcError(
            -701,
            "This transaction has more than one output for this stream, please use "
            "liststreamtxitems",
        )
    return found[0]


def gettxoutdata(node: Node, txid: Any, vout: Any, count: Any = None, start: Any = 0) -> Any:
    if wanted_text(txid) not in node.seen:
        raise RpcError(-710, "No information available about transaction")
    known = node.seen[txid].tx
    if not 0 <= vout < len(known.outputs):
        # A real node hangs at its next block after this.
        node.fatal.append(f"gettxoutdata {txid} {vout}: no such output")
        raise RpcError(-712, "Invalid vout")
    output = known.outputs[vout]
    if output.head["type"] != "data":
        raise RpcError(-713, "Output without metadata")
    size = len(output.payload)
    wanted = size if count is None else _whole(count, "Invalid count")
    if output.head["format"] != "raw" and (wanted < size or start):
        raise RpcError(-8, "Invalid count, must include all text or JSON data")
    if wanted > MAX_DATA_BYTES:
        raise RpcError(-8, "Invalid count, exceeds 64MB")
    return shown_data(output, output.payload[start : start + wanted])


def item_entry(node: Node, item: Coin, *, verbose: bool) -> dict[str, Any]:
    """Describe one item: fields about its block are absent until it is confirmed."""
    output = node.seen[item.txid].tx.outputs[item.vout]
    large = len(output.payload) > node.runtime["maxshowndata"]
    size = {"format": output.head["format"], "size": len(output.payload)}
    entry: dict[str, Any] = {
        "publishers": node.seen[item.txid].signers,
        "keys": output.head["keys"],
        "offchain": False,
        "available": True,
        "data": {"txid": item.txid, "vout": item.vout, **size} if large else shown_data(output),
        "confirmations": node.confirmations(item.txid),
    }
    entry |= tx_times(node, item.txid, vout=item.vout)
    if not verbose:
        for field in ("blockhash", "blockheight", "blockindex", "vout", "valid"):
            entry.pop(field, None)
        del entry["time"], entry["timereceived"]
    return entry


def tx_times(node: Node, txid: str, vout: int | None = None) -> dict[str, Any]:
    """Say where a transaction stands and when it came, as items and transactions both do."""
    received = node.seen[txid].time
    entry: dict[str, Any] = {}
    time = received
    if txid in node.places:
        block, index = node.places[txid]
        time = min(time, block.time)
        entry |= {"blockhash": block.hash, "blockheight": block.height}
        entry |= {"blockindex": index, "blocktime": block.time}
    entry["txid"] = txid
    if vout is not None:
        entry["vout"] = vout
    return entry | {"valid": not node.is_dead(txid), "time": time, "timereceived": received}


def shown_data(output: Output, payload: bytes | None = None) -> Any:
    part = output.payload if payload is None else payload
    form = output.head["format"]
    if form == "raw":
        return part.hex()
    return {form: part.decode() if form == "text" else json.loads(part)}


def block_heights(node: Node, blocks: Any) -> Iterable[int]:
    """Read what says which blocks: a height, a hash, "a-b", "-n", or a list of those."""
    if isinstance(blocks, list):
        return [height for one in blocks for height in block_heights(node, one)]
    text = str(blocks)
    if re.fullmatch(r"\d+", text):
        return [int(text)] if int(text) <= node.height else []
    if found := re.fullmatch(r"(\d+)-(\d+)", text):
        return range(int(found[1]), min(int(found[2]), node.height) + 1)
    if found := re.fullmatch(r"-(\d+)", text):
        return range(max(0, node.height - int(found[1]) + 1), node.height + 1)
    if not re.fullmatch(r"[0-9a-fA-F]{64}", text):
        raise RpcError(-8, f"Block hash must be hexadecimal string (not '{text}')")
    found_blocks = [block.height for block in node.blocks if block.hash == text]
    if not found_blocks:
        raise RpcError(-711, "Block not found")
    return found_blocks


def is_address(value: Any) -> bool:
    return (
        isinstance(value, str) and re.fullmatch(r"1[1-9A-HJ-NP-Za-km-z]{36,37}", value) is not None
    )


def _streams(node: Node, streams: Any, *, word: str = "Stream") -> list[Stream]:
    return [
        node.stream(one, word=word) for one in (streams if isinstance(streams, list) else [streams])
    ]


def _subscribed(node: Node, stream: Any) -> Stream:
    found = node.stream(stream)
    if found.created not in node.subscribed:
        raise RpcError(-703, "Not subscribed to this stream")
    return found


def _ordered(node: Node, stream: Any, *, local: Any) -> Sequence[Coin]:
    """List a stream's items: in the chain's order, or as they came, dead ones too."""
    found = _subscribed(node, stream)
    return _every(node, found, node.seen) if local else found.items


def _every(node: Node, stream: Stream, txids: Iterable[str]) -> list[Coin]:
    return [
        Coin(txid, number)
        for txid in txids
        for number, output in enumerate(node.seen[txid].tx.outputs)
        if output.head["type"] == "data" and output.head["for"] == stream.created
    ]


def _items(node: Node, items: Iterable[Coin], *, verbose: bool) -> list[dict[str, Any]]:
    return [item_entry(node, item, verbose=verbose) for item in items]


def _keys(node: Node, item: Coin) -> list[str]:
    keys: list[str] = node.seen[item.txid].tx.outputs[item.vout].head["keys"]
    return keys


def _page(rows: Sequence[_Row], count: Any, start: Any) -> Sequence[_Row]:
    """Cut a page: negative starts count from the end, the default is the last ``count``."""
    many = _whole(count, "Invalid count")
    first = -many if start is None else start
    if not isinstance(first, int):
        raise RpcError(-8, "Invalid start")
    if first < 0:
        first = max(0, len(rows) + first)
    return rows[first : first + many]


def _whole(value: Any, complaint: str) -> int:
    if isinstance(value, bool) or not isinstance(value, int) or value < 0:
        raise RpcError(-8, complaint)
    return value


def _flag(value: Any) -> bool:
    if isinstance(value, bool | int):
        return bool(value)
    raise RpcError(-8, "Invalid parameter value type, should be boolean")


def _require_distinct(values: Sequence[Any]) -> None:
    for number, value in enumerate(values):
        if value in values[:number]:
            raise RpcError(-8, f"Invalid parameter, duplicate value: {value}")


def _counted(
    node: Node, word: str, value: str, items: Sequence[Coin], *, verbose: bool
) -> dict[str, Any]:
    confirmed = sum(item.txid in node.places for item in items)
    entry: dict[str, Any] = {word: value, "items": len(items), "confirmed": confirmed}
    if verbose and items:
        entry["first"] = item_entry(node, items[0], verbose=True)
        entry["last"] = item_entry(node, items[-1], verbose=True)
    return entry


def _described(node: Node, stream: Stream, *, verbose: bool) -> dict[str, Any]:
    entry: dict[str, Any] = {"name": stream.name} if stream.name else {}
    restrict = {"write": stream.closed, "read": False, "onchain": False, "offchain": False}
    entry |= {"createtxid": stream.created, "streamref": node.reference(stream)}
    entry["restrict"] = restrict
    if verbose:
        entry["salted"] = False
    entry["details"] = stream.details
    if verbose:
        entry["creators"] = stream.creators
    return entry


def _listed(node: Node, stream: Stream, *, verbose: bool) -> dict[str, Any]:
    entry = _described(node, stream, verbose=verbose)
    if verbose:
        entry["filters"] = []
    entry["subscribed"] = stream.created in node.subscribed
    if entry["subscribed"]:
        kinds = ("items", "keys", "publishers")
        entry |= {"retrieve": True, "canretrieve": True}
        entry["indexes"] = {kind + end: True for end in ("", "-local") for kind in kinds}
        entry |= {"synchronized": True, "items": len(stream.items)}
        entry["confirmed"] = sum(item.txid in node.places for item in stream.items)
        entry["keys"] = len({key for item in stream.items for key in _keys(node, item)})
        signers = (node.pool.publishers[item.txid] for item in stream.items)
        entry["publishers"] = len({signer for some in signers for signer in some})
    return entry


METHODS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        subscribe,
        unsubscribe,
        getstreaminfo,
        liststreams,
        liststreamitems,
        liststreamkeyitems,
        liststreampublisheritems,
        liststreamkeys,
        liststreampublishers,
        liststreamblockitems,
        liststreamtxitems,
        getstreamitem,
        gettxoutdata,
    )
}
