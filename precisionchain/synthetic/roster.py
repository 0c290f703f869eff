"""Who is on record where: sites, person ids, dates of birth, and whom the sites have genotyped."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from precisionchain.synthetic.pedigree import (
    ADMIXED,
    EXTENDED,
    NOBODY,
    SINGLE,
    TRIO,
    Ints,
    Pattern,
    Pedigree,
)

FAMOUS = 42  # a person id that every site has, so that texts can name ``A:42`` and ``B:42``
_MOVED = 0.15  # share of family members who are on record at another site than their family
_IN_EXTENDED, _IN_TRIOS, _ADMIXED = 0.5, 0.5, 0.12  # of the related, the related, the singles
_LAST_YEAR = 2004  # of birth
_GENERATION_YEARS = 26

Days = npt.NDArray[np.datetime64]


@dataclass(frozen=True, slots=True)
class Members:
    """The humans on record at a site, before they get their ids there.

    Args:
        site: the site's name.
        human: whose records there are; one entry a record.
        file: number of the genotype file of each, -1 for none.
    """

    site: str
    human: Ints
    file: Ints

    def __len__(self) -> int:
        return len(self.human)

    def columns(self) -> list[Ints]:
        """For each genotype file the members in the order of its columns."""
        return [np.flatnonzero(self.file == file) for file in range(int(self.file.max()) + 1)]

    def sample_ids(self) -> list[list[str]]:
        """The sample names of each genotype file, in the order of its columns."""
        columns = self.columns()
        first = np.cumsum([1, *(len(c) for c in columns)])
        return [
            [f"{self.site}{first[file] + place:06}" for place in range(len(column))]
            for file, column in enumerate(columns)
        ]


@dataclass(frozen=True, slots=True)
class Roster:
    """The persons of a site, ascending by id; one entry each in every array.

    Args:
        site: the site's name.
        person_id: gapped ids, unrelated to those of other sites.
        member: the person's index in the site's `Members`.
        human: whose record it is.
        sex: 1 male, 2 female.
        born: date of birth.
    """

    site: str
    person_id: Ints
    member: Ints
    human: Ints
    sex: Ints
    born: Days

    def __len__(self) -> int:
        return len(self.person_id)

    def persons_of(self, members: Ints) -> Ints:
        """The person ids of members."""
        return self.person_id[np.argsort(self.member)[members]]


def taken_over(sizes: Sequence[int], duplicates: float) -> list[int]:
    """How many humans each site shares with the one before it (the first with none)."""
    pairs = zip([0, *sizes], sizes, strict=False)
    return [round(duplicates * min(before, size)) for before, size in pairs]


def family_counts(humans: int, related: float) -> list[tuple[Pattern, int]]:
    """How often each pattern occurs, so that ``humans`` are on record in all."""
    extended = int(humans * related * _IN_EXTENDED) // EXTENDED.recorded
    trios = int(humans * related * _IN_TRIOS) // TRIO.recorded
    left = humans - extended * EXTENDED.recorded - trios * TRIO.recorded
    admixed = int(left * _ADMIXED)
    return [(EXTENDED, extended), (TRIO, trios), (ADMIXED, admixed), (SINGLE, left - admixed)]


def draw_births(pedigree: Pedigree, rng: np.random.Generator) -> Days:
    """Dates of birth: children some 26 years after their parents, twins on one day."""
    generations = np.array([max(p.generations()) for p in pedigree.patterns])[pedigree.pattern]
    span = _LAST_YEAR - 1935 - _GENERATION_YEARS * generations
    families = int(pedigree.family.max()) + 1
    base = rng.random(families)[pedigree.family] * np.maximum(span, 1)
    # Who marries into a family is of the age of the spouse, though a founder.
    age_group = pedigree.generation.copy()
    for parent in (pedigree.father, pedigree.mother):
        child = parent != NOBODY
        np.maximum.at(age_group, parent[child], pedigree.generation[child] - 1)
    year = 1935 + base + _GENERATION_YEARS * age_group
    days = ((year - 1970) * 365.25 + rng.integers(-1_000, 1_000, len(pedigree))).astype(np.int64)
    later = np.flatnonzero(pedigree.twin != NOBODY)
    days[later] = days[pedigree.twin[later]]
    born: Days = np.datetime64("1970-01-01", "D") + days
    return born


def assign_sites(
    pedigree: Pedigree, sizes: Sequence[int], taken: Sequence[int], rng: np.random.Generator
) -> list[Ints]:
    """The humans on record at each site, in no order.

    Families fill one site after another; then some members of different families change places,
    and each site takes over some humans of the site before it.
    """
    recorded = np.flatnonzero(pedigree.recorded)
    site = _by_family(pedigree.family[recorded], [n - t for n, t in zip(sizes, taken, strict=True)])
    size_of = np.array([pattern.recorded for pattern in pedigree.patterns])
    in_family = size_of[pedigree.pattern[recorded]] > 1
    moving = np.flatnonzero(in_family & (rng.random(len(recorded)) < _MOVED))
    site[moving] = site[rng.permutation(moving)]
    own = [recorded[site == number] for number in range(len(sizes))]
    return [
        np.concatenate([own[number], rng.choice(own[number - 1], taken[number], replace=False)])
        for number in range(len(sizes))
    ]


def _by_family(family: Ints, own: Sequence[int]) -> Ints:
    """A site for each human, so that sites get their numbers and families stay together, nearly.

    Families of every pattern are dealt out evenly: sorted by a number that runs through each
    pattern's families in turn, the first go to the first site.
    """
    order = np.argsort(_spread(family), kind="stable")
    site = np.empty(len(family), dtype=np.int64)
    site[order] = np.repeat(np.arange(len(own)), own)
    return site


def _spread(family: Ints) -> npt.NDArray[np.float64]:
    """A number between 0 and 1 by family, whose multiples of the golden ratio lie evenly."""
    spread: npt.NDArray[np.float64] = np.mod(family * 0.6180339887498949, 1.0)
    return spread


def choose_genotyped(persons: int, share: float, files: int, rng: np.random.Generator) -> Ints:
    """The number of the genotype file of each of a site's members, -1 for none."""
    order = rng.permutation(persons)
    number = round(persons * share)
    file = np.full(persons, -1, dtype=np.int64)
    file[order[:number]] = np.arange(number) % files
    return file


