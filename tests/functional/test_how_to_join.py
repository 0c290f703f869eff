"""What the how-to for joining types works as it stands."""

from __future__ import annotations

import re
import shlex
from contextlib import chdir
from pathlib import Path

import pytest

from tests.lib.typed_commands import run

PAGE = Path(__file__).resolve().parents[2] / "docs" / "how-to" / "join-a-network.md"
TEXT = PAGE.read_text(encoding="utf-8")


def test_the_commands_work_in_an_empty_folder(tmp_path: Path) -> None:
    commands = [
        line
        for block in re.findall(r"^```sh\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
        for line in block.splitlines()
    ]
    assert len(commands) >= 9
    for command in commands:
        program, *arguments = shlex.split(command)
        assert program == "precisionchain"
        run(tmp_path, *arguments)
    listed = run(tmp_path, "-C", "site_a", "members")
    assert listed.count("removed") == 4  # site B, admin, alice and ada


def test_the_python_works_beside_a_founded_site(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (block,) = re.findall(r"^```python\n(.*?)^```", TEXT, re.MULTILINE | re.DOTALL)
    run(tmp_path, "init", "site_a", "--site", "A", "--build", "GRCh37")
    with chdir(tmp_path):
        exec(compile(block, str(PAGE), "exec"), {})
    assert capsys.readouterr().out == ""
    assert "removed" in run(tmp_path, "-C", "site_a", "members")
