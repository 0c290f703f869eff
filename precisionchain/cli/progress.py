"""Progress on stderr: what a job is doing and how far it is, for anything longer than a second."""

from __future__ import annotations

import sys
import time


class StderrProgress:
    """Prints a line per step, and a running line per second on a terminal.

    ``step(text)`` starts something; ``advance(done, total)`` says how far it is. Nothing a person's
    record holds is ever passed to it.
    """

    def __init__(self, *, quiet: bool = False) -> None:
        self._quiet = quiet
        self._live = sys.stderr.isatty()
        self._text = ""
        self._shown = 0.0

    def step(self, text: str) -> None:
        """Start a step."""
        self._text = text
        if not self._quiet:
            sys.stderr.write(f"{text}\n")
            sys.stderr.flush()

    def warn(self, text: str) -> None:
        """Say what is to be known, however quiet."""
        sys.stderr.write(f"warning: {text}\n")
        sys.stderr.flush()

    def advance(self, done: int, total: int) -> None:
        """Say how far the step is; drawn at most once a second, and only on a terminal."""
        now = time.monotonic()
        if self._quiet or not self._live or now - self._shown < 1.0:
            return
        self._shown = now
        share = f"{100 * done // total} %" if total else f"{done}"
        sys.stderr.write(f"\r  {self._text}: {share}\x1b[K\r")
        sys.stderr.flush()
