"""Records that change who is who: grants, removals, rotations of keys, declarations. No I/O.

Bodies, canonical JSON with exactly these members; ``name`` is a site's or ``someone@SITE``::

    grant        {"admin", "expires", "name", "number"}          of a site
    grant        {"expires", "name", "number", "roles"}          of a user
    revocation   {"name", "number"}
    rotation     {"addresses", "encryption_key", "name", "number", "proof", "public_key"}
    compromised  {"name", "number", "public_key", "since"}

Normative text: ``docs/reference/streams.md``, section 6.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from datetime import date
from typing import Any, ClassVar, Self

from precisionchain.errors import JoinTokenError
from precisionchain.ledger.records import (
    SITE_NAME,
    USER_NAME,
    BrokenRuleError,
    read_addresses,
    read_expiry,
    read_holder_keys,
    read_key,
    read_record,
    read_roles,
    record_item,
    written,
)
from precisionchain.ledger.signing import PublicKeys, Signer, verify_signature
from precisionchain.schemas.canonical import canonical_json
from precisionchain.schemas.items import Item

_PROOF = re.compile(r"[0-9a-f]{128}")
_ROTATION_LABEL = b"precisionchain rotation 1\x00"
_MOST = 2**53
"""Numbers are below this, so that every reader of JSON reads the same one."""


@dataclass(frozen=True, slots=True)
class Grant:
    """A new standing of a site (``admin`` is said, ``roles`` is None) or of a user.

    It stands in the place of all that was granted before, and ends a removal.
    """

    KIND: ClassVar[str] = "grant"
    name: str
    number: int
    expires: date | None = None
    admin: bool | None = None
    roles: tuple[str, ...] | None = None

    def value(self) -> dict[str, Any]:
        """Return the record's members."""
        said = {"roles": list(self.roles)} if self.roles is not None else {"admin": self.admin}
        return {"expires": written(self.expires), "name": self.name, "number": self.number, **said}


@dataclass(frozen=True, slots=True)
class Revocation:
    """The removal of a site or user, whatever its key is by now."""

    KIND: ClassVar[str] = "revocation"
    name: str
    number: int

    def value(self) -> dict[str, Any]:
        """Return the record's members."""
        return {"name": self.name, "number": self.number}


@dataclass(frozen=True, slots=True)
class Rotation:
    """New keys of a site or user; ``proof`` is the new key's signature (64 bytes)."""

    KIND: ClassVar[str] = "rotation"
    name: str
    number: int
    public_key: bytes
    encryption_key: bytes
    addresses: Mapping[str, str] = field(default_factory=dict, hash=False)
    proof: bytes = b""

    @classmethod
    def make(
        cls,
        name: str,
        number: int,
        new: Signer,
        *,
        replaces: bytes,
        network: bytes,
        addresses: Mapping[str, str] | None = None,
    ) -> Self:
        """Return the rotation to a new key, proved by it.

        Args:
            name: whose.
            number: above those of every change of this name.
            new: the new key.
            replaces: the public key that is in force.
            network: the 32-byte network id.
            addresses: the holder's, from now on.
        """
        made = cls(name, number, *new.public, addresses or {})
        return replace(made, proof=new.sign(made._proved(replaces, network)))

    def is_proved(self, replaces: bytes, network: bytes) -> bool:
        """Return whether the new key's holder agreed to replace this very key."""
        return verify_signature(self.public_key, self.proof, self._proved(replaces, network))

    def value(self) -> dict[str, Any]:
        """Return the record's members."""
        return {**self._said(), "proof": self.proof.hex()}

    @property
    def keys(self) -> PublicKeys:
        """The new public keys."""
        return PublicKeys(self.public_key, self.encryption_key)

    def _said(self) -> dict[str, Any]:
        return {
            "addresses": dict(self.addresses),
            "encryption_key": self.encryption_key.hex(),
            "name": self.name,
            "number": self.number,
            "public_key": self.public_key.hex(),
        }

    def _proved(self, replaces: bytes, network: bytes) -> bytes:
        return _ROTATION_LABEL + network + replaces + canonical_json(self._said())


