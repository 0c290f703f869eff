"""What a consortium is to be like: every parameter of the generator in one place."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, fields
from string import ascii_uppercase

from precisionchain.errors import UsageError
from precisionchain.synthetic.assay import check_assays
from precisionchain.synthetic.associations import PHENOTYPES, PLANTED, Association, Phenotype
from precisionchain.synthetic.genome import DEFAULT_STRETCHES, Stretch, contigs_of

FEWEST_PERSONS = 20  # of a site, so that there are rows to break
_DEFAULT_ASSAYS = ("wgs", "exome", "array")  # of the first site, the second, the third, the fourth


@dataclass(frozen=True, slots=True, kw_only=True)
class Design:
    """A consortium's parameters.

    Args:
        seed: seed of everything.
        sites: names, one a site.
        persons: persons on record at each.
        assays: genotype files of each; its genotyped persons are dealt out to them in turn.
        related, duplicates, genotyped, missing, half_calls, dirty: as in `generate_consortium`.
        stretches: what is simulated of the genome.
        planted: variants with an effect; those on no stretch are left out.
        phenotypes: what they have an effect on.
    """

    seed: int
    sites: tuple[str, ...]
    persons: tuple[int, ...]
    assays: tuple[tuple[str, ...], ...]
    related: float = 0.4
    duplicates: float = 0.01
    genotyped: float = 0.8
    missing: float = 0.01
    half_calls: float = 0.0005
    dirty: int = 2
    stretches: tuple[Stretch, ...] = DEFAULT_STRETCHES
    planted: tuple[Association, ...] = PLANTED
    phenotypes: tuple[Phenotype, ...] = PHENOTYPES

    def __post_init__(self) -> None:
        """Refuse what cannot be generated.

        Raises:
            UsageError: and says what.
        """
        for name in ("related", "duplicates", "genotyped", "missing", "half_calls"):
            if not 0 <= getattr(self, name) <= 1:
                raise UsageError(f"{name} is a share, from 0 to 1")
        if not self.sites or not len(self.sites) == len(self.persons) == len(self.assays):
            message = f"{len(self.sites)} sites, {len(self.persons)} numbers of persons"
            raise UsageError(f"{message}, {len(self.assays)} lists of assays", hint="one a site")
        for site, persons in zip(self.sites, self.persons, strict=True):
            if persons < FEWEST_PERSONS:
                message = f"site {site} with {persons} persons is too small to break rows of"
                raise UsageError(message, hint=f"at least {FEWEST_PERSONS}")
        if self.genotyped * min(self.persons) < 2 * max(len(a) for a in self.assays):
            raise UsageError("too few persons are genotyped", hint="two a genotype file at least")
        for assays in self.assays:
            check_assays(assays)
        contigs_of(self.stretches)

    def described(self) -> dict[str, object]:
        """The parameters as plain values, for ``truth.json``; tables of their own left out."""
        named = {f.name: getattr(self, f.name) for f in fields(self)}
        del named["planted"], named["phenotypes"]
        named["stretches"] = [[s.chrom, s.start, s.bases, s.markers] for s in self.stretches]
        return named


def site_names(sites: int | Sequence[str]) -> tuple[str, ...]:
    """``A``, ``B``, ... for a number of sites; names as they are.

    Raises:
        UsageError: more sites than letters, or a name twice.
    """
    if isinstance(sites, int):
        if not 1 <= sites <= len(ascii_uppercase):
            raise UsageError(f"{sites} sites cannot be named by letters", hint="name them")
        return tuple(ascii_uppercase[:sites])
    if len(set(sites)) < len(sites):
        raise UsageError("two sites have the same name")
    return tuple(sites)


def site_sizes(persons: int | Sequence[int], sites: int) -> tuple[int, ...]:
    """A number for each site."""
    return (persons,) * sites if isinstance(persons, int) else tuple(persons)


def site_assays(
    assays: Sequence[str | Sequence[str]] | None, sites: int
) -> tuple[tuple[str, ...], ...]:
    """The assays of each site; by default one each: whole genomes, exomes, arrays, in turn."""
    if assays is None:
        return tuple((_DEFAULT_ASSAYS[n % len(_DEFAULT_ASSAYS)],) for n in range(sites))
    return tuple((a,) if isinstance(a, str) else tuple(a) for a in assays)
