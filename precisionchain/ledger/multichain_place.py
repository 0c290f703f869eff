"""Where a MultiChain node is and who asks it: ``multichain:http://HOST:PORT[?finality=BLOCKS]``.

User and password are never in the URL, which stands in files, messages and process lists. They
come from the environment, ``PRECISIONCHAIN_MULTICHAIN_USER`` and ``..._PASSWORD``, or from
``keys/multichain.conf`` in the site folder, mode 0600, with the two lines that MultiChain's own
``multichain.conf`` has::

    rpcuser=...
    rpcpassword=...
"""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Final
from urllib.parse import SplitResult, parse_qsl, urlsplit

from precisionchain.errors import KeyPermissionError, LedgerError, UnreadableFileError

KIND: Final = "multichain"
USER_VARIABLE: Final = "PRECISIONCHAIN_MULTICHAIN_USER"
PASSWORD_VARIABLE: Final = "PRECISIONCHAIN_MULTICHAIN_PASSWORD"  # noqa: S105 - a variable's name
AUTHORITY_VARIABLE: Final = "PRECISIONCHAIN_MULTICHAIN_CA"
"""A PEM file with the authorities that an https node's certificate is checked by."""
CREDENTIALS_FILE: Final = Path("keys", "multichain.conf")
ADDRESSES_FILE: Final = Path("keys", "multichain.addresses")
INDEX_FILE: Final = Path("multichain.sqlite")
_FORM = f"use {KIND}:http://HOST:PORT or https, and no user or password in it"


@dataclass(frozen=True, slots=True)
class NodeUrl:
    """A node's address. ``finality`` is the depth asked for, None for the chain's default."""

    secure: bool
    host: str
    port: int
    finality: int | None = None

    @classmethod
    def parse(cls, url: str) -> NodeUrl:
        """Read a ledger's URL; it is not repeated in an error, for it may hold a password.

        Raises:
            LedgerError: it is of another form, or holds a user or password.
        """
        kind, _, rest = url.partition(":")
        try:
            parts = urlsplit(rest)
            host, port = parts.hostname, parts.port
            settings = dict(parse_qsl(parts.query, strict_parsing=True)) if parts.query else {}
        except ValueError as error:
            raise LedgerError("that is no URL of a MultiChain node", hint=_FORM) from error
        if "@" in parts.netloc:
            raise LedgerError(
                "a ledger's URL holds no user and no password",
                hint=f"set {USER_VARIABLE} and {PASSWORD_VARIABLE}, or write {CREDENTIALS_FILE}",
            )
        if kind != KIND or not host or not port or not _is_plain(parts):
            raise LedgerError("that is no URL of a MultiChain node", hint=_FORM)
        finality = settings.pop("finality", None)
        valid = finality is None or (finality.isdecimal() and 1 <= int(finality) <= 10_000)
        if settings or not valid:
            raise LedgerError(
                "a MultiChain URL takes one setting, ?finality=BLOCKS", hint="1 to 10000 blocks"
            )
        depth = None if finality is None else int(finality)
        return cls(parts.scheme == "https", host, port, depth)

    @property
    def base(self) -> str:
        """What requests are sent to, and what errors name."""
        host = f"[{self.host}]" if ":" in self.host else self.host
        return f"{'https' if self.secure else 'http'}://{host}:{self.port}"


def _is_plain(parts: SplitResult) -> bool:
    return parts.scheme in {"http", "https"} and parts.path in {"", "/"} and not parts.fragment


@dataclass(frozen=True, slots=True)
class Credentials:
    """Who asks a node."""

    user: str
    password: str = field(repr=False)

    @classmethod
    def find(cls, base: Path | None) -> Credentials:
        """Return the environment's, or else those in a site folder.

        Raises:
            LedgerError: there are none.
            KeyPermissionError: the file is open to others than its owner.
            UnreadableFileError: the file does not hold both.
        """
        user, password = os.environ.get(USER_VARIABLE), os.environ.get(PASSWORD_VARIABLE)
        if user and password:
            return cls(user, password)
        path = None if base is None else base / CREDENTIALS_FILE
        if path is None or not path.is_file():
            raise LedgerError(
                "no user and password for the MultiChain node",
                hint=f"set {USER_VARIABLE} and {PASSWORD_VARIABLE}, or write {CREDENTIALS_FILE}",
            )
        return cls._read(path)

    @classmethod
    def _read(cls, path: Path) -> Credentials:
        mode = path.stat().st_mode & 0o777
        if mode & 0o077:
            raise KeyPermissionError(
                f"a password is open to others (mode {mode:04o})",
                where=str(path),
                hint=f"chmod 600 {path}; if others may have read it, change the node's password",
            )
        lines = path.read_text(encoding="utf-8", errors="replace").splitlines()
        found = {
            name.strip(): value.strip() for name, _, value in (x.partition("=") for x in lines)
        }
        user, password = found.get("rpcuser"), found.get("rpcpassword")
        if not user or not password:
            raise UnreadableFileError(
                "the file does not hold user and password of the node",
                where=str(path),
                hint="two lines, rpcuser=... and rpcpassword=..., as in the node's multichain.conf",
            )
        return cls(user, password)
