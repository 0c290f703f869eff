"""The file of an embedded ledger: creating it, opening it, and saying what is wrong with it.

Only SQLite ever opens the file. A second ``open`` by this program would, when closed, drop the
locks that SQLite holds on it (https://sqlite.org/howtocorrupt.html, section 2.2).
"""

from __future__ import annotations

import os
import sqlite3
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from importlib import resources
from pathlib import Path
from urllib.parse import quote

from precisionchain.errors import LedgerError, LedgerFormatError, LedgerUnavailableError
from precisionchain.ledger.new_file import place_new
from precisionchain.schemas.items import FORMAT

APPLICATION_ID = 0x5043_4C31
"""``PCL1``, in the SQLite header: tells a ledger from any other SQLite file."""
PAGE_BYTES = 4096
"""Measured with items of 64 kB and 50 keys: 4 kB to 16 kB pages write equally fast, 32 and 64 kB a
quarter slower, and every doubling adds about 0.5, 1, 2.6 and 4.6 kB of slack to each item."""
CACHE_BYTES = 32 * 1024**2
WAIT_SECONDS = 10.0
_OLDEST_SQLITE = (3, 37, 0)  # STRICT tables

NETWORK_FILE_SYSTEMS = frozenset(
    {
        *("nfs", "nfs4", "cifs", "smb3", "smbfs", "ncpfs", "afs", "ceph", "lustre", "gpfs"),
        *("beegfs", "orangefs", "glusterfs", "fuse.glusterfs", "fuse.sshfs", "fuse.s3fs"),
        *("fuse.ceph", "fuse.gcsfuse", "fuse.rclone"),
    }
)
"""Where SQLite's WAL cannot work between machines (https://sqlite.org/wal.html, section 1)."""

FileSystemOf = Callable[[Path], str]


def schema_text() -> str:
    """Return the SQL that makes a ledger file's tables, indexes and guards."""
    return resources.files("precisionchain.ledger").joinpath("embedded.sql").read_text()


def create_file(path: Path, *, file_system_of: FileSystemOf | None = None) -> None:
    """Create an empty ledger file; it appears complete or not at all.

    Raises:
        LedgerUnavailableError: the name is taken, the folder cannot be written, or it lies on a
            network file system.
    """
    _refuse_network_file_system(path, file_system_of or mounted_file_system)
    partial = path.with_name(f".{path.name}.{os.getpid()}.partial")
    try:
        partial.unlink(missing_ok=True)
        with ledger_errors(path), closing(sqlite3.connect(partial, isolation_level=None)) as fresh:
            fresh.execute(f"PRAGMA page_size = {PAGE_BYTES}")
            fresh.execute(f"PRAGMA application_id = {APPLICATION_ID}")
            fresh.execute(f"PRAGMA user_version = {FORMAT}")
            fresh.execute("PRAGMA journal_mode = WAL")
            fresh.execute("PRAGMA synchronous = FULL")
            fresh.executescript(f"BEGIN; {schema_text()} COMMIT;")
        place_new(partial, path)
    except FileExistsError as error:
        raise LedgerUnavailableError("there is a ledger already", where=str(path)) from error
    except OSError as error:
        raise _unavailable(path, error.strerror or "no access") from error
    finally:
        partial.unlink(missing_ok=True)


def open_file(
    path: Path, *, writable: bool, file_system_of: FileSystemOf | None = None
) -> sqlite3.Connection:
    """Open a ledger file of our format.

    The connection is in autocommit, may be used by several threads in turn, and waits for others.

    Raises:
        LedgerUnavailableError: absent, no permission, read-only, on a network file system, busy.
        LedgerFormatError: not a SQLite file, cut short, not a ledger, another format version.
    """
    if sqlite3.sqlite_version_info < _OLDEST_SQLITE:
        raise LedgerError(f"SQLite {sqlite3.sqlite_version} is too old: 3.37 is needed")
    _refuse_network_file_system(path, file_system_of or mounted_file_system)
    _check_modes(path, writable=writable)
    with ledger_errors(path):
        connection = _connect(path, writable=writable)
        try:
            _check_format(connection, path)
            connection.execute("PRAGMA synchronous = FULL")
            connection.execute("PRAGMA recursive_triggers = ON")
            connection.execute("PRAGMA trusted_schema = OFF")
            connection.execute(f"PRAGMA cache_size = {-CACHE_BYTES // 1024}")
            connection.execute("PRAGMA wal_autocheckpoint = 0")
        except BaseException:
            connection.close()
            raise
    return connection


def _connect(path: Path, *, writable: bool) -> sqlite3.Connection:
    def connect(options: str) -> sqlite3.Connection:
        uri = f"file:{quote(str(path.absolute()))}?{options}"
        connection = sqlite3.connect(
            uri, uri=True, timeout=WAIT_SECONDS, isolation_level=None, check_same_thread=False
        )
        try:
            connection.execute("PRAGMA schema_version").fetchone()  # opens the file
        except BaseException:
            connection.close()
            raise
        return connection

    if writable:
        return connect("mode=rw")
    try:
        return connect("mode=ro")
    except sqlite3.OperationalError:
        # A reader that may not write the folder cannot make the WAL's index. When there is no WAL
        # and nobody can make one, the file alone is the whole ledger and cannot change.
        if os.access(path.parent, os.W_OK) or path.with_name(f"{path.name}-wal").exists():
            raise
        return connect("mode=ro&immutable=1")


