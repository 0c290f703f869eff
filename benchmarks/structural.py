"""Structural variants that overlap a region reciprocally, warm and as a command, against bedtools.

1,296 variants of 161 persons; each question is about the span of one of them.
"""

from __future__ import annotations

import random
import subprocess
from dataclasses import asdict
from typing import Any

from benchmarks.genotypes import samples_of
from benchmarks.measure import Job, at_site, commands, latency, new_site, precisionchain
from benchmarks.queries import COLD_BAR, WARM_BAR
from benchmarks.report import Figure, answers
from precisionchain.network import connect

MELT = "sv_mixed/gatk_bwa_melt.cleaned.chr22_chrY.vcf.gz"
SHARE = 0.5
WARM, COLD = 200, 7


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of questions for reciprocal overlap."""
    vcf, site = job.shared / MELT, new_site(job.work / "structural", "GRCh38")
    mapped = job.work / "samples.csv"
    rows = "".join(f"{name},{n}\n" for n, name in enumerate(samples_of(vcf), 1))
    mapped.write_text(f"sample_id,person_id\n{rows}", encoding="utf-8")
    at_site(site, "ingest", "vcf", vcf, "--samples", mapped, "--build", "GRCh38", "--qc", "none")
    listed = subprocess.run(
        ["bcftools", "query", "-i", "INFO/END>POS", "-f", "%CHROM\t%POS\t%INFO/END\n", vcf],
        capture_output=True,
        check=True,
        text=True,
    ).stdout
    spans = [tuple(line.split("\t")) for line in listed.splitlines()]
    every = job.work / "every.bed"
    every.write_text("".join(f"{c}\t{int(a) - 1}\t{b}\n" for c, a, b in spans), encoding="utf-8")
    chosen = random.Random(3).choices(spans, k=job.size(WARM, 10))
    asked = [(f"{chrom}:{start}-{end}",) for chrom, start, end in chosen]
    with connect(site) as network:
        warm = latency(lambda region: network.structural(region, reciprocal=SHARE), asked)

    def query(region: str) -> list[Any]:
        given = ("structural", region, "--reciprocal", str(SHARE), "--json")
        return precisionchain("-C", site, "query", *given)

    def overlap(region: str) -> list[Any]:
        one = job.work / "one.bed"
        chrom, start, end = region.replace("-", ":").split(":")
        one.write_text(f"{chrom}\t{int(start) - 1}\t{end}\n", encoding="utf-8")
        return ["bedtools", "intersect", "-a", one, "-b", every, "-f", str(SHARE), "-r", "-wb"]

    command, other = commands(asked[:COLD], query), commands(asked[:COLD], overlap)
    name, theirs = "query structural, reciprocal", "bedtools intersect -r"
    figures = [
        *answers(f"{name}, warm", warm, theirs, other, bars=(WARM_BAR, None)),
        *answers(f"{name}, as a command", command, theirs, other, bars=(COLD_BAR, None)),
    ]
    return figures, {"warm": asdict(warm), "command": asdict(command), "bedtools": asdict(other)}
