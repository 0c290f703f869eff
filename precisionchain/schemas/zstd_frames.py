"""One zstd frame, with a bound on what it may unfold to."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Final

import pyarrow as pa

from precisionchain.errors import CodecError

MAGIC: Final = b"\x28\xb5\x2f\xfd"
"""How a frame begins (RFC 8878)."""
_READ_BYTES: Final = 2**14


def fold(text: bytes | pa.Buffer, level: int) -> bytes:
    """Return bytes as one frame."""
    return pa.Codec("zstd", compression_level=level).compress(text, asbytes=True)


def unfold(frame: bytes | memoryview, most: int) -> bytes:
    """Return what a frame holds.

    Args:
        frame: the frame.
        most: how many bytes it may hold; a small frame takes little memory, whatever it says.

    Raises:
        CodecError: it is no frame, or holds more.
    """
    size = _content_size(frame)
    try:
        if size is not None and size <= most:
            return pa.Codec("zstd").decompress(pa.py_buffer(frame), size, asbytes=True)
        with pa.input_stream(pa.py_buffer(frame), compression="zstd") as stream:
            text = b"".join(_read(stream, most))
    except (OSError, pa.ArrowException) as error:
        raise CodecError("a payload that is not a zstd frame") from error
    if len(text) > most:
        raise CodecError("a payload that unfolds beyond its bound")
    return text


def _content_size(frame: bytes | memoryview) -> int | None:
    """Return what a frame's header says that it unfolds to (RFC 8878, 3.1.1.1); None: nothing."""
    if len(frame) < 18 or bytes(frame[:4]) != MAGIC:
        return None
    said = frame[4]
    single, dictionary = said >> 5 & 1, said & 3
    width = (single, 2, 4, 8)[said >> 6]
    at = 5 + (1 - single) + (0, 1, 2, 4)[dictionary]
    size = int.from_bytes(frame[at : at + width], "little") + 256 * (width == 2)
    return size if width else None


def _read(stream: pa.NativeFile, most: int) -> Iterator[bytes]:
    """Yield pieces up to the bound and one more."""
    length = 0
    while length <= most:
        piece = stream.read(_READ_BYTES)
        if not piece:
            return
        length += len(piece)
        yield piece
