"""Small files of text that are read whole: sample maps, metadata, lists of sites."""

from __future__ import annotations

import gzip
import zlib
from pathlib import Path
from typing import Final

from precisionchain.errors import UnreadableFileError

_GZIP: Final = b"\x1f\x8b"


def whole_text(path: Path) -> tuple[str, bytes]:
    """Return the text of a file, without a byte order mark, and its bytes as they are.

    Where they are gzip, the text is what they hold.

    Raises:
        UnreadableFileError: it cannot be read, or is not UTF-8 text.
    """
    try:
        content = path.read_bytes()
        text = gzip.decompress(content) if content.startswith(_GZIP) else content
        return text.decode("utf-8-sig"), content
    except (EOFError, zlib.error) as error:
        raise UnreadableFileError("its gzip is truncated or damaged", where=str(path)) from error
    except OSError as error:
        raise UnreadableFileError(
            f"cannot be read: {error.strerror or error}", where=str(path)
        ) from error
    except UnicodeDecodeError as error:
        raise UnreadableFileError("is not UTF-8 text", where=str(path)) from error
