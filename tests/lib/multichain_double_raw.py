"""Raw transactions in the MultiChain double: made, signed, sent, and looked at."""

from __future__ import annotations

import re
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.lib.multichain_double_chain import Coin, Output, RpcError, Tx
from tests.lib.multichain_double_node import Node, NodeDied, wanted_text
from tests.lib.multichain_double_streams import is_address, shown_data, tx_times
from tests.lib.multichain_double_wallet import (
    checked_names,
    checked_sender,
    item_output,
    require_write,
)


def createrawsendfrom(
    node: Node, address: Any, amounts: Any, data: Any = None, action: Any = ""
) -> Any:
    sender = checked_sender(node, address)
    outputs = [_coin(owner) for owner in amounts] + _raw_items(node, data or [], sender)
    if not outputs:
        raise RpcError(-8, "Either addresses object or data array should not be empty")
    actions = _actions(action)
    return _acted(node, node.build(sender, outputs, sign=False), actions)


def createrawtransaction(
    node: Node, coins: Any, amounts: Any, data: Any = None, action: Any = ""
) -> Any:
    inputs = [Coin(coin["txid"], coin["vout"]) for coin in coins]
    outputs = [_coin(owner) for owner in amounts] + _raw_items(node, data or [], None)
    return _acted(node, Tx.make(inputs, outputs), _actions(action))


def signrawtransaction(node: Node, raw: Any) -> dict[str, Any]:
    tx = _decoded(raw)
    node.require_unlocked()
    signed = tx.signed(node.own(tx.inputs))
    return {"hex": signed.raw.hex(), "complete": all(signed.signatures)}


def sendrawtransaction(node: Node, raw: Any, free: Any = False) -> str:
    if not isinstance(raw, str):
        raise RpcError(-3, f"Expected type str, got {type(raw).__name__}")
    return node.send(_decoded(raw))


def decoderawtransaction(node: Node, raw: Any) -> dict[str, Any]:
    return _described(node, _decoded(raw))


def getrawtransaction(node: Node, txid: Any, verbose: Any = 0) -> Any:
    """Show a transaction. One that a fork dropped is still shown, and in the block that is gone."""
    name = _required_txid(node, "getrawtransaction", txid, fatal=False)
    seen = node.seen.get(name)
    if seen is None or (node.is_dead(name) and not seen.orphaned):
        raise RpcError(-710, "No information available about transaction")
    raw = seen.tx.raw.hex()
    if not verbose:
        return raw
    entry = {"hex": raw, **_described(node, seen.tx)}
    if node.is_dead(name):
        entry |= {"blockhash": seen.orphaned, "confirmations": 0}
    elif name in node.places:
        block, _ = node.places[name]
        entry |= {"blockhash": block.hash, "confirmations": node.confirmations(name)}
        entry |= {"time": block.time, "blocktime": block.time}
    return entry


def getwallettransaction(
    node: Node, txid: Any, watch_only: Any = False, verbose: Any = False
) -> dict[str, Any]:
    """Describe a transaction that one of this wallet's addresses has a part in."""
    tx = _of_wallet(node, _required_txid(node, "getwallettransaction", txid, fatal=True))
    own = node.wallet.addresses
    paid = [output.head["address"] for output in tx.outputs if "address" in output.head]
    involved = list(dict.fromkeys([*node.seen[tx.txid].signers, *paid]))
    if not set(involved) & set(own):
        raise RpcError(
            -710, "Wallet addresses with specified criteria are not involved in transaction"
        )
    entry: dict[str, Any] = {
        "balance": {"amount": 0, "assets": []},
        "myaddresses": [one for one in involved if one in own],
        "addresses": [one for one in involved if one not in own],
        "permissions": [],
        "items": [_item_head(node, tx, n) for n, o in enumerate(tx.outputs) if _on_stream(o)],
        "data": [],
        "confirmations": -1 if node.is_dead(tx.txid) else node.confirmations(tx.txid),
        **tx_times(node, tx.txid),
    }
    if verbose:
        described = _described(node, tx)
        entry |= {"vin": described["vin"], "vout": described["vout"], "hex": tx.raw.hex()}
    return entry


def gettransaction(node: Node, txid: Any, watch_only: Any = False) -> dict[str, Any]:
    tx = _of_wallet(node, _required_txid(node, "gettransaction", txid, fatal=True))
    confirmations = -1 if node.is_dead(tx.txid) else node.confirmations(tx.txid)
    entry = {"amount": 0, "fee": 0, "confirmations": confirmations}
    entry |= tx_times(node, tx.txid)
    return entry | {"walletconflicts": [], "details": [], "hex": tx.raw.hex()}


def gettxout(node: Node, txid: Any, vout: Any, unconfirmed: Any = True) -> Any:
    state = node.pool if unconfirmed else node.tip
    if Coin(txid, vout) not in state.coins:
        return None
    confirmations = node.confirmations(txid)
    output = state.txs[txid].outputs[vout]
    return {
        "bestblock": node.blocks[-1].hash,
        "confirmations": confirmations,
        "value": 0,
        "scriptPubKey": _script(output),
        "version": 1,
        "coinbase": False,
    }


