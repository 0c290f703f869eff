"""What is true of a consortium beyond its sites: humans, kin, ancestry, planted effects."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl

from precisionchain.synthetic.associations import Association, Phenotype
from precisionchain.synthetic.calls import with_frequencies
from precisionchain.synthetic.pedigree import NOBODY, Ints, Pedigree, kin
from precisionchain.synthetic.phenotype import Floats
from precisionchain.synthetic.population import POPULATIONS
from precisionchain.synthetic.roster import Members, Roster
from precisionchain.synthetic.truth import Truth

_TABLES = ("persons", "pedigree", "kinship", "ancestry", "associations", "phenotypes", "alleles")
_ALLELE = ("chrom", "pos", "ref", "alt")
_COUNTS = ("ac", "an", "n_het", "n_hom_alt", "n_hemi", "n_missing", "n_not_assayed")
_SELF = 0.5  # kinship of a human with himself, when two sites have him on record


@dataclass(frozen=True, slots=True)
class ConsortiumTruth:
    """The truth of every site, and what goes beyond it.

    Args:
        settings: the parameters; its ``sites`` names the sites.
        sites: site -> its truth.
        persons: site, person_id, human, sex, year_of_birth, family, pattern, sample_id (null:
            nobody took one).
        pedigree: human, father, mother, twin (null for none), sex, recorded; every human.
        kinship: site_1, person_1, site_2, person_2, kinship, relation: all pairs of persons with
            kinship above 0, each once; ``duplicate`` is one human at two sites.
        ancestry: site, person_id, population, expected, realised: share of the genome.
        associations: variant, variant_id, phenotype, concept_id, model, effect, simulated.
        phenotypes: name, concept_id, model, intercept, effects of covariates, noise, unit.
        alleles: chrom, pos, ref, alt, counts and frequencies over all sites.
    """

    settings: Mapping[str, Any]
    sites: Mapping[str, Truth]
    persons: pl.DataFrame
    pedigree: pl.DataFrame
    kinship: pl.DataFrame
    ancestry: pl.DataFrame
    associations: pl.DataFrame
    phenotypes: pl.DataFrame
    alleles: pl.DataFrame

    def duplicates(self) -> pl.DataFrame:
        """The pairs of persons who are one human."""
        return self.kinship.filter(pl.col("relation") == "duplicate")

    def write(self, directory: Path) -> None:
        """Write ``truth.json`` and a Parquet file a table; the sites' truth is written apart."""
        directory.mkdir(parents=True, exist_ok=True)
        text = json.dumps(dict(self.settings), indent=2, sort_keys=True)
        (directory / "truth.json").write_text(text + "\n", encoding="utf-8")
        for name in _TABLES:
            getattr(self, name).write_parquet(directory / f"{name}.parquet")

    @classmethod
    def read(cls, directory: Path) -> ConsortiumTruth:
        """Read what ``write`` wrote, and the truth of each site in the folder of its name."""
        settings = json.loads((directory / "truth.json").read_text(encoding="utf-8"))
        tables = {name: pl.read_parquet(directory / f"{name}.parquet") for name in _TABLES}
        sites = {site: Truth.read(directory / site) for site in settings["sites"]}
        return cls(settings=settings, sites=sites, **tables)


def person_rows(
    rosters: Sequence[Roster], members: Sequence[Members], pedigree: Pedigree
) -> pl.DataFrame:
    """The table ``persons``."""
    frames = []
    for roster, of_site in zip(rosters, members, strict=True):
        names = np.full(len(of_site), None, dtype=object)
        for column, sample_ids in zip(of_site.columns(), of_site.sample_ids(), strict=True):
            names[column] = sample_ids
        patterns = np.array([pattern.name for pattern in pedigree.patterns])
        frames.append(
            pl.DataFrame(
                {
                    "site": pl.repeat(roster.site, len(roster), eager=True),
                    "person_id": roster.person_id,
                    "human": roster.human,
                    "sex": roster.sex,
                    "year_of_birth": pl.Series(roster.born).dt.year(),
                    "family": pedigree.family[roster.human],
                    "pattern": patterns[pedigree.pattern[roster.human]],
                    "sample_id": pl.Series(names[roster.member].tolist(), dtype=pl.String),
                }
            )
        )
    return pl.concat(frames)


