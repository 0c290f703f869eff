"""A table shows a cell as it is, whatever a terminal or a markup would make of it."""

from __future__ import annotations

import shlex
from pathlib import Path

import pytest

import precisionchain as pc
from tests.functional.test_cli import ok


@pytest.mark.parametrize(
    ("sql", "shown"),
    [
        ("'[/x]'", "[/x]"),
        ("'[red]G[17:198982['", "[red]G[17:198982["),
        ("':smile:'", ":smile:"),
        ("'a' || chr(27) || '[31mb'", "a\\x1b[31mb"),
        ("'a' || chr(10) || 'b'", "a\\nb"),
    ],
)
def test_a_cell_is_shown_as_it_is(sql: str, shown: str, tmp_path: Path) -> None:
    pc.Site.init(tmp_path / "site", site="A")
    statement = shlex.quote(f'select {sql} as "[/name]"')
    header, row, last = ok(f"-C {tmp_path / 'site'} sql {statement}").out.splitlines()
    assert (header.strip(), row.strip(), last) == ("[/name]", shown, "1 row")
