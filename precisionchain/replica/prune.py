"""Files of the replica that no generation refers to any more, removed once nobody can want them.

A reader holds the generation it began with, takes no lock, and may open its files late. So what
is no longer referred to is written down with the time, and removed by a sync an hour later or more.
What is unpacked stays: every generation is made from it.
"""

from __future__ import annotations

import json
import os
import shutil
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Final

from precisionchain.replica.catalogue import CATALOGUE, Catalogue, read_catalogue
from precisionchain.replica.digests import digests_file

AS_OF: Final = "as_of"
"""The folder of the catalogues of earlier positions."""
KEPT_AS_OF: Final = 8
"""How many of them are kept: those asked for last."""
GRACE_S: Final = 3600.0

_RETIRED: Final = "retired.json"
_FOLDERS: Final = ("folded", "parts", "gone", "digests")


def prune(root: Path, current: Catalogue, *, now: float | None = None) -> list[str]:
    """Remove what no catalogue has referred to for an hour; the caller holds the replica's lock.

    Args:
        root: the replica folder.
        current: its newest catalogue.
        now: seconds since 1970; default: now.

    Returns:
        What was removed, below the replica folder.
    """
    now = time.time() if now is None else now
    for partial in (root / "batches").glob(".*.partial"):
        shutil.rmtree(partial, ignore_errors=True)
    for partial in (*root.glob(f".{Path(CATALOGUE).stem}.*"), *root.glob(f".{_RETIRED}.*")):
        partial.unlink(missing_ok=True)  # of a sync that was killed: this one holds the lock
    wanted = set(_referred(current))
    for path in _drop_as_of(root, current):
        earlier = read_catalogue(path, bytes.fromhex(current.network))
        wanted.update(() if earlier is None else _referred(earlier))
    before = _read_retired(root)
    unwanted = {name for name in _there(root) if _known_by(name) not in wanted}
    retired = {name: min(before.get(name, now), now) for name in sorted(unwanted)}
    removed = [name for name, since in retired.items() if now - since >= GRACE_S]
    for name in removed:
        _remove(root / name)
        del retired[name]
    if retired != before:
        temporary = root / f".{_RETIRED}.{os.getpid()}"
        temporary.write_text(json.dumps(retired), encoding="utf-8")
        temporary.replace(root / _RETIRED)
    return removed


def _drop_as_of(root: Path, current: Catalogue) -> list[Path]:
    """Remove the catalogues of earlier positions that answer no more; return the others.

    Those are the ones that leave out other persons than are withdrawn now, and the oldest in use.
    """
    network = bytes.fromhex(current.network)
    paths = sorted((root / AS_OF).glob("[!.]*.json"), key=lambda path: -path.stat().st_mtime_ns)
    kept: list[Path] = []
    for path in paths:
        earlier = read_catalogue(path, network)
        stale = earlier is None or earlier.withdrawn != current.withdrawn
        if stale or len(kept) == KEPT_AS_OF:
            path.unlink(missing_ok=True)
        else:
            kept.append(path)
    return kept


def _referred(catalogue: Catalogue) -> Iterator[str]:
    yield CATALOGUE
    yield _known_by(digests_file(catalogue.digests))
    for file in (*catalogue.files.values(), *catalogue.gone.values()):
        yield _known_by(file)
    for batch in catalogue.batches:
        yield batch.folder


def _there(root: Path) -> Iterator[str]:
    for folder in _FOLDERS:
        for path in (root / folder).glob("*"):
            yield f"{folder}/{path.name}"


def _known_by(name: str) -> str:
    """Return the entry of a folder that a file is referred to by, without what it ends in."""
    folder, _, rest = name.partition("/")
    return f"{folder}/{rest.partition('/')[0].partition('.')[0]}"


def _read_retired(root: Path) -> dict[str, float]:
    try:
        found: dict[str, float] = json.loads((root / _RETIRED).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}
    return found


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)
