"""Ed25519 keys of sites and users, the files they are kept in, and signatures of single items.

A private key is a text file of three lines, mode 0600, in a folder of mode 0700::

    precisionchain ed25519 private key 1
    seed <64 hex digits>
    public <64 hex digits>

The seed is RFC 8032's 32-byte private key; the public key repeats what follows from it, so that a
damaged file is noticed. Whoever can read the seed can sign as its owner: looser modes are refused.

The holder's key for encryption follows from the same seed: the X25519 private key (RFC 7748) is
HKDF-SHA256 of it (RFC 5869, no salt, the label below as info, 32 bytes).
"""

from __future__ import annotations

import os
import re
import secrets
import tempfile
from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from cryptography.exceptions import InvalidSignature
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PrivateKey, Ed25519PublicKey
from cryptography.hazmat.primitives.asymmetric.x25519 import X25519PrivateKey, X25519PublicKey
from cryptography.hazmat.primitives.hashes import SHA256
from cryptography.hazmat.primitives.kdf.hkdf import HKDF

from precisionchain.errors import CodecError, KeyPermissionError, SiteError, UnreadableFileError
from precisionchain.ledger.new_file import place_new
from precisionchain.schemas.items import Item, ItemClass, Payload

SEED_BYTES = 32
ENCRYPTION_LABEL = b"precisionchain encryption key 1\x00"
_TITLE = "precisionchain ed25519 private key 1"
_KEY_FILE = re.compile(rf"{_TITLE}\nseed ([0-9a-f]{{64}})\npublic ([0-9a-f]{{64}})\n")


class PublicKeys(NamedTuple):
    """The public half of a holder's keys, 32 bytes each: Ed25519 verifies, X25519 encrypts."""

    public_key: bytes
    encryption_key: bytes


class Signer:
    """A private key that signs, and one that decrypts; the seed leaves it only into a key file.

    Args:
        seed: RFC 8032's private key, 32 bytes.
    """

    __slots__ = ("_exchange_key", "_key", "encryption_key", "public_key")

    def __init__(self, seed: bytes) -> None:
        self._key = Ed25519PrivateKey.from_private_bytes(seed)
        self.public_key = self._key.public_key().public_bytes_raw()
        derived = HKDF(SHA256(), SEED_BYTES, salt=None, info=ENCRYPTION_LABEL).derive(seed)
        self._exchange_key = X25519PrivateKey.from_private_bytes(derived)
        self.encryption_key = self._exchange_key.public_key().public_bytes_raw()

    def __repr__(self) -> str:
        return f"Signer(public_key={self.public_key.hex()})"

    @property
    def public(self) -> PublicKeys:
        """Both public keys, as records carry them."""
        return PublicKeys(self.public_key, self.encryption_key)

    def sign(self, message: bytes) -> bytes:
        """Return the 64-byte signature of a message."""
        return self._key.sign(message)

    def exchange(self, peer_public: bytes) -> bytes:
        """Return the 32 bytes that only the holders of this and a peer's key can make (X25519).

        Args:
            peer_public: the peer's ``encryption_key``, 32 bytes.

        Raises:
            CodecError: that is no such key: with it, everybody could make these bytes.
        """
        try:
            return self._exchange_key.exchange(X25519PublicKey.from_public_bytes(peer_public))
        except ValueError as error:
            raise CodecError("that is no public key to encrypt to") from error


def verify_signature(public_key: bytes, signature: bytes, message: bytes) -> bool:
    """Return whether the holder of ``public_key`` (32 bytes) signed the message."""
    try:
        Ed25519PublicKey.from_public_bytes(public_key).verify(signature, message)
    except (InvalidSignature, ValueError):
        return False
    return True


# --------------------------------------------------------------------------------------- key files


def generate_key(path: Path) -> Signer:
    """Make a new key and its file; the folder is made (0700) when absent.

    The file appears complete or not at all, and never replaces another.

    Raises:
        KeyPermissionError: the folder exists and is open to others.
        SiteError: the file exists already, or cannot be written.
    """
    try:
        path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        _check_mode(path.parent, 0o700)
        seed = secrets.token_bytes(SEED_BYTES)
        signer = Signer(seed)
        _write_new(path, f"{_TITLE}\nseed {seed.hex()}\npublic {signer.public_key.hex()}\n")
    except FileExistsError as error:
        raise SiteError(
            "a key exists already and is not replaced",
            where=str(path),
            hint="if nobody needs it, move it away",
        ) from error
    except OSError as error:
        raise SiteError(f"the key cannot be written: {error.strerror}", where=str(path)) from error
    return signer


def load_key(path: Path) -> Signer:
    """Read a key file.

    Raises:
        KeyPermissionError: the file or its folder is open to others than its owner.
        UnreadableFileError: the file is absent, or no key file of this format.
    """
    try:
        _check_mode(path.parent, 0o700)
        _check_mode(path, 0o600)
        found = _KEY_FILE.fullmatch(path.read_text(encoding="ascii"))
    except OSError as error:
        raise UnreadableFileError(
            f"the key cannot be read: {error.strerror}", where=str(path)
        ) from error
    except UnicodeDecodeError:
        found = None
    signer = Signer(bytes.fromhex(found[1])) if found else None
    if not found or not signer or signer.public_key.hex() != found[2]:
        raise UnreadableFileError(
            "not a key file of format 1, or damaged",
            where=str(path),
            hint="bring it back from a copy",
        )
    return signer


def _check_mode(path: Path, mode: int) -> None:
    actual = path.stat().st_mode & 0o777
    if actual & ~mode:
        raise KeyPermissionError(
            f"a private key is open to others (mode {actual:04o})",
            where=str(path),
            hint=f"chmod {mode:o} {path}; if others may have read it, replace the key",
        )


def _write_new(path: Path, text: str) -> None:
    descriptor, partial = tempfile.mkstemp(prefix=f".{path.name}.", dir=path.parent)
    try:
        with os.fdopen(descriptor, "w", encoding="ascii") as file:
            file.write(text)
            file.flush()
            os.fsync(file.fileno())
        place_new(Path(partial), path)
    finally:
        Path(partial).unlink()


# ------------------------------------------------------------------------------------ single items


def single_item(
    stream: str,
    keys: Iterable[str],
    payload: Payload,
    *,
    signer: Signer,
    network: bytes,
    batch_id: bytes | None = None,
    ordinal: int = 0,
) -> Item:
    """Return a signed single item; without a batch it is a batch of one, under a random id.

    Args:
        stream: where it is to stand (``ACCESS_1``).
        keys: its keys, in any order.
        payload: its kind and body.
        signer: its publisher.
        network: the 32-byte network id.
        batch_id: given for manifests, with their ordinal.
        ordinal: 0 but for manifests.
    """
    item = Item(
        stream,
        tuple(sorted(set(keys))),
        ItemClass.SINGLE,
        signer.public_key,
        batch_id if batch_id is not None else secrets.token_bytes(32),
        ordinal,
        payload,
    )
    return item.with_signature(signer.sign(item.signed_text(network)))


def is_signed(item: Item, network: bytes) -> bool:
    """Return whether a single item's signature is its publisher's, in this network."""
    return item.item_class is ItemClass.SINGLE and verify_signature(
        item.publisher, item.signature, item.signed_text(network)
    )
