"""The command line as it is typed in a folder, in this process; or started beside others."""

from __future__ import annotations

import io
import json
import subprocess
import sys
from contextlib import chdir, redirect_stderr, redirect_stdout
from pathlib import Path
from typing import Any
from unittest import mock

from precisionchain.cli.app import main


def typed(folder: Path, *arguments: str, stdin: str = "") -> tuple[int, str, str]:
    """Run a command; return its exit code, stdout and stderr."""
    out, err = io.StringIO(), io.StringIO()
    with (
        chdir(folder),
        mock.patch.object(sys, "argv", ["precisionchain", *arguments]),
        mock.patch.object(sys, "stdin", io.StringIO(stdin)),
        redirect_stdout(out),
        redirect_stderr(err),
    ):
        try:
            main()
            code: Any = 0
        except SystemExit as ended:
            code = ended.code or 0
    return int(code), out.getvalue(), err.getvalue()


def run(folder: Path, *arguments: str, stdin: str = "") -> str:
    """Run a command that must succeed; return its stdout."""
    code, out, err = typed(folder, *arguments, stdin=stdin)
    assert code == 0, err
    return out


def rows(folder: Path, *arguments: str) -> list[dict[str, Any]]:
    """Run a command with ``--json``; return its lines."""
    return [json.loads(line) for line in run(folder, *arguments, "--json").splitlines()]


def refused(folder: Path, code: int, *arguments: str) -> str:
    """Run a command that must end with a code, no answer and one line of stderr; return it."""
    ended_with, out, err = typed(folder, "-q", *arguments)
    assert (ended_with, out) == (code, ""), err
    (line,) = err.splitlines()
    return line


def start(folder: Path, *arguments: str) -> subprocess.Popen[str]:
    """Start a command in a process of its own."""
    return subprocess.Popen(
        [sys.executable, "-m", "precisionchain", *arguments],
        cwd=folder,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    )
