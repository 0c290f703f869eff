"""Generate a synthetic consortium: files for each site to ingest, and the truth about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import asdict
from pathlib import Path

import numpy as np
import polars as pl

from precisionchain.synthetic import concepts, consortium_truth
from precisionchain.synthetic.associations import PHENOTYPES, PLANTED, Association, Phenotype
from precisionchain.synthetic.clinic import clinical_tables
from precisionchain.synthetic.consortium_truth import ConsortiumTruth
from precisionchain.synthetic.design import Design, site_assays, site_names, site_sizes
from precisionchain.synthetic.genome import DEFAULT_STRETCHES, Stretch
from precisionchain.synthetic.genotyping import Genotyped, write_genotypes
from precisionchain.synthetic.people import draw_people
from precisionchain.synthetic.phenotype import covariate_table, draw_traits
from precisionchain.synthetic.population import (
    expected_ancestry,
    realised_ancestry,
)
from precisionchain.synthetic.roster import (
    draw_roster,
    sample_table,
)
from precisionchain.synthetic.site_files import (
    Written,
    file_columns,
    write_omop,
    write_samples,
    write_vocabulary,
)
from precisionchain.synthetic.tables import published
from precisionchain.synthetic.truth import Truth, persons_by_concept


def generate_consortium(
    directory: Path | str,
    *,
    seed: int = 1,
    sites: int | Sequence[str] = 2,
    persons: int | Sequence[int] = 300,
    assays: Sequence[str | Sequence[str]] | None = None,
    related: float = 0.4,
    duplicates: float = 0.01,
    genotyped: float = 0.8,
    missing: float = 0.01,
    half_calls: float = 0.0005,
    dirty: int = 2,
    stretches: Sequence[Stretch] = DEFAULT_STRETCHES,
    planted: Sequence[Association] = PLANTED,
    phenotypes: Sequence[Phenotype] = PHENOTYPES,
) -> ConsortiumTruth:
    """Write a consortium into ``directory`` and return what is true of it.

    Writes a folder a site (``A/``, ``B/``, ...) with the files that it ingests, and ``truth/``:
    ``docs/reference/synthetic.md``. Same arguments and versions of libraries, same bytes.

    Args:
        directory: made if need be; files of these names in it are overwritten.
        seed: seed of everything.
        sites: how many, or their names.
        persons: on record at each site, or a number for each.
        assays: for each site ``wgs``, ``exome`` or ``array``, or several of them.
        related: share of humans who live in families of three or more.
        duplicates: share of the smaller of two neighbouring sites on record at both.
        genotyped: share of a site's persons.
        missing: expected share of calls without either allele.
        half_calls: share of diploid calls that lack one allele.
        dirty: records of each kind of fault in each table; 0 for clean tables.
        stretches: what is simulated of the genome.
        planted: variants with an effect.
        phenotypes: what they have an effect on.

    Raises:
        UsageError: msprime is not installed, or the arguments make no consortium.
    """
    names = site_names(sites)
    design = Design(
        seed=seed,
        sites=names,
        persons=site_sizes(persons, len(names)),
        assays=site_assays(assays, len(names)),
        related=related,
        duplicates=duplicates,
        genotyped=genotyped,
        missing=missing,
        half_calls=half_calls,
        dirty=dirty,
        stretches=tuple(stretches),
        planted=tuple(planted),
        phenotypes=tuple(phenotypes),
    )
    return _written_with_truth(Path(directory), design)


def _written_with_truth(root: Path, design: Design) -> ConsortiumTruth:
    truth = write_consortium(design, {name: root / name for name in design.sites})
    for name, of_site in truth.sites.items():
        of_site.write(root / "truth" / name)
    truth.write(root / "truth")
    return truth


def write_consortium(design: Design, folders: Mapping[str, Path]) -> ConsortiumTruth:
    """Write every site's files into its folder; the truth is returned, not written.

    Raises:
        UsageError: msprime is not installed, or a stretch is so short that nothing varies.
    """
    who, genomes, drawn, clinics = np.random.SeedSequence(design.seed).spawn(4)
    for folder in folders.values():
        folder.mkdir(parents=True, exist_ok=True)
    people = draw_people(design, np.random.default_rng(who))
    pedigree = people.pedigree
    genotypes = write_genotypes(design, people, folders, genomes)
    ancestry = expected_ancestry(pedigree, people.founding)
    rng = np.random.default_rng(drawn)
    covariates = covariate_table(pedigree.sex, people.born, ancestry)
    traits = draw_traits(design.phenotypes, design.planted, genotypes.copies, covariates, rng)
    shared = people.on_record_twice()
    rosters = [
        draw_roster(of_site, people.famous(of_site, traits, shared), pedigree, people.born, rng)
        for of_site in people.members
    ]
    vocabulary = concepts.ancestor_table()
    sites = {}
    for number, seeds in enumerate(clinics.spawn(len(design.sites))):
        clinic, dirt, machines = (np.random.default_rng(s) for s in seeds.spawn(3))
        folder, roster = folders[design.sites[number]], rosters[number]
        tables = clinical_tables(roster, traits, ancestry, clinic)
        members, assays = people.members[number], design.assays[number]
        samples = sample_table(members, roster, pedigree)
        samples = samples.with_columns(**file_columns(members, assays))
        write_samples(folder, samples, machines)
        write_vocabulary(folder / "vocabulary", vocabulary)
        written = Written(
            site=roster.site,
            accepted={name: published(table) for name, table in tables.items()},
            rejected=write_omop(folder / "omop", tables, design.dirty, dirt),
            samples=samples,
        )
        sites[roster.site] = _site_truth(design, genotypes, written, vocabulary)
    persons = consortium_truth.person_rows(rosters, people.members, pedigree)
    realised = realised_ancestry(np.concatenate(genotypes.origins, axis=2), people.founding)
    return ConsortiumTruth(
        settings=design.described(),
        sites=sites,
        persons=persons,
        pedigree=consortium_truth.pedigree_rows(pedigree),
        kinship=consortium_truth.kinship_rows(persons, pedigree),
        ancestry=consortium_truth.ancestry_rows(persons, ancestry, realised),
        associations=consortium_truth.association_rows(
            design.planted, design.phenotypes, genotypes.copies
        ),
        phenotypes=pl.DataFrame([asdict(phenotype) for phenotype in design.phenotypes]),
        alleles=consortium_truth.allele_rows(sites),
    )


def _first_planted(design: Design, genotypes: Genotyped) -> dict[str, object] | None:
    """The first planted variant that was simulated; the table ``associations`` has all."""
    for association in design.planted:
        if association.variant in genotypes.copies:
            return asdict(association) | {"variant": association.variant}
    return None


def _site_truth(
    design: Design, genotypes: Genotyped, written: Written, vocabulary: pl.DataFrame
) -> Truth:
    states = pl.concat(genotypes.states[written.site])
    records = written.rejected.unique(["table_name", "record"])["table_name"]
    settings = design.described() | {
        "site": written.site,
        "genotyped": len(written.samples),
        "half_call_policy": "missing",
        "planted": _first_planted(design, genotypes),
        "accepted": {name: len(table) for name, table in written.accepted.items()},
        "rejected": {name: int((records == name).sum()) for name in written.accepted},
        "vcf_records": genotypes.records[written.site],
        "multi_allelic": genotypes.several[written.site],
    }
    return Truth(
        settings=settings,
        tables=written.accepted,
        rejected=written.rejected,
        ancestors=vocabulary.select("ancestor_concept_id", "descendant_concept_id"),
        concept_persons=persons_by_concept(written.accepted, vocabulary),
        samples=written.samples,
        alleles=states.drop("codes"),
        states=states.select("chrom", "pos", "ref", "alt", "codes"),
    )
