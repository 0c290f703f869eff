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

from benchmarks.measure import PROJECT

RESULTS = PROJECT / "benchmarks" / "results"
_LIBRARIES = ("duckdb", "numba", "numpy", "polars", "pyarrow", "cyvcf2")


@dataclass(frozen=True, slots=True)
class Figure:
    """One line of the table.

    Args:
        what: was measured.
        figure: as measured, with its unit.
        against: what it is held against, with its figure.
        ratio: figure over the other's figure; None where there is no other.
        bar: what DESIGN section 11 asks for; empty where it asks for nothing.
    """

    what: str
    figure: str
    against: str = ""
    ratio: float | None = None
    bar: str = ""


def seconds(value: float) -> str:
    """Write a duration."""
    return f"{value * 1000:.1f} ms" if value < 1 else f"{value:.2f} s"


def megabytes(value: float) -> str:
    """Write a size."""
    return f"{value / 1e6:.2f} MB"


def show(figures: list[Figure]) -> None:
    """Print the table."""
    table = Table(title="benchmarks", title_justify="left", box=None, pad_edge=False)
    for name in ("what", "figure", "against", "ratio", "bar (DESIGN 11)"):
        table.add_column(name, justify="right" if name in ("figure", "ratio") else "left")
    for line in figures:
        ratio = "" if line.ratio is None else f"{line.ratio:.3g}"
        table.add_row(line.what, line.figure, line.against, ratio, line.bar)
    Console(width=max(170, shutil.get_terminal_size().columns), highlight=False).print(table)


def keep(figures: list[Figure], details: dict[str, Any]) -> Path:
    """Write the figures with where and when they were measured; return the file."""
    RESULTS.mkdir(parents=True, exist_ok=True)
    now = datetime.now(UTC)
    path = RESULTS / f"{now:%Y%m%dT%H%M%SZ}.json"
    content = {
        "time": now.isoformat(timespec="seconds"),
        "machine": machine(),
        "figures": [asdict(line) for line in figures],
        "details": details,
    }
    path.write_text(json.dumps(content, indent=1) + "\n", encoding="utf-8")
    return path


def machine() -> dict[str, Any]:
    """Return what the figures depend on."""
    commit = subprocess.run(
        ["git", "describe", "--always", "--dirty"],
        capture_output=True,
        text=True,
        cwd=PROJECT,
        check=False,
    ).stdout.strip()
    return {
        "commit": commit or None,
        "cores": os.cpu_count(),
        "load_before": os.getloadavg()[0],
        "platform": platform.platform(),
        "python": platform.python_version(),
        **{name: version(name) for name in _LIBRARIES},
        **{name: _said(name) for name in ("bcftools", "plink2")},
    }


def _said(program: str) -> str:
    done = subprocess.run([program, "--version"], capture_output=True, text=True, check=False)
    return done.stdout.partition("\n")[0]
