"""The rules about alleles: call rate, equilibrium, linkage disequilibrium, in one pass."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.ingest.qc_calls import StagedCalls, plink_codes
from precisionchain.ingest.qc_counts import TOLERANCE, Counted, Persons, Region, count, regions
from precisionchain.ingest.qc_exclusions import Collector, Found
from precisionchain.ingest.qc_kernels import bit_planes
from precisionchain.ingest.qc_ld import Pruner
from precisionchain.ingest.qc_settings import Thresholds
from precisionchain.schemas.calls import MISSING
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
        codes = plink_codes(staged.calls())
        if len(self.persons.columns) < codes.shape[1]:
            codes = codes[:, self.persons.columns]
        region = regions(self.build, staged.chrom, staged.sites["pos"].to_numpy())
        counted = count(codes, region, self.persons)
        missing = counted.too_often_missing(self.limits.variant_missing)
        p = counted.hwe_p(~missing)
        unequal = p < self.limits.hwe_p * (1 - TOLERANCE)
        rate = 1 - counted.called / np.maximum(counted.persons, 1)
        self._note(VARIANT_MISSING, staged.rows, missing, rate, counted.persons)
        self._note(HWE, staged.rows, unequal, p, counted.founders_called)
        self._prune(staged.rows, codes, region, counted, ~missing & ~unequal)

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
        codes: npt.NDArray[np.uint8],
        region: npt.NDArray[np.uint8],
        counted: Counted,
        kept: Flags,
    ) -> None:
        """Hand the alleles that are left to the pruner of their chromosome.

        The pseudo-autosomal regions of X are a chromosome of their own, as PLINK's XY is.
        """
        founder = self.persons.founder
        if self.limits.ld_r2 is None or founder.sum() < _MIN_FOUNDERS_OF_LD:
            return
        male = self.persons.male[founder]
        for of in np.unique(region[kept]):
            which = kept & (region == of)
            mine = codes[which] if founder.all() else codes[np.ix_(which, founder)]
            if of in (Region.X, Region.Y):
                mine = _one_copy(mine, male, only_males=of == Region.Y)
            # PLINK counts copies of A1, the rarer allele; where males count half, it matters.
            planes = bit_planes(
                np.ascontiguousarray(mine),
                counted.ref[which] < 0.5,
                male if of == Region.X else np.zeros(len(male), np.bool_),
            )
            pruner = self._pruners.setdefault(bool(of == Region.PAR), self._pruner())
            pruner.add(rows[which], planes, counted.maf[which])

    def _pruner(self) -> Pruner:
        limits = self.limits
        return Pruner(limits.ld_window, limits.ld_step, limits.ld_r2 or 0.0)


def _one_copy(
    codes: npt.NDArray[np.uint8], male: Flags, *, only_males: bool
) -> npt.NDArray[np.uint8]:
    """Return codes where a male's heterozygous call, and on Y a female's call, is missing."""
    unknown = (codes == 1) & male
    if only_males:
        unknown |= ~male
    return np.where(unknown, np.uint8(MISSING), codes)
