"""Genotype counts of alleles by class of person, and what PLINK 1.9 takes from them.

How many copies a person has depends on the chromosome and the sex, as in PLINK 1.9 after
``--split-x``: X outside the pseudo-autosomal regions is haploid in males, Y is known in males
alone, and everything else is diploid (MT too, whose calls are homozygous). Who is not a known male
counts as a female.
"""

from __future__ import annotations

from dataclasses import dataclass
from enum import IntEnum
from typing import Final

import numpy as np
import numpy.typing as npt

from precisionchain.ingest.qc_hwe import hwe_exact
from precisionchain.ingest.qc_kernels import Planes
from precisionchain.ingest.qc_planes import count_classes, mask
from precisionchain.schemas.genome import in_par

Flags = npt.NDArray[np.bool_]
Ints = npt.NDArray[np.int64]
Floats = npt.NDArray[np.float64]

N_CLASSES: Final = 4
"""Classes of persons: 0 female, 1 male; 2 female and 3 male founders."""

TOLERANCE: Final = 2.0**-44
"""Relative tolerance of PLINK 1.9's comparisons."""

MALE: Final = 1


class Region(IntEnum):
    """Which rule of ploidy quality control follows."""

    DIPLOID = 0
    X = 1
    Y = 2
    MT = 3
    PAR = 4


def regions(build: str, chrom: str, positions: npt.NDArray[np.int32]) -> npt.NDArray[np.uint8]:
    """Return the `Region` of each position of one chromosome, uint8."""
    region = {"X": Region.X, "Y": Region.Y, "MT": Region.MT}.get(chrom, Region.DIPLOID)
    out = np.full(positions.shape, region, np.uint8)
    if region is Region.X:
        out[in_par(build, chrom, positions)] = Region.PAR
    return out


@dataclass(frozen=True, slots=True)
class Persons:
    """The persons of a run, in column order, and of whom statistics are taken.

    Attributes:
        male: bool, who is known to be male.
        founder: bool, who has no parent in the sample map.
        there: bool, who is not excluded.
    """

    male: Flags
    founder: Flags
    there: Flags

    def __len__(self) -> int:
        return len(self.there)

    def kept(self, which: Flags) -> Persons:
        """Return the persons with some of them excluded."""
        return Persons(self.male, self.founder, self.there & which)


@dataclass(frozen=True, slots=True)
class Counted:
    """Counts of alleles; arrays of one length.

    Attributes:
        called: persons with a call, of those who can have one.
        persons: persons who can have one.
        n_het, n_hom_alt, n_hom_ref: founders by genotype, as the test of equilibrium takes them;
            0 where it is not made.
        tested: whether it is made.
        ref: frequency of REF among founders; 0.5 where nobody is called.
    """

    called: Ints
    persons: Ints
    n_het: Ints
    n_hom_alt: Ints
    n_hom_ref: Ints
    tested: Flags
    ref: Floats

    @property
    def maf(self) -> Floats:
        """Frequency of the rarer of ALT and all others."""
        return np.minimum(self.ref, 1 - self.ref)

    @property
    def founders_called(self) -> Ints:
        """Founders the test of equilibrium sees."""
        return self.n_het + self.n_hom_alt + self.n_hom_ref

    def too_often_missing(self, limit: float) -> Flags:
        """Return which alleles are missing in a larger share of persons than ``limit``."""
        rate = self.called * np.where(self.persons > 0, 1 / np.maximum(self.persons, 1), 0.0)
        return rate < (1 - limit) * (1 - TOLERANCE)

    def hwe_p(self, rows: Flags) -> Floats:
        """Return p-values of some alleles, 1 elsewhere and where no test is made."""
        p = np.ones(len(self.called))
        rows = rows & self.tested
        p[rows] = hwe_exact(self.n_het[rows], self.n_hom_alt[rows], self.n_hom_ref[rows])
        return p


def count(planes: Planes, region: npt.NDArray[np.uint8], persons: Persons) -> Counted:
    """Count the calls of some alleles.

    Args:
        planes: of the alleles and all persons, see `qc_planes`.
        region: `Region` of each allele.
        persons: whose calls count.
    """
    found = np.zeros((len(planes), N_CLASSES, 3), np.int64)
    classes = persons.male + 2 * persons.founder
    present = np.unique(classes[persons.there])
    if len(present):
        masks = [mask(persons.there & (classes == number)) for number in present]
        found[:, present] = count_classes(planes, np.stack(masks))
    everybody = found.sum(axis=1)
    males = found[:, 1] + found[:, 3]
    female_founders, male_founders = found[:, 2], found[:, 3]
    founders = female_founders + male_founders

    is_x, is_y = region == Region.X, region == Region.Y
    tested = ~is_y & (region != Region.MT)
    seen = np.where(is_x[:, None], female_founders, founders) * tested[:, None]
    one_copy = np.where((is_x | is_y)[:, None], male_founders, 0)
    two_copies = np.where(is_x[:, None], female_founders, np.where(is_y[:, None], 0, founders))
    ref = 2 * two_copies[:, 0] + two_copies[:, 1] + one_copy[:, 0]
    alt = 2 * two_copies[:, 2] + two_copies[:, 1] + one_copy[:, 2]
    return Counted(
        called=np.where(is_y[:, None], males, everybody).sum(axis=1),
        persons=np.where(is_y, (persons.male & persons.there).sum(), persons.there.sum()),
        n_het=seen[:, 1],
        n_hom_alt=seen[:, 2],
        n_hom_ref=seen[:, 0],
        tested=tested,
        ref=np.where(ref + alt > 0, ref / np.maximum(ref + alt, 1), 0.5),
    )
