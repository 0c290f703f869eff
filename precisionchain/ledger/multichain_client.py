"""mcrpc's client with its transport replaced: what goes to a MultiChain node, and what comes back.

mcrpc's own transport has no timeout, opens a connection a call, puts the password into the URL,
trusts proxy variables and ``.netrc``, verifies no certificate and drops error codes. This one has a
session of its own for each thread, and says of each failed call which of three things happened:
*refused* (the node answered), *not done* (the node never took the call: asked again, for a bounded
time), *unanswered* (it may have been done: only reading is asked again).
"""

from __future__ import annotations

import json
import os
import threading
import time
from decimal import Decimal
from typing import Any, Final

import requests
from mcrpc import RpcClient
from requests.auth import HTTPBasicAuth

from precisionchain.errors import (
    AccessRefusedError,
    LedgerError,
    LedgerFormatError,
    LedgerUnavailableError,
    LimitError,
    PrecisionChainError,
    StreamExistsError,
    UnknownStreamError,
)
from precisionchain.ledger.multichain_place import AUTHORITY_VARIABLE, Credentials, NodeUrl

CONNECT_SECONDS: Final = 5.0
ANSWER_SECONDS: Final = 180.0
"""A node once took 135 s over a publish, behind a block of 290 MiB of waiting transactions."""
PATIENCE_SECONDS: Final = 15.0
"""How long a call is asked again while a node starts, restarts or is overloaded."""
GRANT_SECONDS: Final = 180.0
"""How long a new address waits for the block with its rights: some blocks of 15 s."""
_WRITES = frozenset(
    {"createfrom", "grantfrom", "revokefrom", "getnewaddress", "sendrawtransaction"}
)
_LARGE = frozenset({"gettxoutdata", "getrawtransaction"})
"""Answers of 16 to 80 kB take 44 ms on a connection used before (delayed acknowledgements)."""
_STARTING = -28
_NOTHING_TO_SPEND = -716
_REFUSED: Final[dict[int, type[PrecisionChainError]]] = {
    -704: AccessRefusedError,
    -705: StreamExistsError,
    -708: UnknownStreamError,
    -709: AccessRefusedError,
    -13: AccessRefusedError,
}


class _NotDoneError(Exception):
    """The node did not take the call."""


class _NothingToSpendError(_NotDoneError):
    """An address has rights, but what gave it them is in no block yet, so it can spend nothing."""


class _UnansweredError(Exception):
    """The node may have done what was asked."""


