"""Lines that records take, as Python's ``csv`` module reads them."""

from __future__ import annotations

import csv
import gzip
import random
from pathlib import Path

import pyarrow.parquet as pq
import pytest

from precisionchain.ingest.line_spans import MANY
from precisionchain.ingest.losses import swallowed_lines
from precisionchain.ingest.stage_omop import stage_omop
from precisionchain.ingest.staging import Run, Staging

HEADER = "person_id,death_date,cause_source_value"


def staged(folder: Path, text: str, *, packed: bool = False) -> Run:
    export = folder / "omop"
    export.mkdir(parents=True)
    content = text.encode()
    name = "death.csv.gz" if packed else "death.csv"
    (export / name).write_bytes(gzip.compress(content) if packed else content)
    return stage_omop(Staging.open(folder / "staging"), export)


def drawn(seed: int) -> str:
    """Draw a file in which quotation marks are lost and doubled, some of them over many lines."""
    draw = random.Random(seed)
    odd = ['"fall"', '"fall', '"fall', 'fall"', '"a ""b"" c"']
    cells = [
        draw.choice(odd) if draw.random() < 0.05 else "fall" for _ in range(draw.randint(1, 250))
    ]
    rows = [f"{n},2015-01-01,{cell}" for n, cell in enumerate(cells)]
    rows = [row + ",more" * (draw.random() < 0.05) for row in rows]
    ending = draw.choice(["\n", "\r\n"])
    return ending.join([HEADER, *rows]) + draw.choice(["", ending])


def oracle(text: str, faulty: set[int]) -> tuple[int, list[tuple[int, int]]]:
    """Return the lines of all records, and line and lines of the faulty ones that take many."""
    lines = text.splitlines(keepends=True)
    reader = csv.reader(lines)
    next(reader)
    before, spans = reader.line_num, []
    for _ in reader:
        spans.append((before + 1, reader.line_num - before))
        before = reader.line_num
    long = [span for n, span in enumerate(spans, start=1) if n in faulty and span[1] > MANY]
    return sum(n for _, n in spans), long


def test_spans_are_those_of_the_csv_module(tmp_path: Path) -> None:
    kinds = dict.fromkeys((0, 1, 2), 0)
    for seed in range(12):
        text = drawn(seed)
        run = staged(tmp_path / str(seed), text, packed=seed % 4 == 0)
        rejected = pq.read_table(run.path / "rejected.parquet", columns=["record"]).to_pylist()
        lines, long = oracle(text, {int(row["record"]) for row in rejected})
        assert run.description["lines"] == {"death": lines}
        kinds[min(len(long), 2)] += 1
        if not long:
            assert run.description["swallowed"] == {}
            continue
        begins, longest = max(long, key=lambda one: one[1])
        assert run.description["swallowed"]["death"] == {
            "records": len(long),
            "lines": sum(n for _, n in long),
            "longest_begins": begins,
            "longest": longest,
        }
    assert min(kinds.values()) > 1, kinds


@pytest.mark.parametrize("ending", ["", "\n", "\r\n", "\r", "\n\n\n"])
@pytest.mark.parametrize("break_", ["\n", "\r\n"])
@pytest.mark.parametrize("rows", [0, 1])
def test_a_last_record_that_is_whole_counts_with_all_its_lines(
    tmp_path: Path, rows: int, break_: str, ending: str
) -> None:
    before = [f"{n},2015-01-01,fall" for n in range(rows)]
    text = break_.join([HEADER, *before, '7,2015-01-01,"a', "", "", 'b"']) + ending
    run = staged(tmp_path, text)
    assert run.description["lines"] == {"death": oracle(text, set())[0]}
    assert run.description["swallowed"] == {}


def test_a_warning_says_file_line_and_lines(tmp_path: Path) -> None:
    rows = [f"{n},2015-01-01,fall" for n in range(40)]
    rows[1] = '1,2015-01-01,"fall'
    run = staged(tmp_path, "\n".join([HEADER, *rows, ""]))
    assert run.description["lines"] == {"death": 40}
    (said,) = swallowed_lines(run)
    assert said.startswith("death.csv: 1 record takes 39 lines and cannot be parsed")
    assert said.endswith("it begins in line 3")
    notes = staged(tmp_path / "short", "\n".join([HEADER, '1,2015-01-01,"fall', *rows[2:11]]))
    assert not list(swallowed_lines(notes))
