"""What a page says of the data quality of an OMOP run: rules that failed, codes to be mapped."""

from __future__ import annotations

from dataclasses import dataclass
from pathlib import Path
from typing import Final

import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq

from precisionchain.ingest.quality_policy import DEFAULT, SUPPRESS_BELOW, Found, found_in
from precisionchain.ingest.rules import RULES
from precisionchain.ingest.run_tables import UNMAPPED

SHOWN_CODES: Final = 25
LEAST_PERSONS: Final = SUPPRESS_BELOW
"""Of so many persons a source value is a code; of fewer it may be somebody's own."""


@dataclass(frozen=True, slots=True)
class Failed:
    """A rule that has failed for a table or column."""

    rule: str
    severity: str
    table: str
    column: str
    n_checked: int
    n_violating: int
    threshold: float
    blocks: bool
    description: str


@dataclass(frozen=True, slots=True)
class Code:
    """A source value of rows of concept 0."""

    table: str
    value: str
    n_rows: int
    n_persons: int


@dataclass(frozen=True, slots=True)
class QualityPage:
    """Data quality in numbers, judged by the rules' own thresholds.

    Attributes:
        checked: how many checks had something to look at.
        failed: those above their threshold, the largest share first.
        codes: the most frequent source values of concept 0, of at least `LEAST_PERSONS` persons.
        codes_left: other source values of concept 0, which are not shown.
    """

    checked: int
    failed: tuple[Failed, ...]
    codes: tuple[Code, ...]
    codes_left: int


def quality_page(run: Path) -> QualityPage:
    """Return what there is to say of a run's data quality; nothing of one that is not validated."""
    found = [row for row in found_in(run) if row["n_checked"]]
    failed = [row for row in found if DEFAULT.verdict(row) != "passed"]
    failed.sort(key=lambda row: -row["n_violating"] / row["n_checked"])
    codes, left = _codes(run / f"{UNMAPPED}.parquet")
    return QualityPage(len(found), tuple(map(_failed, failed)), codes, left)


def _failed(row: Found) -> Failed:
    known = RULES.get(row["rule"])
    return Failed(
        row["rule"],
        row["severity"],
        row["table_name"],
        row["column_name"],
        row["n_checked"],
        row["n_violating"],
        row["threshold"],
        DEFAULT.blocks(row),
        known.description if known else "",
    )


def _codes(path: Path) -> tuple[tuple[Code, ...], int]:
    if not path.exists():
        return (), 0
    rows: pa.Table = pq.read_table(path)
    named = rows.filter(pc.is_valid(rows["source_value"]))
    common = named.filter(
        pc.greater_equal(named["n_persons"], pa.scalar(LEAST_PERSONS, pa.int64()))
    )
    shown = common.sort_by([("n_rows", "descending"), ("source_value", "ascending")])
    codes = tuple(
        Code(row["table_name"], row["source_value"], row["n_rows"], row["n_persons"])
        for row in shown.slice(0, SHOWN_CODES).to_pylist()
    )
    return codes, named.num_rows - len(codes)
