"""Persons by their state at a variant (Q4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.errors import UsageError
from precisionchain.query.genotyped import (
    MISSING,
    NOT_ASSAYED,
    STATE_NAMES,
    Bytes,
    call_columns,
    genetic_batches,
    named,
    persons_in_several,
    phase_of,
    ploidy_of,
)
from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.replica.genetic_batch import GeneticBatch
from precisionchain.schemas.variant import Variant

CARRIERS: Final = frozenset({"1", "2"})
"""The states asked for by default."""

VARIANT_CALLS: Final = {
    "site": pl.String,
    "person_id": pl.Int64,
    "genotype": pl.String,
    "ploidy": pl.UInt8,
    "phase": pl.String,
    "batch": pl.String,
}
"""Columns of an answer; ``batch`` is null where the variant is not assayed."""

_RANK: Final = np.array([2, 3, 3, 1, 0], np.uint8)
"""How good each state is to know: carrier, no copy, missing, not assayed."""


@dataclass(frozen=True, slots=True)
class _States:
    """A batch's persons at a variant, in column order: state, ploidy and phase codes."""

    state: Bytes
    ploidy: Bytes
    phase: Bytes

    def frame(
        self, number: int, batch: GeneticBatch, rows: npt.NDArray[np.intp] | None = None
    ) -> pl.DataFrame:
        """Return batch (its number), person_id and the codes of some persons (all by default)."""
        columns = {
            "person_id": batch.samples["person_id"],
            "state": pl.Series(self.state),
            "ploidy": pl.Series(self.ploidy),
            "phase": pl.Series(self.phase),
        }
        if rows is not None:
            columns = {name: column.gather(rows) for name, column in columns.items()}
        frame = pl.DataFrame(columns)
        return frame.select(pl.lit(number, pl.UInt32).alias("batch"), pl.all())


def variant_calls(
    snapshot: Snapshot, variant: Variant, genotypes: frozenset[str] | None = None
) -> pl.DataFrame:
    """Return the persons of the network in some states at a variant, by site and person.

    Every person with genotypes has one state: ``0``, ``1``, ``2`` (copies of this allele),
    ``missing``, or ``not_assayed``. Of a person in several batches the best known counts: a call
    before a missing one, that before not assayed, and of two calls the one that carries.

    Args:
        snapshot: the generation to read.
        variant: the allele, trimmed here as the network stores it.
        genotypes: the states asked for; None asks for carriers, 1 and 2.

    Raises:
        UsageError: a state that is none.
    """
    wanted = CARRIERS if genotypes is None else genotypes
    if unknown := sorted(wanted - set(STATE_NAMES)):
        raise UsageError(f"{unknown[0]!r} is no genotype", hint=f"one of {', '.join(STATE_NAMES)}")
    variant = variant.trimmed()
    batches = genetic_batches(snapshot)
    if not batches:
        return pl.DataFrame(schema=VARIANT_CALLS)
    codes = [STATE_NAMES.index(name) for name in wanted]
    several = persons_in_several(tuple((b.site, genetic.folder) for b, genetic in batches))
    parts = []
    for number, (_, genetic) in enumerate(batches):
        states = _states(genetic, variant)
        if several:
            parts.append(states.frame(number, genetic))
        elif (rows := np.flatnonzero(np.isin(states.state, codes))).size:
            parts.append(states.frame(number, genetic, rows))
    if not parts:
        return pl.DataFrame(schema=VARIANT_CALLS)
    found = pl.concat(parts)
    if several:
        found = _best_known(found, [batch.site for batch, _ in batches])
        found = found.filter(pl.col("state").is_in(codes))
    return _answer(found, [batch for batch, _ in batches])


def _states(batch: GeneticBatch, variant: Variant) -> _States:
    """Return the state of every person of a batch at a variant."""
    site = batch.site_at(variant.chrom, variant.pos, variant.ref, variant.alt)
    if site is None:
        return _inferred(batch, variant)
    calls = batch.calls_at(site)
    state = calls.dosage[0]
    phase = phase_of(calls)[0]
    if not site.own:
        # Another allele's calls at this position: who is called there has no copy of this one.
        state = np.where(state == MISSING, MISSING, 0).astype(np.uint8)
        phase = (phase > 0).astype(np.uint8)
    return _States(state, ploidy_of(calls)[0], phase)


def _inferred(batch: GeneticBatch, variant: Variant) -> _States:
    """Return states where no record lists the position: 0 inside the extent, else not assayed."""
    persons = batch.samples.height
    ploidy = np.zeros(persons, dtype=np.uint8)
    allele = pl.DataFrame(
        [(variant.chrom, variant.pos, variant.ref, variant.alt)],
        schema={"chrom": pl.String, "pos": pl.Int32, "ref": pl.String, "alt": pl.String},
        orient="row",
    )
    if batch.assay.kind != "sites" and bool(batch.infers(allele)[0]):
        ploidy = batch.expected_ploidies(variant.chrom, variant.pos)
    state = np.where(ploidy > 0, 0, NOT_ASSAYED).astype(np.uint8)
    return _States(state, ploidy, np.zeros(persons, dtype=np.uint8))


def _best_known(found: pl.DataFrame, sites: Sequence[str]) -> pl.DataFrame:
    """Return one row a person: the best known state, of equals that of the earliest batch."""
    return (
        found.with_columns(
            named(found["batch"].to_numpy(), sites, "site"),
            pl.Series("rank", _RANK[found["state"].to_numpy()]),
        )
        .sort("rank", "batch", descending=[True, False])
        .unique(["site", "person_id"], keep="first", maintain_order=True)
        .drop("site", "rank")
    )


def _answer(found: pl.DataFrame, batches: Sequence[SealedBatch]) -> pl.DataFrame:
    number = found["batch"].to_numpy()
    batch = named(number, [batch.batch for batch in batches], "batch")
    state, ploidy, phase = (found[name].to_numpy() for name in ("state", "ploidy", "phase"))
    return pl.DataFrame(
        [
            named(number, [batch.site for batch in batches], "site"),
            found["person_id"],
            *call_columns(state, ploidy, phase),
            batch.set(found["state"] == NOT_ASSAYED, None),
        ]
    ).sort("site", "person_id")
