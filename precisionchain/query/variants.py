"""Persons by their state at a variant (Q4)."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.errors import UsageError
from precisionchain.query.criteria import STATES
from precisionchain.query.genotyped import (
    MISSING,
    NOT_ASSAYED,
    RANK,
    Bytes,
    call_columns,
    genetic_batches,
    looked_up,
    persons_in_several,
    phase_of,
    ploidy_of,
)
from precisionchain.query.known_contigs import require_contig
from precisionchain.replica.assayed import expected_ploidies, infers
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


@dataclass(frozen=True, slots=True)
class _States:
    """A batch's persons at a variant, in column order: state, ploidy and phase codes."""

    state: Bytes
    ploidy: Bytes
    phase: Bytes


@dataclass(frozen=True, slots=True)
class _Found:
    """Persons of several batches at a variant: the batch's number, the person and the codes."""

    batch: npt.NDArray[np.uint32]
    person: npt.NDArray[np.int64]
    state: Bytes
    ploidy: Bytes
    phase: Bytes

    def rows(self, rows: npt.NDArray[Any]) -> _Found:
        """Return some of the persons."""
        columns = (self.batch, self.person, self.state, self.ploidy, self.phase)
        return _Found(*(column[rows] for column in columns))


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
        RegionError: a contig that nobody has, see `require_contig`.
    """
    wanted = CARRIERS if genotypes is None else genotypes
    if unknown := sorted(wanted - set(STATES)):
        raise UsageError(f"{unknown[0]!r} is no genotype", hint=f"one of {', '.join(STATES)}")
    variant = variant.trimmed()
    require_contig(snapshot, variant.chrom)
    batches = genetic_batches(snapshot)
    if not batches:
        return pl.DataFrame(schema=VARIANT_CALLS)
    found = _together([(genetic.person_ids, _states(genetic, variant)) for _, genetic in batches])
    sites = [batch.site for batch, _ in batches]
    if persons_in_several(tuple((b.site, genetic.folder) for b, genetic in batches)):
        found = found.rows(_best_known(found, sites))
    asked = [STATES.index(name) for name in wanted]
    found = found.rows(np.isin(found.state, asked))
    return _answer(found, [batch for batch, _ in batches])


def states_in(batch: GeneticBatch, variant: Variant) -> Bytes:
    """Return the state of every person of a batch at a variant, in column order: `STATES`."""
    return _states(batch, variant.trimmed()).state


def _states(batch: GeneticBatch, variant: Variant) -> _States:
    """Return the state of every person of a batch at a variant."""
    site = batch.site_at(variant.chrom, variant.pos, variant.ref, variant.alt)
    if (site is None or not site.own) and _removed(batch, variant):
        return _not_assayed(batch.samples.height)
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


def _removed(batch: GeneticBatch, variant: Variant) -> bool:
    """Return whether quality control took the allele out of the batch before publication."""
    return (variant.chrom, variant.pos, variant.ref, variant.alt) in batch.removed_keys


def _not_assayed(persons: int) -> _States:
    none = np.zeros(persons, dtype=np.uint8)
    return _States(np.full(persons, NOT_ASSAYED, dtype=np.uint8), none, none)


def _inferred(batch: GeneticBatch, variant: Variant) -> _States:
    """Return states where no record lists the position: 0 inside the extent, else not assayed."""
    persons = batch.samples.height
    ploidy = np.zeros(persons, dtype=np.uint8)
    allele = pl.DataFrame(
        [(variant.chrom, variant.pos, variant.ref, variant.alt)],
        schema={"chrom": pl.String, "pos": pl.Int32, "ref": pl.String, "alt": pl.String},
        orient="row",
    )
    if batch.assay.kind != "sites" and bool(infers(batch, allele)[0]):
        ploidy = expected_ploidies(batch, variant.chrom, variant.pos)
    state = np.where(ploidy > 0, 0, NOT_ASSAYED).astype(np.uint8)
    return _States(state, ploidy, np.zeros(persons, dtype=np.uint8))


def _together(parts: Sequence[tuple[npt.NDArray[np.int64], _States]]) -> _Found:
    """Return the persons of all batches, numbered in the order given."""
    sizes = [len(persons) for persons, _ in parts]
    columns = (
        np.concatenate([getattr(states, name) for _, states in parts])
        for name in ("state", "ploidy", "phase")
    )
    numbers = np.repeat(np.arange(len(parts), dtype=np.uint32), sizes)
    return _Found(numbers, np.concatenate([persons for persons, _ in parts]), *columns)


def _best_known(found: _Found, sites: Sequence[str]) -> npt.NDArray[np.uint32]:
    """Return each person's row of the best known state, of equals that of the earliest batch."""
    rows = pl.DataFrame(
        [
            looked_up(pl.Series("site", sites), found.batch),
            pl.Series("person", found.person),
            pl.Series("batch", found.batch),
            pl.Series("rank", RANK[found.state]),
        ]
    ).with_row_index("row")
    best = rows.sort("rank", "batch", descending=[True, False]).unique(
        ["site", "person"], keep="first"
    )
    return best["row"].to_numpy()


def _answer(found: _Found, batches: Sequence[SealedBatch]) -> pl.DataFrame:
    """Return the answer's rows, by site and person."""
    sites = np.array([batch.site for batch in batches])
    found = found.rows(np.lexsort((found.person, sites[found.batch])))
    ids = pl.Series("batch", [*(batch.batch for batch in batches), None], pl.String)
    # Where nothing is assayed there is no batch to name: the place after the last one.
    of = np.where(found.state == NOT_ASSAYED, len(batches), found.batch)
    return pl.DataFrame(
        [
            looked_up(pl.Series("site", sites.tolist()), found.batch),
            pl.Series("person_id", found.person),
            *call_columns(found.state, found.ploidy, found.phase),
            looked_up(ids, of),
        ]
    )
