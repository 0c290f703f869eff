"""Creating streams and publishing in the MultiChain double."""

# ruff: noqa: PLR0917 - an RPC method's parameters are positional

from __future__ import annotations

import json
import re
import string
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from tests.lib.multichain_double_chain import Output, RpcError, Stream, Tx
from tests.lib.multichain_double_node import Node, wanted_text
from tests.lib.multichain_double_streams import is_address

MAX_KEY_BYTES = 256
MAX_NAME_BYTES = 32
NO_WRITER = (
    "This wallet contains no addresses with permission to write to this stream and global send "
    "permission."
)


def create(node: Node, kind: Any, name: Any, openness: Any, details: Any = None) -> str:
    senders = _allowed(node, lambda address, height: node.pool.holds(address, "create", height))
    if not senders:
        raise RpcError(-704, "This wallet contains no addresses with create permission.")
    return createfrom(node, senders[0], kind, name, openness, details)


def createfrom(
    node: Node, address: Any, kind: Any, name: Any, openness: Any, details: Any = None
) -> str:
    if kind != "stream":
        raise RpcError(-8, "Invalid entity type, should be stream")
    if not isinstance(name, str):
        raise RpcError(-8, "Invalid stream name, should be string")
    closed, text = _closed(openness), name
    if len(text.encode()) > MAX_NAME_BYTES:
        raise RpcError(-8, "Invalid stream name")
    if text == "*":
        raise RpcError(-8, "Invalid stream name: *")
    if re.fullmatch(r"\d+-\d+-\d+", text):
        raise RpcError(-8, "Invalid stream name, looks like a stream reference")
    if text.casefold() in node.pool.named:
        raise RpcError(-705, "Entity with this name already exists")
    sender = checked_sender(node, address)
    if not node.pool.holds(sender, "create", node.height + 1):
        raise RpcError(-704, "from-address doesn't have create permission")
    head = {"type": "create", "name": text, "closed": closed, "details": details or {}}
    return _sent(node, node.build(sender, [Output(head)]))


def _closed(openness: Any) -> bool:
    if isinstance(openness, bool):
        return not openness
    if isinstance(openness, dict) and set(openness) <= {"restrict"}:
        restrictions = [word for word in openness.get("restrict", "").split(",") if word]
        if set(restrictions) <= {"write"}:
            return bool(restrictions)
        raise RpcError(-702, "Unsupported restriction")
    raise RpcError(-8, "Invalid open flag, should be boolean or object")


def publish(node: Node, stream: Any, keys: Any, data: Any, options: Any = "") -> str:
    return publishfrom(node, _any_writer(node, stream), stream, keys, data, options)


def publishfrom(
    node: Node, address: Any, stream: Any, keys: Any, data: Any, options: Any = ""
) -> str:
    checked_address(address)
    found = node.stream(stream)
    sender = checked_sender(node, address)
    names = checked_names(keys)
    if "*" in names:
        raise RpcError(-8, "Invalid item-key-string: *")
    item = item_output(found, names, data)
    require_write(node, sender, [found])
    return _sent(node, node.build(sender, [item]))


def publishmulti(node: Node, stream: Any, items: Any, options: Any = "") -> str:
    return publishmultifrom(node, _any_writer(node, stream), stream, items, options)


def publishmultifrom(node: Node, address: Any, stream: Any, items: Any, options: Any = "") -> str:
    checked_address(address)
    default = node.stream(stream)
    sender = checked_sender(node, address)
    if not items:
        raise RpcError(-8, "Either addresses object or data array should not be empty")
    most = node.parameters["max-std-op-returns-count"]
    if len(items) > most:
        raise RpcError(-8, f"Number of items exceeds {most} (max-std-op-returns-count)")
    outputs, streams = [], []
    for spec in items:
        for field in spec:
            if field not in {"key", "keys", "data", "options", "for"}:
                raise RpcError(-8, f"Invalid field: {field}")
        found = node.stream(spec["for"]) if "for" in spec else default
        if "data" not in spec:
            raise RpcError(-8, "Missing data field")
        outputs.append(
            item_output(found, checked_names(spec.get("keys", spec.get("key"))), spec["data"])
        )
        streams.append(found)
    require_write(node, sender, streams)
    return node.send(node.build(sender, outputs))


def checked_names(keys: Any) -> list[str]:
    if not isinstance(keys, list | str):
        raise RpcError(-8, "Item keys should be either string or array")
    names = keys if isinstance(keys, list) else [keys]
    if not names:
        raise RpcError(-8, "Item keys array cannot be empty")
    for name in names:
        if not isinstance(name, str):
            raise RpcError(-8, "Item key should be string")
        if len(name.encode()) > MAX_KEY_BYTES:
            raise RpcError(-8, "Item key is too long")
    return names


def item_output(stream: Stream | None, keys: Sequence[str], data: Any) -> Output:
    head: dict[str, Any] = {"type": "data", "for": stream.created if stream else "", "keys": keys}
    if isinstance(data, str) and not data.strip(string.hexdigits) and len(data) % 2 == 0:
        return Output(head | {"format": "raw"}, bytes.fromhex(data))
    if not isinstance(data, dict):
        raise RpcError(-8, "data should be hexadecimal string or recognized object")
    if len(data) != 1:
        raise RpcError(-8, "data should be object with single element")
    ((form, value),) = data.items()
    if form == "text":
        return Output(head | {"format": "text"}, wanted_text(value).encode())
    if form == "json":
        return Output(head | {"format": "json"}, json.dumps(value).encode())
    raise RpcError(-702, f"Unsupported item data type: {form}")


def checked_address(address: Any) -> str:
    if not is_address(address):
        raise RpcError(-5, f"Invalid address: {wanted_text(address)}")
    return str(address)


def checked_sender(node: Node, address: Any) -> str:
    node.require_key(checked_address(address))
    return str(address)


def _allowed(node: Node, may: Callable[[str, int], bool]) -> list[str]:
    """Own addresses that may send and do this. The newest come first, to catch who relies on it."""
    height = node.height + 1
    own = reversed(node.wallet.addresses)
    return [one for one in own if node.pool.holds(one, "send", height) and may(one, height)]


def _any_writer(node: Node, stream: Any) -> str:
    found = node.stream(stream)
    writers = _allowed(node, lambda address, height: node.pool.may_write(address, found, height))
    if not writers:
        raise RpcError(-704, NO_WRITER)
    return writers[0]


def require_write(node: Node, sender: str, streams: Sequence[Stream]) -> None:
    for stream in streams:
        if not node.pool.may_write(sender, stream, node.height + 1):
            raise RpcError(-704, "Publishing in this stream is not allowed from this address")


def _sent(node: Node, tx: Tx) -> str:
    try:
        return node.send(tx)
    except RpcError as error:
        raise RpcError(
            error.code, f"Error: The transaction was rejected: {error.message}"
        ) from None


METHODS: Mapping[str, Callable[..., Any]] = {
    function.__name__: function
    for function in (
        create,
        createfrom,
        publish,
        publishfrom,
        publishmulti,
        publishmultifrom,
    )
}
