"""Which bytes are a public key: those that keys have, and none that anybody could sign for."""

from __future__ import annotations

import hmac
import secrets

import pytest
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey

from precisionchain.errors import CodecError, JoinTokenError
from precisionchain.ledger.join_token import JoinToken
from precisionchain.ledger.public_keys import is_encryption_key, is_public_key
from precisionchain.ledger.signing import PublicKeys, Signer, verify_signature
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
    signed = JoinToken.make(NETWORK, "B", SITE, PublicKeys(key, USER.encryption_key))
    with pytest.raises(JoinTokenError, match="a key in the join token is none"):
        JoinToken.parse(str(signed))
    keys = NETWORK + key + SITE.encryption_key + b"".join(USER.public)
    forged = written("B", keys + 2 * (IDENTITY + bytes(32)) + b"{}")
    with pytest.raises(JoinTokenError, match="a key in the join token is none"):
        JoinToken.parse(forged)


# u of the points whose order divides 8, on the curve or its twist (RFC 7748 names no others), and
# the same numbers written with p added or the unused top bit set
U_ORDER_EIGHT = (
    "e0eb7a7c3b41b8ae1656e3faf19fc46ada098deb9c32b1fd866205165f49b800",
    "5f9c95bca3508c24b1d0b1559c83ef5b04445cc4581c8e86d8224eddd09f1157",
)
ANYBODY_S = [
    *((number % 2**255).to_bytes(32, "little") for number in (0, 1, P - 1, P, P + 1)),
    *map(bytes.fromhex, U_ORDER_EIGHT),
]


@pytest.mark.parametrize("key", ANYBODY_S)
def test_nothing_is_encrypted_to_everybody(key: bytes) -> None:
    assert not is_encryption_key(key)
    assert not is_encryption_key(with_sign(key))
    with pytest.raises(CodecError, match="no public key to encrypt to"):
        SITE.exchange(key)


def test_keys_to_encrypt_to_are_taken_and_no_other_number_of_bytes() -> None:
    for _ in range(20):
        key = Signer(secrets.token_bytes(32)).encryption_key
        assert is_encryption_key(key)
        assert not is_encryption_key(key[:-1])
        assert not is_encryption_key(key + b"\0")


def test_two_holders_exchange_one_secret_and_a_third_another() -> None:
    third = Signer(bytes([3]) * 32)
    assert SITE.exchange(USER.encryption_key) == USER.exchange(SITE.encryption_key)
    assert third.exchange(USER.encryption_key) != SITE.exchange(USER.encryption_key)


def ladder(scalar: bytes, u: int) -> bytes:
    """RFC 7748, section 5, as its pseudocode has it."""
    k = int.from_bytes(scalar, "little") & ~7 & ~(1 << 255) | 1 << 254
    x1, x2, z2, x3, z3, swap = u, 1, 0, u, 1, 0
    for t in range(254, -1, -1):
        bit = k >> t & 1
        if swap ^ bit:
            x2, x3, z2, z3 = x3, x2, z3, z2
        swap = bit
        a, b, c, d = x2 + z2, x2 - z2, x3 + z3, x3 - z3
        aa, bb, da, cb = a * a, b * b, d * a, c * b
        e = aa - bb
        x3, z3 = (da + cb) ** 2 % P, x1 * (da - cb) ** 2 % P
        x2, z2 = aa * bb % P, e * (aa + 121665 * e) % P
    if swap:
        x2, z2 = x3, z3
    return (x2 * pow(z2, P - 2, P) % P).to_bytes(32, "little")


@pytest.mark.parametrize("seed", [bytes(32), bytes(range(32)), b"\xff" * 32])
def test_the_key_to_encrypt_to_follows_from_the_seed_as_the_format_page_says(seed: bytes) -> None:
    """HKDF of RFC 5869 by hand, X25519 of RFC 7748 by hand."""
    extracted = hmac.digest(bytes(32), seed, "sha256")
    private = hmac.digest(extracted, b"precisionchain encryption key 1\0" + b"\x01", "sha256")
    holder = Signer(seed)
    assert holder.encryption_key == ladder(private, 9)
    peer = Signer(bytes([9]) * 32).encryption_key
    assert holder.exchange(peer) == ladder(private, int.from_bytes(peer, "little"))
