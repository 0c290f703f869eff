"""A new key beside the one in use, until the ledger knows it; and the old ones, kept to decrypt.

A key file ``site.key`` has its successor in ``site.key.new``; after the change the old one is
``site.key.<first 16 hex digits of its public key>``. Each step may be repeated after a crash.
"""

from __future__ import annotations

from contextlib import suppress
from pathlib import Path

from precisionchain.ledger.new_file import place_new
from precisionchain.ledger.signing import Signer, generate_key, load_key


def new_key(path: Path) -> Signer:
    """Return the successor of a key file: made now, or left by an attempt that broke off.

    Raises:
        KeyPermissionError, UnreadableFileError, SiteError: see `generate_key` and `load_key`.
    """
    successor = _successor(path)
    return load_key(successor) if successor.exists() else generate_key(successor)


def has_new_key(path: Path) -> bool:
    """Return whether a key file has a successor that is not in use yet."""
    return _successor(path).exists()


def use_new_key(path: Path) -> None:
    """Put the successor in the place of a key file, and the old one beside it.

    Raises:
        UnreadableFileError: the old key is damaged.
    """
    if path.exists():
        digits = load_key(path).public_key.hex()[:16]
        with suppress(FileExistsError):
            place_new(path, path.with_name(f"{path.name}.{digits}"))
    _successor(path).replace(path)


def old_keys(path: Path) -> list[Signer]:
    """Return the keys that a key file has replaced, to read what was encrypted to them."""
    found = sorted(path.parent.glob(f"{path.name}.{'[0-9a-f]' * 16}"))
    return [load_key(one) for one in found]


def _successor(path: Path) -> Path:
    return path.with_name(f"{path.name}.new")
