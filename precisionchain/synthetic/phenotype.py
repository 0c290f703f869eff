"""Draw every human's phenotypes from the planted associations."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from precisionchain.synthetic.associations import Association, Phenotype, of_phenotype
from precisionchain.synthetic.pedigree import MALE_SEX, Flags, Ints

Floats = npt.NDArray[np.float64]
_MIDDLE_YEAR = 1970


@dataclass(frozen=True, slots=True)
class Traits:
    """What was drawn.

    Args:
        has: concept of a binary phenotype -> whether each human has it.
        level: concept of a quantitative one -> each human's own mean.
    """

    has: Mapping[int, Flags]
    level: Mapping[int, Floats]


def draw_traits(
    phenotypes: Sequence[Phenotype],
    planted: Sequence[Association],
    copies: Mapping[str, Ints],
    covariates: Floats,
    rng: np.random.Generator,
) -> Traits:
    """Draw the phenotypes of all humans.

    Args:
        phenotypes: to be drawn.
        planted: their variants; those that no stretch holds have no effect.
        copies: variant -> copies each human carries.
        covariates: as `covariate_table` makes them.
        rng: randomness.
    """
    has, level = {}, {}
    for phenotype in phenotypes:
        effects = np.array([phenotype.male, phenotype.decade, phenotype.p2, phenotype.p3])
        score = phenotype.intercept + covariates @ effects
        for association in of_phenotype(planted, phenotype.name):
            if association.variant in copies:
                score += association.effect * copies[association.variant]
        if phenotype.model == "logistic":
            has[phenotype.concept_id] = rng.random(len(score)) < 1 / (1 + np.exp(-score))
        else:
            noise = phenotype.noise * rng.standard_normal(len(score))
            level[phenotype.concept_id] = score + noise
    return Traits(has, level)


def covariate_table(sex: Ints, born: npt.NDArray[np.datetime64], ancestry: Floats) -> Floats:
    """Columns male (0, 1), decades of birth before 1970, shares of P2 and P3; [humans, 4]."""
    year = born.astype("datetime64[Y]").astype(np.int64) + 1970
    columns = [sex == MALE_SEX, (_MIDDLE_YEAR - year) / 10, ancestry[:, 1], ancestry[:, 2]]
    return np.stack([np.asarray(c, dtype=np.float64) for c in columns], axis=1)