class NodeClient(RpcClient):  # type: ignore[misc]
    """One node, asked by any number of threads.

    Every RPC is a method. None may be given for trailing arguments only: mcrpc drops them anywhere,
    and later ones would move to the left.

    Args:
        url: where the node is.
        credentials: who asks.
        patience: seconds a call is asked again while the node does not take it.
        answer: seconds to wait for an answer.
    """

    def __init__(
        self,
        url: NodeUrl,
        credentials: Credentials,
        *,
        patience: float = PATIENCE_SECONDS,
        answer: float = ANSWER_SECONDS,
    ) -> None:
        super().__init__(url.host, url.port, credentials.user, "", url.secure)
        self.place = url.base
        self._auth = HTTPBasicAuth(credentials.user.encode(), credentials.password.encode())
        self._patience, self._answer = patience, answer
        self._sessions: list[requests.Session] | None = []
        self._own = threading.local()

    def __repr__(self) -> str:
        return f"NodeClient({self.place})"

    def close(self) -> None:
        """Close every connection; what is called later is refused."""
        for session in self._sessions or ():
            session.close()
        self._sessions = None

    def call(self, method: str, *args: Any) -> Any:
        """Call a method whose answer mcrpc would wrap in a class of its own; see ``_call``."""
        return self._call(method, *args)

    def _call(self, method: str, *args: Any) -> Any:
        """Call a method of the node.

        Raises:
            LedgerUnavailableError: no answer, closed, or the node refuses user and password.
            LedgerError: the node refuses what was asked; a subclass where one says it better.
        """
        arguments = list(args)
        while arguments and arguments[-1] is None:
            arguments.pop()
        if any(argument is None for argument in arguments):
            raise ValueError(f"{method}: an argument before the last one is None")
        body = json.dumps({"id": 0, "method": method, "params": arguments}).encode()
        started, patience, pause = time.monotonic(), self._patience, 0.05
        while True:
            try:
                return self._ask(method, body)
            except _NotDoneError as error:
                reason = str(error)
                if isinstance(error, _NothingToSpendError):
                    patience = max(patience, GRANT_SECONDS)
            except _UnansweredError as error:
                reason = str(error)
                if method in _WRITES:
                    raise self._unavailable(
                        f"{reason} to {method}; it may have been done"
                    ) from None
            if time.monotonic() + pause > started + patience:
                raise self._unavailable(reason) from None
            time.sleep(pause)
            pause = min(2.0, pause * 2)

    def _ask(self, method: str, body: bytes) -> Any:
        headers = {"Content-Type": "application/json"}
        if method in _LARGE:
            headers["Connection"] = "close"
        try:
            answer = self._session().post(
                self.place,
                data=body,
                headers=headers,
                timeout=(CONNECT_SECONDS, self._answer),
                allow_redirects=False,
            )
        except requests.exceptions.SSLError as error:
            raise self._unavailable("its TLS certificate cannot be verified") from error
        except requests.exceptions.ConnectTimeout as error:
            raise _NotDoneError("no connection in time") from error
        except requests.exceptions.Timeout as error:
            raise _UnansweredError(f"no answer in {self._answer:.0f} s") from error
        except requests.exceptions.ConnectionError as error:
            if "NewConnectionError" in repr(error) or "Failed to establish" in str(error):
                raise _NotDoneError("no connection: is the node running?") from error
            raise _UnansweredError("the connection broke before an answer") from error
        except requests.exceptions.RequestException as error:
            raise _UnansweredError("the answer broke off") from error
        return self._result(method, answer)

    def _result(self, method: str, answer: requests.Response) -> Any:
        if answer.status_code == 503:
            raise _NotDoneError("the node is overloaded (work queue full)")
        if answer.status_code in {401, 403}:
            raise self._unavailable(
                f"the node refuses user, password or address (HTTP {answer.status_code})"
            )
        if answer.status_code == 413:
            raise LimitError("a call over the 32 MiB that a node takes", where=self.place)
        try:
            said = json.loads(answer.content, parse_float=Decimal)
            error, result = said["error"], said.get("result")
        except (ValueError, KeyError, TypeError) as broken:
            raise LedgerFormatError(
                f"no answer of a MultiChain node (HTTP {answer.status_code})",
                where=self.place,
                hint="the URL names the node's RPC port, not the one for peers",
            ) from broken
        if error is None:
            return result
        code, message = int(error.get("code", 0)), str(error.get("message", ""))[:200]
        if code == _STARTING:
            raise _NotDoneError("the node is starting")
        if code == _NOTHING_TO_SPEND:
            raise _NothingToSpendError(
                "no block has the rights of the address yet: are the chain's miners running?"
            )
        kind = _REFUSED.get(code, LedgerError)
        if code == -8 and ("too large" in message or "exceeds" in message or "too long" in message):
            kind = LimitError
        raise kind(
            f"MultiChain refused {method}: {message} ({code}, HTTP {answer.status_code})",
            where=self.place,
        )

    def _session(self) -> requests.Session:
        if self._sessions is None:
            raise LedgerUnavailableError("the ledger is closed", where=self.place)
        session: requests.Session | None = getattr(self._own, "session", None)
        if session is None:
            session = requests.Session()
            session.trust_env = False
            session.verify = os.environ.get(AUTHORITY_VARIABLE) or True
            session.auth = self._auth
            self._own.session = session
            self._sessions.append(session)
        return session

    def _unavailable(self, reason: str) -> LedgerUnavailableError:
        return LedgerUnavailableError(
            f"the MultiChain node cannot be used: {reason}",
            where=self.place,
            hint="see docs/how-to/multichain.md",
        )
