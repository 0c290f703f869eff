"""Numbers as a page shows them, bins, commands, and that the templates are in the wheel."""

from __future__ import annotations

import subprocess
import sys
import zipfile
from pathlib import Path

import numpy as np
import pytest

from precisionchain.ingest.page_commands import sql_command
from precisionchain.ingest.page_figures import Bins, histogram
from precisionchain.ingest.page_html import NO_BREAK, share, short, size

PROJECT_ROOT = Path(__file__).resolve().parents[2]


@pytest.mark.parametrize(
    ("part", "whole", "text"),
    [(0, 5, "0 %"), (5, 5, "100 %"), (1, 3000, "< 0.1 %"), (2999, 3000, "> 99.9 %"),
     (1, 3, "33.3 %"), (0, 0, "– %"), (5, 4, "125.0 %")],
)  # fmt: skip
def test_a_share_is_neither_nothing_nor_all_unless_it_is(part: int, whole: int, text: str) -> None:
    assert share(part, whole) == text.replace(" ", NO_BREAK)


def test_bytes_and_labels_are_short() -> None:
    assert [size(n).replace(NO_BREAK, " ") for n in (0, 999, 1000, 7_487_113)] == [
        "0 B",
        "999 B",
        "1.0 kB",
        "7.5 MB",
    ]
    assert [short(n) for n in (9_999, 10_000, 999_499, 999_500)] == ["9,999", "10k", "999k", "1.0M"]


def test_a_bin_holds_its_upper_edge_and_not_its_lower() -> None:
    bins = Bins.up_to(0.05, 0.01, 0.5, 0.05)
    assert bins.labels == ("0", "1", "5", "50")
    shares = np.array([0.0, 1e-9, 0.01, 0.010001, 5 / 100, 0.050001, 0.5])
    assert bins.count(shares).tolist() == [1, 2, 2, 2]


def test_a_count_that_is_small_beside_the_largest_is_still_seen() -> None:
    drawn = histogram(Bins.up_to(0.5, 1.0), [1, 0, 10**9])
    assert [bar.height for bar in drawn.bars] == [1.5, 0.0, 142.0]
    assert drawn.total == 10**9 + 1


def test_a_command_survives_the_shell() -> None:
    statement = """select 'a"b$HOME`id`\\' where x = 'it''s'"""
    command = sql_command(statement).replace("precisionchain sql --json", "printf %s")
    done = subprocess.run(["sh", "-c", command], capture_output=True, text=True, check=True)
    assert done.stdout == statement


def test_the_wheel_holds_the_templates(tmp_path: Path) -> None:
    folder = PROJECT_ROOT / "precisionchain" / "ingest" / "page_templates"
    command = [sys.executable, "-m", "hatchling", "build", "-t", "wheel", "-d", str(tmp_path)]
    subprocess.run(command, cwd=PROJECT_ROOT, check=True, capture_output=True)
    with zipfile.ZipFile(next(tmp_path.glob("*.whl"))) as wheel:
        names = set(wheel.namelist())
    templates = {f"precisionchain/ingest/page_templates/{each.name}" for each in folder.iterdir()}
    assert len(templates) == 5
    assert templates <= names
