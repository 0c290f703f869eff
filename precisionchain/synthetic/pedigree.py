"""Families of humans, drawn from four patterns, and their true kinship.

Humans are numbered from 0 over the whole consortium; a *person* is a site's record of a human, and
the same human may be a person of two sites. Kinship is the coefficient of Malécot: the chance that
an allele drawn from one human and one drawn at the same place from another are identical by
descent. It is 1/4 for parent and child and for siblings, 1/2 for twins of one egg.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

NOBODY = -1  # in the columns of parents and twins
MALE_SEX, FEMALE_SEX = 1, 2  # as PLINK numbers them

Ints = npt.NDArray[np.int64]
Flags = npt.NDArray[np.bool_]


@dataclass(frozen=True, slots=True)
class Pattern:
    """A family to be repeated; members are numbered within it, parents before their children.

    Args:
        name: of the pattern.
        father, mother: of each member, ``NOBODY`` for a founder.
        sex: 1 male, 2 female, 0 to be drawn.
        twin: the member this one shares the egg with, ``NOBODY`` for none; a twin comes later.
        hidden: ancestors whom no site has on record.
    """

    name: str
    father: tuple[int, ...]
    mother: tuple[int, ...]
    sex: tuple[int, ...]
    twin: tuple[int, ...] = ()
    hidden: tuple[int, ...] = ()

    @property
    def size(self) -> int:
        """Members, hidden ones included."""
        return len(self.father)

    @property
    def recorded(self) -> int:
        """Members whom a site has on record."""
        return self.size - len(self.hidden)

    def twin_of(self, member: int) -> int:
        """The earlier twin of a member."""
        return self.twin[member] if self.twin else NOBODY

    def generations(self) -> list[int]:
        """0 for founders, else one more than the later of the parents."""
        found: list[int] = []
        for father, mother in zip(self.father, self.mother, strict=True):
            found.append(0 if father == NOBODY else 1 + max(found[father], found[mother]))
        return found


# Grandparents 0 and 1; their children 5 and 6; 5 has two children with 2 and one with 4; 6 has
# twins with 3. So there are siblings, half-siblings, cousins, aunts and uncles, and twins.
EXTENDED = Pattern(
    name="extended",
    father=(-1, -1, -1, -1, -1, 0, 0, 5, 5, 3, 3, 5),
    mother=(-1, -1, -1, -1, -1, 1, 1, 2, 2, 6, 6, 4),
    sex=(1, 2, 2, 1, 2, 1, 2, 0, 0, 0, 0, 0),
    twin=(-1, -1, -1, -1, -1, -1, -1, -1, -1, -1, 9, -1),
)
TRIO = Pattern("trio", (-1, -1, 0), (-1, -1, 1), (1, 2, 0))
# Both parents have one parent of each of two populations, so the child is admixed.
ADMIXED = Pattern("admixed", (-1, -1, 0), (-1, -1, 1), (1, 2, 0), hidden=(0, 1))
SINGLE = Pattern("single", (-1,), (-1,), (0,))


@dataclass(frozen=True, slots=True)
class Pedigree:
    """All humans; one entry each in every array.

    Args:
        father, mother, twin: humans, ``NOBODY`` for none.
        sex: 1 male, 2 female.
        generation: 0 for founders.
        family: number of the family.
        member: number within the family's pattern.
        pattern: number of the pattern in ``patterns``.
        recorded: whether a site may have the human on record.
        patterns: as numbered.
    """

    father: Ints
    mother: Ints
    twin: Ints
    sex: Ints
    generation: Ints
    family: Ints
    member: Ints
    pattern: Ints
    recorded: Flags
    patterns: tuple[Pattern, ...]

    def __len__(self) -> int:
        return len(self.father)

    @property
    def founders(self) -> Ints:
        """Humans without parents, ascending."""
        return np.flatnonzero(self.father == NOBODY)


def build_pedigree(counts: Sequence[tuple[Pattern, int]], rng: np.random.Generator) -> Pedigree:
    """Repeat each pattern so many times; sexes left open by a pattern are drawn."""
    patterns = tuple(pattern for pattern, _ in counts)
    columns: dict[str, list[Ints]] = {name: [] for name in _REPEATED}
    humans = families = 0
    for number, (pattern, times) in enumerate(counts):
        first = humans + pattern.size * np.arange(times)[:, None]
        repeated = {
            "father": _shifted(pattern.father, first),
            "mother": _shifted(pattern.mother, first),
            "twin": _shifted(pattern.twin or (NOBODY,) * pattern.size, first),
            "sex": np.tile(np.array(pattern.sex), (times, 1)),
            "generation": np.tile(np.array(pattern.generations()), (times, 1)),
            "family": np.repeat(families + np.arange(times)[:, None], pattern.size, axis=1),
            "member": np.tile(np.arange(pattern.size), (times, 1)),
            "pattern": np.full((times, pattern.size), number),
        }
        for name, values in repeated.items():
            columns[name].append(values.ravel())
        humans += pattern.size * times
        families += times
    joined = {name: np.concatenate(parts).astype(np.int64) for name, parts in columns.items()}
    drawn = rng.integers(MALE_SEX, FEMALE_SEX + 1, humans)
    sex = np.where(joined["sex"] == 0, drawn, joined["sex"])
    later = np.flatnonzero(joined["twin"] != NOBODY)
    sex[later] = sex[joined["twin"][later]]
    hidden = np.zeros(humans, dtype=np.bool_)
    for number, pattern in enumerate(patterns):
        of_pattern = joined["pattern"] == number
        hidden |= of_pattern & np.isin(joined["member"], pattern.hidden)
    return Pedigree(**(joined | {"sex": sex}), recorded=~hidden, patterns=patterns)


_REPEATED = ("father", "mother", "twin", "sex", "generation", "family", "member", "pattern")


def _shifted(members: tuple[int, ...], first: Ints) -> Ints:
    column = np.array(members)
    return np.where(column == NOBODY, NOBODY, column + first)


def kinship_matrix(pattern: Pattern) -> npt.NDArray[np.float64]:
    """Kinship of all members of a pattern, by the recursion over parents; [members, members].

    An earlier member's kinship with a later one is the mean of that with the later one's parents;
    with oneself it is 1/2, since no pattern is inbred. A twin is the same as the other.
    """
    phi = np.zeros((pattern.size, pattern.size))
    for i in range(pattern.size):
        father, mother, twin = pattern.father[i], pattern.mother[i], pattern.twin_of(i)
        if twin != NOBODY:
            phi[i, :i] = phi[twin, :i]
        elif father != NOBODY:
            phi[i, :i] = (phi[father, :i] + phi[mother, :i]) / 2
        phi[:i, i] = phi[i, :i]
        phi[i, i] = 0.5
    return phi


def relation(pattern: Pattern, i: int, j: int) -> str:
    """What two kin of a pattern are to each other, the order of the two left aside."""
    parents = [{pattern.father[k], pattern.mother[k]} - {NOBODY} for k in (i, j)]
    above = [{q for p in of for q in (pattern.father[p], pattern.mother[p])} for of in parents]
    full = [_siblings(pattern, k) for k in (i, j)]
    tests = {
        "twin": j == pattern.twin_of(i) or i == pattern.twin_of(j),
        "parent": i in parents[1] or j in parents[0],
        "sibling": len(parents[0] & parents[1]) == 2,
        "half_sibling": len(parents[0] & parents[1]) == 1,
        "grandparent": i in above[1] or j in above[0],
        "avuncular": bool(full[0] & parents[1] or full[1] & parents[0]),
        "cousin": any(_siblings(pattern, p) & parents[1] for p in parents[0]),
    }
    return next(name for name, holds in tests.items() if holds)


def _siblings(pattern: Pattern, i: int) -> set[int]:
    """Members with the same two parents as ``i``."""
    parents = (pattern.father[i], pattern.mother[i])
    of_members = enumerate(zip(pattern.father, pattern.mother, strict=True))
    return {k for k, pair in of_members if k != i and pair == parents and NOBODY not in pair}


def kin(pedigree: Pedigree) -> pl.DataFrame:
    """All pairs of different, recorded humans with kinship above 0.

    Returns:
        human_1 < human_2, kinship, relation.
    """
    parts = []
    for number, pattern in enumerate(pedigree.patterns):
        start = np.flatnonzero((pedigree.pattern == number) & (pedigree.member == 0))
        phi = kinship_matrix(pattern)
        seen = [m for m in range(pattern.size) if m not in pattern.hidden]
        pairs = [(i, j) for i in seen for j in seen if i < j and phi[i, j] > 0]
        parts += [
            pl.DataFrame({"human_1": start + i, "human_2": start + j}).with_columns(
                kinship=pl.lit(float(phi[i, j])), relation=pl.lit(relation(pattern, i, j))
            )
            for i, j in pairs
        ]
    schema = {
        "human_1": pl.Int64,
        "human_2": pl.Int64,
        "kinship": pl.Float64,
        "relation": pl.String,
    }
    return pl.concat([pl.DataFrame(schema=schema), *parts]).sort("human_1", "human_2")
