"""Ctrl-C: one line, the exit code of shells, and nothing that is half there."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import precisionchain as pc
from tests.lib.vcf_builder import write_vcf

WHILE_LOADING = """
import runpy, sys

class Interrupt:
    def find_spec(self, name, path=None, target=None):
        if name == "typer":
            raise KeyboardInterrupt

sys.meta_path.insert(0, Interrupt())
sys.argv = ["precisionchain", "--help"]
runpy.run_module("precisionchain", run_name="__main__")
"""

# A program that a shell has put into the background ignores Ctrl-C, and so do its children.
LISTENING = """
import runpy, signal
signal.signal(signal.SIGINT, signal.default_int_handler)
runpy.run_module("precisionchain", run_name="__main__", alter_sys=True)
"""


def test_while_modules_are_loaded() -> None:
    ended = subprocess.run(
        [sys.executable, "-c", WHILE_LOADING], capture_output=True, text=True, check=False
    )
    assert ended.returncode == 130
    assert ended.stderr.strip() == "interrupted: nothing half-written counts; run the command again"


def test_while_it_works(tmp_path: Path) -> None:
    """It waits for its sample map, which is a pipe, when it is interrupted."""
    site = pc.Site.init(tmp_path / "site", site="A", build="GRCh37")
    vcf = write_vcf(tmp_path / "a.vcf", "9:5 A G 0/1 0/0")
    pipe = tmp_path / "map.csv"
    os.mkfifo(pipe)
    command = f"-C {site.folder.root} stage vcf {vcf} --samples {pipe} --build GRCh37"
    with subprocess.Popen(
        [sys.executable, "-c", LISTENING, *command.split()],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as program:
        try:
            end = _end_of(pipe)
            time.sleep(0.1)  # until it has gone from opening to reading
            program.send_signal(signal.SIGINT)
            time.sleep(0.1)
            os.close(end)  # where another thread has taken the signal, the one that reads goes on
            out, err = program.communicate(timeout=30)
        finally:
            program.kill()
    assert program.returncode == 130
    assert err.splitlines()[-1].startswith("interrupted: nothing half-written")
    assert "Traceback" not in err
    assert out == ""
    assert site.staging.latest("vcf") is None
    pipe.unlink()
    pipe.write_text("sample_id,person_id\na,1\nb,2\n", encoding="utf-8")
    site.stage_vcf(vcf, samples=pipe, build="GRCh37")  # the lock is free


def _end_of(pipe: Path) -> int:
    """Open the end that is written to, once somebody reads the other one."""
    for _ in range(600):
        try:
            return os.open(pipe, os.O_WRONLY | os.O_NONBLOCK)
        except OSError:
            time.sleep(0.1)
    message = "nobody reads the pipe"
    raise AssertionError(message)