@dataclass(frozen=True, slots=True)
class Declaration:
    """That a key is not to be trusted from the position ``since`` on."""

    KIND: ClassVar[str] = "compromised"
    name: str
    number: int
    public_key: bytes
    since: int

    def value(self) -> dict[str, Any]:
        """Return the record's members."""
        return {
            "name": self.name,
            "number": self.number,
            "public_key": self.public_key.hex(),
            "since": self.since,
        }


Change = Grant | Revocation | Rotation | Declaration


def is_user(name: str) -> bool:
    """Return whether a name is a user's; else it is a site's."""
    return "@" in name


def change_item(change: Change, signer: Signer, network: bytes) -> Item:
    """Return a change's item, signed by the site that makes it."""
    key, body = f"{change.KIND}:{change.name}", canonical_json(change.value())
    item = record_item(change.KIND, key, body, signer.public_key, network)
    return item.with_signature(signer.sign(item.signed_text(network)))


# --------------------------------------------------------------------------------------- reading


def read_grant(item: Item) -> Grant:
    """Return the grant that a record is.

    Raises:
        BrokenRuleError: the body is no such record.
    """
    record = read_record(item)
    said = "roles" if is_user(_name(record)) else "admin"
    record = read_record(item, "name", "number", "expires", said)
    name, number, expires = _name(record), _number(record), read_expiry(record)
    if said == "roles":
        return Grant(name, number, expires, roles=read_roles(record))
    if not isinstance(record["admin"], bool):
        raise BrokenRuleError("record", "admin is true or false")
    return Grant(name, number, expires, admin=record["admin"])


def read_revocation(item: Item) -> Revocation:
    """Return the removal that a record is.

    Raises:
        BrokenRuleError: the body is no such record.
    """
    record = read_record(item, "name", "number")
    return Revocation(_name(record), _number(record))


def read_rotation(item: Item) -> Rotation:
    """Return the rotation that a record is.

    Raises:
        BrokenRuleError: the body is no such record.
    """
    names = ("name", "number", "public_key", "encryption_key", "addresses", "proof")
    return _rotation(read_record(item, *names))


def rotation_of(value: dict[str, Any]) -> Rotation:
    """Return the rotation that a token carries.

    Raises:
        JoinTokenError: it carries none.
    """
    try:
        return _rotation(value)
    except (BrokenRuleError, KeyError) as error:
        raise JoinTokenError("the token holds no new key that can be used") from error


def _rotation(record: dict[str, Any]) -> Rotation:
    proof = record["proof"]
    if not isinstance(proof, str) or not _PROOF.fullmatch(proof):
        raise BrokenRuleError("record", "proof is a signature in hex")
    keys, addresses = read_holder_keys(record), read_addresses(record)
    return Rotation(_name(record), _number(record), *keys, addresses, bytes.fromhex(proof))


def read_declaration(item: Item) -> Declaration:
    """Return the declaration that a record is.

    Raises:
        BrokenRuleError: the body is no such record.
    """
    record = read_record(item, "name", "number", "public_key", "since")
    since = _count(record, "since")
    return Declaration(_name(record), _number(record), read_key(record, "public_key"), since)


def _name(record: dict[str, Any]) -> str:
    name = record.get("name")
    if not isinstance(name, str) or not (SITE_NAME.fullmatch(name) or USER_NAME.fullmatch(name)):
        raise BrokenRuleError("record", "name is a site's or someone@SITE")
    return name


def _number(record: dict[str, Any]) -> int:
    number = _count(record, "number")
    if number < 1:
        raise BrokenRuleError("record", "changes are numbered from 1")
    return number


def _count(record: dict[str, Any], name: str) -> int:
    value = record[name]
    if not isinstance(value, int) or isinstance(value, bool) or not 0 <= value < _MOST:
        raise BrokenRuleError("record", f"{name} is a whole number")
    return value
