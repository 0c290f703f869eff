"""BGZF, the blocked gzip of genomics: a plain gzip file that can also be indexed.

SAM specification, section 4.1. The same content gives the same bytes: blocks carry no time stamp.

>>> import gzip, io
>>> held = io.BytesIO()
>>> with BgzfWriter(held) as to:
...     to.write(b"9:100")
>>> gzip.decompress(held.getvalue())
b'9:100'
"""

from __future__ import annotations

import struct
import zlib
from types import TracebackType
from typing import IO, Final, Self

BLOCK: Final = 65_280
"""Bytes of content in a block, as bgzip cuts it."""

END: Final = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
"""The empty block at the end, by which readers know that nothing was cut off."""

LEVEL: Final = 6


class BgzfWriter:
    """Compresses what is written to a binary file, block by block; a context manager.

    The file itself stays open.
    """

    def __init__(self, file: IO[bytes], level: int = LEVEL) -> None:
        self._file, self._level = file, level
        self._pending = bytearray()

    def write(self, content: bytes) -> None:
        """Take content; full blocks go to the file at once."""
        self._pending += content
        whole = len(self._pending) // BLOCK * BLOCK
        for at in range(0, whole, BLOCK):
            self._file.write(bgzf_block(bytes(self._pending[at : at + BLOCK]), self._level))
        del self._pending[:whole]

    def close(self) -> None:
        """Write what is left, and the block that ends the file."""
        if self._pending:
            self._file.write(bgzf_block(bytes(self._pending), self._level))
            self._pending.clear()
        self._file.write(END)

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if error is None:
            self.close()


def bgzf_block(content: bytes, level: int = LEVEL) -> bytes:
    """Return a gzip member whose extra field ``BC`` holds its own length less one."""
    packer = zlib.compressobj(level, zlib.DEFLATED, -15)
    body = packer.compress(content) + packer.flush()
    header = struct.pack("<4BI2BH2B2H", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25)
    return header + body + struct.pack("<2I", zlib.crc32(content), len(content))
