"""Write a table of text as CSV, some records with a field too many or too few (RFC 4180 else)."""

from __future__ import annotations

from pathlib import Path

import polars as pl

from precisionchain.synthetic.dirt import DirtyTable


def write_csv(path: Path, table: DirtyTable) -> pl.Series:
    """Write ``table`` with its header.

    Returns:
        For each record the line it starts on (the header is line 1); they are further apart than
        one where a quoted cell holds a line break.
    """
    columns = [c for c in table.text.columns if c != "_fields"]
    records = table.text.select(
        pl.concat_str([_quoted(c) for c in columns], separator=",").alias("record"), "_fields"
    ).select(
        pl.when(pl.col("_fields") > 0)
        .then(pl.col("record") + ",surplus")
        .when(pl.col("_fields") < 0)
        .then(pl.col("record").str.replace(r",[^,\n]*$", ""))
        .otherwise("record")
        .alias("record")
    )["record"]
    path.write_text("\n".join([",".join(columns), *records]) + "\n", encoding="utf-8", newline="")
    lines = records.str.count_matches("\n") + 1
    return (lines.cum_sum().shift(1, fill_value=0) + 2).cast(pl.Int64).alias("line")


def _quoted(column: str) -> pl.Expr:
    text = pl.col(column).fill_null("")
    needed = text.str.contains(r'[",\n]')
    quoted = pl.concat_str(pl.lit('"'), text.str.replace_all('"', '""'), pl.lit('"'))
    return pl.when(needed).then(quoted).otherwise(text)
