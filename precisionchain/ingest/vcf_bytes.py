"""The decompressed bytes of a VCF or BCF file, with every kind of damage turned into our errors.

htslib warns about a missing end-of-file block and goes on, and it takes the end of a truncated
file for its end. So the bytes are read here, and to the last one.
"""

from __future__ import annotations

import gzip
import io
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from types import TracebackType
from typing import Any, Final, Literal, Self

from isal import igzip, isal_zlib

from precisionchain.errors import UnreadableFileError, VcfFormatError

Compression = Literal["none", "gzip", "bgzf"]

CHUNK_BYTES: Final = 2**20
"""Decompressed bytes handed on at a time: few enough that they are still in the cache."""

MAX_HEADER: Final = 256 * 2**20
"""Bytes of a header, at most."""

MAX_LINE: Final = 2**30
"""Bytes of a record, at most: offsets are numbers of 31 bits."""

_GZIP = b"\x1f\x8b"
_DAMAGE: Any = (gzip.BadGzipFile, isal_zlib.error)
_FOREIGN: Final = {
    b"BZh": "bzip2",
    b"PK\x03\x04": "zip",
    b"\xfd7zXZ": "xz",
    b"\x28\xb5\x2f\xfd": "zstd",
    b"CRAM": "CRAM",
}
# SAM specification, section 4.1.2: an empty BGZF block ends every complete file.
_BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_NEAR_END = 65_536
"""Bytes at the end in which that block is looked for, where it is not the last thing."""


def compression_of(path: Path) -> Compression:
    """Return how a file is compressed, by its first bytes.

    Raises:
        UnreadableFileError: it cannot be read, is compressed in a way VCF never is, or is BGZF
            without the block that ends a complete file.
    """
    try:
        with path.open("rb") as file:
            start = file.read(18)
            file.seek(0, 2)
            size = file.tell()
            file.seek(max(0, size - _NEAR_END))
            end = file.read()
    except OSError as error:
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or error}", where=str(path)
        ) from error
    for magic, name in _FOREIGN.items():
        if start.startswith(magic):
            raise UnreadableFileError(
                f"is {name}, not VCF", where=str(path), hint="give plain, gzip or bgzip VCF, or BCF"
            )
    if not start.startswith(_GZIP):
        return "none"
    # BGZF marks each member with an extra field of two letters (SAM specification, 4.1).
    if start[3:4] == b"\x04" and start[12:14] == b"BC":
        if not end.endswith(_BGZF_END):
            raise UnreadableFileError(
                "has bytes after the BGZF end-of-file block"
                if _BGZF_END in end
                else "ends without the BGZF end-of-file block: it is truncated",
                where=str(path),
                hint="fetch or write the file again",
            )
        return "bgzf"
    return "gzip"


def decompressed(path: Path, compression: Compression) -> Iterator[bytes]:
    """Yield the decompressed bytes in chunks of at most ``CHUNK_BYTES``.

    Raises:
        UnreadableFileError: the file cannot be read, is truncated, or fails its checksum.
    """
    buffer = bytearray(CHUNK_BYTES)
    with Decompressed(path, compression) as stream:
        while size := stream.read_into(memoryview(buffer)):
            yield bytes(buffer[:size])


class Decompressed:
    """A file's decompressed bytes, read piece by piece to the last; a context manager.

    Members of gzip that follow each other are one stream, zeros after the last are passed over,
    and anything else there is damage.

    Attributes:
        size: bytes of the file itself.
        taken: how many of them have been read.

    Raises:
        UnreadableFileError: the file cannot be read, is truncated, or fails its checksum; from
            `read_into` as well.
    """

    def __init__(self, path: Path, compression: Compression) -> None:
        self._path = path
        with _readable(path):
            self._raw = path.open("rb")
        self._stream: io.BufferedIOBase = self._raw
        if compression != "none":
            gunzip: Any = igzip.IGzipFile
            self._gunzip = gunzip(fileobj=self._raw, mode="rb")  # closed when nobody has it
            # What a GzipFile reads from writes into memory of ours; the file would copy it there.
            self._stream = getattr(self._gunzip, "_buffer", self._gunzip)
        self.size, self.taken = path.stat().st_size, 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self.close()

    def close(self) -> None:
        """Close the file."""
        self.taken = self.size
        self._raw.close()

    def read_into(self, buffer: memoryview) -> int:
        """Fill a buffer from its start; return how many bytes, 0 at the end."""
        with _readable(self._path):
            size = self._stream.readinto(buffer)
            self.taken = self._raw.tell()
            return size


class LineBytes:
    """Decompressed bytes, cut where lines end, in a buffer that is used again."""

    def __init__(self, path: Path, compression: Compression) -> None:
        self.path, self.compression = path, compression
        self.stream = Decompressed(path, compression)
        self._buffer = bytearray(2 * CHUNK_BYTES)
        self._held = 0

    def header(self) -> bytes:
        """Return the lines to the end of ``#CHROM``; what follows is held."""
        at = 0
        while True:
            end = self._buffer.find(b"\n", at, self._held)
            if end < 0:
                one = self._held > MAX_HEADER or not self._buffer.startswith(b"#")
                if (self._held and one) or not self._fill():
                    return self._taken(self._held)
            elif self._buffer.startswith(b"##", at):
                at = end + 1
            else:
                return self._taken(end + 1)

    def whole_lines(self) -> Iterator[memoryview]:
        """Yield the lines; a newline is added at the end if it is absent."""
        with self.stream:
            while True:
                end = self._buffer.rfind(b"\n", 0, self._held) + 1
                if end:
                    yield memoryview(self._buffer)[:end]
                    self._let_go(end)
                if self._held > MAX_LINE:
                    raise VcfFormatError("a line is too long", where=str(self.path))
                if not self._fill():
                    break
            if self._held:
                yield memoryview(self._buffer[: self._held] + b"\n")

    def _fill(self) -> bool:
        """Read more; return whether there was any."""
        if self._held + CHUNK_BYTES > len(self._buffer):
            self._buffer = self._buffer + bytes(len(self._buffer))
        room = slice(self._held, self._held + CHUNK_BYTES)
        size = self.stream.read_into(memoryview(self._buffer)[room])
        self._held += size
        return size > 0

    def _taken(self, size: int) -> bytes:
        """Return the first bytes of what is held, and let go of them."""
        taken = bytes(self._buffer[:size])
        self._let_go(size)
        return taken

    def _let_go(self, size: int) -> None:
        rest = self._held - size
        self._buffer[:rest] = self._buffer[size : self._held]
        self._held = rest


@contextmanager
def _readable(path: Path) -> Iterator[None]:
    try:
        yield
    except EOFError as error:
        raise UnreadableFileError(
            "the compressed stream ends too early: the file is truncated",
            where=str(path),
            hint="fetch or write the file again",
        ) from error
    except _DAMAGE as error:
        raise UnreadableFileError(
            "the compressed stream is damaged",
            where=str(path),
            hint="fetch or write the file again",
        ) from error
    except OSError as error:
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or error}", where=str(path)
        ) from error
