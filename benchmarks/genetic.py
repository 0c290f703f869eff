"""What is done with genotypes beside ingesting them: quality control, export, checks, replicas.

The pharmacogene file's records of two alleles, 2,504 persons.
"""

from __future__ import annotations

import shutil
import sys
from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.genotypes import (
    ingest,
    samples_of,
    stage,
    two_alleles,
    warm_up,
    write_sample_map,
)
from benchmarks.measure import Cost, Job, at_site, repeated, run
from benchmarks.report import Figure, costs

THRESHOLDS = ("--mind", "0.05", "--geno", "0.05", "--hwe", "1e-6")
PRUNE = ("--indep-pairwise", "50", "5", "0.5")
_PLINK = ("plink1.9", "--threads", "2", "--keep-allele-order", "--allow-no-sex", "--double-id")


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of each job, against the program that is made for it."""
    warm_up(job)
    vcf = job.work / "two.vcf.gz"
    run(two_alleles(job, "-Oz", vcf))
    run(["bcftools", "index", "-t", vcf])
    samples = samples_of(vcf)
    persons = list(range(1, len(samples) + 1))
    mapped = write_sample_map(job.shared, samples, persons, job.work / "samples.csv")
    given = ("--samples", mapped, "--build", "GRCh37", "--build-unverified")
    pairs = _quality_control(job, vcf, given)
    site = job.work / "site"
    ingest(site, vcf, *given, "--qc", "none")
    pairs |= _exports(job, vcf, site) | _checks(job, site)
    figures = [
        line for (what, name), pair in pairs.items() for line in costs(what, pair[0], name, pair[1])
    ]
    details = {what: [asdict(cost) for cost in pair] for (what, _), pair in pairs.items()}
    return figures, details


Pairs = dict[tuple[str, str], tuple[Cost, Cost]]
"""What was done and by which other program -> the costs of ours, and of that."""


def _quality_control(job: Job, vcf: Path, given: tuple[str | Path, ...]) -> Pairs:
    """From a VCF, and from a .bed that PLINK 1.9 made."""
    work, bed = job.work, job.work / "made"
    run([*_PLINK, "--vcf", vcf, "--vcf-half-call", "m", "--make-bed", "--out", bed])
    found: Pairs = {}
    for name, source, theirs in (
        ("VCF", vcf, ("--vcf", vcf, "--vcf-half-call", "m")),
        (".bed", bed.with_suffix(".bed"), ("--bfile", bed)),
    ):
        asked: list[str | Path] = [*_PLINK, *theirs, *THRESHOLDS, *PRUNE, "--out", work / "p"]
        own = repeated(job.repeats, partial(stage, work / "qc", source, *given, "--qc", "mark"))
        other = repeated(job.repeats, partial(run, asked))
        found[f"{name} staged with quality control", f"plink1.9 {' '.join(PRUNE)}"] = own, other
    return found


def _exports(job: Job, vcf: Path, site: Path) -> Pairs:
    out = job.work / "exported"

    def export(name: str, kind: str) -> Cost:
        given = ("--output", out.with_suffix(name), "--to", kind, "--overwrite")
        return at_site(site, "export", "genotypes", *given)

    by_bcftools: list[str | Path] = [
        "bcftools",
        "view",
        "--threads",
        "2",
        "-Oz",
        "-o",
        job.work / "v.vcf.gz",
        vcf,
    ]
    by_plink: list[str | Path] = [
        "plink2",
        "--threads",
        "2",
        "--vcf",
        vcf,
        "--make-bed",
        "--out",
        job.work / "b",
    ]
    return {
        ("export as vcf.gz", "bcftools view -Oz"): (
            repeated(job.repeats, lambda: export(".vcf.gz", "vcf")),
            repeated(job.repeats, lambda: run(by_bcftools)),
        ),
        ("export as .bed", "plink2 --make-bed"): (
            repeated(job.repeats, lambda: export("", "bed")),
            repeated(job.repeats, lambda: run(by_plink)),
        ),
    }


def _checks(job: Job, site: Path) -> Pairs:
    """A replica made anew, and everything checked from the bytes up."""

    def anew() -> Cost:
        shutil.rmtree(site / "replica")
        return at_site(site, "sync")

    read: list[str | Path] = [sys.executable, "-m", "benchmarks.read_items", site / "ledger.sqlite"]
    least, name = repeated(job.repeats, lambda: run(read)), "SQLite and SHA-256 of each item"
    return {
        ("sync of a new replica", name): (repeated(job.repeats, anew), least),
        ("verify", name): (repeated(job.repeats, lambda: at_site(site, "verify")), least),
    }
