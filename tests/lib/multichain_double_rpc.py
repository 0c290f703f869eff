"""The RPC methods of the MultiChain double: which there are, and how they are called."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from typing import Any

from tests.lib import multichain_double_admin as admin
from tests.lib import multichain_double_blocks as blocks
from tests.lib import multichain_double_raw as raw
from tests.lib import multichain_double_streams as streams
from tests.lib import multichain_double_wallet as wallet
from tests.lib.multichain_double_chain import RpcError
from tests.lib.multichain_double_node import Node

METHODS: Mapping[str, Callable[..., Any]] = {
    **admin.METHODS,
    **blocks.METHODS,
    **streams.METHODS,
    **wallet.METHODS,
    **raw.METHODS,
}


def execute(node: Node, method: str, params: list[Any]) -> Any:
    """Answer one call, or raise ``RpcError``; the wrong number of arguments gets the help text."""
    function = METHODS.get(method)
    if function is None:
        raise RpcError(-32601, "Method not found")
    try:
        call = inspect.signature(function).bind(node, *params)
    except TypeError:
        raise RpcError(-1, f"{method}: help text") from None
    return function(*call.args)
