"""Records of the NETWORK stream that make members and users: bodies and items. No I/O.

Bodies, canonical JSON with exactly these members; ``expires`` is a date or null::

    member      {"addresses", "admin", "code", "encryption_key", "expires", "public_key", "site"}
    user        {"addresses", "encryption_key", "expires", "public_key", "roles", "site", "user"}

What changes them later is in ``changes``.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import UTC, date, datetime
from hashlib import sha256
from typing import Any, Self, TypeGuard, TypeVar

from precisionchain.errors import CodecError
from precisionchain.ledger.base import LedgerItem
from precisionchain.ledger.public_keys import is_encryption_key, is_public_key
from precisionchain.ledger.signing import PublicKeys, Signer, single_item
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.items import Codec, Item, ItemClass
from precisionchain.schemas.json_payloads import json_payload
from precisionchain.schemas.streams import NETWORK, StreamName

NETWORK_STREAM = str(StreamName(NETWORK))
"""Where all records stand: this stream has one bucket, however full."""
NO_NETWORK = bytes(32)
"""What stands for the network's id in the leaf of the parameters, which make that id."""

SITE_NAME = re.compile(r"[A-Za-z][A-Za-z0-9-]{0,15}")
USER_NAME = re.compile(r"[a-z0-9][a-z0-9._-]{0,63}@[A-Za-z][A-Za-z0-9-]{0,15}")
_CODE = re.compile(r"[a-z][a-z0-9]")
_KEY = re.compile(r"[0-9a-f]{64}")
_ROLE = re.compile(r"[a-z][a-z-]{0,31}")
_DATE = re.compile(r"[0-9]{4}-[0-9]{2}-[0-9]{2}")
_ADDRESS = re.compile(r"[A-Za-z0-9]{1,64}")
ADDRESS_ROLES = frozenset({"access", "admin", "publish"})
"""What a member's or user's addresses on a MultiChain are for; an embedded ledger has none."""
_HOLDER = ("public_key", "encryption_key", "expires", "addresses")
_RECORD_LABEL = b"precisionchain record 1\x00"


_Entry = TypeVar("_Entry", "Member", "User")


class BrokenRuleError(Exception):
    """An item of NETWORK that does not exist, with the word of the rule it breaks."""

    def __init__(self, rule: str, message: str) -> None:
        self.rule = rule
        self.message = message
        super().__init__(message)


@dataclass(frozen=True, slots=True)
class Member:
    """A site as it stands somewhere on the ledger, or now.

    ``since`` is the position of its record, ``until`` that of the removal in force there. It stands
    like this for items after ``changed``; up to there as ``before`` says.

    ``public_key`` (Ed25519) verifies what it signs, to ``encryption_key`` (X25519) others encrypt;
    ``addresses`` are its own on a MultiChain, by what it uses them for.
    ``admitted`` and ``removed`` are the ledger's times of the two, for people.
    """

    site: str
    code: str
    public_key: bytes
    encryption_key: bytes
    admin: bool
    expires: date | None = None
    addresses: Mapping[str, str] = field(default_factory=dict, hash=False)
    since: int = -1
    until: int | None = None
    admitted: datetime | None = field(default=None, compare=False)
    removed: datetime | None = field(default=None, compare=False)
    changed: int = field(default=-1, compare=False)
    before: Self | None = field(default=None, compare=False, repr=False)

    def body(self) -> bytes:
        """Return the record's canonical JSON."""
        return canonical_json(
            {
                "addresses": dict(self.addresses),
                "admin": self.admin,
                "code": self.code,
                "encryption_key": self.encryption_key.hex(),
                "expires": written(self.expires),
                "public_key": self.public_key.hex(),
                "site": self.site,
            }
        )


