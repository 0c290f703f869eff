"""How a process ends: with what it was asked for, and nothing of what is left in its memory."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path


def _run(*arguments: str) -> subprocess.CompletedProcess[str]:
    command = [sys.executable, "-m", "precisionchain", *arguments]
    return subprocess.run(command, capture_output=True, text=True, check=False)


def test_a_process_that_loaded_duckdb_says_nothing_of_it(tmp_path: Path) -> None:
    """Its binding tells on stderr of objects that are there when Python ends."""
    site = str(tmp_path / "site")
    assert not _run("init", site, "--site", "A").returncode
    done = _run("-C", site, "sql", "select 42 as answer", "--json")
    assert (done.returncode, done.stdout, done.stderr) == (0, '{"answer": 42}\n', "")
