"""Who may say what: the rules of the NETWORK stream, folded in order of position. No I/O.

The rules, each with the word a finding carries when it is broken:

1. ``parameters``: the first item holds the network's parameters. Its publisher's key, the
   *founder's*, signs it; the network's id is not known yet, so its leaf takes 32 zero bytes for it.
   The id is the SHA-256 of this item's frame. There are no second parameters.
2. ``signature``: every other item is signed by its publisher, in this network.
3. ``founder``: the first member is the founder, admitted by itself, as an administrator.
4. ``entitled``: members are admitted and removed by an administrator's site key; a user is made and
   removed by the key of the user's own site. Removed keys entitle to nothing from there on, and a
   site's users go with it.
5. ``taken``: a site's name, its code and every key are used once, and so is a user's name, also
   after their removal; a key is removed once.
6. ``record``: the body is canonical JSON with exactly the members of its kind.

An item that breaks a rule does not exist: it changes nothing and is reported. Whether an item is
entitled is judged at the position where it stands, so a key that is removed later keeps what it
said before.

Bodies::

    member      {"site", "code", "public_key", "admin"}
    user        {"user", "site", "public_key", "roles"}
    revocation  {"public_key"}
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from dataclasses import dataclass, field, replace
from hashlib import sha256
from typing import Any, TypeVar

from precisionchain.errors import CodecError
from precisionchain.ledger.base import Finding, LedgerItem
from precisionchain.ledger.signing import is_signed
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.items import Codec, Item, ItemClass
from precisionchain.schemas.streams import ACCESS, NETWORK, family_of

NO_NETWORK = bytes(32)
"""What stands for the network's id in the leaf of the parameters, which make that id."""

_SITE = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,31}")
_CODE = re.compile(r"[a-z][a-z0-9]")
_USER = re.compile(r"[a-z0-9._-]{1,64}@[A-Za-z0-9._-]{1,32}")
_PUBLIC_KEY = re.compile(r"[0-9a-f]{64}")
_ROLE = re.compile(r"[a-z][a-z-]{0,31}")


@dataclass(frozen=True, slots=True)
class Member:
    """A site that may publish. ``since`` and ``until`` are positions; it counts between them."""

    site: str
    code: str
    public_key: bytes
    admin: bool
    since: int = -1
    until: int | None = None

    def body(self) -> bytes:
        """Return the record's canonical JSON."""
        return canonical_json(
            {
                "admin": self.admin,
                "code": self.code,
                "public_key": self.public_key.hex(),
                "site": self.site,
            }
        )


@dataclass(frozen=True, slots=True)
class User:
    """A person who asks questions, with a key of their own; ``name`` is ``someone@SITE``."""

    name: str
    site: str
    public_key: bytes
    roles: tuple[str, ...]
    since: int = -1
    until: int | None = None

    def body(self) -> bytes:
        """Return the record's canonical JSON."""
        return canonical_json(
            {
                "public_key": self.public_key.hex(),
                "roles": list(self.roles),
                "site": self.site,
                "user": self.name,
            }
        )


def revocation_body(public_key: bytes) -> bytes:
    """Return the canonical JSON of a record that removes a member or user."""
    return canonical_json({"public_key": public_key.hex()})


_Entry = TypeVar("_Entry", Member, User)


