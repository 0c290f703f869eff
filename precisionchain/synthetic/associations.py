"""What is planted: which variants and covariates move which phenotype, and by how much.

A binary phenotype is drawn once a human from ``log odds = intercept + sum of effects``, a
quantitative one is ``intercept + sum of effects + noise``. Terms: copies of the ALT (of X in men:
0 or 1), whether male, decades of birth before 1970 (negative after it), and the expected shares of
populations P2 and P3. All can be had from the files, so that a regression has the true model.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal

from precisionchain.synthetic.concepts import (
    CHOLESTEROL,
    CORONARY_ARTERIOSCLEROSIS,
    SYSTOLIC_PRESSURE,
    TYPE_2_DIABETES,
)

Model = Literal["logistic", "linear"]


@dataclass(frozen=True, slots=True)
class Phenotype:
    """How a phenotype is drawn but for its variants.

    Args:
        name: in the truth's tables.
        concept_id: of the condition, or of the measurement.
        model: ``logistic`` for a condition, ``linear`` for a measurement.
        intercept: log odds, or the value in ``unit``, of a woman born in 1970 in population P1.
        male, decade, p2, p3: effects of the covariates.
        noise: standard deviation between humans, of a linear one.
        unit: UCUM name, of a linear one.
    """

    name: str
    concept_id: int
    model: Model
    intercept: float
    male: float
    decade: float
    p2: float
    p3: float
    noise: float = 0.0
    unit: str = ""


@dataclass(frozen=True, slots=True)
class Association:
    """One variant's effect on one phenotype.

    Args:
        chrom, position, ref, alt: the variant, GRCh37.
        variant_id: its ID in the VCF.
        phenotype: a `Phenotype`'s name.
        effect: log odds, or units of the measurement, a copy of ALT.
        frequency: the frequency it is planted with, nearly.
    """

    chrom: str
    position: int
    ref: str
    alt: str
    variant_id: str
    phenotype: str
    effect: float
    frequency: float

    @property
    def variant(self) -> str:
        """As ``chrom:pos:ref:alt``."""
        return f"{self.chrom}:{self.position}:{self.ref}:{self.alt}"


PHENOTYPES: tuple[Phenotype, ...] = (
    Phenotype("diabetes", TYPE_2_DIABETES, "logistic", -2.2, 0.2, 0.25, 0.4, 0.3),
    Phenotype("coronary", CORONARY_ARTERIOSCLEROSIS, "logistic", -3.0, 0.6, 0.4, 0.0, -0.2),
    Phenotype("cholesterol", CHOLESTEROL, "linear", 185.0, -4.0, 2.0, -5.0, 3.0, 28.0, "mg/dL"),
    Phenotype("systolic", SYSTOLIC_PRESSURE, "linear", 121.0, 4.0, 3.0, 4.0, 0.0, 9.0, "mm[Hg]"),
)

# rs7903146 and rs4977574 are known for these diseases; the effects and the other two are invented.
PLANTED: tuple[Association, ...] = (
    Association("10", 114_758_349, "C", "T", "rs7903146", "diabetes", 0.5, 0.3),
    Association("9", 22_098_574, "A", "G", "rs4977574", "coronary", 0.7, 0.4),
    Association("22", 42_450_000, "G", "A", "made_up_1", "cholesterol", 8.0, 0.25),
    Association("9", 22_005_000, "T", "C", "made_up_2", "cholesterol", -6.0, 0.2),
    Association("10", 114_790_000, "G", "C", "made_up_3", "systolic", 2.5, 0.35),
)


def of_phenotype(planted: Sequence[Association], name: str) -> list[Association]:
    """The associations with a phenotype."""
    return [association for association in planted if association.phenotype == name]
