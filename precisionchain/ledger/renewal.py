"""Writing the NETWORK stream: grants, new keys, keys that are not to be trusted.

Each is judged as readers would, before it is written and again afterwards.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime
from hashlib import sha256

from precisionchain.errors import (
    AccessRefusedError,
    CodecError,
    JoinTokenError,
    LedgerError,
    UsageError,
)
from precisionchain.ledger.admission import Registrar, refuse_past
from precisionchain.ledger.changes import (
    Change,
    Declaration,
    Grant,
    Rotation,
    change_item,
    is_user,
    rotation_of,
)
from precisionchain.ledger.membership import Membership
from precisionchain.ledger.records import Member, User
from precisionchain.ledger.signing import Signer
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.roles import ROLES

_VERSION = "pckey1"
_ASK_AGAIN = "ask the site for `precisionchain rotate-key --token`, and copy the whole line"
_HINTS = {
    "last": "the network needs an administrator without an expiry date; admit another one first",
    "number": "somebody changed this name at the same moment: look, and repeat the command",
    "since": "after the record that brought the key, and before what was declared earlier",
    "entitled": "`precisionchain members` says who is an administrator, and whose the key is",
    "compromised": "a declaration cannot rest on a key, or on a record, that it declares untrue",
}


@dataclass(frozen=True, slots=True)
class KeyToken:
    """A removed site's wish to go on with a new key: its rotation, as one line of text."""

    rotation: Rotation

    @classmethod
    def parse(cls, text: str) -> KeyToken:
        """Read a token as it was printed.

        Raises:
            JoinTokenError: it is none, or damaged.
        """
        version, _, rest = text.strip().partition(".")
        coded, _, checksum = rest.partition(".")
        if version != _VERSION:
            raise JoinTokenError("this is no token of a new key", hint=_ASK_AGAIN)
        try:
            body = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
            value = parse_canonical(body)
        except (binascii.Error, ValueError, CodecError):
            value = None
        if _checksum(coded) != checksum or not isinstance(value, dict):
            raise JoinTokenError("the token is damaged or cut short", hint=_ASK_AGAIN)
        return cls(rotation_of(value))

    def __str__(self) -> str:
        body = canonical_json(self.rotation.value())
        coded = base64.urlsafe_b64encode(body).decode().rstrip("=")
        return f"{_VERSION}.{coded}.{_checksum(coded)}"


def grant_site(
    by: Registrar, site: str, *, admin: bool | None, expires: date | None, for_good: bool
) -> Member:
    """Give a site another standing, or its place back; what is not said stays as it is.

    Where it stands so already nothing is written.

    Raises:
        UsageError: no site has, or had, this name; or the expiry has passed.
        AccessRefusedError: readers would not count it.
    """
    by.require_admin()
    member = _known_site(by.membership, site)
    refuse_past(expires)
    until = None if for_good else expires or member.expires
    said = member.admin if admin is None else admin
    if (member.admin, member.expires, member.until) != (said, until, None):
        _change(by, Grant(site, by.membership.next_number(site), until, admin=said))
    # Also where it stands so: repeating the command completes it.
    by.ledger.admit(member.addresses, admin=said)
    return _known_site(by.membership, site)


def grant_user(
    by: Registrar,
    name: str,
    *,
    roles: Sequence[str] | None,
    expires: date | None,
    for_good: bool,
) -> User:
    """Give a user of this site other roles or another expiry, or the place back.

    Where it stands so already nothing is written.

    Raises:
        UsageError: no such user or role; or the expiry has passed.
        AccessRefusedError: readers would not count it.
    """
    user = _known_user(by.membership, name)
    refuse_past(expires)
    unknown = sorted(set(roles or ()) - set(ROLES))
    if unknown:
        raise UsageError(f"no role {unknown[0]!r}", hint=f"roles are {', '.join(ROLES)}")
    ordered = user.roles if not roles else tuple(role for role in ROLES if role in roles)
    until = None if for_good else expires or user.expires
    if (user.roles, user.expires, user.until) == (ordered, until, None):
        return user
    _change(by, Grant(name, by.membership.next_number(name), until, roles=ordered))
    return _known_user(by.membership, name)


