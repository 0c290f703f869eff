"""VCF to a sealed, queryable batch, against plink2 --make-pgen and bcftools view -Ob."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.ledger_sizes import bytes_by_view
from benchmarks.measure import Cost, middle, precisionchain, run
from benchmarks.report import Figure, megabytes, seconds
from benchmarks.simulated import simulate

PGX = "kg_phase3_grch37_pgx/kg_phase3_2504_pgx59_GRCh37.vcf.gz"
PANEL = "kg_sample_metadata/integrated_call_samples_v3.20130502.ALL.panel"
CPU_BAR = "<= 1.5x at <= 0.55, or <= 2.5x at <= 0.45"
LARGE_BAR = "<= 1.2x at <= 0.65"
MEMORY_BAR = "< 1 GB"
_GENETIC = ("Variant view", "Variant-Person view", "MAF counter", "mapping", "assay")

_TINY = """##fileformat=VCFv4.2
##contig=<ID=9,length=141213431>
##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">
#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\tS1\tS2
9\t100\t.\tA\tG\t.\t.\t.\tGT\t0|1\t1|1
9\t200\t.\tA\tG,T\t.\t.\t.\tGT\t0/2\t./.
"""


def write_sample_map(shared: Path, samples: list[str], persons: list[int], path: Path) -> Path:
    """Link samples of 1000 Genomes, with their sexes, to persons."""
    lines = (shared / PANEL).read_text("utf-8").splitlines()[1:]
    sexes = {cells[0]: cells[3] for cells in (line.split() for line in lines)}
    rows = zip(samples, persons, strict=False)
    text = "".join(f"{sample},{person},{sexes[sample]}\n" for sample, person in rows)
    path.write_text(f"sample_id,person_id,sex\n{text}", encoding="utf-8")
    return path


def samples_of(vcf: Path) -> list[str]:
    """Return a file's samples."""
    done = subprocess.run(["bcftools", "query", "-l", vcf], capture_output=True, check=True)
    return done.stdout.decode().split()


def warm_up(work: Path) -> None:
    """Compile once: first compilations are not what is measured."""
    site = work / "warm"
    (work / "tiny.vcf").write_text(_TINY, encoding="utf-8")
    (work / "tiny.csv").write_text("sample_id,person_id\nS1,1\nS2,2\n", encoding="utf-8")
    run(precisionchain("init", site, "--site", "W", "--build", "GRCh37"))
    ingest = ("ingest", "vcf", work / "tiny.vcf", "--samples", work / "tiny.csv")
    run(precisionchain("-C", site, *ingest, "--build", "GRCh37"))
    run(precisionchain("-C", site, "query", "maf", "0-0.5"))


