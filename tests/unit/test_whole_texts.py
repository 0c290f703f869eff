"""Small files of text that are read whole."""

from __future__ import annotations

import gzip
from pathlib import Path

import pytest

from precisionchain.errors import UnreadableFileError
from precisionchain.ingest.whole_texts import whole_text

PACKED = gzip.compress(b"sample_id,person_id\n" * 50, mtime=0)


@pytest.mark.parametrize("content", [b"a,\xc3\x84\n", b"\xef\xbb\xbfa,\xc3\x84\n"])
@pytest.mark.parametrize("packed", [False, True])
def test_text_is_read_with_its_bytes(tmp_path: Path, content: bytes, packed: bool) -> None:
    raw = gzip.compress(content) if packed else content
    path = tmp_path / "map.csv"
    path.write_bytes(raw)
    assert whole_text(path) == ("a,Ä\n", raw)


@pytest.mark.parametrize(
    ("content", "message"),
    [
        (b"a\xff\n", "is not UTF-8 text"),
        (PACKED[:-9], "its gzip is truncated or damaged"),
        (PACKED[:12] + b"\xff\xff" + PACKED[14:], "its gzip is truncated or damaged"),
        (PACKED[:-8] + b"\0" * 8, "cannot be read"),
        (None, "cannot be read: No such file"),
    ],
)
def test_what_is_no_text_is_refused(tmp_path: Path, content: bytes | None, message: str) -> None:
    path = tmp_path / "map.csv"
    if content is not None:
        path.write_bytes(content)
    with pytest.raises(UnreadableFileError, match=message) as caught:
        whole_text(path)
    assert caught.value.where == str(path)