def draw_roster(
    members: Members, famous: int, pedigree: Pedigree, born: Days, rng: np.random.Generator
) -> Roster:
    """Give the humans of a site their ids there.

    Args:
        members: who is on record.
        famous: the member to be person 42.
        pedigree: whose sexes count.
        born: dates of birth of all humans.
        rng: randomness.
    """
    n = len(members)
    ids = rng.choice(np.arange(1, 20 * n + 100), n, replace=False)
    ids[ids == FAMOUS] = ids[famous]
    ids[famous] = FAMOUS
    order = np.argsort(ids)
    human = members.human[order]
    return Roster(
        members.site, ids[order].astype(np.int64), order, human, pedigree.sex[human], born[human]
    )


def sample_table(members: Members, roster: Roster, pedigree: Pedigree) -> pl.DataFrame:
    """The sample map: sample_id, person_id, sex, father, mother (samples of the site, else null).

    Rows are in the order of the files' columns, file by file.
    """
    names = [name for of_file in members.sample_ids() for name in of_file]
    placed = np.concatenate(members.columns())
    humans = members.human[placed]
    sample_of = dict(zip(humans.tolist(), names, strict=True))
    parents = {
        parent: [sample_of.get(human) for human in of_everybody[humans].tolist()]
        for parent, of_everybody in (("father", pedigree.father), ("mother", pedigree.mother))
    }
    return pl.DataFrame(
        {
            "sample_id": names,
            "person_id": roster.persons_of(placed),
            "sex": pedigree.sex[humans],
            **parents,
        },
        schema_overrides={"father": pl.String, "mother": pl.String},
    )