@dataclass(slots=True)
class Membership:
    """What the NETWORK stream says up to some position.

    ``parameters_body`` is that of the first item; ``findings`` the items that do not exist.
    """

    network: bytes = NO_NETWORK
    founder: bytes = b""
    parameters_body: bytes = b""
    findings: list[Finding] = field(default_factory=list)
    _members: dict[bytes, Member] = field(default_factory=dict)
    _users: dict[bytes, User] = field(default_factory=dict)
    _accepted: set[int] = field(default_factory=set)

    @classmethod
    def fold(cls, items: Iterable[LedgerItem]) -> Membership:
        """Return what the items of the NETWORK stream, in order of position, say."""
        membership = cls()
        for placed in items:
            try:
                membership._apply(placed)
            except _BrokenRuleError as broken:
                membership.findings.append(
                    Finding(broken.rule, broken.message, placed.item.stream, placed.position)
                )
        return membership

    # ------------------------------------------------------------------------------------ questions

    def members(self) -> tuple[Member, ...]:
        """Return every site ever admitted, in order."""
        return tuple(self._members.values())

    def users(self) -> tuple[User, ...]:
        """Return every user ever made, in order."""
        return tuple(self._users.values())

    def member(self, public_key: bytes, position: int | None = None) -> Member | None:
        """Return the site whose key this was at a position; without one, ever."""
        return _at(self._members.get(public_key), position)

    def user(self, public_key: bytes, position: int | None = None) -> User | None:
        """Return the user whose key this was at a position; without one, ever."""
        return _at(self._users.get(public_key), position)

    def site_key(self, site: str) -> bytes | None:
        """Return the public key of a site that is a member now."""
        keys = (m.public_key for m in self._members.values() if m.site == site and m.until is None)
        return next(keys, None)

    def user_key(self, name: str) -> bytes | None:
        """Return the public key of a user who is one now."""
        keys = (u.public_key for u in self._users.values() if u.name == name and u.until is None)
        return next(keys, None)

    def may_publish(self, public_key: bytes) -> bool:
        """Return whether the key is a site's now."""
        member = self._members.get(public_key)
        return member is not None and member.until is None

    def may_ask(self, public_key: bytes) -> bool:
        """Return whether the key is a user's now."""
        user = self._users.get(public_key)
        return user is not None and user.until is None

    def is_entitled(self, placed: LedgerItem) -> bool:
        """Return whether an item's publisher could say this, there.

        Access entries are a user's, everything else is a site's. A single item must carry its
        publisher's signature; a batch item is answered for by its batch's manifest.
        """
        item, family = placed.item, family_of(placed.item.stream)
        if family == NETWORK:
            return placed.position in self._accepted
        if item.item_class is ItemClass.SINGLE and not is_signed(item, self.network):
            return False
        if family == ACCESS:
            known = self.user(item.publisher, placed.position) is not None
            return known and item.item_class is ItemClass.SINGLE
        return self.member(item.publisher, placed.position) is not None

    # ------------------------------------------------------------------------------------ the rules

    def _apply(self, placed: LedgerItem) -> None:
        item = placed.item
        if not self.founder:
            self._found(item)
        elif item.payload.kind == "parameters":
            raise _BrokenRuleError("parameters", "a network has its parameters once")
        elif not is_signed(item, self.network):
            raise _BrokenRuleError("signature", "not signed by its publisher in this network")
        elif item.payload.kind == "member":
            self._admit(placed)
        elif item.payload.kind == "user":
            self._make_user(placed)
        elif item.payload.kind == "revocation":
            self._revoke(placed)
        else:
            raise _BrokenRuleError("record", "a record of a kind this release does not know")
        self._accepted.add(placed.position)

    def _found(self, item: Item) -> None:
        if item.payload.kind != "parameters" or not is_signed(item, NO_NETWORK):
            raise _BrokenRuleError("parameters", "the network does not begin with its parameters")
        _record(item)
        self.founder = item.publisher
        self.network = network_id(item)
        self.parameters_body = item.payload.body

    def _admit(self, placed: LedgerItem) -> None:
        record = _record(placed.item, "site", "code", "public_key", "admin")
        if not isinstance(record["admin"], bool):
            raise _BrokenRuleError("record", "admin is true or false")
        member = Member(
            _text(record, "site", _SITE),
            _text(record, "code", _CODE),
            bytes.fromhex(_text(record, "public_key", _PUBLIC_KEY)),
            record["admin"],
            placed.position,
        )
        by = placed.item.publisher
        if not self._members:
            if not member.public_key == by == self.founder or not member.admin:
                raise _BrokenRuleError("founder", "the first member is not the founder")
        elif not self._is_admin(by):
            raise _BrokenRuleError("entitled", "members are admitted by an administrator")
        names = {m.site for m in self._members.values()} | {m.code for m in self._members.values()}
        if self._has_key(member.public_key) or {member.site, member.code} & names:
            raise _BrokenRuleError("taken", "the site's name, code or key is taken")
        self._members[member.public_key] = member

    def _make_user(self, placed: LedgerItem) -> None:
        record = _record(placed.item, "user", "site", "public_key", "roles")
        roles = record["roles"]
        if not isinstance(roles, list) or not all(
            isinstance(role, str) and _ROLE.fullmatch(role) for role in roles
        ):
            raise _BrokenRuleError("record", "roles are a list of words")
        user = User(
            _text(record, "user", _USER),
            _text(record, "site", _SITE),
            bytes.fromhex(_text(record, "public_key", _PUBLIC_KEY)),
            tuple(roles),
            placed.position,
        )
        if not user.name.endswith(f"@{user.site}"):
            raise _BrokenRuleError("record", "a user is written someone@SITE")
        if placed.item.publisher != self.site_key(user.site):
            raise _BrokenRuleError("entitled", "a user is made by the user's own site")
        if self._has_key(user.public_key) or user.name in {u.name for u in self._users.values()}:
            raise _BrokenRuleError("taken", "the user's name or key is taken")
        self._users[user.public_key] = user

    def _revoke(self, placed: LedgerItem) -> None:
        record = _record(placed.item, "public_key")
        key = bytes.fromhex(_text(record, "public_key", _PUBLIC_KEY))
        by, at = placed.item.publisher, placed.position
        member, user = self._members.get(key), self._users.get(key)
        if member and self._is_admin(by):
            self._members[key] = _ended(member, at)
            for other in [u for u in self._users.values() if u.site == member.site]:
                if other.until is None:
                    self._users[other.public_key] = _ended(other, at)
        elif user and by == self.site_key(user.site):
            self._users[key] = _ended(user, at)
        else:
            raise _BrokenRuleError("entitled", "the publisher may not remove this key")

    def _is_admin(self, public_key: bytes) -> bool:
        member = self._members.get(public_key)
        return member is not None and member.admin and member.until is None

    def _has_key(self, public_key: bytes) -> bool:
        return public_key in self._members or public_key in self._users


def network_id(parameters: Item) -> bytes:
    """Return the network's 32-byte id: the SHA-256 of its first item's frame."""
    return sha256(parameters.frame).digest()


class _BrokenRuleError(Exception):
    """An item that does not exist, with the word of the rule it breaks."""

    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        self.message = message
        super().__init__(message)


def _record(item: Item, *names: str) -> dict[str, Any]:
    """Return an item's record, which must have exactly these members; without names, any."""
    try:
        record = parse_canonical(item.payload.body)
    except CodecError as error:
        raise _BrokenRuleError("record", error.message) from error
    wrong_names = names and (not isinstance(record, dict) or set(record) != set(names))
    if item.payload.codec is not Codec.JSON or not isinstance(record, dict) or wrong_names:
        raise _BrokenRuleError("record", "the body is not a record of its kind")
    return record


def _text(record: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = record[name]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise _BrokenRuleError("record", f"{name} is not of the form it must have")
    return value


def _ended(entry: _Entry, at: int) -> _Entry:
    if entry.until is not None:
        raise _BrokenRuleError("taken", "the key was removed before")
    return replace(entry, until=at)


def _at(entry: _Entry | None, position: int | None) -> _Entry | None:
    if entry is None or position is None:
        return entry
    counts = entry.since < position and (entry.until is None or position < entry.until)
    return entry if counts else None
