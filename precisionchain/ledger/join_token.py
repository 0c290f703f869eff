"""Join tokens: what a site that wants to join hands to an administrator, as one line of text.

::

    pcjoin1.SITE.<base64url of network 32 | site key 32 | user key 32 | signature 64>.<checksum>

A token names a network, a site, the site's public key and that of the site's first user. Its
signature is the site key's over the record that makes this user in this network (``records``):
so it proves that whoever made the token holds the key, is bound to network, name and both keys,
and the administrator can put the record on the ledger together with the site's admission. The
checksum, eight hex digits of a SHA-256, tells a token cut or mistyped on the way. A token holds no
secret.
"""

from __future__ import annotations

import base64
import binascii
from dataclasses import dataclass
from hashlib import sha256

from precisionchain.errors import JoinTokenError
from precisionchain.ledger.public_keys import is_public_key
from precisionchain.ledger.records import (
    SITE_NAME,
    User,
    first_user_name,
    unsigned_user_item,
    user_item,
)
from precisionchain.ledger.signing import Signer, is_signed
from precisionchain.schemas.items import Item
from precisionchain.schemas.roles import ROLES

_VERSION = "pcjoin1"
_KEY_BYTES = 32
_BODY_BYTES = 3 * _KEY_BYTES + 64
_CHECKSUM_DIGITS = 8
_BYTE_ORDER_MARK = "\ufeff"
_ASK_AGAIN = "ask the joining site for `precisionchain join-token`, and copy the whole line"


@dataclass(frozen=True, slots=True)
class JoinToken:
    """A site's wish to join a network.

    ``public_key`` is the site's, ``user_key`` that of its first user ``admin@SITE``; ``signature``
    is the site key's over ``first_user``.
    """

    network: bytes
    site: str
    public_key: bytes
    user_key: bytes
    signature: bytes

    @classmethod
    def make(cls, network: bytes, site: str, signer: Signer, user_key: bytes) -> JoinToken:
        """Return the token of a site; the same keys give the same token."""
        signed = user_item(_first_user(site, user_key), signer, network)
        return cls(network, site, signer.public_key, user_key, signed.signature)

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
        site, body = parts[0], _decoded(parts[1])
        if len(body) != _BODY_BYTES or not SITE_NAME.fullmatch(site):
            raise JoinTokenError("the join token is damaged or cut short", hint=_ASK_AGAIN)
        keys = [body[at : at + _KEY_BYTES] for at in range(0, 3 * _KEY_BYTES, _KEY_BYTES)]
        token = cls(keys[0], site, keys[1], keys[2], body[3 * _KEY_BYTES :])
        if not (is_public_key(token.public_key) and is_public_key(token.user_key)):
            raise JoinTokenError(
                "a key in the join token is none: anybody could sign for it, or nobody",
                hint="its maker's keys are broken: do not admit it",
            )
        if not is_signed(token.first_user(), token.network):
            raise JoinTokenError(
                "the join token is not signed by the key it names",
                hint="somebody changed it, or its maker does not hold that key: do not admit it",
            )
        return token

    def __str__(self) -> str:
        body = self.network + self.public_key + self.user_key + self.signature
        coded = base64.urlsafe_b64encode(body).decode().rstrip("=")
        return f"{_VERSION}.{self.site}.{coded}.{_checksum(self.site, coded)}"

    def user(self) -> User:
        """Return the site's first user, who has every role."""
        return _first_user(self.site, self.user_key)

    def first_user(self) -> Item:
        """Return the record that makes the first user, as the site has signed it."""
        unsigned = unsigned_user_item(self.user(), self.public_key, self.network)
        return unsigned.with_signature(self.signature)


def _first_user(site: str, user_key: bytes) -> User:
    return User(first_user_name(site), site, user_key, ROLES)


def _checksum(site: str, coded: str) -> str:
    return sha256(f"{_VERSION}.{site}.{coded}".encode()).hexdigest()[:_CHECKSUM_DIGITS]


def _decoded(coded: str) -> bytes:
    """Return the bytes of base64url without padding; nothing where it is not exactly that."""
    try:
        body = base64.b64decode(coded + "=" * (-len(coded) % 4), altchars=b"-_", validate=True)
    except (binascii.Error, ValueError):
        return b""
    return body if base64.urlsafe_b64encode(body).decode().rstrip("=") == coded else b""
