"""How many lines the records of a text file take, and those that swallow the lines after them.

Where a quotation mark is open, the lines up to the next mark, or to the end of the file, are one
record that cannot be parsed: one rejected record, whatever it holds.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Final

import numpy as np

from precisionchain.ingest.csv_records import FAULT_RULES, Int64s, Scan

MANY: Final = 10
"""Lines: a record that cannot be parsed and takes more has swallowed others. A text that is broken
by its author is seldom longer in a table other than notes, where all records are."""

_SWALLOWING: Final = sum(
    bit for bit, rule in FAULT_RULES.items() if rule in ("quoting", "ragged", "too_long")
)


@dataclass(frozen=True, slots=True)
class LineSpans:
    """Lines of a file's records.

    Args:
        lines: from the first record to the end of the file.
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


def line_spans(found: Scan) -> LineSpans:
    """Return how many lines records take; empty lines count with the record before them."""
    if not found.records:
        return LineSpans(0, np.zeros((0, 2), np.int64))
    suspects = found.faulty[(found.faulty[:, 2] & _SWALLOWING) != 0]
    end, after = found.last_line + 1, suspects[:, 0] + 1
    last = after > found.records
    nexts = np.where(last, end, _lines_of(np.minimum(after, found.records), found.lines))
    spans = nexts - suspects[:, 1]
    long = spans > MANY
    swallowed = np.stack((suspects[long, 1], spans[long]), axis=1)
    return LineSpans(end - int(found.lines[0, 1]), swallowed)


def _lines_of(records: Int64s, lines: Int64s) -> Int64s:
    """Return the lines on which records begin."""
    at = np.searchsorted(lines[:, 0], records, side="right") - 1
    found: Int64s = lines[at, 1] + (records - lines[at, 0])
    return found
