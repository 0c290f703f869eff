"""Which bytes are a public key: those that keys have, and none that anybody could sign for."""

from __future__ import annotations

import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from precisionchain.errors import JoinTokenError
from precisionchain.ledger.join_token import JoinToken
from precisionchain.ledger.public_keys import is_public_key
from precisionchain.ledger.signing import Signer, verify_signature
from tests.unit.test_join_token import written

P = 2**255 - 19
IDENTITY = (1).to_bytes(32, "little")
ORDER_EIGHT = (
    "26e8958fc2b227b045c3f489f2ef98f0d5dfac05d3c63339b13802886d53fc05",
    "c7176a703d4dd84fba3c0b760d10670f2a2053fa2c39ccc64ec7fd7792ac037a",
)
"""y of the points of order 8, as lists of weak keys have them (libsodium's, among others)."""

WEAK = {
    "order 1": IDENTITY,
    "order 2": (P - 1).to_bytes(32, "little"),
    "order 4": bytes(32),
    **{f"order 8, {at}": bytes.fromhex(text) for at, text in enumerate(ORDER_EIGHT)},
}
NO_NUMBER_BELOW_P = {
    "all ones": b"\xff" * 32,
    "p": P.to_bytes(32, "little"),
    "p + 1": (P + 1).to_bytes(32, "little"),
    "p + 3": (P + 3).to_bytes(32, "little"),
}


def with_sign(key: bytes) -> bytes:
    return key[:-1] + bytes([key[-1] ^ 0x80])


@pytest.mark.parametrize("name", [*WEAK, *NO_NUMBER_BELOW_P])
def test_no_key_of_whoever_likes(name: str) -> None:
    key = (WEAK | NO_NUMBER_BELOW_P)[name]
    assert not is_public_key(key)
    assert not is_public_key(with_sign(key))


def test_weak_keys_are_points_of_the_curve() -> None:
    """So it is for their order that they are refused."""
    for key in WEAK.values():
        assert _x_of(int.from_bytes(key, "little")) is not None


def test_anybody_signs_for_the_identity() -> None:
    """Why this is refused at all: R = 1 and s = 0 satisfy sB = R + hA where A is the identity."""
    assert verify_signature(IDENTITY, IDENTITY + bytes(32), b"whatever")


def test_every_key_that_is_made_is_one() -> None:
    for _ in range(50):
        key = Ed25519PrivateKey.generate().public_key().public_bytes_raw()
        assert is_public_key(key)
        assert is_public_key(with_sign(key))  # its negative, with a private key of its own
        assert not is_public_key(key[:-1])
        assert not is_public_key(key + b"\0")


def test_of_any_bytes_those_are_that_lie_on_the_curve() -> None:
    """By the curve's equation with x found by a square root, as RFC 8032, 5.1.3 computes it."""
    found = {True: 0, False: 0}
    for _ in range(100):
        y = secrets.randbelow(P)
        lies = _x_of(y) is not None
        assert is_public_key(y.to_bytes(32, "little")) is lies
        found[lies] += 1
    assert min(found.values()) > 10


def _x_of(y: int) -> int | None:
    d = -121665 * pow(121666, P - 2, P) % P
    u, v = (y * y - 1) % P, (d * y * y + 1) % P
    x = u * pow(v, 3, P) * pow(u * pow(v, 7, P), (P - 5) // 8, P) % P
    for root in (x, x * pow(2, (P - 1) // 4, P) % P):
        if (root * root * v - u) % P == 0:
            return root
    return None


SITE, USER = Signer(bytes([1]) * 32), Signer(bytes([2]) * 32)
NETWORK = bytes(range(32))


@pytest.mark.parametrize("key", [bytes(32), b"\xff" * 32, IDENTITY])
def test_a_token_with_such_a_key_is_refused(key: bytes) -> None:
    signed = JoinToken.make(NETWORK, "B", SITE, key)
    with pytest.raises(JoinTokenError, match="a key in the join token is none"):
        JoinToken.parse(str(signed))
    forged = written("B", NETWORK + key + USER.public_key + IDENTITY + bytes(32))
    with pytest.raises(JoinTokenError, match="a key in the join token is none"):
        JoinToken.parse(forged)
