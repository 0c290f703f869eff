"""MultiChain nodes for tests: the double, and a real node where there is one.

A real node is the one at ``PRECISIONCHAIN_MULTICHAIN_URL`` (http://host:port, without credentials;
they come in ``PRECISIONCHAIN_MULTICHAIN_USER`` and ``PRECISIONCHAIN_MULTICHAIN_PASSWORD``), else a
private chain that the test starts with ``multichaind`` from PATH and stops again. Both may be
written to freely, and are told to mine by the test: a chain with anything of value is no place
for this.
"""

from __future__ import annotations

import os
import secrets
import shutil
import socket
import subprocess
import time
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import requests

from tests.lib.multichain_double import MultiChainDouble
from tests.lib.multichain_double_chain import RpcError

URL = "PRECISIONCHAIN_MULTICHAIN_URL"
USER = "PRECISIONCHAIN_MULTICHAIN_USER"
PASSWORD = "PRECISIONCHAIN_MULTICHAIN_PASSWORD"
LOOPBACK_ONLY = ("-bind=127.0.0.1", "-discover=0", "-upnp=0", "-dnsseed=0")
PATIENCE_SECONDS = 60
TIMEOUT_SECONDS = 60


@dataclass(frozen=True)
class ReachableNode:
    """A node and how to make it go on: ``make_block`` confirms all that waits, or most of it."""

    url: str
    user: str
    password: str
    make_block: Callable[[ReachableNode], None]
    double: MultiChainDouble | None = None
    """Steers the double; None on a real node."""
    folder: Path | None = None
    """The data directory of a real node that the test started."""
    session: requests.Session = field(default_factory=requests.Session, repr=False)

    def call(self, method: str, *params: Any) -> Any:
        """Make one call: its result, or ``RpcError`` with the node's code and message."""
        answer = self.post({"method": method, "params": list(params), "id": 1}).json()
        if answer["error"] is not None:
            raise RpcError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def post(
        self, body: Any, *, verb: str = "POST", path: str = "/", authorised: bool = True
    ) -> requests.Response:
        """Send any body; what is not bytes goes as JSON."""
        return self.session.request(
            verb,
            self.url + path,
            data=body if isinstance(body, bytes) else None,
            json=None if isinstance(body, bytes) else body,
            auth=(self.user, self.password if authorised else "wrong"),
            timeout=TIMEOUT_SECONDS,
        )

    def mine(self, count: int = 1) -> None:
        for _ in range(count):
            self.make_block(self)

    def environment(self) -> Mapping[str, str]:
        """The environment variables that name this node."""
        return {URL: self.url, USER: self.user, PASSWORD: self.password}


def real_node_absent() -> str | None:
    """Say why no real node can be had here; None when one can."""
    if os.environ.get(URL) or shutil.which("multichaind"):
        return None
    return f"no real MultiChain node: multichaind is not on PATH and {URL} is not set"


@contextmanager
def double_node(nodes: int = 1, **parameters: Any) -> Iterator[ReachableNode]:
    """Give the double's node 0. Leaving fails when a call would have broken a real node."""
    with (
        MultiChainDouble(
            nodes, {name.replace("_", "-"): v for name, v in parameters.items()}
        ) as it,
        requests.Session() as session,
    ):
        session.trust_env = False
        yield ReachableNode(
            it.url(), it.user, it.password, lambda _: it.mine(), double=it, session=session
        )


@contextmanager
def real_node(folder: Path, **parameters: Any) -> Iterator[ReachableNode]:
    """Give the node of the environment, or one of a new private chain in a folder.

    It mines when told to only. Call ``real_node_absent`` first.
    """
    if url := os.environ.get(URL):
        with requests.Session() as session:
            session.trust_env = False
            who = (os.environ[USER], os.environ[PASSWORD])
            yield from held(ReachableNode(url, *who, wait_for_block, session=session))
        return
    port, rpc_port = free_port(), free_port()
    create_chain(folder, port, parameters)
    with running(folder, "pc", port, rpc_port) as node:
        yield from held(node)


def held(node: ReachableNode) -> Iterator[ReachableNode]:
    """Let the node mine on command only, while a test has it."""
    node.mine(2)  # the first block gives a new chain its first coin
    try:
        yield node
    finally:
        node.call("resume", "mining")


def wait_for_block(node: ReachableNode) -> None:
    """Let a real node mine until it has one more block."""
    height = node.call("getblockcount")
    node.call("resume", "mining")
    until(lambda: node.call("getblockcount") > height, f"a block after {height}")
    node.call("pause", "mining")


def until(is_so: Callable[[], bool], what: str) -> None:
    """Wait for something to be so; a TimeoutError names it when it does not come."""
    end = time.monotonic() + PATIENCE_SECONDS
    while not is_so():
        if time.monotonic() > end:
            raise TimeoutError(f"{what}: not within {PATIENCE_SECONDS} s")
        time.sleep(0.05)


def create_chain(folder: Path, port: int, parameters: Mapping[str, Any]) -> None:
    """Make a chain "pc" whose nodes listen at a port; parameters as multichain-util names them."""
    folder.mkdir(parents=True, exist_ok=True)
    settings = {"target-block-time": 2, "setup-first-blocks": 4, "mine-empty-rounds": -1}
    settings |= {name.replace("_", "-"): value for name, value in parameters.items()}
    settings["default-network-port"] = port
    subprocess.run(
        ["multichain-util", "create", "pc", f"-datadir={folder}"]
        + [f"-{name}={str(value).lower()}" for name, value in settings.items()],
        check=True,
        capture_output=True,
    )


@contextmanager
def running(
    folder: Path, chain: str, port: int, rpc_port: int, *options: str
) -> Iterator[ReachableNode]:
    """Run ``multichaind`` on loopback with a data directory: ready when this gives the node."""
    user, password = "pcnode", secrets.token_urlsafe(18)
    conf = folder / "pc" / "multichain.conf"
    conf.parent.mkdir(parents=True, exist_ok=True)
    conf.write_text(
        f"rpcuser={user}\nrpcpassword={password}\nrpcport={rpc_port}\n"
        "rpcbind=127.0.0.1\nrpcallowip=127.0.0.1\n"
    )
    conf.chmod(0o600)
    url = f"http://127.0.0.1:{rpc_port}"
    with (folder / "node.log").open("ab") as log, requests.Session() as session:
        session.trust_env = False
        node = ReachableNode(url, user, password, wait_for_block, folder=folder, session=session)
        daemon = subprocess.Popen(
            ["multichaind", chain, f"-datadir={folder}", f"-port={port}", *LOOPBACK_ONLY, *options],
            stdin=subprocess.DEVNULL,
            stdout=log,
            stderr=log,
        )
        try:
            until(lambda: daemon.poll() is not None or _is_ready(node), "multichaind")
            if daemon.poll() is not None:
                raise ChildProcessError((folder / "node.log").read_text())
            yield node
        finally:
            session.close()
            daemon.terminate()
            try:
                daemon.wait(timeout=3)
            except subprocess.TimeoutExpired:  # it waits for connections that a client left open
                daemon.kill()
                daemon.wait()


def _is_ready(node: ReachableNode) -> bool:
    try:
        node.call("getinfo")
    except (requests.RequestException, RpcError):
        return False
    return True


def free_port() -> int:
    """Give a port on loopback that nobody listens on."""
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        port: int = probe.getsockname()[1]
        return port
