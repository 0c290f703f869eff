"""Write a table of text as CSV, some records with a field too many or too few (RFC 4180 else)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from precisionchain.synthetic.dirt import NOT_UTF8, RAW_QUOTE, DirtyTable

_ROWS = 100_000  # at a time, which bounds memory


def write_csv(path: Path, table: DirtyTable) -> pl.Series:
    """Write ``table`` with its header.

    Returns:
        For each record the line it starts on (the header is line 1); they are further apart than
        one where a quoted cell holds a line break.
    """
    columns = [c for c in table.text.columns if c != "_fields"]
    breaks = [pl.Series([], dtype=pl.Int64)]
    with path.open("wb") as file:
        file.write((",".join(columns) + "\n").encode())
        for rows in table.text.iter_slices(_ROWS):
            records = rows.select(_record(columns).alias("record"))["record"]
            breaks.append(records.str.count_matches("\n").cast(pl.Int64))
            text = ("\n".join(records) + "\n").encode()
            file.write(text.replace(NOT_UTF8.encode(), b"\xff").replace(RAW_QUOTE.encode(), b'"'))
    lines = pl.concat(breaks) + 1
    return (lines.cum_sum().shift(1, fill_value=0) + 2).alias("line")


def _record(columns: list[str]) -> pl.Expr:
    record = pl.concat_str([_quoted(c) for c in columns], separator=",")
    return (
        pl.when(pl.col("_fields") > 0)
        .then(record + ",surplus")
        .when(pl.col("_fields") < 0)
        .then(record.str.replace(r",[^,\n]*$", ""))
        .otherwise(record)
    )


def _quoted(column: str) -> pl.Expr:
    text = pl.col(column).fill_null("")
    needed = text.str.contains(r'[",\n]')
    quoted = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""'), pl.lit('"'))
    return pl.when(needed).then(quoted).otherwise(text)
