"""Two MultiChain nodes of one chain whose connection a test cuts and heals: double and real."""

from __future__ import annotations

import select
import socket
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from re import search
from typing import Any

from tests.lib.multichain_double import MultiChainDouble
from tests.lib.multichain_nodes import (
    ReachableNode,
    create_chain,
    double_node,
    free_port,
    held,
    running,
    until,
)

SEPARATE = {"mining_diversity": 0.0, "mining_requires_peers": False}
"""Each side of a fork goes on alone."""


@dataclass(frozen=True)
class NodePair:
    """Two nodes. Each mines on command, ``mine`` of the node; both may connect, send, create."""

    first: ReachableNode
    second: ReachableNode
    cut: Callable[[], None]
    connect: Callable[[], None]

    def heal(self) -> None:
        """Connect, and wait until both have one history."""
        self.connect()
        self.agree()

    def agree(self) -> None:
        """Wait until both have the same newest block."""
        until(lambda: self._newest(self.first) == self._newest(self.second), "one history")

    @staticmethod
    def _newest(node: ReachableNode) -> Any:
        return node.call("getbestblockhash")


@contextmanager
def double_pair(**parameters: Any) -> Iterator[NodePair]:
    with double_node(2, **{**SEPARATE, **parameters}) as first:
        chain = first.double
        assert isinstance(chain, MultiChainDouble)
        second = ReachableNode(
            chain.url(1),
            chain.user,
            chain.password,
            lambda _: chain.mine(node=1),
            double=chain,
            session=first.session,
        )
        yield NodePair(first, second, lambda: chain.partition([0], [1]), chain.heal)


@contextmanager
def real_pair(folder: Path, **parameters: Any) -> Iterator[NodePair]:
    """Start a private chain with two nodes that reach each other over a line that can be cut."""
    port, far_port = free_port(), free_port()
    create_chain(folder / "first", port, {**SEPARATE, **parameters})
    with running(folder / "first", "pc", port, free_port()) as first, _Line(port) as line:
        for held_first in held(first):
            seed = f"pc@127.0.0.1:{line.port}"
            (folder / "second").mkdir()
            options = ("-listen=0",)
            address = _first_address(folder / "second", seed, far_port)
            first.call("grant", address, "connect,send,receive,create,mine")
            first.mine()
            with running(folder / "second", seed, far_port, free_port(), *options) as second:
                second.call("pause", "mining")

                def connect() -> None:
                    line.mend()
                    second.call("addnode", f"127.0.0.1:{line.port}", "onetry")
                    until(lambda: bool(first.call("getpeerinfo")), "a connection")

                def cut() -> None:
                    line.cut()
                    until(lambda: not first.call("getpeerinfo"), "the end of the connection")

                pair = NodePair(held_first, second, cut, connect)
                pair.agree()
                yield pair


def _first_address(folder: Path, seed: str, port: int) -> str:
    """Let a node introduce itself: without a right to connect it ends, naming its address."""
    with suppress(ChildProcessError), running(folder, seed, port, free_port(), "-listen=0"):
        raise AssertionError("a node without rights was let in")
    found = search(r"grant (\w+) connect", (folder / "node.log").read_text())
    assert found is not None
    return found[1]


class _Line:
    """A line to a port on loopback, cut and mended at will."""

    def __init__(self, target: int) -> None:
        self._target = target
        self._listener = socket.create_server(("127.0.0.1", 0))
        self.port: int = self._listener.getsockname()[1]
        self._whole = threading.Event()
        self._whole.set()
        self._open = True
        self._threads: list[threading.Thread] = []

    def __enter__(self) -> _Line:
        self._begin(self._accept)
        return self

    def __exit__(self, *_: object) -> None:
        self._open = False
        self._whole.clear()
        for thread in self._threads:
            thread.join()
        self._listener.close()

    def cut(self) -> None:
        self._whole.clear()

    def mend(self) -> None:
        self._whole.set()

    def _begin(self, work: Callable[..., None], *arguments: Any) -> None:
        thread = threading.Thread(target=work, args=arguments, daemon=True)
        self._threads.append(thread)
        thread.start()

    def _accept(self) -> None:
        while self._open:
            if select.select([self._listener], [], [], 0.05)[0]:
                near, _ = self._listener.accept()
                if self._whole.is_set():
                    self._begin(self._carry, near)
                else:
                    near.close()

    def _carry(self, near: socket.socket) -> None:
        with near, suppress(OSError), socket.create_connection(("127.0.0.1", self._target)) as far:
            other = {near: far, far: near}
            while self._whole.is_set():
                for ready in select.select([near, far], [], [], 0.05)[0]:
                    data = ready.recv(1 << 16)
                    if not data:
                        return
                    other[ready].sendall(data)
