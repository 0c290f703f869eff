"""The HTTP side of the MultiChain double: JSON-RPC with the node's statuses and bodies, and faults.

A *fault* is told to a door before the call that meets it:

- ``drop-before``: the connection ends without an answer, nothing was done;
- ``drop-after``: the call was carried out, the connection ends without an answer;
- ``busy``: HTTP 503, "Work queue depth exceeded", nothing was done;
- ``starting``: JSON-RPC error -28, nothing was done;
- ``hang-before``, ``hang-after``: as the drops, after so many seconds of silence.
"""

from __future__ import annotations

import base64
import json
import socket
import threading
from collections.abc import Callable
from dataclasses import dataclass
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any, Literal

from tests.lib.multichain_double_chain import RpcError
from tests.lib.multichain_double_node import NodeDied

FaultKind = Literal["drop-before", "drop-after", "busy", "starting", "hang-before", "hang-after"]

MAX_BODY_BYTES = 32 * 1024**2
MAX_CALLS_AT_ONCE = 20
"""4 threads and a queue of 16, as a node has by default."""
_TOO_LARGE = (
    "<HTML><HEAD>\n<TITLE>413 Request Entity Too Large</TITLE>\n</HEAD><BODY>\n"
    "<H1>Request Entity Too Large</H1>\n</BODY></HTML>\n"
)
_STATUS = {-32600: 400, -32601: 404}


@dataclass(slots=True)
class Fault:
    """What goes wrong at the next calls of a method (None: of any), after ``skip`` good ones."""

    kind: FaultKind
    method: str | None
    times: int
    skip: int
    seconds: float


class Door:
    """One node's HTTP server, open from the start; its address outlives a restart."""

    def __init__(self, answer: Callable[[str, list[Any]], Any], user: str, password: str) -> None:
        self.answer = answer
        self.credentials = "Basic " + base64.b64encode(f"{user}:{password}".encode()).decode()
        self.calls: list[str] = []
        """The methods called, in order, refused ones too."""
        self.busy = threading.Semaphore(MAX_CALLS_AT_ONCE)
        self.released = threading.Event()
        self._faults: list[Fault] = []
        self._lock = threading.Lock()
        self._port = 0
        self._server: _Server | None = None
        self.open()

    @property
    def url(self) -> str:
        return f"http://127.0.0.1:{self._port}"

    @property
    def is_open(self) -> bool:
        return self._server is not None

    def open(self) -> None:
        self.released.clear()
        self._server = _Server(("127.0.0.1", self._port), self)
        self._port = self._server.server_address[1]
        threading.Thread(target=self._server.serve_forever, args=(0.01,), daemon=True).start()

    def close(self) -> None:
        """Stop answering: connections that are open break, hanging calls too."""
        server, self._server = self._server, None
        if server is not None:
            self.released.set()
            server.shutdown()
            server.server_close()
            server.break_connections()

    def fail(
        self,
        kind: FaultKind,
        method: str | None = None,
        *,
        times: int = 1,
        skip: int = 0,
        seconds: float = 3600,
    ) -> None:
        """Let the next calls fail."""
        with self._lock:
            self._faults.append(Fault(kind, method, times, skip, seconds))

    def take_fault(self, methods: list[str]) -> Fault | None:
        """Give what goes wrong with a request of these methods, and count it."""
        with self._lock:
            self.calls += methods
            for fault in self._faults:
                if fault.times and (fault.method is None or fault.method in methods):
                    if fault.skip:
                        fault.skip -= 1
                        continue
                    fault.times -= 1
                    return fault
        return None


class _Server(ThreadingHTTPServer):
    daemon_threads = True
    request_queue_size = 128

    def __init__(self, address: tuple[str, int], door: Door) -> None:
        super().__init__(address, _Handler)
        self.door = door
        self._connections: set[socket.socket] = set()

    def process_request(self, request: Any, client_address: Any) -> None:
        self._connections.add(request)
        super().process_request(request, client_address)

    def shutdown_request(self, request: Any) -> None:
        self._connections.discard(request)
        super().shutdown_request(request)

    def break_connections(self) -> None:
        for connection in list(self._connections):
            _break(connection)

    def handle_error(self, request: Any, client_address: Any) -> None:
        """Say nothing when a client went away."""