def _required_txid(node: Node, method: str, txid: Any, *, fatal: bool) -> str:
    """Check a txid. What is none, and the one of zeros, crashes a real node in some methods."""
    text = wanted_text(txid)
    well_formed = re.fullmatch(r"[0-9a-fA-F]{64}", text) is not None
    if fatal and (not well_formed or not text.strip("0")):
        node.fatal.append(f"{method} {text!r}: not a txid")
        raise NodeDied
    if not well_formed:
        raise RpcError(-8, f"parameter 1 must be hexadecimal string (not '{text}')")
    return text.lower()


def _of_wallet(node: Node, txid: str) -> Tx:
    if not node.knows(txid):
        raise RpcError(-710, "Invalid or non-wallet transaction id")
    return node.seen[txid].tx


def _coin(owner: str) -> Output:
    if not is_address(owner):
        raise RpcError(-5, f"Invalid address: {owner}")
    return Output({"type": "coin", "address": owner})


def _raw_items(node: Node, data: Sequence[Any], sender: str | None) -> list[Output]:
    outputs = []
    for spec in data:
        if isinstance(spec, str):
            outputs.append(item_output(None, [], spec))
            continue
        if "for" not in spec:
            raise RpcError(-8, "Unrecognized parameter format")
        stream = node.stream(spec["for"], word="Entity")
        if "key" not in spec and "keys" not in spec:
            raise RpcError(-8, "Missing keys field")
        if spec.get("keys") == []:
            raise RpcError(-8, "Invalid keys - should be non-empty array")
        outputs.append(
            item_output(stream, checked_names(spec.get("keys", spec.get("key"))), spec["data"])
        )
        if sender is not None:
            require_write(node, sender, [stream])
    return outputs


def _actions(action: Any) -> set[str]:
    actions = {part for part in wanted_text(action).split(",") if part}
    if not actions <= {"lock", "sign", "send"}:
        raise RpcError(-8, "Invalid action")
    return actions | ({"sign"} if "send" in actions else set())


def _acted(node: Node, tx: Tx, actions: set[str]) -> Any:
    if "sign" not in actions:
        signed: Any = tx.raw.hex()
    else:
        signed = signrawtransaction(node, tx.raw.hex())
    if "lock" in actions:
        node.wallet.locked_coins |= set(tx.inputs)
    if "send" in actions:
        return sendrawtransaction(node, signed["hex"])
    return signed


def _decoded(raw: Any) -> Tx:
    try:
        return Tx.parse(bytes.fromhex(raw))
    except (ValueError, KeyError, TypeError):
        raise RpcError(-22, "TX decode failed") from None


def _described(node: Node, tx: Tx) -> dict[str, Any]:
    vin: list[dict[str, Any]] = [{"coinbase": "", "sequence": 4294967295}]
    if tx.inputs:
        vin = [
            {"txid": coin.txid, "vout": coin.vout, "scriptSig": {"asm": "", "hex": signature.hex()}}
            | {"sequence": 4294967295}
            for coin, signature in zip(tx.inputs, tx.signatures, strict=True)
        ]
    vout = []
    for number, output in enumerate(tx.outputs):
        entry = {"value": 0, "n": number, "scriptPubKey": _script(output)}
        if _on_stream(output):
            entry["items"] = [_item_head(node, tx, number)]
        vout.append(entry)
    return {"txid": tx.txid, "version": 1, "locktime": 0, "vin": vin, "vout": vout}


def _script(output: Output) -> dict[str, Any]:
    script: dict[str, Any] = {"asm": "", "hex": output.script().hex(), "type": "nulldata"}
    if "address" in output.head:
        script |= {"type": "pubkeyhash", "reqSigs": 1, "addresses": [output.head["address"]]}
    return script


def _on_stream(output: Output) -> bool:
    return output.head["type"] == "data" and bool(output.head["for"])


def _item_head(node: Node, tx: Tx, number: int) -> dict[str, Any]:
    output = tx.outputs[number]
    stream = node.pool.streams[output.head["for"]]
    if tx.txid in node.seen:
        signers = node.seen[tx.txid].signers
    else:
        owners = (node.pool.coins.get(coin) for coin in tx.inputs)
        signers = [owner for owner in owners if owner]
    large = len(output.payload) > node.runtime["maxshowndata"]
    size = {"format": output.head["format"], "size": len(output.payload)}
    return {
        "type": "stream",
        "name": stream.name,
        "createtxid": stream.created,
        "streamref": node.reference(stream),
        "publishers": signers,
        "keys": output.head["keys"],
        "offchain": False,
        "data": {"txid": tx.txid, "vout": number, **size} if large else shown_data(output),
    }


METHODS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        createrawsendfrom,
        createrawtransaction,
        signrawtransaction,
        sendrawtransaction,
        decoderawtransaction,
        getrawtransaction,
        getwallettransaction,
        gettransaction,
        gettxout,
    )
}
