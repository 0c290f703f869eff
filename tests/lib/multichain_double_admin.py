"""Addresses, coins and rights in the MultiChain double."""

# ruff: noqa: PLR0917 - an RPC method's parameters are positional

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from secrets import token_hex
from typing import Any

from tests.lib.multichain_double_chain import (
    FOREVER,
    GLOBAL_RIGHTS,
    STREAM_RIGHTS,
    Coin,
    Output,
    RpcError,
    Stream,
)
from tests.lib.multichain_double_node import NO_COIN, Node, address_of, wanted_text
from tests.lib.multichain_double_streams import is_address

# -- addresses and coins --------------------------------------------------------------------------


def getaddresses(node: Node, verbose: Any = False) -> list[Any]:
    own = node.wallet.addresses
    return [_address(node, one) for one in own] if verbose else list(own)


def getnewaddress(node: Node) -> str:
    return node.new_address()


def createkeypairs(node: Node, count: Any = 1) -> list[dict[str, str]]:
    """Make keys that no wallet holds."""
    seeds = [token_hex(32) for _ in range(count)]
    return [
        {"address": address_of(seed, 0), "pubkey": f"02{seed}", "privkey": seed} for seed in seeds
    ]


def dumpprivkey(node: Node, address: Any) -> str:
    node.require_key(address)
    return f"key of {address}"


def importprivkey(node: Node, key: Any, label: Any = "", rescan: Any = True) -> None:
    address = wanted_text(key).removeprefix("key of ")
    if address not in node.wallet.addresses:
        node.wallet.addresses.append(address)


def validateaddress(node: Node, address: Any) -> dict[str, Any]:
    if not is_address(address):
        return {"isvalid": False}
    return {"isvalid": True, **_address(node, address)}


def listaddresses(node: Node, addresses: Any = "*", verbose: Any = False) -> list[dict[str, Any]]:
    own = [one for one in node.wallet.addresses if addresses in {"*", one}]
    return [_address(node, one) for one in own]


def _address(node: Node, address: str) -> dict[str, Any]:
    mine = address in node.wallet.addresses
    entry: dict[str, Any] = {"address": address, "ismine": mine}
    return entry | {"iswatchonly": False, "isscript": False} if mine else entry


def listunspent(
    node: Node, least: Any = 1, most: Any = 9999999, addresses: Any = None
) -> list[dict[str, Any]]:
    """List coins, newest first, without the locked ones."""
    wanted = node.wallet.addresses if addresses is None else addresses
    found = []
    for coin, owner in reversed(node.pool.coins.items()):
        confirmations = node.confirmations(coin.txid)
        free = coin not in node.wallet.locked_coins
        own = owner in wanted and owner in node.wallet.addresses
        if own and free and least <= confirmations <= most:
            entry = {"txid": coin.txid, "vout": coin.vout, "address": owner, "account": ""}
            entry |= {"scriptPubKey": "", "amount": 0, "confirmations": confirmations}
            may = node.pool.holds(owner, "send", node.height + 1)
            entry |= {"cansend": may, "spendable": may}
            found.append(entry | {"assets": [], "permissions": []})
    return found


def lockunspent(node: Node, unlock: Any, coins: Any = None) -> bool:
    named = {Coin(coin["txid"], coin["vout"]) for coin in coins or []}
    locked = node.wallet.locked_coins
    if not unlock:
        locked |= named
    else:
        locked -= named if coins else set(locked)
    return True


def listlockunspent(node: Node) -> list[dict[str, Any]]:
    return [{"txid": coin.txid, "vout": coin.vout} for coin in sorted(node.wallet.locked_coins)]


def preparelockunspentfrom(
    node: Node, address: Any, amounts: Any, lock: Any = True
) -> dict[str, Any]:
    """Make a coin of an address and lock it."""
    node.require_key(address)
    held = [node.pool.holds(address, right, node.height + 1) for right in ("send", "receive")]
    if not all(held):
        raise RpcError(-704, "from-address must have send and receive permission")
    if not node.coins_of(address):
        raise RpcError(-716, NO_COIN)
    tx = node.build(address, [Output({"type": "coin", "address": address})])
    node.send(tx)
    if lock:
        node.wallet.locked_coins.add(Coin(tx.txid, 0))
    return {"txid": tx.txid, "vout": 0}


def encryptwallet(node: Node, passphrase: Any) -> str:
    """Encrypt and lock the wallet. A real node stops besides, and is locked when it is back."""
    node.wallet.passphrase = wanted_text(passphrase)
    node.wallet.locked = True
    return "wallet encrypted; server stopping, restart to run with encrypted wallet."


def walletlock(node: Node) -> None:
    if not node.wallet.passphrase:
        raise RpcError(-15, "Error: running with an unencrypted wallet, but walletlock was called.")
    node.wallet.locked = True


