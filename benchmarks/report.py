"""Figures, the table they are printed in, and the JSON they are kept in."""

from __future__ import annotations

import json
import os
import platform
import shutil
import subprocess
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from importlib.metadata import version
from pathlib import Path
from typing import Any

from rich.console import Console
from rich.table import Table

from benchmarks.measure import PROJECT, Cost, Latency

RESULTS = PROJECT / "benchmarks" / "results"
PROGRAMS = ("bcftools", "plink2", "plink1.9", "bedtools")
_LIBRARIES = ("duckdb", "numba", "numpy", "polars", "pyarrow", "cyvcf2")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Args:
        what: was measured.
        figure: as measured, with its unit.
        against: what it is held against, with its figure.
        ratio: figure over the other's figure; None where there is no other.
        bar: what is asked for; empty where nothing is.
        met: whether it is met; None where nothing is asked for.
    """

    what: str
    figure: str
    against: str = ""
    ratio: float | None = None
    bar: str = ""
    met: bool | None = None

    @property
    def cells(self) -> tuple[str, str, str, str, str, str]:
        """The line as text."""
        ratio = "" if self.ratio is None else f"{self.ratio:.3g}"
        met = {None: "", True: "met", False: "MISSED"}[self.met]
        return self.what, self.figure, self.against, ratio, self.bar, met


HEADINGS = ("what", "figure", "against", "ratio", "bar", "")
GIGABYTE = 1e9


def seconds(value: float) -> str:
    """Write a duration."""
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def megabytes(value: float) -> str:
    """Write a size."""
    return f"{value / 1e6:.2f} MB" if value >= 1e5 else f"{value / 1e3:.2f} kB"


def costs(
    what: str, own: Cost, name: str, other: Cost, *, bar: str = "", most: float | None = None
) -> list[Figure]:
    """Return the lines of CPU, with the bar, of wall clock, and of memory (its bar is 1 GB).

    Args:
        what: was run.
        own: what it took.
        name: of the other program.
        other: what that took.
        bar: of the ratio of CPU, in words.
        most: the ratio that meets the bar; None where nothing is asked for.
    """
    ratio = own.cpu / other.cpu
    return [
        Figure(
            f"{what}, CPU",
            seconds(own.cpu),
            f"{name} {seconds(other.cpu)}",
            ratio,
            bar or ("" if most is None else f"<= {most:g}x"),
            None if most is None else ratio <= most,
        ),
        Figure(
            f"{what}, wall",
            seconds(own.wall),
            f"{name} {seconds(other.wall)}",
            own.wall / other.wall,
        ),
        Figure(
            f"{what}, peak memory",
            megabytes(own.peak_bytes),
            f"{name} {megabytes(other.peak_bytes)}",
            own.peak_bytes / other.peak_bytes,
            "< 1 GB",
            own.peak_bytes < GIGABYTE,
        ),
    ]


def failure(what: str, error: Exception) -> Figure:
    """Return the line of what did not come to its end, with what was said last."""
    said = str(error).strip().splitlines() or [type(error).__name__]
    return Figure(what, "failed", said[-1][:200], None, "it ends", met=False)


def size(what: str, own: float, name: str, other: float, most: float | None = None) -> Figure:
    """Return the line of a size, with the ratio that it may have at most."""
    bar, met = ("", None) if most is None else (f"<= {most:g}", own / other <= most)
    return Figure(what, megabytes(own), f"{name} {megabytes(other)}", own / other, bar, met)


def answers(
    what: str,
    own: Latency,
    name: str = "",
    other: Latency | None = None,
    *,
    bars: tuple[float | None, float | None] = (None, None),
) -> list[Figure]:
    """Return the lines of questions: median and 99th percentile, each with its bar in seconds.

    Args:
        what: was asked.
        own: what the questions took.
        name: of the other program.
        other: what the same took there; medians are compared.
        bars: of the median and of the 99th percentile; None where nothing is asked for.
    """
    last = f"p99 of {own.n}" if own.n >= 100 else f"slowest of {own.n}"
    median = f"{seconds(own.p50)}, CPU {seconds(own.cpu)}"
    theirs = "" if other is None else f"{name} {seconds(other.p50)}, CPU {seconds(other.cpu)}"
    ratio = None if other is None else own.p50 / other.p50
    lines = [Figure(f"{what}, p50", median, theirs, ratio, *_bar(own.p50, bars[0]))]
    theirs = "" if other is None else f"{name} {seconds(other.p99)}"
    ratio = None if other is None else own.p99 / other.p99
    return [
        *lines,
        Figure(f"{what}, {last}", seconds(own.p99), theirs, ratio, *_bar(own.p99, bars[1])),
    ]


def _bar(value: float, most: float | None) -> tuple[str, bool | None]:
    return ("", None) if most is None else (f"< {seconds(most)}", value < most)


def show(figures: list[Figure]) -> None:
    """Print the table, and how many bars are met."""
    table = Table(title="benchmarks", title_justify="left", box=None, pad_edge=False)
    for name in HEADINGS:
        table.add_column(name, justify="right" if name in ("figure", "ratio") else "left")
    for line in figures:
        table.add_row(*line.cells)
    console = Console(width=max(170, shutil.get_terminal_size().columns), highlight=False)
    console.print(table)
    asked = [line.met for line in figures if line.met is not None]
    console.print(f"{sum(asked)} of {len(asked)} bars are met")


def markdown(figures: list[Figure]) -> str:
    """Return the table as the page has it."""
    rows: list[tuple[str, ...]] = [HEADINGS, ("---", "--:", "---", "--:", "---", "---")]
    rows += [tuple(cell.replace("|", "\\|") for cell in line.cells) for line in figures]
    return "\n".join("| " + " | ".join(row) + " |" for row in rows) + "\n"


def keep(figures: list[Figure], details: dict[str, Any], where: dict[str, Any]) -> Path:
    """Write the figures with where (`machine`) and when they were measured; return the file."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    content = {
        "time": now.isoformat(timespec="seconds"),
        "machine": where,
        "figures": [asdict(line) for line in figures],
        "details": details,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def machine() -> dict[str, Any]:
    """Return what the figures depend on, as it is before they are taken."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    ).stdout.strip()
    return {
        "commit": commit or None,
        "processor": _processor(),
        "cores": os.cpu_count(),
        "memory_bytes": os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES"),
        "load_before": os.getloadavg()[0],
        "platform": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        **{name: _said(name) for name in PROGRAMS},
    }


def _processor() -> str:
    try:
        lines = Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines()
    except OSError:
        return platform.processor()
    names = [line.partition(":")[2].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else platform.processor()


def _said(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]
