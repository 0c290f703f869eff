"""How many lines the records of a text file take, and those that swallow the lines after them.

Where a quotation mark is open, the lines up to the next mark, or to the end of the file, are one
record that cannot be parsed: one rejected record, whatever it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import numpy as np

from precisionchain.ingest.csv_records import FAULT_RULES, Int64s, decompressed

MANY: Final = 10
"""Lines: a record that cannot be parsed and takes more has swallowed others. A text that is broken
by its author is seldom longer in a table other than notes, where all records are."""

_SWALLOWING: Final = sum(
    bit for bit, rule in FAULT_RULES.items() if rule in ("quoting", "ragged", "too_long")
)
_CHUNK: Final = 4 << 20


@dataclass(frozen=True, slots=True)
class LineSpans:
    """Lines of a file's records.

    Args:
        lines: from the first record to the end of the last.
        swallowed: [n, 2] first line, and number of lines, of each record that cannot be parsed and
            takes more than `MANY`.
    """

    lines: int
    swallowed: Int64s

    def described(self) -> dict[str, Any]:
        """Return what a run's description says of swallowed lines; empty where there are none."""
        if not len(self.swallowed):
            return {}
        longest = self.swallowed[np.argmax(self.swallowed[:, 1])]
        return {
            "records": len(self.swallowed),
            "lines": int(self.swallowed[:, 1].sum()),
            "longest_begins": int(longest[0]),
            "longest": int(longest[1]),
        }


def line_spans(path: Path, records: int, faulty: Int64s, lines: Int64s) -> LineSpans:
    """Return how many lines records take.

    Args:
        path: the file, which is read again where its last record cannot be parsed.
        records: in it.
        faulty: number, line and faults of those that cannot be parsed: [n, 3].
        lines: [m, 2] record and line wherever the line is not the one after the last record's.

    Empty lines count with the record before them.
    """
    if not records:
        return LineSpans(0, np.zeros((0, 2), np.int64))
    suspects = faulty[(faulty[:, 2] & _SWALLOWING) != 0]
    first = int(lines[0, 1])
    end = _lines_of(np.array([records]), lines)[0] + 1
    if len(suspects) and suspects[-1, 0] == records:
        end = _lines_in(path) + 1
    after = suspects[:, 0] + 1
    nexts = np.where(after > records, end, _lines_of(np.minimum(after, records), lines))
    spans = nexts - suspects[:, 1]
    long = spans > MANY
    return LineSpans(int(end - first), np.stack((suspects[long, 1], spans[long]), axis=1))


def _lines_of(records: Int64s, lines: Int64s) -> Int64s:
    """Return the lines on which records begin."""
    at = np.searchsorted(lines[:, 0], records, side="right") - 1
    found: Int64s = lines[at, 1] + (records - lines[at, 0])
    return found


def _lines_in(path: Path) -> int:
    """Return how many lines a file has; they end with LF, CRLF or CR, the last one with nothing."""
    breaks, before = 0, b""
    with decompressed(path) as file:
        while chunk := file.read(_CHUNK):
            breaks += chunk.count(b"\n") + chunk.count(b"\r") - chunk.count(b"\r\n")
            breaks -= before == b"\r" and chunk[:1] == b"\n"
            before = chunk[-1:]
    return breaks + (before not in (b"\n", b"\r"))
