"""Cohorts of 12,000 persons: clinical ones against SQL of DuckDB, genetic and mixed ones.

Each question is asked once, in a process that asked before, both entries of the log included. What
DuckDB finds for the clinical ones must be the same persons.
"""

from __future__ import annotations

import random
import subprocess
import sys
from collections.abc import Iterable, Sequence
from dataclasses import asdict
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from benchmarks.drawn_cohorts import Asked, ClinicalCohorts, known_concepts
from benchmarks.entries import publishing
from benchmarks.genotypes import AS_GIVEN, PGX, samples_of, warm_up
from benchmarks.measure import (
    Job,
    Latency,
    at_site,
    commands,
    latency,
    new_site,
    precisionchain,
    quantiles,
    run,
    spent,
)
from benchmarks.report import Figure, answers
from benchmarks.simulated import resample
from precisionchain.network import Network, connect
from precisionchain.query.cohort import Cohort
from precisionchain.synthetic.clinical_site import write_clinical_site

PERSONS, COHORTS, BESIDE, COLD = 12_000, 1_000, 300, 5
CLINICAL_BARS, MIXED_BARS = (0.02, 0.1), (None, 0.1)
_EVERY = 8
"""One record of the genotype file in so many is taken: 5,500 sites of 12,000 persons."""


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the latency of cohorts, quiet and beside a publication."""
    warm_up(job)
    site, hospital = new_site(job.work / "asked"), job.work / "hospital"
    persons, number = job.size(PERSONS, 1_000), job.size(COHORTS, 40)
    write_clinical_site(hospital, seed=12, persons=persons)
    at_site(site, "ingest", "omop", hospital / "omop", "--vocabulary", hospital / "vocabulary")
    vcf = _genotypes(job, hospital, site, persons)
    database = _loaded(hospital, job.work / "typed.duckdb")
    draw = ClinicalCohorts(1, known_concepts(database))
    clinical = [draw(each) for each in range(number)]
    mixed = [(text,) for text in _mixed(vcf, clinical)]
    texts = [(asked.text,) for asked in clinical]
    beside = texts[: job.size(BESIDE, 20)]
    with connect(site) as network:
        asked = _asked(network, texts + mixed)
        by_sql = _same_persons(asked, clinical, database)
        with publishing(site):
            shared = latency(network.cohort, beside), latency(network.cohort, mixed[: len(beside)])
    warm, genetic = (
        quantiles([each for each, _ in part]) for part in (asked[:number], asked[number:])
    )
    cold = commands(texts[:COLD], lambda text: precisionchain("-C", site, "cohort", text))
    theirs = "DuckDB, SQL"
    figures = [
        *answers("clinical cohort", warm, theirs, by_sql, bars=CLINICAL_BARS),
        *answers("clinical cohort beside a publication", shared[0], bars=(None, 0.1)),
        *answers("genetic or mixed cohort", genetic, bars=MIXED_BARS),
        *answers("genetic or mixed beside a publication", shared[1], bars=(None, 0.1)),
        *answers("cohort, as a command", cold, bars=(1, None)),
    ]
    taken = {"clinical": warm, "DuckDB": by_sql, "mixed": genetic, "command": cold}
    taken |= {"clinical, beside": shared[0], "mixed, beside": shared[1]}
    database.close()
    details = {name: asdict(one) for name, one in taken.items()}
    slowest = sorted(
        ((took[1], took[0], text) for (took, _), (text,) in zip(asked, texts + mixed, strict=True)),
        reverse=True,
    )
    return figures, {**details, "slowest by CPU": slowest[:10]}


def _genotypes(job: Job, hospital: Path, site: Path, persons: int) -> Path:
    """Ingest genotypes of every person; return the file."""
    vcf = resample(job.shared / PGX, job.work / "many.vcf.gz", persons, job.size(_EVERY, 64))
    ids = pl.read_csv(
        hospital / "omop" / "person.csv", columns=["person_id", "gender_source_value"]
    )
    sexes = ids["gender_source_value"].replace_strict({"M": 1, "F": 2})
    rows = zip(samples_of(vcf), ids["person_id"], sexes, strict=True)
    mapped = job.work / "samples.csv"
    text = "".join(f"{sample},{person},{sex}\n" for sample, person, sex in rows)
    mapped.write_text(f"sample_id,person_id,sex\n{text}", encoding="utf-8")
    at_site(site, "ingest", "vcf", vcf, "--samples", mapped, *AS_GIVEN)
    return vcf


def _mixed(vcf: Path, clinical: Iterable[Asked]) -> Iterable[str]:
    """Yield as many criteria about alleles and regions, most of them with a clinical one."""
    form = "%CHROM:%POS:%REF:%ALT\n"
    listed = subprocess.run(
        ["bcftools", "query", "-f", form, vcf], capture_output=True, check=True, text=True
    ).stdout
    variants = [line for line in listed.split() if "," not in line and "<" not in line]
    chooser = random.Random(4)
    for other in clinical:
        variant = chooser.choice(variants)
        chrom, pos = variant.split(":")[:2]
        region = f"{chrom}:{max(1, int(pos) - 20_000)}-{int(pos) + 20_000}"
        asked = chooser.choice(
            (
                f"carries({variant})",
                f"genotype({variant}, 1, 2)",
                f"carries({region})",
                f"carries({region}, maf(0..0.05))",
                f"carries({region}, maf(0..0.05, within={other.text}))",
            )
        )
        yield chooser.choice((asked, f"({asked} & {other.text})", f"(~{asked} | {other.text})"))


def _loaded(hospital: Path, typed: Path) -> duckdb.DuckDBPyConnection:
    """Load the tables and the hierarchy of concepts as an analyst does."""
    run([sys.executable, "-m", "benchmarks.duckdb_load", hospital / "omop", typed])
    database = duckdb.connect(str(typed))
    path = str(hospital / "vocabulary" / "concept_ancestor.csv")
    database.execute("create table concept_ancestor as from read_csv(?)", [path])
    return database


def _asked(network: Network, texts: list[tuple[str]]) -> list[tuple[tuple[float, float], Cohort]]:
    """Return what each question took, and its cohort."""
    network.cohort(*texts[0])
    return [spent(network.cohort, *text) for text in texts]


def _same_persons(
    answers: Sequence[tuple[object, Cohort]],
    asked: Sequence[Asked],
    database: duckdb.DuckDBPyConnection,
) -> Latency:
    """Time DuckDB over the same questions.

    Raises:
        RuntimeError: it finds other persons.
    """
    taken = []
    for one, (_, cohort) in zip(asked, answers, strict=False):
        took, found = spent(_by_sql, database, one.sql)
        taken.append(took)
        if found != set(cohort.persons["person_id"].to_list()):
            raise RuntimeError(f"DuckDB finds other persons: {one.text}\n{one.sql}")
    return quantiles(taken)


def _by_sql(database: duckdb.DuckDBPyConnection, sql: str) -> set[int]:
    return {person for (person,) in database.execute(sql).fetchall()}
