"""A ledger that was moved, and places where none can be made: what is said, and what is left."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.lib.typed_commands import refused, rows, run


@pytest.fixture
def founded(tmp_path: Path) -> Path:
    run(tmp_path, "init", "site_a", "--site", "A")
    return tmp_path


def test_a_moved_ledger_is_said_to_be_elsewhere_and_found_when_named(founded: Path) -> None:
    ledger, settings = founded / "site_a" / "ledger.sqlite", founded / "site_a/precisionchain.toml"
    moved = founded / "shared"
    moved.mkdir()
    for file in founded.glob("site_a/ledger.sqlite*"):
        file.rename(moved / file.name)
    for command in (("members",), ("query", "maf", "0-0.5"), ("sync",), ("verify",)):
        line = refused(founded, 7, "-C", "site_a", *command)
        assert line.startswith(
            "error: site_a/ledger.sqlite: the ledger that precisionchain.toml names is not there"
        )
        assert "bring it back" in line
        assert "ledger = in precisionchain.toml" in line
        assert "init" not in line
    assert not ledger.exists()

    text = settings.read_text().replace("embedded:", "embedded:../shared/")
    settings.write_text(text)
    assert [row["site"] for row in rows(founded, "-C", "site_a", "members")] == ["A", "A"]


PLACES = {
    "no such folder": ("embedded:../nowhere/l.sqlite", 7, "site_c/../nowhere/l.sqlite: "),
    "a folder": ("embedded:../site_a", 7, "site_c/../site_a: not a file"),
    "its own keys": ("embedded:keys", 7, "site_c/keys: there is a ledger already"),
    "below a file": ("embedded:../site_a/keys/site.key/l", 7, "no folder for the ledger"),
    "no ledger": ("embedded:../site_a/precisionchain.toml", 7, "site_c/../site_a/precisionchain"),
    "where nobody writes": ("embedded:/proc/l.sqlite", 7, "error: /proc/l.sqlite: the ledger cann"),
    "too long a name": (
        f"embedded:{'n' * 250}",
        3,
        "error: site_c: the site folder cannot be made",
    ),
}


@pytest.mark.parametrize("name", PLACES)
def test_a_ledger_that_cannot_be_is_told_by_the_names_that_were_given(
    founded: Path, name: str
) -> None:
    ledger, code, said = PLACES[name]
    line = refused(founded, code, "init", "site_c", "--site", "C", "--ledger", ledger)
    assert said in line
    assert ".site_c" not in line
    assert str(founded) not in line
    assert [path.name for path in founded.iterdir()] == ["site_a"]


@pytest.mark.parametrize("folder", ["/proc/site", "n" * 250, "site_a/keys/site.key/x"])
def test_a_folder_that_cannot_be_made_is_a_named_error(founded: Path, folder: str) -> None:
    line = refused(founded, 3, "init", folder, "--site", "C")
    assert "unexpected" not in line
    assert ".partial" not in line
    assert [path.name for path in founded.iterdir()] == ["site_a"]


def test_the_current_folder_is_left_to_be_what_it_is(tmp_path: Path) -> None:
    line = refused(tmp_path, 3, "init", ".", "--site", "C")
    assert line.startswith("error: .: the site folder cannot be made: ")
    assert not list(tmp_path.iterdir())
