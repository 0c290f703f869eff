"""The tutorial, typed: every command of it runs, in order, and prints what the page shows.

In a ``console`` block a line that starts with ``$ `` is typed, and what follows is what it prints
on stdout, where ``...`` stands for anything. A ``python`` block is run as a file. All of it
happens in one empty folder, by the installed command, as a reader of the page would do it.
"""

from __future__ import annotations

import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from pathlib import Path

import pytest

pytest.importorskip("msprime", reason="the tutorial's hospitals are simulated by msprime")

ROOT = Path(__file__).resolve().parents[2]
PAGE = ROOT / "docs" / "tutorial.md"
_BLOCK = re.compile(r"^```(console|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """Something to type, and what it must print; ``exit_code`` as the page says."""

    typed: list[str]
    printed: str
    exit_code: int = 0


def steps(text: str) -> Iterator[Step]:
    """Yield what a page types, in order."""
    for kind, block in _BLOCK.findall(text):
        if kind == "python":
            yield Step([sys.executable, "-c", block], "...")
            continue
        for typed, printed in re.findall(
            r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE
        ):
            words = shlex.split(typed.replace("\\\n", " "), comments=True)
            failed = re.search(r"^# exit code (\d+)\n", printed, re.MULTILINE)
            shown = re.sub(r"^# .*\n", "", printed, flags=re.MULTILINE)
            yield Step(words, shown, int(failed[1]) if failed else 0)


def test_the_reader_of_pages_sees_commands_and_what_they_print() -> None:
    page = "```console\n$ a b \\\n  c\nx\n...\n$ d  # why\n# exit code 4\n```\n"
    assert list(steps(page)) == [Step(["a", "b", "c"], "x\n...\n"), Step(["d"], "", 4)]


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tutorial_can_be_typed(tmp_path: Path) -> None:
    commands = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"COLUMNS": "100", "NO_COLOR": "1"}
    checker, flags = OutputChecker(), ELLIPSIS | NORMALIZE_WHITESPACE
    typed = list(steps(PAGE.read_text(encoding="utf-8")))
    assert len(typed) > 10
    for step in typed:
        done = subprocess.run(
            step.typed, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False
        )
        said = f"$ {shlex.join(step.typed)}\n{done.stdout}\n{done.stderr}"
        assert done.returncode == step.exit_code, said
        if step.printed.strip():
            message = f"{said}\nis not what the page shows:\n{step.printed}"
            assert checker.check_output(step.printed, done.stdout, flags), message
