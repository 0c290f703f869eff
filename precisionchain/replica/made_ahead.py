"""The replica's files of a site's own batch, made of the rows while they are encoded.

Decoding what was encoded a moment before is a third of what a publication takes. The files count
for nothing until sync finds the batch sealed with the very root of the items that were made of the
same rows, and every one of these on the ledger; then they are its unpacked folder. A batch whose
files are not there, whatever the reason, is unpacked from the ledger as anybody else's.
"""

from __future__ import annotations

import shutil
from collections import deque
from collections.abc import Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Final

import pyarrow as pa

from precisionchain.replica.locking import one_at_a_time
from precisionchain.replica.unpack_clinical import ClinicalFiles, Unfolded
from precisionchain.schemas.items import Item

_FOLDER: Final = "ahead"
_WAITING: Final = 3
"""Items whose rows wait to be written, and so are in memory."""


class MadeAhead:
    """Files that another thread writes, item by item; given up where they cannot be written.

    Args:
        folder: an empty folder of their own.
        site: that the batch is of.
        batch: its id in hex.
    """

    def __init__(self, folder: Path, site: str, batch: str) -> None:
        self._folder, self._batch = folder, batch
        self._files = ClinicalFiles(folder, site, batch)
        self._lost = False
        self._name = ""
        self._begun: set[str] = set()
        self._thread = ThreadPoolExecutor(max_workers=1)
        self._waiting: deque[Future[None]] = deque()

    def add(self, item: Item, known: tuple[str, pa.Table] | None) -> None:
        """Have an item's rows written: see `ClinicalFiles.unfolded`."""
        self._waiting.append(self._thread.submit(self._write, item, known))
        while len(self._waiting) > _WAITING:
            self._waiting.popleft().result()

    def finish(self, root: str) -> None:
        """Keep the files for a batch that will be sealed with a root, in hex."""
        while self._waiting:
            self._waiting.popleft().result()
        with suppress(OSError, pa.ArrowException):
            if not self._lost:
                self._files.close()
                self._folder.rename(made_folder(self._folder.parents[1], self._batch, root))

    def stop(self) -> None:
        """Let go of the thread, and of files that were not finished."""
        self._thread.shutdown(cancel_futures=True)
        if self._folder.exists():
            self._files.abandon()
            shutil.rmtree(self._folder, ignore_errors=True)

    def _write(self, item: Item, known: tuple[str, pa.Table] | None) -> None:
        try:
            if not self._lost:
                self._add(self._files.unfolded(item, known))
        except (OSError, pa.ArrowException):  # a full disk: sync has another way
            self._lost = True

    def _add(self, unfolded: Unfolded) -> None:
        """Write an item's rows; items of a name follow each other, or the files are given up."""
        if unfolded.name != self._name:
            self._files.finish(self._name)
            self._name = unfolded.name
            self._lost = self._name in self._begun
            self._begun.add(self._name)
        if not self._lost:
            self._files.add(unfolded)


@contextmanager
def made_ahead(root: Path, site: str, batch: str) -> Iterator[MadeAhead]:
    """Give the files of a batch that is being made, and remove those of any before it.

    Args:
        root: the replica folder; one job of a site makes batches at a time.
        site: that the batch is of.
        batch: its id in hex.
    """
    root.mkdir(mode=0o700, parents=True, exist_ok=True)
    with one_at_a_time(root):  # a sync may be about to take them
        shutil.rmtree(root / _FOLDER, ignore_errors=True)
    folder = root / _FOLDER / f".{batch[:32]}.partial"
    folder.mkdir(mode=0o700, parents=True, exist_ok=True)
    made = MadeAhead(folder, site, batch)
    try:
        yield made
    finally:
        made.stop()


def made_folder(root: Path, batch: str, sealed_root: str) -> Path:
    """Return where the files of a batch with a root are, if they were made.

    Who holds the replica's lock and has found every item of the batch on the ledger may move them.
    """
    return root / _FOLDER / f"{batch[:32]}.{sealed_root}"
