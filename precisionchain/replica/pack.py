"""Many bodies in one file of a batch, each found by where it begins and how long it is.

A file each would be opened, and listed with its digest, one by one: half of a sync's CPU.
"""

from __future__ import annotations

import os
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import BinaryIO, Final

PACK: Final = "objects.pack"


class Pack:
    """A pack that is being written."""

    def __init__(self, file: BinaryIO) -> None:
        self._file, self._end = file, 0

    def add(self, *parts: bytes) -> int:
        """Append bytes; return where they begin."""
        start = self._end
        for part in parts:
            self._end += self._file.write(part)
        return start

    def read(self, start: int, size: int) -> bytes:
        """Return bytes that were added."""
        self._file.flush()
        return os.pread(self._file.fileno(), size, start)


@contextmanager
def new_pack(folder: Path) -> Iterator[Pack]:
    """Hold open the pack of a folder that has none yet."""
    with (folder / PACK).open("w+b") as file:
        yield Pack(file)


def read_packed(folder: Path, start: int, size: int) -> bytes:
    """Return bytes of a folder's pack; fewer where it ends before."""
    with (folder / PACK).open("rb", buffering=0) as file:
        return os.pread(file.fileno(), size, start)
