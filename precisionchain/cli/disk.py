"""A disk that is full or may not be written, as one clear error, whichever library met it first."""

from __future__ import annotations

import errno
import os
import sqlite3
from collections.abc import Iterator

from precisionchain.errors import SiteError

_FULL = (errno.ENOSPC, errno.EDQUOT, errno.EFBIG)
_READ_ONLY = (errno.EROFS, errno.EACCES, errno.EPERM)
_ROOM = "make room, and run the command again: it goes on where it stopped"
_NO_CACHE = "cannot cache function"
"""How numba's error begins where neither the package's folder nor the user's can be written."""
_RIGHTS = "give back the right to write, and run the command again"


def disk_error(error: BaseException) -> SiteError | None:
    """Return what a library's error says of the disk; None where it says something else.

    Libraries without error numbers quote the system's words. Their text is looked at and not
    repeated: it may quote more.
    """
    for one in _with_causes(error):
        if _is(one, _FULL, sqlite3.SQLITE_FULL):
            return SiteError("no space left on the disk", where=_file(one), hint=_ROOM)
        if _is(one, _READ_ONLY, sqlite3.SQLITE_READONLY):
            return SiteError(
                "it may not be written, or not be read", where=_file(one), hint=_RIGHTS
            )
        if isinstance(one, RuntimeError) and str(one).startswith(_NO_CACHE):
            return SiteError(
                "compiled loops cannot be kept: neither the package's folder nor this account's"
                " cache may be written",
                hint="set NUMBA_CACHE_DIR to a folder of this account",
            )
    return None


def _with_causes(error: BaseException | None) -> Iterator[BaseException]:
    while error is not None:
        yield error
        error = error.__cause__ or error.__context__


def _is(error: BaseException, numbers: tuple[int, ...], sqlite_code: int) -> bool:
    if isinstance(error, sqlite3.Error):
        return getattr(error, "sqlite_errorcode", 0) & 0xFF == sqlite_code
    if isinstance(error, OSError) and error.errno is not None:
        return error.errno in numbers
    text = str(error)
    return any(os.strerror(number) in text for number in numbers if number != errno.EPERM)


def _file(error: BaseException) -> str | None:
    name = error.filename if isinstance(error, OSError) else None
    return os.fspath(name) if isinstance(name, str | os.PathLike) else None
