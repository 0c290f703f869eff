"""Run a program and see what it took; time a function."""

from __future__ import annotations

import json
import os
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a program took: seconds of wall clock and of CPU, and peak memory."""

    wall: float
    cpu: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds, over ``n`` questions."""

    p50: float
    p99: float
    n: int


_LAUNCHER = """
import json, os, subprocess, sys, time
out = open(sys.argv[1], "wb")
started = time.perf_counter()
process = subprocess.Popen(sys.argv[2:], stdout=out, stderr=subprocess.PIPE)
said = process.stderr.read()
_, status, used = os.wait4(process.pid, 0)
wall = time.perf_counter() - started
took = [wall, used.ru_utime + used.ru_stime, used.ru_maxrss * 1024]
print(json.dumps([os.waitstatus_to_exitcode(status), said.decode(errors="replace")[-2000:], took]))
"""
# A process inherits the peak of the one it was forked from; so a small one stands in between.


def run(command: Sequence[str | Path], *, output: Path | None = None) -> Cost:
    """Run a command to its end; its output is thrown away, or written to a file.

    Raises:
        RuntimeError: it failed; with what it said last.
    """
    words = [str(part) for part in command]
    launcher = [sys.executable, "-S", "-c", _LAUNCHER, str(output or os.devnull), *words]
    done = subprocess.run(launcher, capture_output=True, text=True, cwd=PROJECT, check=True)
    code, said, took = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{' '.join(words)}: exit code {code}\n{said}")
    return Cost(*took)


def precisionchain(*arguments: str | Path) -> list[str | Path]:
    """Return the command line of ``precisionchain ARGUMENTS``, without progress."""
    return [sys.executable, "-m", "precisionchain", "-q", *arguments]


def middle(costs: Sequence[Cost]) -> Cost:
    """Return the medians of repeated runs, and the largest peak."""
    return Cost(
        statistics.median(cost.wall for cost in costs),
        statistics.median(cost.cpu for cost in costs),
        max(cost.peak_bytes for cost in costs),
    )


def latency(ask: Callable[..., object], questions: Iterable[tuple[object, ...]]) -> Latency:
    """Time a function over questions, each once; the first is asked before, untimed."""
    asked = list(questions)
    ask(*asked[0])
    seconds = []
    for question in asked:
        started = time.perf_counter()
        ask(*question)
        seconds.append(time.perf_counter() - started)
    return quantiles(seconds)


def quantiles(seconds: Sequence[float]) -> Latency:
    """Return the median and the 99th percentile (of a few, the largest)."""
    ordered = sorted(seconds)
    place = min(len(ordered) - 1, int(0.99 * len(ordered)))
    return Latency(statistics.median(ordered), ordered[place], len(ordered))


def bytes_of(paths: Iterable[Path]) -> int:
    """Return the bytes of files together."""
    return sum(path.stat().st_size for path in paths)


def gzipped(paths: Iterable[Path]) -> int:
    """Return the bytes that ``gzip -6`` makes of files."""
    total = 0
    for path in paths:
        command = ["gzip", "-6", "-c", str(path)]
        with subprocess.Popen(command, stdout=subprocess.PIPE) as process:
            assert process.stdout is not None
            while chunk := process.stdout.read(1 << 20):
                total += len(chunk)
    return total
