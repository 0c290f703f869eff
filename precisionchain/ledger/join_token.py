"""Join tokens: what a site that wants to join hands to an administrator, as one line of text.

::

    pcjoin2.SITE.<base64url of the body>.<checksum>
    body: network 32 | site key 32 | its encryption key 32 | user key 32 | its encryption key 32
          | user signature 64 | token signature 64 | addresses, canonical JSON

A token names a network, a site, the site's public keys and addresses, and the keys of the site's
first user. Both signatures are the site key's. The first is over the record that makes this user in
this network (``records``), so that the administrator can put it on the ledger together with the
site's admission; the second over everything the token says. So they prove that whoever made the
token holds the key, and bind it to network, name, keys and addresses. The checksum, eight hex
digits of a SHA-256, tells a token cut or mistyped on the way. A token holds no secret.
"""

from __future__ import annotations

import base64
import binascii
from collections.abc import Mapping
from dataclasses import dataclass, field, replace
from hashlib import sha256

from precisionchain.errors import CodecError, JoinTokenError
from precisionchain.ledger.public_keys import is_encryption_key, is_public_key
from precisionchain.ledger.records import (
    SITE_NAME,
    User,
    are_addresses,
    first_user_name,
    unsigned_user_item,
    user_item,
)
from precisionchain.ledger.signing import PublicKeys, Signer, is_signed, verify_signature
from precisionchain.schemas.canonical import canonical_json, parse_canonical
from precisionchain.schemas.items import Item
from precisionchain.schemas.roles import ROLES

_VERSION = "pcjoin2"
_LABEL = b"precisionchain join token 2\x00"
_KEY_BYTES = 32
_KEYS = 5
_SIGNATURE_BYTES = 64
_FIXED_BYTES = _KEYS * _KEY_BYTES + 2 * _SIGNATURE_BYTES
_CHECKSUM_DIGITS = 8
_BYTE_ORDER_MARK = "\ufeff"
_ASK_AGAIN = "ask the joining site for `precisionchain join-token`, and copy the whole line"


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A site's wish to join a network.

    ``keys`` and ``addresses`` are the site's, ``user_keys`` those of its first user ``admin@SITE``;
    ``user_signature`` is the site key's over ``first_user``, ``signature`` over all the rest.
    """

    network: bytes
    site: str
    keys: PublicKeys
    user_keys: PublicKeys
    user_signature: bytes
    signature: bytes = b""
    addresses: Mapping[str, str] = field(default_factory=dict, hash=False)

    @classmethod
    def make(
        cls,
        network: bytes,
        site: str,
        signer: Signer,
        user_keys: PublicKeys,
        addresses: Mapping[str, str] | None = None,
    ) -> JoinToken:
        """Return the token of a site; the same keys and addresses give the same token."""
        user = user_item(_first_user(site, user_keys), signer, network)
        token = cls(
            network, site, signer.public, user_keys, user.signature, addresses=addresses or {}
        )
        return replace(token, signature=signer.sign(token.signed_text()))

    @classmethod
    def parse(cls, text: str) -> JoinToken:
        """Read a token as it was printed; white space around it and a byte order mark do not count.

        Raises:
            JoinTokenError: it is none, damaged, of another version, with a key that is none, or not
                signed by its key.
        """
        version, _, rest = text.removeprefix(_BYTE_ORDER_MARK).strip().partition(".")
        parts = rest.split(".")
        if not version.startswith("pcjoin"):
            raise JoinTokenError("this is no join token", hint=_ASK_AGAIN)
        if version != _VERSION:
            raise JoinTokenError(
                "the join token is of another version",
                hint="both sites need the same release of PrecisionChain",
            )
        if len(parts) != 3 or _checksum(parts[0], parts[1]) != parts[2]:
            raise JoinTokenError("the join token is damaged or cut short", hint=_ASK_AGAIN)
        token = cls._of_body(parts[0], _decoded(parts[1]))
        _refuse_forged(token)
        return token

    @classmethod
    def _of_body(cls, site: str, body: bytes) -> JoinToken:
        keys = [body[at : at + _KEY_BYTES] for at in range(0, _KEYS * _KEY_BYTES, _KEY_BYTES)]
        signatures = body[_KEYS * _KEY_BYTES : _FIXED_BYTES]
        try:
            addresses = parse_canonical(body[_FIXED_BYTES:])
        except CodecError:
            addresses = None
        if not SITE_NAME.fullmatch(site) or not are_addresses(addresses):
            raise JoinTokenError("the join token is damaged or cut short", hint=_ASK_AGAIN)
        return cls(
            keys[0],
            site,
            PublicKeys(*keys[1:3]),
            PublicKeys(*keys[3:]),
            signatures[:_SIGNATURE_BYTES],
            signatures[_SIGNATURE_BYTES:],
            addresses,
        )

    def __str__(self) -> str:
        body = self._fixed() + self.user_signature + self.signature + self._written_addresses()
        coded = base64.urlsafe_b64encode(body).decode().rstrip("=")
        return f"{_VERSION}.{self.site}.{coded}.{_checksum(self.site, coded)}"

    @property
    def public_key(self) -> bytes:
        """The site's key that verifies what it signs."""
        return self.keys.public_key

    def user(self) -> User:
        """Return the site's first user, who has every role."""
        return _first_user(self.site, self.user_keys)

    def first_user(self) -> Item:
        """Return the record that makes the first user, as the site has signed it."""
        unsigned = unsigned_user_item(self.user(), self.public_key, self.network)
        return unsigned.with_signature(self.user_signature)

    def _fixed(self) -> bytes:
        return b"".join((self.network, *self.keys, *self.user_keys))

    def _written_addresses(self) -> bytes:
        return canonical_json(dict(self.addresses))

    def signed_text(self) -> bytes:
        """Return what the site's key signs."""
        site = self.site.encode() + b"\x00"
        return _LABEL + site + self._fixed() + self.user_signature + self._written_addresses()


def _refuse_forged(token: JoinToken) -> None:
    """Refuse a token that is not its key's, or of a key that is nobody's.

    Raises:
        JoinTokenError: so it is.
    """
    holders = (token.keys, token.user_keys)
    if not all(
        is_public_key(h.public_key) and is_encryption_key(h.encryption_key) for h in holders
    ):
        raise JoinTokenError(
            "a key in the join token is none: anybody could use it, or nobody",
            hint="its maker's keys are broken: do not admit it",
        )
    said = verify_signature(token.public_key, token.signature, token.signed_text())
    if not said or not is_signed(token.first_user(), token.network):
        raise JoinTokenError(
            "the join token is not signed by the key it names",
            hint="somebody changed it, or its maker does not hold that key: do not admit it",
        )


def _first_user(site: str, keys: PublicKeys) -> User:
    return User(first_user_name(site), site, *keys, ROLES)


def _checksum(site: str, coded: str) -> str:
    return sha256(f"{_VERSION}.{site}.{coded}".encode()).hexdigest()[:_CHECKSUM_DIGITS]


def _decoded(coded: str) -> bytes:
    """Return the bytes of base64url without padding; nothing where it is not exactly that."""
    try:
        body = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return body if base64.urlsafe_b64encode(body).decode().rstrip("=") == coded else b""
