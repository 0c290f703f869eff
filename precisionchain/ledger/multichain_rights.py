"""A site's addresses on a MultiChain, and what others' addresses are allowed.

Each site writes from three addresses of its node's wallet: batches, entries of the access log, and
records with rights. A key that one program uses can so be revoked without the others, and a busy
publication never takes the coin an access entry needs.
"""

from __future__ import annotations

import json
import os
from collections.abc import Iterable, Mapping
from pathlib import Path

from precisionchain.errors import AccessRefusedError, UnreadableFileError
from precisionchain.ledger.base import ADMIN, PURPOSES
from precisionchain.ledger.multichain_client import NodeClient
from precisionchain.ledger.multichain_sending import purpose_of

WRITER = "connect,send,receive,create"
ADMINISTRATOR = f"{WRITER},activate,admin"
DISMISSED = "connect,send,receive,create,activate,admin"


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
    """Gives and takes rights, from one address.

    Args:
        client: the node.
        giver: the address that gives.
    """

    def __init__(self, client: NodeClient, giver: str) -> None:
        self._client, self._giver = client, giver

    def admit(
        self, addresses: Mapping[str, str], streams: Iterable[str], *, admin: bool = False
    ) -> None:
        """Give what is missing; see ``Ledger.admit``."""
        listed = list(streams)
        for purpose, address in addresses.items():
            manages = admin and purpose == ADMIN
            self._give(address, ADMINISTRATOR if manages else WRITER)
            held = self._held(address, listed)
            for stream in listed:
                wanted = ["admin", "activate"] if manages else []
                if purpose_of(stream) == purpose:
                    wanted.insert(0, "write")
                missing = [right for right in wanted if (stream, right) not in held]
                if missing:
                    self._client.grantfrom(self._giver, address, f"{stream}.{','.join(missing)}")

    def dismiss(self, addresses: Mapping[str, str], streams: Iterable[str]) -> None:
        """Take every right away; see ``Ledger.dismiss``."""
        listed = list(streams)
        for address in addresses.values():
            for stream, right in sorted(self._held(address, listed)):
                self._client.revokefrom(self._giver, address, f"{stream}.{right}")
            self._client.revokefrom(self._giver, address, DISMISSED)

    def _give(self, address: str, rights: str) -> None:
        held = {
            entry["type"]
            for entry in self._client.listpermissions(rights, address)
            if entry.get("for") is None
        }
        missing = [right for right in rights.split(",") if right not in held]
        if missing:
            self._client.grantfrom(self._giver, address, ",".join(missing))

    def _held(self, address: str, streams: Iterable[str]) -> set[tuple[str, str]]:
        """Return the rights an address has on streams."""
        held = set()
        for stream in streams:
            for entry in self._client.listpermissions(f"{stream}.*", address):
                if entry["type"] in {"write", "admin", "activate"}:
                    held.add((stream, entry["type"]))
        return held
