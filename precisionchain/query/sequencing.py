"""Sequencing metadata of the network: what is known of each person in each source (Q9).

A person counts once for each source of genotypes in which any call of the person counts. Of a
column the newest batch that has a row of the person and that column counts, an unknown cell there
too. Rules: ``docs/reference/sequencing.md``.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.frames import index_file
from precisionchain.query.genotyped import genetic_batches
from precisionchain.replica.catalogue import Snapshot
from precisionchain.replica.kept import Kept
from precisionchain.replica.unpack_sequencing import ROWS, SAID
from precisionchain.schemas.column_names import folded
from precisionchain.schemas.sequencing import PERSON

UNITS: Final = {"site": pl.String, "source": pl.String, "person_id": pl.Int64}
"""A person in a source of genotypes."""

_CELLS: Final = {
    "unit": pl.Int64,
    "column": pl.String,
    "name": pl.String,
    "number": pl.Float64,
    "text": pl.String,
    "whole": pl.Boolean,
}

SEQUENCING: Final = {
    "site": pl.String,
    "source": pl.String,
    "column": pl.String,
    "type": pl.String,
    "value": pl.String,
    "low": pl.Float64,
    "high": pl.Float64,
    "persons": pl.UInt32,
}
"""Columns of an answer: a row for each text of a column, one for its numbers, one for unknown."""

Ints = npt.NDArray[np.int64]

_kept = Kept["Sequencing"](64 * 2**20, lambda one: int(one.cells.estimated_size()))


@dataclass(frozen=True)
class Sequencing:
    """What is known.

    Attributes:
        units: `UNITS`, each once, in order; a unit's number is its row.
        cells: unit, column (folded), name (as written), number or text, and whether the number was
            published as a whole one. Unknown cells have no row.
        asked: the columns (folded) that any batch has, whether or not a value of it counts.
    """

    units: pl.DataFrame
    cells: pl.DataFrame
    asked: frozenset[str]

    @cached_property
    def by_column(self) -> dict[str, pl.DataFrame]:
        """The cells of each column, by what its name folds to."""
        return {str(name): rows for (name,), rows in self.cells.group_by("column")}

    def texts(self, column: str) -> frozenset[str]:
        """Return the texts of a column, by what its name folds to."""
        rows = self.by_column.get(column)
        return frozenset() if rows is None else frozenset(rows["text"].drop_nulls().unique())


def sequencing_of(snapshot: Snapshot) -> Sequencing:
    """Return what is known in a generation, kept once made."""
    key = (snapshot.root, snapshot.catalogue.state)
    return _kept.get(key, lambda: _read(snapshot))


def sequencing_values(snapshot: Snapshot) -> pl.DataFrame:
    """Return the columns and their values with the number of persons, by site and source."""
    known = sequencing_of(snapshot)
    units = known.units.with_row_index("unit").with_columns(pl.col("unit").cast(pl.Int64))
    cells = known.cells.join(units.drop(PERSON), on="unit")
    place = ["site", "source", "column"]
    shown = pl.col("name").last().alias("shown")
    texts = (
        cells.filter(pl.col("text").is_not_null())
        .group_by(*place, pl.col("text").alias("value"))
        .agg(shown, pl.len().alias("persons"))
        .with_columns(pl.lit("text").alias("type"))
    )
    kind = pl.when(pl.col("whole").all()).then(pl.lit("integer")).otherwise(pl.lit("float"))
    numbers = (
        cells.filter(pl.col("number").is_not_null())
        .group_by(place)
        .agg(
            shown,
            kind.alias("type"),
            pl.col("number").min().alias("low"),
            pl.col("number").max().alias("high"),
            pl.len().alias("persons"),
        )
    )
    of_source = units.group_by("site", "source").agg(pl.len().alias("all"))
    unknown = (
        cells.group_by(place)
        .agg(shown, pl.len().alias("some"))
        .join(of_source, on=["site", "source"])
        .select(*place, "shown", (pl.col("all") - pl.col("some")).alias("persons"))
        .filter(pl.col("persons") > 0)
        .with_columns(pl.lit("unknown").alias("type"))
    )
    rows = pl.concat([texts, numbers, unknown], how="diagonal")
    order = pl.col("type").replace_strict({"integer": 0, "float": 0, "text": 1, "unknown": 2})
    return (
        rows.sort(*place, order, pl.col("persons"), "value", descending=[False] * 4 + [True, False])
        .select(pl.col("shown" if name == "column" else name).alias(name) for name in SEQUENCING)
        .cast(pl.Schema(SEQUENCING))
        if rows.height
        else pl.DataFrame(schema=SEQUENCING)
    )


def _read(snapshot: Snapshot) -> Sequencing:
    units = _units(snapshot)
    numbered = units.with_row_index("unit").with_columns(pl.col("unit").cast(pl.Int64))
    parts = [pl.DataFrame(schema=_CELLS)]
    asked: set[str] = set()
    for site, folder in _folders(snapshot):
        rows = pl.read_parquet(folder / ROWS)
        source = json.loads((folder / SAID).read_text(encoding="utf-8"))["source"]
        here = numbered.filter((pl.col("site") == site) & (pl.col("source") == source))
        placed = here.select("unit", PERSON).join(rows, on=PERSON)
        for name in rows.columns[1:]:
            asked.add(folded(name))
            parts.append(_cells(placed, name))
    cells = pl.concat(parts).unique(["unit", "column"], keep="last", maintain_order=True)
    known = cells.filter(pl.col("number").is_not_null() | pl.col("text").is_not_null())
    return Sequencing(units, known, frozenset(asked))


def _units(snapshot: Snapshot) -> pl.DataFrame:
    """Return who is in which source, by parts of batches that count."""
    found = [pl.DataFrame(schema=UNITS)]
    for sealed, batch in genetic_batches(snapshot):
        samples = index_file(batch.folder / "samples.parquet")
        of = (pl.lit(sealed.site).alias("site"), pl.lit(sealed.source).alias("source"))
        found.append(samples.select(*of, PERSON))
    return pl.concat(found).unique().sort(*UNITS)


def _folders(snapshot: Snapshot) -> list[tuple[str, Path]]:
    """Return site and folder of the batches that count and hold metadata, by seal."""
    batches = {one.batch: one for one in snapshot.catalogue.batches}
    ordered = sorted(batches.values(), key=lambda one: one.position)
    folders = [(one.site, snapshot.batch_folder(one.batch)) for one in ordered]
    return [(site, folder) for site, folder in folders if (folder / SAID).exists()]


def _cells(rows: pl.DataFrame, name: str) -> pl.DataFrame:
    is_text = rows.schema[name] == pl.String
    value = pl.col(name)
    return rows.select(
        "unit",
        pl.lit(folded(name)).alias("column"),
        pl.lit(name).alias("name"),
        (pl.lit(None, pl.Float64) if is_text else value.cast(pl.Float64)).alias("number"),
        (value if is_text else pl.lit(None, pl.String)).alias("text"),
        pl.lit(rows.schema[name] == pl.Int64).alias("whole"),
    )
