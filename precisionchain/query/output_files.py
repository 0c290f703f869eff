"""Files handed to the user: there under their names whole, or not there at all.

A file is made under a temporary name beside its own and renamed when all is well; whatever breaks
off before leaves nothing. New files are readable by their owner alone, for they hold records of
persons.
"""

from __future__ import annotations

import os
import secrets
import shutil
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from pathlib import Path
from types import TracebackType
from typing import Self

from precisionchain.errors import UsageError

PRIVATE_FILE = 0o600
PRIVATE_FOLDER = 0o700


class OutputFiles:
    """Files that appear under their names together, at `release`.

    ::

        with OutputFiles([path]) as files:
            write(files.partial(path))
            files.release()

    Args:
        targets: their names; folders are targets like files.
        overwrite: replace files of these names; a folder only if it holds nothing but files that
            end as the new ones do, so that a mistyped name costs nobody a home folder.

    Raises:
        UsageError: a target exists, or its folder does not; or, from within the block, a file
            cannot be written there.
    """

    def __init__(self, targets: Sequence[Path], *, overwrite: bool = False) -> None:
        self._overwrite = overwrite
        token = secrets.token_hex(4)
        self._partial = {path: path.with_name(f".{path.name}.{token}.partial") for path in targets}
        for path in targets:
            require_free(path, overwrite=overwrite)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        for partial in self._partial.values():
            with suppress(OSError):
                _remove(partial)
        if isinstance(error, OSError) and self._is_about_these(error):
            raise _unwritable(next(iter(self._partial)), error) from error

    def partial(self, target: Path) -> Path:
        """Return the name under which a target is made; an empty private file, for now."""
        partial = self._partial[target]
        with _written_there(target):
            if not partial.exists():
                partial.touch(PRIVATE_FILE)
        return partial

    def partial_folder(self, target: Path) -> Path:
        """Return the name under which a target that is a folder is made, for now empty."""
        partial = self._partial[target]
        with _written_there(target):
            partial.mkdir(PRIVATE_FOLDER, exist_ok=True)
        return partial

    def _is_about_these(self, error: OSError) -> bool:
        """Return whether writing broke off; reading something else names that file."""
        named = error.filename
        return named is None or any(
            Path(os.fsdecode(named)).is_relative_to(partial) for partial in self._partial.values()
        )

    def release(self) -> None:
        """Give every file its name, after its bytes are on disk.

        Raises:
            UsageError: something of that name has come into being meanwhile.
        """
        for target, partial in self._partial.items():
            require_free(target, overwrite=self._overwrite)
            for path in sorted(partial.iterdir()) if partial.is_dir() else [partial]:
                with path.open("rb") as file:
                    os.fsync(file.fileno())
        for target, partial in self._partial.items():
            if target.is_dir() or partial.is_dir():
                _remove(target)
            elif not self._overwrite and _linked(partial, target):
                continue
            partial.replace(target)


def _linked(partial: Path, target: Path) -> bool:
    """Name a file so that of two at once one wins; return False where there are no hard links.

    Raises:
        UsageError: another was quicker.
    """
    try:
        target.hardlink_to(partial)
    except FileExistsError:
        raise _taken(target) from None
    except OSError:
        return False
    return True


def _taken(path: Path) -> UsageError:
    return UsageError(
        "the output exists already", where=str(path), hint="another name, or --overwrite"
    )


@contextmanager
def _written_there(path: Path) -> Iterator[None]:
    try:
        yield
    except OSError as error:
        raise _unwritable(path, error) from error


def _unwritable(path: Path, error: OSError) -> UsageError:
    said = error.strerror or type(error).__name__
    return UsageError(
        f"the output cannot be written ({said}); nothing was",
        where=str(path),
        hint="make room, or name another place",
    )


def require_free(path: Path, *, overwrite: bool) -> None:
    """Check that a file or folder may be made under a name.

    Raises:
        UsageError: it exists and must not be replaced, or there is no folder to put it in.
    """
    with _written_there(path):
        _require_free(path, overwrite=overwrite)


def _require_free(path: Path, *, overwrite: bool) -> None:
    if not path.parent.is_dir():
        raise UsageError("the folder of the output does not exist", where=str(path.parent))
    if not path.exists() and not path.is_symlink():
        return
    if not overwrite:
        raise _taken(path)
    if path.is_dir() and not all(_is_an_answer(inner) for inner in path.iterdir()):
        raise UsageError(
            "the output is a folder that holds other things than answers",
            where=str(path),
            hint="name another; nothing was touched",
        )


def _is_an_answer(path: Path) -> bool:
    return path.is_file() and path.suffix in (".csv", ".parquet")


def _remove(path: Path) -> None:
    if path.is_dir() and not path.is_symlink():
        shutil.rmtree(path)
    else:
        path.unlink(missing_ok=True)