@dataclass(frozen=True, slots=True)
class User:
    """A person who asks questions, with a key of their own; ``name`` is ``someone@SITE``.

    Positions as for `Member`.

    A role that this release does not know entitles to nothing.
    """

    name: str
    site: str
    public_key: bytes
    encryption_key: bytes
    roles: tuple[str, ...]
    expires: date | None = None
    addresses: Mapping[str, str] = field(default_factory=dict, hash=False)
    since: int = -1
    until: int | None = None
    admitted: datetime | None = field(default=None, compare=False)
    removed: datetime | None = field(default=None, compare=False)
    changed: int = field(default=-1, compare=False)
    before: Self | None = field(default=None, compare=False, repr=False)

    def body(self) -> bytes:
        """Return the record's canonical JSON."""
        return canonical_json(
            {
                "addresses": dict(self.addresses),
                "encryption_key": self.encryption_key.hex(),
                "expires": written(self.expires),
                "public_key": self.public_key.hex(),
                "roles": list(self.roles),
                "site": self.site,
                "user": self.name,
            }
        )


def standing_at(entry: _Entry, position: int) -> _Entry | None:
    """Return how a site or user stands for an item at a position; None before its record."""
    while entry.changed >= position:
        if entry.before is None:
            return None
        entry = entry.before
    return entry


def counts(entry: _Entry, position: int, time: datetime) -> bool:
    """Return whether a site or user is there for an item at a position, taken at a time."""
    there = standing_at(entry, position)
    return there is not None and is_current(there, time)


def is_current(entry: Member | User, now: datetime) -> bool:
    """Return whether a site or user is there, by its standing, at a time."""
    return entry.until is None and not has_expired(entry, now)


def has_expired(entry: Member | User, time: datetime) -> bool:
    """Return whether a time is after the day a record expires."""
    return entry.expires is not None and time.astimezone(UTC).date() > entry.expires


def fingerprint(public_key: bytes) -> str:
    """Return what people compare keys by: 32 hex digits of its SHA-256, in groups of four."""
    digits = sha256(public_key).hexdigest()[:32]
    return " ".join(digits[at : at + 4] for at in range(0, len(digits), 4))


def first_user_name(site: str) -> str:
    """Return the name of a site's first user, who has every role."""
    return f"admin@{site}"


def are_addresses(value: object) -> TypeGuard[dict[str, str]]:
    """Return whether a value is what a record may have for addresses."""
    return isinstance(value, dict) and all(
        role in ADDRESS_ROLES and isinstance(text, str) and _ADDRESS.fullmatch(text) is not None
        for role, text in value.items()
    )


# --------------------------------------------------------------------------------------- reading


def read_member(placed: LedgerItem) -> Member:
    """Return the member that a record makes.

    Raises:
        BrokenRuleError: the body is no such record.
    """
    record = read_record(placed.item, "site", "code", "admin", *_HOLDER)
    if not isinstance(record["admin"], bool):
        raise BrokenRuleError("record", "admin is true or false")
    return Member(
        _text(record, "site", SITE_NAME),
        _text(record, "code", _CODE),
        *read_holder_keys(record),
        record["admin"],
        read_expiry(record),
        read_addresses(record),
        since=placed.position,
        admitted=placed.time,
        changed=placed.position,
    )


def read_user(placed: LedgerItem) -> User:
    """Return the user that a record makes.

    Raises:
        BrokenRuleError: the body is no such record.
    """
    record = read_record(placed.item, "user", "site", "roles", *_HOLDER)
    user = User(
        _text(record, "user", USER_NAME),
        _text(record, "site", SITE_NAME),
        *read_holder_keys(record),
        read_roles(record),
        read_expiry(record),
        read_addresses(record),
        since=placed.position,
        admitted=placed.time,
        changed=placed.position,
    )
    if not user.name.endswith(f"@{user.site}"):
        raise BrokenRuleError("record", "a user is written someone@SITE")
    return user


def read_record(item: Item, *names: str) -> dict[str, Any]:
    """Return an item's record, which must have exactly these members; without names, any.

    Raises:
        BrokenRuleError: it has not.
    """
    try:
        record = parse_canonical(item.payload.body)
    except CodecError as error:
        raise BrokenRuleError("record", error.message) from error
    wrong_names = names and (not isinstance(record, dict) or set(record) != set(names))
    if item.payload.codec is not Codec.JSON or not isinstance(record, dict) or wrong_names:
        raise BrokenRuleError("record", "the body is not a record of its kind")
    return record


