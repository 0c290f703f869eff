"""Everybody in the consortium, and who is on record where."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from precisionchain.synthetic.design import Design
from precisionchain.synthetic.pedigree import SINGLE, Ints, Pedigree, build_pedigree
from precisionchain.synthetic.phenotype import Traits
from precisionchain.synthetic.population import Founding, found
from precisionchain.synthetic.roster import (
    Days,
    Members,
    assign_sites,
    choose_genotyped,
    draw_births,
    family_counts,
    taken_over,
)


@dataclass(frozen=True, slots=True)
class People:
    """All humans, and the sites' members.

    Args:
        pedigree: who descends from whom.
        founding: the founders and their populations.
        born: dates of birth of all humans.
        members: of each site, in the order of the design.
    """

    pedigree: Pedigree
    founding: Founding
    born: Days
    members: tuple[Members, ...]

    def on_record_twice(self) -> Ints:
        """Humans whom two sites have on record."""
        everywhere = np.concatenate([of_site.human for of_site in self.members])
        humans, times = np.unique(everywhere, return_counts=True)
        twice: Ints = humans[times > 1]
        return twice

    def famous(self, members: Members, traits: Traits, shared: Ints) -> int:
        """The member to be person 42: genotyped, of one site, without kin, with planted diseases.

        As many of these as can be had, in this order.

        Args:
            members: of the site.
            traits: the planted diseases of all humans.
            shared: humans on record at two sites.
        """
        single = [pattern.name for pattern in self.pedigree.patterns].index(SINGLE.name)
        score = 32.0 * (members.file >= 0)
        score += 16 * ~np.isin(members.human, shared)
        score += 8 * (self.pedigree.pattern[members.human] == single)
        for weight, has in zip((4, 2, 1), traits.has.values(), strict=False):
            score += weight * has[members.human]
        return int(np.argmax(score))


def draw_people(design: Design, rng: np.random.Generator) -> People:
    """Draw families, populations, births, and the sites' members."""
    taken = taken_over(design.persons, design.duplicates)
    humans = sum(design.persons) - sum(taken)
    pedigree = build_pedigree(family_counts(humans, design.related), rng)
    founding = found(pedigree, rng)
    born = draw_births(pedigree, rng)
    on_record = assign_sites(pedigree, design.persons, taken, rng)
    members = tuple(
        Members(site, own, choose_genotyped(len(own), design.genotyped, len(assays), rng))
        for site, own, assays in zip(design.sites, on_record, design.assays, strict=True)
    )
    return People(pedigree, founding, born, members)
