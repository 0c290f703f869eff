"""What quality control marked or removed before publication, and by which rule."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.access.digest import frame_digest
from precisionchain.access.evaluated import Evaluated
from precisionchain.access.postings import alleles, persons
from precisionchain.errors import UsageError
from precisionchain.query.genotyped import genetic_batches
from precisionchain.query.known_contigs import require_contig
from precisionchain.query.typed import one_of
from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.schemas.exclusions import PERSON, RULES, VARIANT
from precisionchain.schemas.genetic_payloads import ALLELE_KEY
from precisionchain.schemas.variant import Variant

EXCLUSIONS: Final[Mapping[str, type[pl.DataType]]] = {
    "site": pl.String,
    "batch": pl.String,
    "mode": pl.String,
    "kind": pl.String,
    "chrom": pl.String,
    "pos": pl.Int32,
    "ref": pl.String,
    "alt": pl.String,
    "person_id": pl.Int64,
    "rule": pl.String,
    "value": pl.Float64,
    "threshold": pl.Float64,
    "n": pl.Int32,
}
"""Columns of an answer: those of the published rows, and who published them in which mode."""

_SHORTEST_BATCH: Final = 8


@dataclass(frozen=True, slots=True)
class Wanted:
    """Which exclusions are asked for; None asks for all.

    Attributes:
        site: who published them.
        batch: the beginning of a batch's id, at least 8 hex digits.
        variant: the allele, trimmed.
        person: site and person_id.
        rule: one of `RULES`.
    """

    site: str | None = None
    batch: str | None = None
    variant: Variant | None = None
    person: tuple[str, int] | None = None
    rule: str | None = None

    def batches(self, batch: SealedBatch) -> bool:
        """Return whether a batch is one of those asked about."""
        of_site = self.site in (None, batch.site)
        of_person = self.person is None or self.person[0] == batch.site
        return of_site and of_person and batch.batch.startswith(self.batch or "")

    def rows(self) -> list[pl.Expr]:
        """Return what the rows of such a batch must be."""
        conditions: list[pl.Expr] = []
        if self.rule is not None:
            conditions.append(pl.col("rule") == self.rule)
        if self.person is not None:
            conditions.append(pl.col("person_id") == self.person[1])
        if self.variant is not None:
            v = self.variant
            alleles_like = {"chrom": v.chrom, "pos": v.pos, "ref": v.ref, "alt": v.alt}
            conditions.append(pl.all_horizontal(pl.col(n) == x for n, x in alleles_like.items()))
        return conditions


def rule_named(text: str) -> str:
    """Return a rule of quality control by its name.

    Raises:
        UsageError: there is none of that name.
    """
    return one_of(text, RULES, "rule of quality control")


def batch_named(text: str) -> str:
    """Return the beginning of a batch's id, in small letters.

    Raises:
        UsageError: it is not 8 hex digits or more.
    """
    folded = text.lower()
    if len(folded) < _SHORTEST_BATCH or set(folded) - set("0123456789abcdef"):
        raise UsageError("not a batch", hint="its id, or 8 or more of its first hex digits")
    return folded


def exclusions(snapshot: Snapshot, wanted: Wanted) -> Evaluated[pl.DataFrame]:
    """Return what was excluded in the batches that count, persons first, then alleles.

    A withdrawn person is in no row. A batch that was withdrawn, or of which nothing is left, has
    none. Values rest on the persons of the batch, who contribute.

    Args:
        snapshot: the generation to read.
        wanted: which of them.

    Raises:
        RegionError: of a variant of a contig that nobody has, see `require_contig`.
    """
    parts = [pl.DataFrame(schema=EXCLUSIONS)]
    contributed: dict[str, list[npt.NDArray[np.int64]]] = defaultdict(list)
    read: dict[str, bool] = {}
    for batch, genetic in genetic_batches(snapshot):
        if not wanted.batches(batch):
            continue
        if batch.batch not in read:
            found = of_batch(snapshot, batch).filter(*wanted.rows())
            read[batch.batch] = found.height > 0
            parts.append(found.select(*EXCLUSIONS))
        if read[batch.batch]:
            contributed[batch.site].append(genetic.person_ids)
    frame = pl.concat(parts)
    if wanted.variant is not None and frame.is_empty():
        # Of a contig of which everything was removed there are exclusions and no genotypes.
        require_contig(snapshot, wanted.variant.chrom)
    return _evaluated(frame, {site: np.concatenate(ids) for site, ids in contributed.items()})


def of_batch(snapshot: Snapshot, batch: SealedBatch) -> pl.DataFrame:
    """Return the exclusions of a sealed batch (`EXCLUSIONS`), without withdrawn persons."""
    # The parts of a batch hold the persons that are left; who was removed is in none of them.
    rows = pl.read_parquet(snapshot.batch_folder(batch.batch) / "excluded.parquet")
    gone = pl.col("person_id").is_in(list(snapshot.catalogue.withdrawn.get(batch.site, ())))
    origin = {"site": pl.lit(batch.site), "batch": pl.lit(batch.batch)}
    return (
        rows.filter(~gone.fill_null(value=False)).with_columns(**origin).cast(pl.Schema(EXCLUSIONS))
    )


def _evaluated(frame: pl.DataFrame, contributed: dict[str, Any]) -> Evaluated[pl.DataFrame]:
    shown = frame.filter(pl.col("kind") == PERSON)
    by_site = shown.group_by("site").agg("person_id")
    return Evaluated(
        frame,
        frame.height,
        frame_digest(frame),
        persons(dict(by_site.iter_rows())),
        persons(contributed),
        alleles(frame.filter(pl.col("kind") == VARIANT).select(*ALLELE_KEY)),
    )
