"""VCF to a sealed, queryable batch, against plink2 --make-pgen and bcftools view -Ob."""

from __future__ import annotations

import gzip
import shutil
import subprocess
from dataclasses import asdict
from pathlib import Path
from typing import Any

from benchmarks.ledger_sizes import bytes_by_view
from benchmarks.measure import Cost, Job, at_site, new_site, repeated, run
from benchmarks.report import Figure, costs, size
from benchmarks.simulated import simulate

PGX = "kg_phase3_grch37_pgx/kg_phase3_2504_pgx59_GRCh37.vcf.gz"
AS_GIVEN = ("--build", "GRCh37", "--qc", "none")
PANEL = "kg_sample_metadata/integrated_call_samples_v3.20130502.ALL.panel"
GENETIC = ("Variant view", "Variant-Person view", "MAF counter", "mapping", "assay")


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


def warm_up(job: Job) -> None:
    """Compile once, on a whole file: first compilations are not what is measured.

    A chromosome of it leaves loops to compile that only several contigs and blocks need.
    """
    site, vcf = new_site(job.work / "warm"), job.shared / PGX
    samples = samples_of(vcf)
    mapped = job.work / "warm.csv"
    write_sample_map(job.shared, samples, list(range(1, len(samples) + 1)), mapped)
    at_site(site, "ingest", "vcf", vcf, "--samples", mapped, *AS_GIVEN)
    at_site(site, "query", "maf", "0-0.5")


def ingest(site: Path, *given: str | Path) -> Cost:
    """Ingest genotypes into a site that is made anew; what it says goes beside it."""
    shutil.rmtree(site, ignore_errors=True)
    return at_site(new_site(site), "ingest", "vcf", *given, output=site.parent / "said.txt")


def stage(site: Path, *given: str | Path) -> Cost:
    """Stage genotypes in a site that is made anew."""
    shutil.rmtree(site, ignore_errors=True)
    return at_site(new_site(site), "stage", "vcf", *given)


def genetic_bytes(site: Path) -> tuple[int, dict[str, int]]:
    """Return the bytes of genotypes on a site's ledger, and those of every view."""
    sizes = bytes_by_view(site / "ledger.sqlite")
    return sum(sizes.get(view, 0) for view in GENETIC), sizes


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of staging, sealing and unpacking the pharmacogene file."""
    warm_up(job)
    vcf, work = job.shared / PGX, job.work
    samples = samples_of(vcf)
    persons = list(range(1, len(samples) + 1))
    mapped = write_sample_map(job.shared, samples, persons, work / "samples.csv")
    given = (vcf, "--samples", mapped, *AS_GIVEN)
    own = repeated(job.repeats, lambda: ingest(work / "site", *given))
    stored, sizes = genetic_bytes(work / "site")
    staged = repeated(job.repeats, lambda: stage(work / "staged", *given))
    pgen = repeated(job.repeats, lambda: make_pgen("--vcf", vcf, work))
    bcf = repeated(job.repeats, lambda: run(view_to_bcf(vcf, work / "b.bcf")))
    packed, share = vcf.stat().st_size, stored / vcf.stat().st_size
    # Either bar will do: more CPU where the result is smaller.
    bar, most = ("<= 2.5x at <= 0.45", 2.5) if share <= 0.45 else ("<= 1.5x at <= 0.55", 1.5)
    figures = [
        *costs("VCF sealed and queryable", own, "plink2 --make-pgen", pgen, bar=bar, most=most),
        *costs("VCF sealed and queryable", own, "bcftools view -Ob", bcf)[:2],
        *costs("of that, stage vcf alone", staged, "plink2 --make-pgen", pgen)[:2],
        size("genotypes on the ledger", stored, "vcf.gz", packed, 0.55),
        size("genotypes on the ledger", stored, "vcf", _plain_bytes(vcf)),
        *(size(f"of that, {view}", sizes.get(view, 0), "vcf.gz", packed) for view in GENETIC),
    ]
    spent = {"ingest vcf": own, "stage vcf": staged, "plink2": pgen, "bcftools": bcf}
    return figures, {"costs": {n: asdict(c) for n, c in spent.items()}, "ledger_bytes": sizes}


def measure_large(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of a simulated file of 2,504 persons and 270,000 sites; one run each."""
    warm_up(job)
    sites = job.size(270_000, 20_000)
    vcf = simulate(job.shared / PGX, job.work / "large.vcf.gz", sites)
    samples = samples_of(vcf)
    persons = list(range(len(samples)))
    mapped = write_sample_map(job.shared, samples, persons, job.work / "samples.csv")
    given = (vcf, "--samples", mapped, *AS_GIVEN, "--build-unverified")
    staged = stage(job.work / "staged", *given)
    shutil.rmtree(job.work / "staged")
    own = ingest(job.work / "large", *given)
    pgen = make_pgen("--vcf", vcf, job.work)
    stored, sizes = genetic_bytes(job.work / "large")
    packed = vcf.stat().st_size
    what = f"{sites:,} simulated sites"
    figures = [
        *costs(what, own, "plink2 --make-pgen", pgen, most=1.2),
        *costs(f"{what}, stage vcf alone", staged, "plink2 --make-pgen", pgen)[:2],
        size(f"{what}, on the ledger", stored, "vcf.gz", packed, 0.65),
    ]
    spent = {"ingest vcf": own, "stage vcf": staged, "plink2": pgen}
    details = {"costs": {n: asdict(c) for n, c in spent.items()}, "ledger_bytes": sizes}
    return figures, {**details, "vcf_bytes": packed}


def two_alleles(job: Job, form: str, out: Path) -> list[str | Path]:
    """Return the command that writes the records of one ALT; few of them, quickly."""
    region = ["-r", "22"] if job.quick else []
    return [
        *("bcftools", "view", "--threads", "2", "-m2", "-M2", form, *region),
        *("-o", out, job.shared / PGX),
    ]


def make_pgen(option: str, source: Path, work: Path) -> Cost:
    """Let plink2 read genotypes (``--vcf``, ``--bcf``, ``--bfile``) and write a .pgen of them."""
    made = ("--make-pgen", "--out", work / "plink2")
    return run(["plink2", "--threads", "2", option, source, *made])


def view_to_bcf(vcf: Path, out: Path) -> list[str | Path]:
    """Return the command by which bcftools writes BCF."""
    return ["bcftools", "view", "--threads", "2", "-Ob", "-o", out, vcf]


def _plain_bytes(vcf: Path) -> int:
    with gzip.open(vcf, "rb") as file:
        return sum(len(chunk) for chunk in iter(lambda: file.read(1 << 22), b""))
