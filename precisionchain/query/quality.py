"""What rules of data quality found in the exports that the network's batches are of."""

from __future__ import annotations

import json
import re
from dataclasses import dataclass
from typing import Final

import polars as pl

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.errors import UsageError
from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.replica.unpack_clinical import FOUND, SAID
from precisionchain.schemas.omop import TABLES
from precisionchain.schemas.quality import ALL_BUT_FEW, FEW, VERDICTS

QUALITY: Final = {
    "site": pl.String,
    "source": pl.String,
    "batch": pl.String,
    "mode": pl.String,
    "rule": pl.String,
    "severity": pl.String,
    "family": pl.String,
    "table": pl.String,
    "column": pl.String,
    "n_checked": pl.Int64,
    "n_violating": pl.Int64,
    "violating": pl.String,
    "threshold": pl.Float64,
    "verdict": pl.String,
}
"""Columns of an answer; ``violating`` is n_violating as text, ``<11`` where it is not told."""


@dataclass(frozen=True, slots=True)
class WantedQuality:
    """Which results are asked for; None asks for all.

    Attributes:
        site: who published them.
        source: of that name.
        rule: by name.
        table: of the CDM.
        verdict: one of `VERDICTS`.
        history: also those of earlier batches of each source.
    """

    site: str | None = None
    source: str | None = None
    rule: str | None = None
    table: str | None = None
    verdict: str | None = None
    history: bool = False

    def rows(self) -> list[pl.Expr]:
        """Return what the rows of a batch must be."""
        asked = {"rule": self.rule, "table": self.table, "verdict": self.verdict}
        return [pl.col(name) == value for name, value in asked.items() if value is not None]


_PLAIN: Final = re.compile(r"[A-Za-z_]+|type:[A-Za-z]+(64)?")


def plain_name(text: str) -> str:
    """Return the name of a rule or source as the log may say it: a word of letters.

    Raises:
        UsageError: it may be something else, such as a record's number.
    """
    if not _PLAIN.fullmatch(text):
        raise UsageError("a name that is not logged")
    return text


def verdict_named(text: str) -> str:
    """Return a verdict by its name.

    Raises:
        UsageError: there is none of that name.
    """
    if text not in VERDICTS:
        raise UsageError("no such verdict", hint=f"one of {', '.join(VERDICTS)}")
    return text


def table_named(text: str) -> str:
    """Return a table of the CDM by its name.

    Raises:
        UsageError: there is none of that name.
    """
    if text.lower() not in TABLES:
        raise UsageError("no such table of the CDM", hint="as condition_occurrence")
    return text.lower()


def quality_results(snapshot: Snapshot, wanted: WantedQuality) -> Evaluated[pl.DataFrame]:
    """Return results as they were sealed, by site and source, in the order of rules.

    They are of the whole export that a batch is of, also where the batch holds what changed alone,
    and stay as they are when persons are withdrawn later. They name nobody, and small counts are
    not in them.

    Args:
        snapshot: the generation to read.
        wanted: which of them.
    """
    parts = [pl.DataFrame(schema=QUALITY)]
    for batch in _batches(snapshot, wanted):
        folder = snapshot.batch_folder(batch.batch)
        if not (folder / FOUND).exists():
            continue
        said = json.loads((folder / SAID).read_text(encoding="utf-8"))
        rows = pl.read_parquet(folder / FOUND).filter(*wanted.rows())
        parts.append(_answer(rows, batch, str(said["mode"]), int(said["k"])))
    return evaluated_frame(pl.concat(parts))


def _batches(snapshot: Snapshot, wanted: WantedQuality) -> list[SealedBatch]:
    """Return the batches asked about, by site and source, of a source the newest last."""
    found = [
        one
        for one in sorted(snapshot.catalogue.sealed, key=lambda one: one.position)
        if one.kind == "omop"
        and one.withdrawn is None
        and wanted.site in (None, one.site)
        and wanted.source in (None, one.source)
    ]
    if not wanted.history:
        found = list({(one.publisher, one.source): one for one in found}.values())
    return sorted(found, key=lambda one: (one.site, one.source, one.position))


def _answer(rows: pl.DataFrame, batch: SealedBatch, mode: str, least: int) -> pl.DataFrame:
    hidden = pl.col("hidden")
    violating = (
        pl.when(hidden == FEW)
        .then(pl.lit(f"<{least}"))
        .when(hidden == ALL_BUT_FEW)
        .then(pl.lit(f"all but <{least}"))
        .otherwise(pl.col("n_violating").cast(pl.String))
    )
    origin = {"site": batch.site, "source": batch.source, "batch": batch.batch, "mode": mode}
    return rows.with_columns(
        violating=violating, **{name: pl.lit(text) for name, text in origin.items()}
    ).select(pl.col(name).cast(kind) for name, kind in QUALITY.items())
