"""Putting a finished file under its name, so that it is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path


def place_new(partial: Path, path: Path) -> None:
    """Give a written and flushed file its name, durably; the partial name stays.

    Raises:
        FileExistsError: the name is taken (link, unlike rename, never replaces).
        OSError: the folder cannot be written.
    """
    os.link(partial, path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