def pedigree_rows(pedigree: Pedigree) -> pl.DataFrame:
    """The table ``pedigree``."""

    def known(humans: Ints) -> pl.Series:
        return pl.Series([None if human == NOBODY else human for human in humans.tolist()])

    return pl.DataFrame(
        {
            "human": np.arange(len(pedigree)),
            "father": known(pedigree.father),
            "mother": known(pedigree.mother),
            "twin": known(pedigree.twin),
            "sex": pedigree.sex,
            "recorded": pedigree.recorded,
        },
        schema_overrides=dict.fromkeys(("father", "mother", "twin"), pl.Int64),
    )


def kinship_rows(persons: pl.DataFrame, pedigree: Pedigree) -> pl.DataFrame:
    """The table ``kinship``: pairs of humans become pairs of the persons they are."""
    number = persons.select("site", "person_id", "human").with_row_index("number")
    same = number.select("human").unique(maintain_order=True)
    pairs = pl.concat(
        [
            kin(pedigree),
            same.select(
                human_1="human",
                human_2="human",
                kinship=pl.lit(_SELF),
                relation=pl.lit("duplicate"),
            ),
        ]
    )
    one, two = (
        number.select(pl.all().name.suffix(f"_{n}")).rename({f"person_id_{n}": f"person_{n}"})
        for n in (1, 2)
    )
    found = pairs.join(one, on="human_1").join(two, on="human_2")
    # A pair of different humans comes once, a human with himself in both orders.
    once = (pl.col("human_1") != pl.col("human_2")) | (pl.col("number_1") < pl.col("number_2"))
    return (
        found.filter(once)
        .sort("number_1", "number_2")
        .select("site_1", "person_1", "site_2", "person_2", "kinship", "relation")
    )


def ancestry_rows(persons: pl.DataFrame, expected: Floats, realised: Floats) -> pl.DataFrame:
    """The table ``ancestry``, from shares by human and population."""
    human = persons["human"].to_numpy()
    return pl.concat(
        persons.select("site", "person_id").with_columns(
            population=pl.lit(name),
            expected=pl.Series(expected[human, code]),
            realised=pl.Series(realised[human, code]),
        )
        for code, name in enumerate(POPULATIONS)
    )


def association_rows(
    planted: Sequence[Association], phenotypes: Sequence[Phenotype], simulated: Mapping[str, Ints]
) -> pl.DataFrame:
    """The table ``associations``; one that lies on no stretch is not ``simulated``."""
    by_name = {phenotype.name: phenotype for phenotype in phenotypes}
    return pl.DataFrame(
        [
            {
                "variant": association.variant,
                "variant_id": association.variant_id,
                "phenotype": association.phenotype,
                "concept_id": by_name[association.phenotype].concept_id,
                "model": by_name[association.phenotype].model,
                "effect": association.effect,
                "simulated": association.variant in simulated,
            }
            for association in planted
        ],
        schema={
            "variant": pl.String,
            "variant_id": pl.String,
            "phenotype": pl.String,
            "concept_id": pl.Int64,
            "model": pl.String,
            "effect": pl.Float64,
            "simulated": pl.Boolean,
        },
    )


def allele_rows(sites: Mapping[str, Truth]) -> pl.DataFrame:
    """The table ``alleles``: counts of all sites, which have the same alleles, added up."""
    frames = [truth.alleles for truth in sites.values()]
    added = [sum(f[name].to_numpy() for f in frames) for name in _COUNTS]
    counts = pl.DataFrame(dict(zip(_COUNTS, added, strict=True)))
    return pl.concat([frames[0].select(_ALLELE), with_frequencies(counts)], how="horizontal")
