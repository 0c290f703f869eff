"""A site's addresses on a MultiChain, and what others' addresses are allowed.

Each site writes from three addresses of its node's wallet: batches, entries of the access log, and
records with rights. A key that one program uses can so be revoked without the others, and a busy
publication never takes the coin an access entry needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Collection, Iterable, Mapping, Sequence
from pathlib import Path

from precisionchain.errors import AccessRefusedError, UnreadableFileError
from precisionchain.ledger.base import ADMIN, PURPOSES
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.ledger.multichain_sending import purpose_of

WRITER = "connect,send,receive,create"
ADMINISTRATOR = f"{WRITER},activate,admin"


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
        """Give what is missing; see ``Ledger.admit``."""
        listed = list(streams)
        for purpose, address in addresses.items():
            manages = admin and purpose == ADMIN
            self._give(address, ADMINISTRATOR if manages else WRITER)
            for stream in listed:
                wanted = ["admin", "activate"] if manages else []
                if purpose_of(stream) == purpose:
                    wanted.insert(0, "write")
                if wanted:
                    self._give_on(stream, address, wanted)

    def dismiss(self, addresses: Mapping[str, str], streams: Iterable[str]) -> None:
        """Take every right away; see ``Ledger.dismiss``."""
        listed = list(streams)
        for address in addresses.values():
            for stream in listed:
                rights, giver = self._on(stream, address)
                if rights and giver:
                    given = f"{stream}.{','.join(sorted(rights))}"
                    self._client.revokefrom(giver, address, given)
            self._client.revokefrom(self._giver, address, ADMINISTRATOR)

    def _give(self, address: str, rights: str) -> None:
        held = {
            entry["type"]
            for entry in self._client.listpermissions(rights, address)
            if entry.get("for") is None
        }
        missing = [right for right in rights.split(",") if right not in held]
        if missing:
            self._client.grantfrom(self._giver, address, ",".join(missing))

    def _give_on(self, stream: str, address: str, wanted: Sequence[str]) -> None:
        held, giver = self._on(stream, address)
        missing = [right for right in wanted if right not in held]
        if missing and giver is None:
            raise AccessRefusedError(
                f"no address of this site may give rights on stream {stream}",
                hint="let the site that made the stream admit; it can make others administrators",
            )
        if missing:
            self._client.grantfrom(giver, address, f"{stream}.{','.join(missing)}")

    def _on(self, stream: str, address: str) -> tuple[set[str], str | None]:
        """Return an address' rights on a stream, and which of ours may change them."""
        held, giver = set(), None
        for entry in self._client.listpermissions(f"{stream}.*"):
            if entry["address"] == address and entry["type"] in {"write", "admin", "activate"}:
                held.add(entry["type"])
            if entry["address"] in self._own and entry["type"] == "admin":
                giver = entry["address"]
        return held, giver