class _Handler(BaseHTTPRequestHandler):
    server: _Server
    protocol_version = "HTTP/1.1"
    disable_nagle_algorithm = True
    wbufsize = -1  # head and body in one packet
    server_version = "multichain-json-rpc/2.3"
    sys_version = ""

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 - the library's name
        """Say nothing."""

    def do_GET(self) -> None:
        self._reply(405, "JSONRPC server handles only POST requests", "text/html")

    def do_POST(self) -> None:
        body = self._body()
        door = self.server.door
        if body is None:
            self.close_connection = True
            self._reply(413, _TOO_LARGE, "text/html")
        elif self.path != "/":
            self._reply(404, "", "text/html")
        elif self.headers.get("Authorization") != door.credentials:
            self._reply(401, "", "text/html")
        elif not door.busy.acquire(blocking=False):
            self._reply(503, "Work queue depth exceeded", "text/html")
        else:
            try:
                self._answer(body)
            finally:
                door.busy.release()

    def _body(self) -> bytes | None:
        size = int(self.headers.get("Content-Length", 0))
        if size <= MAX_BODY_BYTES:
            return self.rfile.read(size)
        while size > 0:
            size -= len(self.rfile.read(min(size, 1 << 20))) or size
        return None

    def _answer(self, body: bytes) -> None:
        door = self.server.door
        request = _parsed(body)
        fault = door.take_fault(_methods(request))
        kind = fault.kind if fault else ""
        if kind == "busy":
            self._reply(503, "Work queue depth exceeded", "text/html")
            return
        if kind == "starting":
            self._reply(500, _text(None, _error(-28, "Loading block index..."), 0))
            return
        if kind.endswith("before"):
            self._go_silent(fault)
            return
        try:
            status, text = _carried_out(door.answer, request)
        except NodeDied:
            self._go_silent(None)
            return
        if kind.endswith("after"):
            self._go_silent(fault)
            return
        self._reply(status, text)

    def _go_silent(self, fault: Fault | None) -> None:
        if fault and fault.kind.startswith("hang"):
            self.server.door.released.wait(fault.seconds)
        self.close_connection = True
        _break(self.connection)

    def _reply(self, status: int, text: str, kind: str = "application/json") -> None:
        body = text.encode()
        self.send_response(status)
        if status == 401:
            self.send_header("WWW-Authenticate", 'Basic realm="jsonrpc"')
        if self.close_connection:
            self.send_header("Connection", "close")
        self.send_header("Content-Type", kind)
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)
        self.wfile.flush()


def _break(connection: socket.socket) -> None:
    try:
        connection.shutdown(socket.SHUT_RDWR)
    except OSError:
        return  # the client was quicker


def _parsed(body: bytes) -> Any:
    try:
        return json.loads(body.decode("utf-8", "replace"))
    except ValueError:
        return RpcError(-32700, "Parse error")


def _methods(request: Any) -> list[str]:
    calls = request if isinstance(request, list) else [request]
    return [str(call.get("method")) for call in calls if isinstance(call, dict)]


def _carried_out(answer: Callable[[str, list[Any]], Any], request: Any) -> tuple[int, str]:
    """Do what a request asks: HTTP status and body."""
    if isinstance(request, list):
        texts = [_one(answer, call, None)[1].rstrip("\n") for call in request]
        return 200, "[" + ",".join(texts) + "]\n"
    if isinstance(request, RpcError):
        return 500, _text(None, _error(request.code, request.message), 0)
    if not isinstance(request, dict):
        return 500, _text(None, _error(-32700, "Top-level object parse error"), 0)
    return _one(answer, request, 0)


def _one(
    answer: Callable[[str, list[Any]], Any], call: Any, nameless: int | None
) -> tuple[int, str]:
    """Do one call. ``nameless`` answers for the id of what is no call, except in a batch."""
    if not isinstance(call, dict):
        return 400, _text(None, _error(-32600, "Invalid Request object"), None)
    number = call.get("id") if nameless is None else nameless
    try:
        method, params = _checked_call(call)
        number = call.get("id")
        return 200, _text(answer(method, params), None, number)
    except RpcError as error:
        problem = _error(error.code, error.message)
        return _STATUS.get(error.code, 500), _text(None, problem, number)


def _checked_call(call: dict[str, Any]) -> tuple[str, list[Any]]:
    if "method" not in call:
        raise RpcError(-32600, "Missing method")
    method, params = call["method"], call.get("params")
    if not isinstance(method, str):
        raise RpcError(-32600, "Method must be a string")
    if params is not None and not isinstance(params, list):
        raise RpcError(-32600, "Params must be an array")
    return method, params or []


def _error(code: int, message: str) -> dict[str, Any]:
    return {"code": code, "message": message}


def _text(result: Any, error: dict[str, Any] | None, number: Any) -> str:
    answer = {"result": result, "error": error, "id": number}
    return json.dumps(answer, separators=(",", ":"), ensure_ascii=False) + "\n"
