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
from typing import Any, TypeVar

T = TypeVar("T")

PROJECT = Path(__file__).resolve().parent.parent


@dataclass(frozen=True, slots=True)
class Job:
    """What a part is measured with.

    Args:
        shared: the folder of real files.
        work: an empty folder, on the disk to be measured.
        repeats: runs of each job; the median counts.
        quick: sizes that show that the part works, and nothing else.
    """

    shared: Path
    work: Path
    repeats: int = 1
    quick: bool = False

    def size(self, whole: int, small: int) -> int:
        """Return how large something is to be."""
        return small if self.quick else whole


@dataclass(frozen=True, slots=True)
class Cost:
    """What one run of a program took: seconds of wall clock and of CPU, and peak memory."""

    wall: float
    cpu: float
    peak_bytes: int


@dataclass(frozen=True, slots=True)
class Latency:
    """Seconds, over ``n`` questions; ``cpu`` is the median of this process's CPU seconds."""

    p50: float
    p99: float
    n: int
    cpu: float


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
    # An installed package has its bytecode; without it each run would compile the source anew.
    env = {name: value for name, value in os.environ.items() if name != "PYTHONDONTWRITEBYTECODE"}
    done = subprocess.run(
        launcher, capture_output=True, text=True, cwd=PROJECT, check=True, env=env
    )
    code, said, took = json.loads(done.stdout)
    if code:
        raise RuntimeError(f"{' '.join(words)}: exit code {code}\n{said}")
    return Cost(*took)


def precisionchain(*arguments: str | Path) -> list[str | Path]:
    """Return the command line of ``precisionchain ARGUMENTS``, without progress."""
    return [sys.executable, "-m", "precisionchain", "-q", *arguments]


def new_site(folder: Path, build: str = "GRCh37") -> Path:
    """Make an empty site ``A``; return its folder."""
    run(precisionchain("init", folder, "--site", "A", "--build", build))
    return folder


def at_site(folder: Path, *arguments: str | Path, output: Path | None = None) -> Cost:
    """Run a command of ``precisionchain`` in a site's folder."""
    return run(precisionchain("-C", folder, *arguments), output=output)


def repeated(times: int, job: Callable[[], Cost]) -> Cost:
    """Run a job some times; return the medians, and the largest peak."""
    return middle([job() for _ in range(times)])


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
    return quantiles([spent(ask, *question)[0] for question in asked])


def spent(ask: Callable[..., T], *question: object) -> tuple[tuple[float, float], T]:
    """Return the wall and CPU seconds of one answer, and the answer."""
    began, cpu = time.perf_counter(), time.process_time()
    answer = ask(*question)
    return (time.perf_counter() - began, time.process_time() - cpu), answer


def commands(asked: Iterable[tuple[Any, ...]], command: Callable[..., list[Any]]) -> Latency:
    """Run a command for each question, the first once more before, untimed."""
    questions = list(asked)
    run(command(*questions[0]))
    costs = [run(command(*question)) for question in questions]
    return quantiles([(cost.wall, cost.cpu) for cost in costs])


def quantiles(taken: Sequence[tuple[float, float]]) -> Latency:
    """Return median and 99th percentile (of a few, the largest) of (wall, CPU) seconds."""
    ordered = sorted(wall for wall, _ in taken)
    place = min(len(ordered) - 1, int(0.99 * len(ordered)))
    cpu = statistics.median(cpu for _, cpu in taken)
    return Latency(statistics.median(ordered), ordered[place], len(ordered), cpu)


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
