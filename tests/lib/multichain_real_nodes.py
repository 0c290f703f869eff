"""Two real MultiChain nodes of one chain that mine by themselves, and that a test kills."""

from __future__ import annotations

import re
import secrets
import signal
import subprocess
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any

import requests

from tests.lib.multichain_double_chain import RpcError
from tests.lib.multichain_nodes import LOOPBACK_ONLY, create_chain, free_port, until

USER, PASSWORD = "pcnode", secrets.token_urlsafe(18)
RECOMMENDED: dict[str, Any] = {
    "mining-diversity": 0.75,
    "mining-requires-peers": True,
    "setup-first-blocks": 10,
    "admin-consensus-admin": 0,
    "admin-consensus-activate": 0,
}
"""What ``docs/how-to/multichain.md`` recommends, with a short setup."""


class RealNode:
    """A node with a data directory of its own, which may be killed and started again."""

    def __init__(self, folder: Path, chain: str, port: int) -> None:
        self.folder, self._chain, self.port = folder, chain, port
        self.rpc_port = free_port()
        self._daemon: subprocess.Popen[bytes] | None = None
        conf = folder / "pc" / "multichain.conf"
        conf.parent.mkdir(parents=True, exist_ok=True)
        conf.write_text(
            f"rpcuser={USER}\nrpcpassword={PASSWORD}\nrpcport={self.rpc_port}\n"
            "rpcbind=127.0.0.1\nrpcallowip=127.0.0.1\n"
        )
        conf.chmod(0o600)

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self.rpc_port}"

    def call(self, method: str, *params: Any) -> Any:
        """Make one call, on a connection of its own."""
        body: Any = {"method": method, "params": list(params), "id": 1}
        with requests.Session() as session:
            session.trust_env = False
            answer = session.post(self.url, json=body, auth=(USER, PASSWORD), timeout=60).json()
        if answer["error"] is not None:
            raise RpcError(answer["error"]["code"], answer["error"]["message"])
        return answer["result"]

    def is_up(self) -> bool:
        """Whether it answers."""
        try:
            self.call("getinfo")
        except (requests.RequestException, RpcError):
            return False
        return True

    def start(self) -> bool:
        """Start it; return whether it answers, or ended by itself."""
        command = ["multichaind", self._chain, f"-datadir={self.folder}", f"-port={self.port}"]
        with (self.folder / "node.log").open("ab") as log:
            self._daemon = subprocess.Popen(
                [*command, *LOOPBACK_ONLY], stdin=subprocess.DEVNULL, stdout=log, stderr=log
            )
        until(lambda: self._ended() or self.is_up(), "multichaind")
        return not self._ended()

    def _ended(self) -> bool:
        return self._daemon is None or self._daemon.poll() is not None

    def kill(self) -> None:
        """End it as a power cut would, were it not for the machine's memory."""
        assert self._daemon is not None
        self._daemon.send_signal(signal.SIGKILL)
        self._daemon.wait()

    def stop(self) -> None:
        """End it in its own time, at most a few seconds."""
        if self._daemon is not None and not self._ended():
            self._daemon.terminate()
            with suppress(subprocess.TimeoutExpired):
                self._daemon.wait(timeout=5)
            self._daemon.kill()
            self._daemon.wait()


@contextmanager
def two_real_nodes(folder: Path, **parameters: Any) -> Iterator[tuple[RealNode, RealNode]]:
    """Start a chain with two nodes, connected and mining every other second."""
    port = free_port()
    create_chain(folder / "first", port, {**RECOMMENDED, **parameters})
    first = RealNode(folder / "first", "pc", port)
    second = RealNode(folder / "second", f"pc@127.0.0.1:{port}", free_port())
    try:
        assert first.start()
        if not second.start():  # it says which address is to be let in
            found = re.search(r"grant (\w+) connect", (second.folder / "node.log").read_text())
            assert found is not None
            first.call("grant", found[1], "connect,send,receive,create,mine")
            time.sleep(1)
            assert second.start()
        until(lambda: first.call("getinfo")["blocks"] > 12, "the end of the chain's setup")
        yield first, second
    finally:
        second.stop()
        first.stop()
