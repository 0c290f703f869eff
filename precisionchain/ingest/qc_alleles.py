"""The rules about alleles: call rate, equilibrium, linkage disequilibrium, in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.ingest.qc_calls import StagedCalls
from precisionchain.ingest.qc_counts import TOLERANCE, Counted, Persons, Region, count, regions
from precisionchain.ingest.qc_exclusions import Collector, Found
from precisionchain.ingest.qc_kernels import Planes
from precisionchain.ingest.qc_ld import Pruner
from precisionchain.ingest.qc_planes import centred_planes, mask
from precisionchain.ingest.qc_settings import Thresholds
from precisionchain.schemas.exclusions import HWE, LD, VARIANT_MISSING

Flags = npt.NDArray[np.bool_]

_MIN_FOUNDERS_OF_LD: Final = 2
"""With fewer PLINK prunes nothing."""


@dataclass(slots=True)
class AlleleJudge:
    """Judges alleles, block by block in the order of the run; keeps a window of the last block.

    Args:
        persons: who is not excluded.
        build: canonical build of the run.
        limits: the thresholds.
        collector: where exclusions go.
    """

    persons: Persons
    build: str
    limits: Thresholds
    collector: Collector
    _chrom: str = ""
    _pruners: dict[bool, Pruner] = field(default_factory=dict)

    def add(self, staged: StagedCalls) -> None:
        """Judge the alleles of a block."""
        if staged.chrom != self._chrom:
            self.close()
            self._chrom = staged.chrom
        planes = staged.planes()
        region = regions(self.build, staged.chrom, staged.sites["pos"].to_numpy())
        counted = count(planes, region, self.persons)
        missing = counted.too_often_missing(self.limits.variant_missing)
        p = counted.hwe_p(~missing)
        unequal = p < self.limits.hwe_p * (1 - TOLERANCE)
        rate = 1 - counted.called / np.maximum(counted.persons, 1)
        self._note(VARIANT_MISSING, staged.rows, missing, rate, counted.persons)
        self._note(HWE, staged.rows, unequal, p, counted.founders_called)
        self._prune(staged.rows, planes, region, counted, ~missing & ~unequal)

    def close(self) -> None:
        """Finish the chromosome."""
        for pruner in self._pruners.values():
            gone = pruner.close()
            threshold = 1.0 if self.limits.ld_r2 is None else self.limits.ld_r2
            self.collector.alleles.append(Found(LD, threshold, gone.rows, gone.r2, gone.n))
        self._pruners = {}

    def _note(
        self,
        rule: str,
        rows: npt.NDArray[np.int64],
        which: Flags,
        values: npt.NDArray[np.float64],
        n: npt.NDArray[np.int64],
    ) -> None:
        threshold = {VARIANT_MISSING: self.limits.variant_missing, HWE: self.limits.hwe_p}[rule]
        found = Found(rule, threshold, rows[which], values[which], n[which])
        self.collector.alleles.append(found)

    def _prune(
        self,
        rows: npt.NDArray[np.int64],
        planes: Planes,
        region: npt.NDArray[np.uint8],
        counted: Counted,
        kept: Flags,
    ) -> None:
        """Hand the alleles that are left to the pruner of their chromosome.

        The pseudo-autosomal regions of X are a chromosome of their own, as PLINK's XY is.
        """
        founder = self.persons.founder & self.persons.there
        if self.limits.ld_r2 is None or founder.sum() < _MIN_FOUNDERS_OF_LD:
            return
        male, nobody = self.persons.male, np.zeros_like(founder)
        for of in np.unique(region[kept]):
            which = kept & (region == of)
            # PLINK counts copies of A1, the rarer allele; where males count half, it matters.
            mine = centred_planes(
                planes,
                np.flatnonzero(which),
                counted.ref[which] < 0.5,
                mask(founder & male if of == Region.Y else founder),
                mask(male if of in (Region.X, Region.Y) else nobody),
                mask(male if of == Region.X else nobody),
            )
            pruner = self._pruners.setdefault(bool(of == Region.PAR), self._pruner())
            pruner.add(rows[which], mine, counted.maf[which])

    def _pruner(self) -> Pruner:
        limits = self.limits
        return Pruner(limits.ld_window, limits.ld_step, limits.ld_r2 or 0.0)