def _text(record: dict[str, Any], name: str, pattern: re.Pattern[str]) -> str:
    value = record[name]
    if not isinstance(value, str) or not pattern.fullmatch(value):
        raise BrokenRuleError("record", f"{name} is not of the form it must have")
    return value


def read_key(record: dict[str, Any], name: str) -> bytes:
    """Return 32 bytes that a record has in hex."""
    return bytes.fromhex(_text(record, name, _KEY))


def read_roles(record: dict[str, Any]) -> tuple[str, ...]:
    """Return a record's roles."""
    roles = record["roles"]
    if not isinstance(roles, list) or not all(
        isinstance(role, str) and _ROLE.fullmatch(role) for role in roles
    ):
        raise BrokenRuleError("record", "roles are a list of words")
    return tuple(roles)


def read_holder_keys(record: dict[str, Any]) -> PublicKeys:
    """Return a record's two public keys; each must tell its holder from everybody else."""
    public_key, encryption_key = read_key(record, "public_key"), read_key(record, "encryption_key")
    if not is_public_key(public_key):
        raise BrokenRuleError("key", "public_key is none: anybody could sign for it, or nobody")
    if not is_encryption_key(encryption_key):
        raise BrokenRuleError("key", "encryption_key is none: anybody could read what is for it")
    return PublicKeys(public_key, encryption_key)


def read_addresses(record: dict[str, Any]) -> dict[str, str]:
    """Return a record's addresses by what they are for."""
    found = record["addresses"]
    if not are_addresses(found):
        raise BrokenRuleError("record", "addresses are words, for publish, access or admin")
    return found


def read_expiry(record: dict[str, Any]) -> date | None:
    """Return the last day that a record allows; None for good."""
    if record["expires"] is None:
        return None
    try:
        return date.fromisoformat(_text(record, "expires", _DATE))
    except ValueError as error:
        raise BrokenRuleError("record", "expires is no date") from error


def written(expires: date | None) -> str | None:
    """Return an expiry as records have it."""
    return None if expires is None else expires.isoformat()


# --------------------------------------------------------------------------------------- writing


def network_id(parameters: Item) -> bytes:
    """Return the network's 32-byte id: the SHA-256 of its first item's frame."""
    return sha256(parameters.frame).digest()


def parameters_item(body: bytes, signer: Signer) -> Item:
    """Return a network's first item, signed by its founder."""
    payload = json_payload("parameters", body)
    return single_item(NETWORK_STREAM, (), payload, signer=signer, network=NO_NETWORK)


def member_item(member: Member, signer: Signer, network: bytes) -> Item:
    """Return a record that admits a site, signed by an administrator's site key."""
    key, body = f"member:{member.site}", member.body()
    item = record_item("member", key, body, signer.public_key, network)
    return _signed(item, signer, network)


def user_item(user: User, signer: Signer, network: bytes) -> Item:
    """Return a record that makes a user, signed by the key of the user's site."""
    return _signed(unsigned_user_item(user, signer.public_key, network), signer, network)


def unsigned_user_item(user: User, site_key: bytes, network: bytes) -> Item:
    """Return the same record without its signature."""
    return record_item("user", f"user:{user.name}", user.body(), site_key, network)


def record_item(kind: str, key: str, body: bytes, publisher: bytes, network: bytes) -> Item:
    """Return a record's item; its batch id follows from it, so that writing it twice is once."""
    batch = sha256(_RECORD_LABEL + network + kind.encode() + b"\x00" + body).digest()
    payload = json_payload(kind, body)
    return Item(NETWORK_STREAM, (key,), ItemClass.SINGLE, publisher, batch, 0, payload)


def _signed(item: Item, signer: Signer, network: bytes) -> Item:
    return item.with_signature(signer.sign(item.signed_text(network)))
