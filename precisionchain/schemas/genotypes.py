"""Genotype calls of a run of alleles and a group of persons.

The semantics (dosage, ploidy, phase) are those of docs/reference/genotype-blocks.md.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Final

import numpy as np
import numpy.typing as npt

MISSING: Final = 3
"""The dosage of a call with at least one missing allele."""


@dataclass(frozen=True, slots=True)
class Calls:
    """Calls of ``n_alleles`` split ALT alleles (rows) by ``n_persons`` persons (columns).

    Attributes:
        dosage: uint8 [n_alleles, n_persons]; copies of this ALT: 0, 1, 2, or 3 = missing.
            A haploid call is 0, 1 or 3.
        haploid: bool [n_alleles, n_persons], or None = every call is diploid.
        phase: uint8 [n_alleles, n_persons], or None = nothing is phased. 0 = unphased;
            1 = phased, and for a heterozygous call ALT on the second haplotype (``0|1``);
            2 = heterozygous with ALT on the first haplotype (``1|0``). Without meaning, and
            ignored, where the call is missing or haploid.
    """

    dosage: npt.NDArray[np.uint8]
    haploid: npt.NDArray[np.bool_] | None = None
    phase: npt.NDArray[np.uint8] | None = None

    @property
    def n_alleles(self) -> int:
        """Number of rows."""
        return int(self.dosage.shape[0])

    @property
    def n_persons(self) -> int:
        """Number of columns."""
        return int(self.dosage.shape[1])