def rotation_to(
    membership: Membership,
    name: str,
    new: Signer,
    *,
    addresses: Mapping[str, str] | None = None,
) -> Rotation:
    """Return the record that puts a new key in the place of the one in force.

    Args:
        membership: who is who.
        name: a site's, or a user's.
        new: the new key.
        addresses: what a site writes from henceforth; None or none: as until now.

    Raises:
        UsageError: there is no such site or user.
    """
    entry = _known_user(membership, name) if is_user(name) else _known_site(membership, name)
    return Rotation.make(
        name,
        membership.next_number(name),
        new,
        replaces=entry.public_key,
        network=membership.network,
        addresses=addresses or entry.addresses,
    )


def rotate(by: Registrar, name: str, new: Signer) -> None:
    """Put a new key in the place of this site's, or of one of its users'.

    Raises:
        UsageError, AccessRefusedError: there is no such name, or readers would not count it.
    """
    _change(by, rotation_to(by.membership, name, new))


def rekey(by: Registrar, token: KeyToken) -> Member:
    """Give a removed site the new key of its token, and its place back.

    Raises:
        AccessRefusedError: readers would not count it: the site is not removed, the token is of
            another network or was made before another change.
        UsageError: no site has this name.
    """
    by.require_admin()
    said = token.rotation
    member = _known_site(by.membership, said.name)
    begun = by.membership.site_keys(said.name)[-1:] == (said.public_key,)
    if member.until is None and not begun:
        raise AccessRefusedError(
            f"site {said.name} is there: it replaces its key itself",
            hint="precisionchain rotate-key, or remove the site first",
        )
    if not begun:  # else an earlier attempt broke off, and this one completes it
        _change(by, said)
    if member.until is not None:
        _change(by, Grant(said.name, said.number + 1, member.expires, admin=member.admin))
    by.ledger.admit(said.addresses, admin=member.admin)
    return _known_site(by.membership, said.name)


def declare(by: Registrar, public_key: bytes, since: int) -> str:
    """Declare that a key is not to be trusted from a position on; return whose it is.

    Raises:
        UsageError: nobody has, or had, this key.
        AccessRefusedError: readers would not count it.
    """
    name = by.membership.name_of(public_key)
    if name is None:
        raise UsageError(
            f"nobody in this network has, or had, the key {public_key.hex()[:16]}...",
            hint="`precisionchain members --json` lists every key",
        )
    _change(by, Declaration(name, by.membership.next_number(name), public_key, since))
    return name


def _change(by: Registrar, change: Change) -> None:
    membership, now = by.membership, datetime.now(UTC)
    item = change_item(change, by.signer, membership.network)
    by.site()
    broken = membership.breach(item, by.ledger.head().position + 1, now)
    if broken is not None:
        raise AccessRefusedError(
            f"readers would not count this change of {change.name}: {broken.message}",
            hint=_HINTS.get(broken.rule, "`precisionchain members` says who is here"),
        )
    by.write(item)
    if membership.number_of(change.name) < change.number:
        raise LedgerError(
            f"{change.name} was changed by somebody else at the same moment",
            hint="look at `precisionchain members`, and repeat the command",
        )


def _known_site(membership: Membership, site: str) -> Member:
    found = next((m for m in membership.members() if m.site == site), None)
    if found is None:
        raise UsageError(
            f"{site} is, and was, no member of this network",
            hint="`precisionchain members` lists them",
        )
    return found


def _known_user(membership: Membership, name: str) -> User:
    found = next((u for u in membership.users() if u.name == name), None)
    if found is None:
        raise UsageError(
            f"{name} is, and was, no user of this network",
            hint="`precisionchain members` lists them",
        )
    return found


def _checksum(coded: str) -> str:
    return sha256(f"{_VERSION}.{coded}".encode()).hexdigest()[:8]
