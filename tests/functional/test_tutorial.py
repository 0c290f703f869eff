"""The tutorial, typed: every command of it runs, in order, and prints what the page shows.

All of it happens in one empty folder, by the installed command, as a reader of the page would do
it; what the page's blocks mean is in ``tests/lib/typed_pages.py``.
"""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import pytest

from tests.lib.typed_pages import DOCS, steps

pytest.importorskip("msprime", reason="the tutorial's hospitals are simulated by msprime")

PAGE = DOCS / "tutorial.md"


@pytest.mark.slow
@pytest.mark.timeout(600)
def test_the_tutorial_can_be_typed(tmp_path: Path) -> None:
    commands = Path(sys.executable).parent
    environment = {**os.environ, "PATH": f"{commands}{os.pathsep}{os.environ['PATH']}"}
    environment |= {"COLUMNS": "100", "NO_COLOR": "1"}
    typed = list(steps(PAGE.read_text(encoding="utf-8")))
    assert len(typed) > 10
    for step in typed:
        done = subprocess.run(
            step.typed, cwd=tmp_path, env=environment, text=True, capture_output=True, check=False
        )
        step.require(done.returncode, done.stdout, done.stderr)
