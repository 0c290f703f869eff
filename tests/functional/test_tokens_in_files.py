"""Join tokens as files: written whole or not at all, read as editors and mails leave them."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.typed_commands import refused, rows, run


@pytest.fixture
def two(tmp_path: Path) -> Path:
    """A founder and a site that waits to be admitted, as ``-C site_a`` and ``-C site_b``."""
    run(tmp_path, "init", "site_a", "--site", "A")
    run(tmp_path, "init", "site_b", "--site", "B", "--ledger", "embedded:../site_a/ledger.sqlite")
    return tmp_path


WRITE = ("-C", "site_b", "join-token", "--output")


def test_a_token_replaces_a_file_only_when_told_to(two: Path) -> None:
    key = two / "site_b" / "keys" / "site.key"
    before = key.read_bytes()
    assert "exists already" in refused(two, 2, *WRITE, "site_b/keys/site.key")
    assert key.read_bytes() == before

    token = run(two, "-C", "site_b", "join-token")
    target = two / "b.token"
    run(two, *WRITE, "b.token")
    assert target.read_text("ascii") == token
    target.write_text("old")
    assert "exists already" in refused(two, 2, *WRITE, "b.token")
    assert target.read_text() == "old"
    run(two, *WRITE, "b.token", "--overwrite")
    assert target.read_text("ascii") == token


def test_a_token_that_cannot_be_written_leaves_no_file(
    two: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fills_up(path: Path, *_text: str, **_how: str) -> int:
        path.touch()
        raise OSError(28, "No space left on device")

    before = set(two.iterdir())
    with monkeypatch.context() as disk:
        disk.setattr(Path, "write_text", fills_up)
        assert "No space left" in refused(two, 2, *WRITE, "b.token")
    assert set(two.iterdir()) == before
    assert "does not exist" in refused(two, 2, *WRITE, "nowhere/b.token")


@pytest.mark.parametrize("before", ["", "\ufeff", "\ufeff \r\n", "\n\t "])
def test_a_token_is_read_as_editors_and_mails_leave_it(two: Path, before: str) -> None:
    token = f"{before}{run(two, '-C', 'site_b', 'join-token').strip()} \r\n\n"
    (two / "b.token").write_text(token, encoding="utf-8", newline="")
    admit = ("-C", "site_a", "admit", "--dry-run")
    for (shown,) in (
        rows(two, *admit, "b.token"),
        rows(two, *admit, token.removeprefix("\ufeff")),
    ):
        assert shown["would admit"] == "B"
    assert "would admit: B" in run(two, *admit, "-", stdin=token)


def test_a_file_that_is_no_text_is_no_token(two: Path) -> None:
    (two / "b.token").write_bytes(b"\xff\xfe\x00p")
    assert "neither a join token nor a file" in refused(two, 4, "-C", "site_a", "admit", "b.token")
    (two / "b.token").write_bytes("pcjoin2.\u00e9".encode())
    assert "damaged or cut short" in refused(two, 2, "-C", "site_a", "admit", "b.token")
