"""SHA-256 of every file a generation answers from, so that a changed one can be told from the rest.

Sync writes them beside the files, in a file that is named by its own digest, which the catalogue
holds. They show damage and careless edits; who may write the folder can write these too.
"""

from __future__ import annotations

import hashlib
import json
import os
from collections.abc import Iterable, Iterator, Mapping
from pathlib import Path

from precisionchain.replica.catalogue import Snapshot

_FOLDER = "digests"


def digests_of(root: Path, files: Iterable[Path], known: Mapping[str, str]) -> dict[str, str]:
    """Return relative path -> SHA-256 in hex; files never change, so a known one is not read again.

    Args:
        root: the replica folder.
        files: below it.
        known: what an earlier generation has.
    """
    digests = {}
    for path in sorted(set(files)):
        name = str(path.relative_to(root))
        digests[name] = known.get(name) or _digest(path)
    return digests


def write_digests(root: Path, digests: Mapping[str, str]) -> str:
    """Write digests, and return the digest of what was written."""
    text = json.dumps(dict(digests), sort_keys=True).encode()
    name = hashlib.sha256(text).hexdigest()
    path = _path(root, name)
    path.parent.mkdir(mode=0o700, exist_ok=True)
    if not path.exists():
        temporary = path.with_suffix(f".{os.getpid()}.partial")
        temporary.write_bytes(text)
        temporary.replace(path)
    return name


def read_digests(snapshot: Snapshot) -> dict[str, str] | None:
    """Return a generation's digests; None where they are absent or not what was written."""
    name = snapshot.catalogue.digests
    try:
        text = _path(snapshot.root, name).read_bytes()
    except OSError:
        return None
    if hashlib.sha256(text).hexdigest() != name:
        return None
    digests: dict[str, str] = json.loads(text)
    return digests


def damage(snapshot: Snapshot, digests: Mapping[str, str]) -> Iterator[str]:
    """Yield what is wrong with a generation's files, a sentence each."""
    catalogue = snapshot.catalogue
    listed = {*catalogue.files.values(), *catalogue.gone.values()}
    for name in sorted(listed - set(digests)):
        yield f"{name}: nobody knows what sync wrote there"
    for name, digest in digests.items():
        path = snapshot.root / name
        if not path.is_file():
            yield f"{name}: missing"
        elif _digest(path) != digest:
            yield f"{name}: not what sync wrote"


def digests_file(digest: str) -> str:
    """Return the file of the digests of some digest, below the replica folder."""
    return f"{_FOLDER}/{digest[:32] or 'none'}.json"


def _path(root: Path, name: str) -> Path:
    return root / digests_file(name)


def _digest(path: Path) -> str:
    with path.open("rb") as source:
        return hashlib.file_digest(source, "sha256").hexdigest()
