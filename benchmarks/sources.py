"""Genotypes as BCF, PLINK .bed and .pgen to a sealed batch, against plink2 on the same files.

All are made of the pharmacogene file's records of two alleles, so that each holds the same calls.
"""

from __future__ import annotations

from dataclasses import asdict
from functools import partial
from pathlib import Path
from typing import Any

from benchmarks.genotypes import (
    AS_GIVEN,
    ingest,
    make_pgen,
    samples_of,
    two_alleles,
    warm_up,
    write_sample_map,
)
from benchmarks.measure import Cost, Job, repeated, run
from benchmarks.report import Figure, costs


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of each kind of file."""
    warm_up(job)
    work = job.work
    vcf, bcf, plink = work / "two.vcf.gz", work / "two.bcf", work / "two"
    run(two_alleles(job, "-Oz", vcf))
    run(two_alleles(job, "-Ob", bcf))
    for made in ("--make-bed", "--make-pgen"):
        run(["plink2", "--vcf", vcf, "--output-chr", "26", made, "--out", plink])
    samples = samples_of(vcf)
    mapped = write_sample_map(job.shared, samples, list(range(len(samples))), work / "samples.csv")
    others = {
        "VCF, two alleles": (vcf, "--make-pgen", partial(make_pgen, "--vcf", vcf, work)),
        "BCF": (bcf, "--make-pgen", partial(make_pgen, "--bcf", bcf, work)),
        ".bed": (work / "two.bed", "--make-pgen", partial(make_pgen, "--bfile", plink, work)),
        ".pgen": (work / "two.pgen", "--make-bed", partial(_make_bed, plink, work)),
    }
    figures: list[Figure] = []
    details: dict[str, Any] = {}
    for name, (path, action, other) in others.items():
        given = (path, "--samples", mapped, *AS_GIVEN, "--build-unverified")
        own = repeated(job.repeats, partial(ingest, work / "site", *given))
        plink2 = repeated(job.repeats, other)
        figures += costs(f"{name} sealed and queryable", own, f"plink2 {action}", plink2)
        details[name] = {"ingest vcf": asdict(own), "plink2": asdict(plink2)}
    return figures, details


def _make_bed(source: Path, work: Path) -> Cost:
    made = ("--make-bed", "--out", work / "plink2")
    return run(["plink2", "--threads", "2", "--pfile", source, *made])
