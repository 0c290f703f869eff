"""Where a node is and who asks it: no password in a URL, a message or a file that others read."""

from __future__ import annotations

import logging
import threading
from collections.abc import Iterator
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path

import pytest

from precisionchain.errors import (
    KeyPermissionError,
    LedgerError,
    LedgerFormatError,
    LedgerUnavailableError,
    UnreadableFileError,
)
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.ledger.multichain_place import (
    PASSWORD_VARIABLE,
    USER_VARIABLE,
    Credentials,
    NodeUrl,
)
from tests.lib.multichain_ledgers import impatient
from tests.lib.multichain_nodes import ReachableNode, double_node

SECRET = "s3cr3t-@/#"


@pytest.fixture
def node() -> Iterator[ReachableNode]:
    with double_node() as node:
        yield node


def client(url: str, password: str = SECRET) -> NodeClient:
    return NodeClient(NodeUrl.parse(url), Credentials("someone", password), patience=0.1, answer=1)


@pytest.mark.parametrize(
    ("url", "expected"),
    [
        ("multichain:http://localhost:7000", NodeUrl(False, "localhost", 7000)),
        ("multichain:https://node.example.org:443/", NodeUrl(True, "node.example.org", 443)),
        ("multichain:http://10.0.0.1:7000?finality=12", NodeUrl(False, "10.0.0.1", 7000, 12)),
        ("multichain:http://[::1]:7000", NodeUrl(False, "::1", 7000)),
    ],
)
def test_urls_of_nodes(url: str, expected: NodeUrl) -> None:
    assert NodeUrl.parse(url) == expected


@pytest.mark.parametrize(
    "url",
    [
        "multichain:",
        "multichain:localhost:7000",
        "multichain:http://localhost",
        "multichain:ftp://localhost:7000",
        "multichain:http://localhost:99999",
        f"multichain:http://user:{SECRET}@localhost:7000",
        f"multichain:http://{SECRET}@localhost:7000",
        f"multichain:http://localhost:7000/{SECRET}",
        f"multichain:http://localhost:7000?password={SECRET}",
        "multichain:http://localhost:7000?finality=0",
        "multichain:http://localhost:7000?finality=many",
    ],
)
def test_other_urls_are_refused_and_not_repeated(url: str) -> None:
    with pytest.raises(LedgerError) as caught:
        NodeUrl.parse(url)
    assert SECRET[:6] not in str(caught.value)


def test_credentials_come_from_the_environment_then_from_the_site_s_own_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv(USER_VARIABLE, raising=False)
    monkeypatch.delenv(PASSWORD_VARIABLE, raising=False)
    with pytest.raises(LedgerError, match="no user and password"):
        Credentials.find(tmp_path)
    path = tmp_path / "keys" / "multichain.conf"
    path.parent.mkdir()
    path.write_text(f"rpcuser=site\nrpcpassword={SECRET}=\nrpcport=7000\n")
    path.chmod(0o644)
    with pytest.raises(KeyPermissionError, match="0644"):
        Credentials.find(tmp_path)
    path.chmod(0o600)
    assert Credentials.find(tmp_path) == Credentials("site", f"{SECRET}=")
    assert SECRET not in repr(Credentials.find(tmp_path))
    path.write_text("rpcuser=site\n")
    with pytest.raises(UnreadableFileError):
        Credentials.find(tmp_path)
    monkeypatch.setenv(USER_VARIABLE, "other")
    monkeypatch.setenv(PASSWORD_VARIABLE, "word")
    assert Credentials.find(None) == Credentials("other", "word")


def test_a_password_is_in_no_message_and_no_log(
    node: ReachableNode, caplog: pytest.LogCaptureFixture
) -> None:
    caplog.set_level(logging.DEBUG)
    asking = client(f"multichain:{node.url}")
    with pytest.raises(LedgerUnavailableError, match="HTTP 401") as caught:
        asking.getblockcount()
    shown = f"{caught.value} {caught.value!r} {asking!r} {caplog.text}"
    assert SECRET not in shown
    assert "c29tZW9uZTp" not in shown  # what the header begins with


def test_neither_proxies_nor_netrc_are_trusted(
    node: ReachableNode, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    netrc = tmp_path / "netrc"
    netrc.write_text("machine 127.0.0.1 login wrong password wrong\n")
    netrc.chmod(0o600)
    monkeypatch.setenv("NETRC", str(netrc))
    for name in ("http_proxy", "HTTP_PROXY", "all_proxy"):
        monkeypatch.setenv(name, "http://127.0.0.1:1")
    asking = impatient(node)
    assert asking.getblockcount() == node.call("getblockcount")


def test_an_argument_before_the_last_is_never_none(node: ReachableNode) -> None:
    asking = impatient(node)
    with pytest.raises(ValueError, match="liststreamitems"):
        asking.liststreamitems("root", None, 5)
    assert asking.liststreams("*", None) == asking.liststreams("*")


def test_a_certificate_is_verified_and_other_servers_are_named() -> None:
    class Page(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"<html>")

        def log_message(self, *_: object) -> None:
            pass

    with HTTPServer(("127.0.0.1", 0), Page) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        port = server.server_address[1]
        with pytest.raises(LedgerFormatError, match="no answer of a MultiChain node"):
            client(f"multichain:http://127.0.0.1:{port}").getblockcount()
        with pytest.raises(LedgerUnavailableError):
            client(f"multichain:https://127.0.0.1:{port}").getblockcount()
        server.shutdown()
