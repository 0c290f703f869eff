"""What rules of data quality found in the exports that the network's batches are of."""

from __future__ import annotations

import difflib
import json
import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Final

import polars as pl

from precisionchain.access.evaluated import Evaluated, evaluated_frame
from precisionchain.errors import UsageError
from precisionchain.query.clinical import event_table
from precisionchain.query.typed import one_of
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

FULL: Final = "full"
MODES: Final = (FULL, "delta")
_LISTED: Final = 20


@dataclass(frozen=True, slots=True)
class WantedQuality:
    """Which results are asked for; None asks for all.

    Attributes:
        site: who published them.
        source: of that name.
        rule: by name.
        table: of the CDM.
        verdict: one of `VERDICTS`.
        mode: one of `MODES`.
        history: also those of earlier batches of each source.
    """

    site: str | None = None
    source: str | None = None
    rule: str | None = None
    table: str | None = None
    verdict: str | None = None
    mode: str | None = None
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
    return one_of(text, VERDICTS, "verdict")


def mode_named(text: str) -> str:
    """Return a mode of exports by its name.

    Raises:
        UsageError: there is none of that name.
    """
    return one_of(text, MODES, "mode of exports")


def table_named(text: str) -> str:
    """Return a table of the CDM by its name, an event table also by its domain.

    Raises:
        UsageError: there is none of that name.
    """
    if text.lower() in TABLES:
        return text.lower()
    try:
        return event_table(text).name
    except UsageError:
        raise UsageError(
            "no such table of the CDM", hint="as condition_occurrence, or condition"
        ) from None


def quality_results(snapshot: Snapshot, wanted: WantedQuality) -> Evaluated[pl.DataFrame]:
    """Return results as they were sealed, by site and source, in the order of rules.

    Of each source they are those of its newest full export, and of each delta sealed after it; of
    a source of deltas only, those of all of them. Results of a full export are of all of it, also
    where its batch holds what changed alone; those of a delta of the rows that were delivered. They
    stay as they are when persons are withdrawn later, name nobody, and tell no small counts.

    Args:
        snapshot: the generation to read.
        wanted: which of them.

    Raises:
        UsageError: no batch is of that source, or no result of that rule.
    """
    batches = [one for one in snapshot.catalogue.sealed if one.kind == "omop"]
    if wanted.source is not None:
        _require_source(batches, wanted)
    parts = [pl.DataFrame(schema=QUALITY)]
    for results in _results(snapshot, batches, wanted):
        if wanted.mode in (None, results.mode):
            rows = pl.read_parquet(results.folder / FOUND).filter(*wanted.rows())
            parts.append(_answer(rows, results))
    frame = pl.concat(parts)
    if wanted.rule is not None and frame.is_empty():
        _require_rule(snapshot, batches, wanted.rule)
    return evaluated_frame(frame)


@dataclass(frozen=True, slots=True)
class _Results:
    """Results of a batch: where they are, of what mode its export was, the least count told."""

    batch: SealedBatch
    folder: Path
    mode: str
    least: int


def _results(
    snapshot: Snapshot, batches: list[SealedBatch], wanted: WantedQuality
) -> Iterator[_Results]:
    """Yield the results asked about, by site and source, of a source the newest last."""
    found: dict[tuple[str, str, str], list[_Results]] = {}
    for batch in sorted(batches, key=lambda one: -one.position):
        if wanted.site not in (None, batch.site) or wanted.source not in (None, batch.source):
            continue
        of_source = found.setdefault((batch.site, batch.source, batch.publisher), [])
        if of_source and of_source[-1].mode == FULL and not wanted.history:
            continue  # an earlier batch than the newest full export
        folder = snapshot.batch_folder(batch.batch)
        if batch.withdrawn is None and (folder / FOUND).exists():
            said: dict[str, Any] = json.loads((folder / SAID).read_text(encoding="utf-8"))
            of_source.append(_Results(batch, folder, str(said["mode"]), int(said["k"])))
    for key in sorted(found):
        yield from reversed(found[key])


def _require_source(batches: list[SealedBatch], wanted: WantedQuality) -> None:
    """Refuse a source that no batch, or none of the site asked about, is of."""
    sources = {one.source for one in batches if wanted.site in (None, one.site)}
    if wanted.source not in sources:
        of_site = "" if wanted.site is None else f" of site {wanted.site}"
        raise UsageError(
            f"no batch of OMOP tables{of_site} is of a source of that name",
            hint=_one_of(sources) or "none is sealed",
        )


def _require_rule(snapshot: Snapshot, batches: list[SealedBatch], rule: str) -> None:
    """Refuse a rule that no sealed batch has a result of."""
    rules: dict[str, None] = {}
    for batch in batches:
        if (path := snapshot.batch_folder(batch.batch) / FOUND).exists():
            names = pl.read_parquet(path, columns=["rule"])["rule"]
            rules |= dict.fromkeys(names.unique(maintain_order=True).to_list())
    if rule not in rules:
        near = difflib.get_close_matches(rule, rules, n=3, cutoff=0.6)
        raise UsageError(
            "no sealed batch has a result of a rule of that name",
            hint=f"did you mean {' or '.join(near)}?" if near else _one_of(rules),
        )


def _one_of(names: Iterable[str]) -> str | None:
    shown = sorted(names)
    more = f", and {len(shown) - _LISTED} more" if len(shown) > _LISTED else ""
    return f"one of {', '.join(shown[:_LISTED])}{more}" if shown else None


def _answer(rows: pl.DataFrame, results: _Results) -> pl.DataFrame:
    hidden, least, batch = pl.col("hidden"), results.least, results.batch
    violating = (
        pl.when(hidden == FEW)
        .then(pl.lit(f"<{least}"))
        .when(hidden == ALL_BUT_FEW)
        .then(pl.lit(f"all but <{least}"))
        .otherwise(pl.col("n_violating").cast(pl.String))
    )
    origin = {
        "site": batch.site,
        "source": batch.source,
        "batch": batch.batch,
        "mode": results.mode,
    }
    return rows.with_columns(
        violating=violating, **{name: pl.lit(text) for name, text in origin.items()}
    ).select(pl.col(name).cast(kind) for name, kind in QUALITY.items())
