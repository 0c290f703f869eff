"""What the genetic questions share: a snapshot's batches, and how an answer writes a call."""

from __future__ import annotations

from functools import lru_cache
from pathlib import Path
from typing import Any, Final

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.query.criteria import STATES
from precisionchain.replica.catalogue import SealedBatch, Snapshot
from precisionchain.replica.genetic_batch import GeneticBatch, genetic_batch
from precisionchain.replica.kept import Kept
from precisionchain.schemas.calls import Calls

MISSING: Final = 3
NOT_ASSAYED: Final = 4
"""The codes of these `STATES`; those below are the dosage."""

RANK: Final = np.array([2, 3, 3, 1, 0], np.uint8)
"""How good each of `STATES` is to know: no copy, carrier, carrier, missing, not assayed."""

_PLOIDIES: Final = pl.Series("ploidy", [None, 1, 2], pl.UInt8)
_PHASES: Final = pl.Series("phase", [None, "0|0", "0|1", "1|0", "1|1"], pl.String)
_PHASE_OF_DOSAGE: Final = np.array([1, 2, 4], np.uint8)
_FOLDED_BYTES: Final = 128 * 2**20

Bytes = npt.NDArray[np.uint8]

_folded: Final = Kept[pl.DataFrame](_FOLDED_BYTES, lambda frame: int(frame.estimated_size()))


def genetic_batches(snapshot: Snapshot) -> list[tuple[SealedBatch, GeneticBatch]]:
    """Return the VCF batches of a snapshot, or their parts, in the order of their seals."""
    return [
        (batch, genetic_batch(snapshot.folder_of(batch)))
        for batch in snapshot.catalogue.batches
        if batch.kind == "vcf"
    ]


def folded_counts(path: Path) -> pl.DataFrame:
    """Return a bin's folded counts, kept in memory while there is room."""
    return _folded.get(path, lambda: pl.read_parquet(path))


def ploidy_of(calls: Calls) -> Bytes:
    """Return the number of alleles of each call, 1 or 2, and 0 of a missing one."""
    ploidy = np.full(calls.dosage.shape, 2, dtype=np.uint8)
    if calls.haploid is not None:
        ploidy[calls.haploid] = 1
    ploidy[calls.dosage == MISSING] = 0
    return ploidy


def phase_of(calls: Calls) -> Bytes:
    """Return each call's phase as an index into `_PHASES`: 0 where it has none.

    A call that is missing or haploid has none in a block, whatever its file wrote.
    """
    if calls.phase is None:
        return np.zeros(calls.dosage.shape, dtype=np.uint8)
    text = _PHASE_OF_DOSAGE[np.minimum(calls.dosage, 2)] + (calls.phase == 2)
    return np.where(calls.phase > 0, text, 0).astype(np.uint8)


def call_columns(state: Bytes, ploidy: Bytes, phase: Bytes) -> list[pl.Series]:
    """Return the columns genotype, ploidy (null where nothing is called) and phase of an answer."""
    return [
        looked_up(pl.Series("genotype", STATES), state),
        looked_up(_PLOIDIES, ploidy),
        looked_up(_PHASES, phase),
    ]


def looked_up(values: pl.Series, places: npt.NDArray[np.integer[Any]]) -> pl.Series:
    """Return the values at some places."""
    # A frame takes rows at once; a series would build and run a query for it.
    return values.to_frame()[places.astype(np.uint32)].to_series()


@lru_cache(maxsize=64)
def persons_in_several(batches: tuple[tuple[str, Path], ...]) -> bool:
    """Return whether any person (site, person_id) is in more than one of the batches.

    Args:
        batches: site and folder of each.
    """
    persons = pl.concat(
        [
            genetic_batch(folder).samples.select("person_id", pl.lit(site).alias("site"))
            for site, folder in batches
        ]
    )
    return persons.n_unique() < persons.height
