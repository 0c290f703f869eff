"""Generate a synthetic hospital: files to ingest, and the truth about them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import polars as pl

from precisionchain.errors import UsageError
from precisionchain.synthetic import clinical, concepts
from precisionchain.synthetic.calls import split_alleles
from precisionchain.synthetic.clinical import Cohort, Ints
from precisionchain.synthetic.csv_file import write_csv
from precisionchain.synthetic.dirt import STRANGER, soil
from precisionchain.synthetic.genome import PLANTED, Contig, simulate
from precisionchain.synthetic.truth import Truth, persons_by_concept, published
from precisionchain.synthetic.vcf_file import write_vcf

_FEWEST_PERSONS = 20
_GENOTYPED = 0.8  # share of the persons


def generate(
    directory: Path | str,
    *,
    seed: int = 1,
    persons: int = 300,
    bases_9: int = 300_000,
    bases_22: int = 100_000,
    missing: float = 0.01,
    half_calls: float = 0.0005,
    dirty: int = 2,
) -> Truth:
    """Write a hospital into ``directory`` and return what is true of it.

    Writes ``omop/*.csv``, ``vocabulary/*.csv``, ``genotypes.vcf.gz``, ``samples.csv`` and
    ``truth/``. The same arguments give the same bytes, at the same versions of the libraries.

    Args:
        directory: made if need be; files of these names in it are overwritten.
        seed: seed of everything.
        persons: how many; four of five are genotyped.
        bases_9: stretch simulated on chromosome 9, in base pairs.
        bases_22: the same on chromosome 22.
        missing: expected share of calls without either allele.
        half_calls: share of calls that lack one allele.
        dirty: records of each kind of fault in each table; 0 for clean tables.

    Raises:
        UsageError: msprime is not installed, or there are too few persons or bases.
    """
    if persons < _FEWEST_PERSONS:
        message = f"a hospital of {persons} persons is too small to break rows of"
        raise UsageError(message, hint=f"at least {_FEWEST_PERSONS}")
    directory = Path(directory)
    who, chr9, chr22, events, dirt = np.random.SeedSequence(seed).spawn(5)
    rng = np.random.default_rng(who)
    cohort = clinical.draw_cohort(persons, rng)
    genotyped = _choose_genotyped(cohort, rng)
    contigs = [
        simulate(
            chrom,
            persons=len(genotyped),
            bases=bases,
            missing=missing,
            half_calls=half_calls,
            seeds=seeds,
        )
        for chrom, bases, seeds in (("9", bases_9, chr9), ("22", bases_22, chr22))
    ]
    samples = _samples(cohort, genotyped)
    split = [split_alleles(contig, samples["person_id"].to_numpy()) for contig in contigs]
    tables = _clinical_tables(cohort, _planted_copies(cohort, contigs[0], genotyped), events)
    accepted = {name: published(table) for name, table in tables.items()}
    ancestors = concepts.ancestor_table()
    rejected = _write_omop(directory / "omop", tables, dirty, np.random.default_rng(dirt))
    _write_vocabulary(directory / "vocabulary", ancestors)
    write_vcf(directory / "genotypes.vcf.gz", contigs, samples["sample_id"].to_list())
    samples.write_csv(directory / "samples.csv")
    truth = Truth(
        settings={
            "seed": seed,
            "persons": persons,
            "bases": {"9": bases_9, "22": bases_22},
            "missing": missing,
            "half_calls": half_calls,
            "dirty": dirty,
        }
        | _summary(accepted, rejected, contigs, samples),
        **accepted,
        rejected=rejected,
        ancestors=ancestors.select("ancestor_concept_id", "descendant_concept_id"),
        concept_persons=persons_by_concept(accepted, ancestors),
        samples=samples,
        alleles=pl.concat(alleles for alleles, _ in split),
        genotypes=pl.concat(genotypes for _, genotypes in split),
    )
    truth.write(directory / "truth")
    return truth


def _choose_genotyped(cohort: Cohort, rng: np.random.Generator) -> Ints:
    """Indices of the genotyped persons in the order of the samples; person 42 is among them."""
    order = rng.permutation(len(cohort.person_id))
    number = round(len(order) * _GENOTYPED)
    index_of_42 = int(np.flatnonzero(cohort.person_id == 42)[0])
    if index_of_42 not in order[:number]:
        order[0] = index_of_42
    return order[:number]


def _samples(cohort: Cohort, genotyped: Ints) -> pl.DataFrame:
    """The sample map; sexes as PLINK numbers them."""
    return pl.DataFrame(
        {
            "sample_id": [f"DEMO{number:05}" for number in range(1, len(genotyped) + 1)],
            "person_id": cohort.person_id[genotyped],
            "sex": np.where(cohort.gender[genotyped] == concepts.MALE, 1, 2),
        }
    )


def _planted_copies(cohort: Cohort, chr9: Contig, genotyped: Ints) -> Ints:
    """Copies of the planted allele by person; 0 where the call is missing or never made."""
    row = int(np.flatnonzero(chr9.positions == PLANTED[1])[0])
    copies = np.zeros(len(cohort.person_id), dtype=np.int64)
    copies[genotyped] = (chr9.haplotypes[row] == 1).sum(axis=1)
    return copies


def _clinical_tables(
    cohort: Cohort, copies: Ints, seeds: np.random.SeedSequence
) -> dict[str, pl.DataFrame]:
    """The clean OMOP tables, typed."""
    rng = np.random.default_rng(seeds)
    return {
        "person": clinical.person_table(cohort),
        "observation_period": clinical.observation_period_table(cohort),
        "condition_occurrence": clinical.condition_table(cohort, copies, rng),
        "measurement": clinical.measurement_table(cohort, rng),
    }


def _write_omop(
    folder: Path, tables: Mapping[str, pl.DataFrame], dirty: int, rng: np.random.Generator
) -> pl.DataFrame:
    """Write the tables with their broken rows; return the truth's ``rejected``.

    A rejected person takes his events with him: they name a person nobody accepted.
    """
    folder.mkdir(parents=True, exist_ok=True)
    strangers = [STRANGER]
    rejected = []
    for name, table in tables.items():
        soiled = soil(name, table, rng, copies=dirty, strangers=strangers)
        if name == "person":
            strangers += soiled.rejected_keys.to_list()
        lines = write_csv(folder / f"{name}.csv", soiled)
        rejected.append(
            soiled.rejected.select(
                pl.lit(name).alias("table_name"),
                "rule",
                "record",
                line=lines[soiled.rejected["record"] - 1],
                column_name="column_name",
            )
        )
    return pl.concat(rejected)


def _write_vocabulary(folder: Path, ancestors: pl.DataFrame) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    concepts.concept_table().write_csv(folder / "concept.csv")
    concepts.vocabulary_table().write_csv(folder / "vocabulary.csv")
    ancestors.write_csv(folder / "concept_ancestor.csv")


def _summary(
    accepted: Mapping[str, pl.DataFrame],
    rejected: pl.DataFrame,
    contigs: Sequence[Contig],
    samples: pl.DataFrame,
) -> dict[str, object]:
    """Counts for a first look, and what was planted."""
    records = rejected.unique(["table_name", "record"])
    return {
        "genotyped": len(samples),
        "half_call_policy": "missing",
        "planted": {
            "variant": ":".join(map(str, PLANTED)),
            "concept_id": concepts.CORONARY_ARTERIOSCLEROSIS,
            "log_odds_per_copy": clinical.LOG_ODDS_PER_COPY,
        },
        "accepted": {name: len(table) for name, table in accepted.items()},
        "rejected": {name: len(records.filter(pl.col("table_name") == name)) for name in accepted},
        "vcf_records": {contig.chrom: len(contig.positions) for contig in contigs},
        "multi_allelic": sum(len(alts) > 1 for contig in contigs for alts in contig.alts),
    }