def measure(shared: Path, work: Path, repeats: int) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of staging, sealing and unpacking the pharmacogene file."""
    warm_up(work)
    vcf = shared / PGX
    samples = samples_of(vcf)
    mapped = write_sample_map(
        shared, samples, list(range(1, len(samples) + 1)), work / "samples.csv"
    )
    ours: list[Cost] = []
    for number in range(repeats):
        site = work / f"vcf_{number}"
        run(precisionchain("init", site, "--site", "A", "--build", "GRCh37"))
        ingest = ("ingest", "vcf", vcf, "--samples", mapped, "--build", "GRCh37", "--qc", "none")
        ours.append(run(precisionchain("-C", site, *ingest), output=work / "ingest.txt"))
        if number:
            shutil.rmtree(site)
    staged: list[Cost] = []
    for _ in range(repeats):
        site = work / "staged"
        run(precisionchain("init", site, "--site", "A", "--build", "GRCh37"))
        stage = ("stage", "vcf", vcf, "--samples", mapped, "--build", "GRCh37", "--qc", "none")
        staged.append(run(precisionchain("-C", site, *stage)))
        shutil.rmtree(site)
    pgen = [_make_pgen(vcf, work) for _ in range(repeats)]
    bcf = [
        run(["bcftools", "view", "--threads", "2", "-Ob", "-o", work / "b.bcf", vcf])
        for _ in range(repeats)
    ]
    sizes = bytes_by_view(work / "vcf_0" / "ledger.sqlite")
    costs = {
        "ingest vcf": middle(ours),
        "stage vcf": middle(staged),
        "plink2": middle(pgen),
        "bcftools": middle(bcf),
    }
    details = {
        "costs": {name: asdict(cost) for name, cost in costs.items()},
        "ledger_bytes": sizes,
    }
    return [*_speed(costs), *_sizes(vcf, sizes)], details


def measure_large(shared: Path, work: Path, repeats: int) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of a simulated file of 2,504 persons and 270,000 sites; one run each."""
    del repeats  # minutes each
    warm_up(work)
    vcf = simulate(shared / PGX, work / "large.vcf.gz")
    samples = samples_of(vcf)
    mapped = write_sample_map(shared, samples, list(range(len(samples))), work / "samples.csv")
    site = work / "large"
    run(precisionchain("init", site, "--site", "A", "--build", "GRCh37"))
    given = ("--samples", mapped, "--build", "GRCh37", "--build-unverified", "--qc", "none")
    own = run(precisionchain("-C", site, "ingest", "vcf", vcf, *given))
    pgen = _make_pgen(vcf, work)
    sizes = bytes_by_view(site / "ledger.sqlite")
    stored, packed = sum(sizes.get(view, 0) for view in _GENETIC), vcf.stat().st_size
    figures = [
        Figure(
            "270,000 simulated sites, CPU",
            seconds(own.cpu),
            f"plink2 --make-pgen {seconds(pgen.cpu)}",
            own.cpu / pgen.cpu,
            LARGE_BAR,
        ),
        Figure(
            "270,000 simulated sites, on the ledger",
            megabytes(stored),
            f"vcf.gz {megabytes(packed)}",
            stored / packed,
            LARGE_BAR,
        ),
        Figure(
            "270,000 simulated sites, peak memory",
            megabytes(own.peak_bytes),
            f"plink2 {megabytes(pgen.peak_bytes)}",
            own.peak_bytes / pgen.peak_bytes,
            MEMORY_BAR,
        ),
    ]
    costs = {"ingest vcf": asdict(own), "plink2": asdict(pgen)}
    return figures, {"costs": costs, "ledger_bytes": sizes, "vcf_bytes": packed}


def _make_pgen(vcf: Path, work: Path) -> Cost:
    return run(["plink2", "--threads", "2", "--vcf", vcf, "--make-pgen", "--out", work / "p"])


def _speed(costs: dict[str, Cost]) -> list[Figure]:
    own = costs["ingest vcf"]
    figures = []
    for name, action in (("plink2", "--make-pgen"), ("bcftools", "view -Ob")):
        other = costs[name]
        bar = CPU_BAR if name == "plink2" else ""
        label = f"{name} {action}"
        figures += [
            Figure(
                "VCF sealed and queryable, CPU",
                seconds(own.cpu),
                f"{label} {seconds(other.cpu)}",
                own.cpu / other.cpu,
                bar,
            ),
            Figure(
                "VCF sealed and queryable, wall",
                seconds(own.wall),
                f"{label} {seconds(other.wall)}",
                own.wall / other.wall,
            ),
        ]
    other, staged = costs["plink2"], costs["stage vcf"]
    against = f"plink2 --make-pgen {seconds(other.cpu)}"
    ratio = staged.cpu / other.cpu
    figures.append(Figure("of that, stage vcf alone, CPU", seconds(staged.cpu), against, ratio))
    memory = f"plink2 {megabytes(other.peak_bytes)}"
    ratio = own.peak_bytes / other.peak_bytes
    figures.append(
        Figure("ingest vcf, peak memory", megabytes(own.peak_bytes), memory, ratio, MEMORY_BAR)
    )
    return figures


def _sizes(vcf: Path, sizes: dict[str, int]) -> list[Figure]:
    packed = vcf.stat().st_size
    with gzip.open(vcf, "rb") as file:
        plain = sum(len(chunk) for chunk in iter(lambda: file.read(1 << 22), b""))
    figures = []
    for view in (*_GENETIC, "together"):
        size = sum(sizes.get(v, 0) for v in _GENETIC) if view == "together" else sizes.get(view, 0)
        bar = "<= 0.55 (or 0.45)" if view == "together" else ""
        what = f"genotypes on the ledger, {view}"
        figures.append(
            Figure(what, megabytes(size), f"vcf.gz {megabytes(packed)}", size / packed, bar)
        )
        if view == "together":
            figures.append(Figure(what, megabytes(size), f"vcf {megabytes(plain)}", size / plain))
    return figures
