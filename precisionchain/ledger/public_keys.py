"""Which 32 bytes are a public key that tells its holder from everybody else.

RFC 8032, section 5.1.3: the bytes are a number y below p, little-endian, and the sign of x in the
top bit; together a point of the curve -x² + y² = 1 + d x² y² over the integers modulo p. A library
takes any 32 bytes as a key. Those that are no point verify nothing; and of the eight points whose
order divides 8, anybody can make signatures that verify.

RFC 7748, section 6.1: any 32 bytes are an X25519 public key, but of the few points whose order
divides 8 every exchange gives zeros, which everybody knows.
"""

from __future__ import annotations

from typing import Final

from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey

KEY_BYTES: Final = 32
_P: Final = 2**255 - 19
_D: Final = -121665 * pow(121666, -1, _P) % _P
_SIGN: Final = 1 << 255
_COFACTOR_DOUBLINGS: Final = 3
_ANYBODY: Final = X25519PrivateKey.from_private_bytes(bytes(KEY_BYTES))
"""Some private key: whichever it is, it finds the points of small order."""


def is_public_key(key: bytes) -> bool:
    """Return whether some private key, and only its holder, can sign what this key verifies."""
    number = int.from_bytes(key, "little")
    y = number & (_SIGN - 1)
    if len(key) != KEY_BYTES or y >= _P:
        return False
    numerator, denominator = (y * y - 1) % _P, (_D * y * y + 1) % _P
    if not numerator or pow(numerator * denominator, (_P - 1) // 2, _P) != 1:
        return False  # x is 0, at two points of order 1 and 2; or there is no x
    # Doubling needs x² and y only, and gives them: x is never needed itself.
    x_squared = numerator * pow(denominator, -1, _P) % _P
    for _ in range(_COFACTOR_DOUBLINGS):
        x_squared, y = _doubled(x_squared, y)
    return (x_squared, y) != (0, 1)


def is_encryption_key(key: bytes) -> bool:
    """Return whether what is encrypted to this X25519 key can be read by its holder only."""
    try:
        _ANYBODY.exchange(X25519PublicKey.from_public_bytes(key))
    except ValueError:
        return False
    return True


def _doubled(x_squared: int, y: int) -> tuple[int, int]:
    """Return x² and y of twice a point: x = 2xy / (1 + dx²y²), y = (y² + x²) / (1 - dx²y²)."""
    y_squared = y * y % _P
    product = _D * x_squared * y_squared % _P
    inverse_of_x, inverse_of_y = pow(1 + product, -1, _P), pow(1 - product, -1, _P)
    doubled = 4 * x_squared * y_squared * inverse_of_x * inverse_of_x % _P
    return doubled, (y_squared + x_squared) * inverse_of_y % _P
