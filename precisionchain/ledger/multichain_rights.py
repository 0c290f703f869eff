"""A site's addresses on a MultiChain, and what others' addresses are allowed.

Each site writes from three addresses of its node's wallet: batches, entries of the access log, and
records with rights. A key that one program uses can so be revoked without the others, and a busy
publication never takes the coin an access entry needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Set
from pathlib import Path

from precisionchain.errors import AccessRefusedError, PrecisionChainError, UnreadableFileError
from precisionchain.ledger.base import ADMIN, PURPOSES
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.ledger.multichain_sending import purpose_of
from precisionchain.schemas.streams import StreamName

WRITER = "connect,send,receive,create"
ADMINISTRATOR = f"{WRITER},activate,admin"
_MANAGES = frozenset({"activate", "admin"})
_ON_STREAMS = _MANAGES | {"write"}


def read_addresses(path: Path) -> dict[str, str]:
    """Return a site's addresses by purpose; none where it has none yet.

    Raises:
        UnreadableFileError: the file is damaged.
    """
    try:
        found = json.loads(path.read_text(encoding="ascii"))
    except FileNotFoundError:
        return {}
    except (OSError, ValueError) as error:
        raise _damaged(path) from error
    if not isinstance(found, dict) or set(found) != set(PURPOSES):
        raise _damaged(path)
    return {purpose: str(found[purpose]) for purpose in PURPOSES}


def _damaged(path: Path) -> UnreadableFileError:
    return UnreadableFileError(
        "the addresses of this site cannot be read",
        where=str(path),
        hint="bring the file back from a copy: without it the site cannot write as itself",
    )


def make_addresses(client: NodeClient, path: Path) -> dict[str, str]:
    """Make a site's addresses in the node's wallet, and the file that says them."""
    made = {purpose: str(client.getnewaddress()) for purpose in PURPOSES}
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor = os.open(path, os.O_WRONLY | os.O_CREAT | os.O_EXCL, 0o600)
    with os.fdopen(descriptor, "w", encoding="ascii") as file:
        file.write(json.dumps(made, indent=1) + "\n")
        file.flush()
        os.fsync(file.fileno())
    return made


def chain_admin(client: NodeClient) -> str:
    """Return the address of the node's wallet that may give rights on the chain.

    Raises:
        AccessRefusedError: none may.
    """
    own = set(client.getaddresses())
    for entry in client.listpermissions("admin"):
        if entry["address"] in own:
            return str(entry["address"])
    raise AccessRefusedError(
        "no address of this node may administer its chain",
        hint="found the network on the node that made the chain, or ask its administrator",
    )


class Rights:
    """Gives and takes rights, from a site's own addresses.

    A stream with a site's code in its name is written by that site alone, which made it and manages
    it. Every other stream is everybody's.

    Args:
        client: the node.
        giver: gives rights on the chain: connect, send, receive, create.
        own: addresses that give rights on the streams they made or were made administrators of.
    """

    def __init__(self, client: NodeClient, giver: str, own: Collection[str] = ()) -> None:
        self._client, self._giver, self._own = client, giver, frozenset(own)

    def admit(
        self, addresses: Mapping[str, str], streams: Iterable[str], *, admin: bool = False
    ) -> None:
        """Give what is missing, and take an administrator's rights where there are too many.

        See ``Ledger.admit``.
        """
        listed = list(streams)
        for purpose, address in addresses.items():
            manages = admin and purpose == ADMIN
            self._give(address, ADMINISTRATOR if manages else WRITER)
            for stream in listed:
                wanted = {"write"} if purpose_of(stream) == purpose else set()
                if manages:
                    wanted |= _MANAGES
                self._set_on(stream, address, wanted, keep=admin or _is_of_one_site(stream))
        if not admin:
            for address in addresses.values():
                self._take(address, ",".join(sorted(_MANAGES)))

    def dismiss(self, addresses: Mapping[str, str], streams: Iterable[str]) -> None:
        """Take every right away; see ``Ledger.dismiss``.

        The rights on the chain go first, of others. A node combines what an address has received,
        so also the outputs of many revocations; such a transaction that waits at a miner when the
        right to send goes makes all its blocks invalid, and a chain that waits for it stands still.
        """
        listed = list(streams)
        for address in addresses.values():
            ours = address in self._own  # without rights of its own it could not take the others
            if not ours:
                self._take(address, WRITER)
            for stream in listed:
                self._set_on(stream, address, set(), keep=False)
            self._take(address, ADMINISTRATOR)

    def share(self, stream: str, maker: str) -> None:
        """Let the chain's other administrators give rights on a stream made here."""
        listed = {str(entry["address"]) for entry in self._client.listpermissions("admin")}
        others = ",".join(sorted(listed - self._own))
        if others:
            right = f"{stream}.{','.join(sorted(_MANAGES))}"
            self._client.grantfrom(maker, others, right)

    def _held(self, address: str, rights: str) -> set[str]:
        return {
            entry["type"]
            for entry in self._client.listpermissions(rights, address)
            if entry.get("for") is None
        }

    def _give(self, address: str, rights: str) -> None:
        missing = [r for r in rights.split(",") if r not in self._held(address, rights)]
        if missing:
            self._client.grantfrom(self._giver, address, ",".join(missing))
            self._require_agreed(set(missing) - self._held(address, rights), address)

    def _take(self, address: str, rights: str) -> None:
        held = self._held(address, rights)
        if held:
            self._client.revokefrom(self._giver, address, ",".join(sorted(held)))
            self._require_agreed(self._held(address, rights), address)

    def _require_agreed(self, undone: set[str], address: str) -> None:
        if undone:
            raise AccessRefusedError(
                "the chain wants more of its administrators to agree on the right to"
                f" {', '.join(sorted(undone))}",
                where=address,
                hint="another administrator runs the same command; "
                "a chain made with -admin-consensus-admin=0 asks one only",
            )

    def _set_on(self, stream: str, address: str, wanted: Set[str], *, keep: bool) -> None:
        """Give rights on a stream, and take others away unless they are to be kept."""
        held, giver = self._on(stream, address)
        missing, surplus = wanted - held, set() if keep else (held & _ON_STREAMS) - wanted
        if giver is None:
            # Its site manages it, or managed it: nobody else has to write there.
            if missing and not _is_of_one_site(stream):
                raise AccessRefusedError(
                    f"no address of this site may give rights on stream {stream}",
                    hint="let the site that made the stream admit;"
                    " it can make others administrators",
                )
            return
        if missing:
            self._client.grantfrom(giver, address, f"{stream}.{','.join(sorted(missing))}")
        if surplus:
            self._client.revokefrom(giver, address, f"{stream}.{','.join(sorted(surplus))}")

    def _on(self, stream: str, address: str) -> tuple[set[str], str | None]:
        """Return an address' rights on a stream, and which of ours may change them."""
        held, giver = set(), None
        for entry in self._client.listpermissions(f"{stream}.*"):
            if entry["address"] == address and entry["type"] in _ON_STREAMS:
                held.add(entry["type"])
            if entry["address"] in self._own and entry["type"] == "admin":
                giver = entry["address"]
        return held, giver


def _is_of_one_site(stream: str) -> bool:
    """Return whether a stream's name carries the code of the site that made it."""
    try:
        return bool(StreamName.parse(stream).code)
    except PrecisionChainError:
        return False
