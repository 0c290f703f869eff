"""What a page of the documentation types, in order, and what it says that is printed.

In a ``console`` block a line that starts with ``$ `` is typed, and what follows is what it prints
on stdout, where ``...`` stands for anything; ``# exit code 4`` stands for a command that fails. An
``sh`` block is commands alone, a line each. A ``python`` block is run as a file.
"""

from __future__ import annotations

import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from contextlib import chdir, redirect_stdout
from dataclasses import dataclass
from doctest import ELLIPSIS, NORMALIZE_WHITESPACE, OutputChecker
from io import StringIO
from pathlib import Path

from precisionchain.synthetic.__main__ import main as generate
from tests.lib.typed_commands import typed

DOCS = Path(__file__).resolve().parents[2] / "docs"
GENERATOR = ["python", "-m", "precisionchain.synthetic"]

_BLOCK = re.compile(r"^```(console|sh|python)\n(.*?)^```", re.MULTILINE | re.DOTALL)


@dataclass(frozen=True)
class Step:
    """Something to type, and what it must print; ``exit_code`` as the page says."""

    typed: list[str]
    printed: str
    exit_code: int = 0

    def require(self, exit_code: int, out: str, err: str) -> None:
        """Fail unless a command ended, and printed, as the page says."""
        said = f"$ {shlex.join(self.typed)}\n{out}\n{err}"
        assert exit_code == self.exit_code, said
        if self.printed.strip():
            shown = OutputChecker().check_output(self.printed, out, ELLIPSIS | NORMALIZE_WHITESPACE)
            assert shown, f"{said}\nis not what the page shows:\n{self.printed}"


def steps(text: str) -> Iterator[Step]:
    """Yield what a page types, in order."""
    for kind, block in _BLOCK.findall(text):
        if kind == "python":
            yield Step([sys.executable, "-c", block], "...")
        elif kind == "sh":
            lines = block.replace("\\\n", " ").splitlines()
            yield from (Step(shlex.split(line, comments=True), "") for line in lines if line)
        else:
            yield from _console(block)


def _console(block: str) -> Iterator[Step]:
    for command, printed in re.findall(
        r"^\$ ((?:.*\\\n)*.*)\n((?:(?!\$ ).*\n)*)", block, re.MULTILINE
    ):
        words = shlex.split(command.replace("\\\n", " "), comments=True)
        failed = re.search(r"^# exit code (\d+)\n", printed, re.MULTILINE)
        shown = re.sub(r"^# .*\n", "", printed, flags=re.MULTILINE)
        yield Step(words, shown, int(failed[1]) if failed else 0)


def take(step: Step, folder: Path) -> None:
    """Do a step in a folder, in this process where it is one of our own commands."""
    program, *arguments = step.typed
    if program == "precisionchain":
        step.require(*typed(folder, *arguments))
    elif program == sys.executable:
        with chdir(folder), redirect_stdout(StringIO()):
            exec(compile(arguments[1], "page", "exec"), {})
    elif step.typed[:3] == GENERATOR:
        with chdir(folder), redirect_stdout(StringIO()) as out:
            step.require(generate(arguments[2:]), out.getvalue(), "")
    else:
        done = subprocess.run(step.typed, cwd=folder, text=True, capture_output=True, check=False)
        step.require(done.returncode, done.stdout, done.stderr)