def _check_format(connection: sqlite3.Connection, path: Path) -> None:
    (application,) = connection.execute("PRAGMA application_id").fetchone()
    (version,) = connection.execute("PRAGMA user_version").fetchone()
    if application != APPLICATION_ID:
        raise LedgerFormatError(
            "this SQLite file is not a PrecisionChain ledger",
            where=str(path),
            hint="name the ledger in precisionchain.toml, or with --ledger",
        )
    if version != FORMAT:
        raise LedgerFormatError(
            f"the ledger is of format {version}, this release reads format {FORMAT}",
            where=str(path),
            hint="open it with the release that made it",
        )
    (pages,) = connection.execute("PRAGMA page_count").fetchone()
    (page_bytes,) = connection.execute("PRAGMA page_size").fetchone()
    wal = path.with_name(f"{path.name}-wal")
    complete = path.stat().st_size >= pages * page_bytes
    if not complete and not (wal.exists() and wal.stat().st_size):
        raise LedgerFormatError(
            f"the ledger file is cut short: {path.stat().st_size} of {pages * page_bytes} bytes",
            where=str(path),
            hint="restore it from a copy",
        )


def _check_modes(path: Path, *, writable: bool) -> None:
    """Refuse what the modes forbid, also to root: whoever took the write bits away meant it."""
    try:
        mode, folder_mode = path.stat().st_mode, path.parent.stat().st_mode
    except (FileNotFoundError, NotADirectoryError) as error:
        raise LedgerUnavailableError(
            f"the ledger that precisionchain.toml names is not there: {error.strerror}",
            where=str(path),
            hint="bring it back, with its -wal file if it has one; or, if it was moved, "
            "say where it is: ledger = in precisionchain.toml",
        ) from error
    except OSError as error:
        raise _unavailable(path, error.strerror or "no access") from error
    if not path.is_file():
        raise LedgerFormatError("not a file", where=str(path))
    if not os.access(path, os.R_OK):
        raise _unavailable(path, "the ledger file may not be read")
    if writable and not (mode & 0o222 and os.access(path, os.W_OK)):
        raise _unavailable(path, "the ledger file is read-only")
    if writable and not (folder_mode & 0o222 and os.access(path.parent, os.W_OK)):
        raise _unavailable(path, "the ledger's folder is read-only")


# ------------------------------------------------------------------------------------ file systems


def mounted_file_system(path: Path) -> str:
    """Return the type of the file system a path lies on, as Linux names it; "" elsewhere."""
    try:
        mounts = Path("/proc/self/mounts").read_text(encoding="utf-8", errors="replace")
    except OSError:
        return ""
    return file_system_in(mounts, path.resolve())


def file_system_in(mounts: str, path: Path) -> str:
    """Return the type of a resolved path's file system in the text of ``/proc/self/mounts``."""
    best, kind = -1, ""
    for line in mounts.splitlines():
        fields = line.split(" ")
        if len(fields) < 3:
            continue
        # Spaces and the like are written as octal escapes (proc(5), fstab(5)).
        point = Path(fields[1].encode().decode("unicode_escape", errors="replace"))
        depth = len(point.parts)
        if depth >= best and (point == path or point in path.parents):
            best, kind = depth, fields[2]
    return kind


def _refuse_network_file_system(path: Path, file_system_of: FileSystemOf) -> None:
    kind = file_system_of(path.parent)
    if kind in NETWORK_FILE_SYSTEMS:
        raise LedgerUnavailableError(
            f"the ledger lies on a network file system ({kind}), where its locks do not hold",
            where=str(path),
            hint="keep it on a local disk",
        )


# ------------------------------------------------------------------------------------------ errors

_UNAVAILABLE = {
    sqlite3.SQLITE_PERM: "no permission",
    sqlite3.SQLITE_BUSY: "another program holds its write lock",
    sqlite3.SQLITE_LOCKED: "another program holds its write lock",
    sqlite3.SQLITE_NOMEM: "out of memory",
    sqlite3.SQLITE_READONLY: "it is read-only",
    sqlite3.SQLITE_IOERR: "the disk reports an error",
    sqlite3.SQLITE_FULL: "no space left on the disk",
    sqlite3.SQLITE_CANTOPEN: "it cannot be opened",
    sqlite3.SQLITE_PROTOCOL: "its locks cannot be taken",
}


def translate(error: sqlite3.Error, path: Path) -> LedgerError:
    """Return what an error of SQLite means for the ledger at a path."""
    if isinstance(error, sqlite3.ProgrammingError):  # by Python's module: a closed connection
        return _unavailable(path, "the ledger is closed")
    # An error without a code is Python's module failing to decode text.
    primary = getattr(error, "sqlite_errorcode", sqlite3.SQLITE_CORRUPT) & 0xFF
    if primary in _UNAVAILABLE:
        return _unavailable(path, _UNAVAILABLE[primary])
    if primary == sqlite3.SQLITE_CONSTRAINT:
        return LedgerError(f"the ledger's guards refused a write: {error}", where=str(path))
    return _damaged(path, str(error))


def _damaged(path: Path, reason: str) -> LedgerFormatError:
    return LedgerFormatError(
        f"the ledger file is damaged, cut short or no ledger: {reason}",
        where=str(path),
        hint="precisionchain verify says where",
    )


def _unavailable(path: Path, reason: str) -> LedgerUnavailableError:
    return LedgerUnavailableError(f"the ledger cannot be used: {reason}", where=str(path))


@contextmanager
def ledger_errors(path: Path) -> Iterator[None]:
    """Raise what SQLite raises as errors of the ledger at a path."""
    try:
        yield
    except sqlite3.Error as error:
        raise translate(error, path) from error
    except UnicodeDecodeError as error:  # SQLite's own message quotes damaged text
        raise _damaged(path, "text that is not UTF-8") from error