def walletpassphrase(node: Node, passphrase: Any, seconds: Any) -> None:
    """Unlock the wallet, until it is locked again: the seconds are not counted."""
    if passphrase != node.wallet.passphrase:
        raise RpcError(-14, "Error: The wallet passphrase entered was incorrect.")
    node.wallet.locked = False


# -- rights ---------------------------------------------------------------------------------------


def grant(
    node: Node, addresses: Any, rights: Any, amount: Any = 0, start: Any = 0, end: Any = FOREVER
) -> str:
    where, names = _permission(node, rights)
    held = [one for one in node.wallet.addresses if _may_grant(node, one, where, names)]
    sender = held[0] if held else node.wallet.addresses[0]
    return grantfrom(node, sender, addresses, rights, amount, start, end)


def grantfrom(
    node: Node,
    sender: Any,
    addresses: Any,
    rights: Any,
    amount: Any = 0,
    start: Any = 0,
    end: Any = FOREVER,
) -> str:
    receivers = wanted_text(addresses).split(",")
    for receiver in receivers:
        if not is_address(receiver):
            raise RpcError(-5, f"Invalid address: {receiver}")
    where, names = _permission(node, rights)
    node.require_key(sender)
    if not _may_grant(node, sender, where, names):
        activators = set(names) <= {"connect", "send", "receive", "write", "read"}
        word = "activate or admin" if activators else "admin"
        entity = " for this entity" if where else ""
        raise RpcError(-704, f"from-address doesn't have {word} permission{entity}")
    head = {"type": "grant", "for": where.created if where else "", "rights": names}
    head |= {"start": start, "end": end}
    return node.send(node.build(sender, [Output(head | {"address": one}) for one in receivers]))


def revoke(node: Node, addresses: Any, rights: Any, amount: Any = 0) -> str:
    return grant(node, addresses, rights, amount, 0, 0)


def revokefrom(node: Node, sender: Any, addresses: Any, rights: Any, amount: Any = 0) -> str:
    return grantfrom(node, sender, addresses, rights, amount, 0, 0)


def listpermissions(
    node: Node, rights: Any = "*", addresses: Any = "*", verbose: Any = False
) -> list[dict[str, Any]]:
    """List what was granted and not taken back, whatever the height it counts from or until."""
    where, names = _permission(node, rights)
    asked = None
    if addresses not in {"*", None}:
        asked = addresses if isinstance(addresses, list) else wanted_text(addresses).split(",")
        for address in asked:
            if not is_address(address):
                raise RpcError(-5, f"Invalid address: {address}")
    entity = where.created if where else ""
    found: list[dict[str, Any]] = []
    for (stream, address, right), (start, end) in node.pool.rights.items():
        named = asked is None or address in asked
        if named and stream == entity and right in names and start < end:
            entry: dict[str, Any] = {
                "address": address,
                "for": _entity(node, where),
                "type": right,
            }
            entry |= {"startblock": start, "endblock": end}
            found.append(entry | ({"admins": [], "pending": []} if verbose else {}))
    return found


def verifypermission(node: Node, address: Any, right: Any) -> bool:
    if not is_address(address):
        raise RpcError(-5, f"Invalid address: {wanted_text(address)}")
    where, names = _permission(node, right)
    if where is not None and names == ["write"]:
        return node.pool.may_write(address, where, node.height + 1)
    entity = where.created if where else ""
    return all(node.pool.holds(address, name, node.height + 1, entity) for name in names)


def _permission(node: Node, rights: Any) -> tuple[Stream | None, list[str]]:
    """Read "send,receive" or "stream.write,admin"; "*" is all."""
    text = wanted_text(rights)
    if "." in text:
        name, _, right = text.rpartition(".")
        stream = node.stream(name, word="Entity")
        return stream, _known(STREAM_RIGHTS if right == "*" else right.split(","), STREAM_RIGHTS)
    return None, _known(GLOBAL_RIGHTS if text in {"*", "all"} else text.split(","), GLOBAL_RIGHTS)


def _known(rights: Sequence[str], known: Sequence[str]) -> list[str]:
    if not set(rights) <= set(known):
        raise RpcError(-8, "Invalid permission")
    return list(rights)


def _may_grant(node: Node, address: str, where: Stream | None, names: Sequence[str]) -> bool:
    entity = where.created if where else ""
    return node.pool.may_grant(address, names, node.height + 1, entity)


def _entity(node: Node, stream: Stream | None) -> dict[str, Any] | None:
    if stream is None:
        return None
    return {"type": "stream", "name": stream.name, "streamref": node.reference(stream)}


METHODS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        getaddresses,
        getnewaddress,
        createkeypairs,
        dumpprivkey,
        importprivkey,
        validateaddress,
        listaddresses,
        listunspent,
        lockunspent,
        listlockunspent,
        preparelockunspentfrom,
        encryptwallet,
        walletlock,
        walletpassphrase,
        grant,
        grantfrom,
        revoke,
        revokefrom,
        listpermissions,
        verifypermission,
    )
}
