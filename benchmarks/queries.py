"""Each question warm and as a command, with and without its entries, against other programs.

One network: GiBleed's persons and, as two batches, the pharmacogenes of 2,504 of them.
"""

from __future__ import annotations

import csv
import random
import subprocess
import sys
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any

from benchmarks.genotypes import PGX, samples_of, write_sample_map
from benchmarks.measure import Job, Latency, commands, latency, new_site, precisionchain, run
from benchmarks.omop import GIBLEED
from benchmarks.report import Figure, answers, seconds
from precisionchain.network import connect
from precisionchain.opened import OpenSite
from precisionchain.query import clinical
from precisionchain.query.frequencies import allele_frequencies
from precisionchain.query.person_variants import person_variants
from precisionchain.query.variants import variant_calls
from precisionchain.schemas.variant import Region, Variant

WARM, COLD = 300, 7
WARM_BAR, COLD_BAR = 0.01, 1.0  # seconds, entries included
_FIRST_BATCH = 1_500

_CONDITIONS = """
import duckdb, sys
path, column, value = sys.argv[1:]
sql = f"select * from read_csv(?, header=true, all_varchar=true) where {column} = ?"
print(len(duckdb.execute(sql, [path, value]).fetchall()))
"""


@dataclass(frozen=True, slots=True)
class Question:
    """One kind of question, put in three ways, and what another program would be asked.

    Genetic questions but ``variant`` are about 100 kb.

    Args:
        name: of the command.
        gated: through ``Network``: with its entries.
        bare: the same evaluation without the gate.
        command: the same as a command line.
        other: another program's command for the same, and its name.
        asked: the questions: arguments of each of the four.
    """

    name: str
    gated: Callable[..., object]
    bare: Callable[..., object]
    command: Callable[..., list[str]]
    other: Callable[..., list[str]]
    other_name: str
    asked: list[tuple[Any, ...]]


def measure(job: Job) -> tuple[list[Figure], dict[str, Any]]:
    """Return the figures of five kinds of questions."""
    site, samples = _network(job.shared, job.work)
    warm_ones = job.size(WARM, 20)
    figures: list[Figure] = []
    details: dict[str, Any] = {}
    opened = OpenSite(site)
    with connect(site) as network:
        for question in _questions(job.shared, network, opened, samples):
            cold = [tuple(arguments) for arguments in question.asked[:COLD]]
            warm = latency(question.gated, question.asked[:warm_ones])
            bare = latency(question.bare, question.asked[:warm_ones])
            command = commands(
                cold, lambda *a, q=question: precisionchain("-C", site, *q.command(*a))
            )
            other = commands(cold, question.other)
            figures += _figures(question, warm, bare, command, other)
            details[question.name] = {
                "warm": asdict(warm),
                "without_entries": asdict(bare),
                "command": asdict(command),
                question.other_name: asdict(other),
            }
    opened.close()
    return figures, details


def _figures(
    question: Question, warm: Latency, bare: Latency, command: Latency, other: Latency
) -> list[Figure]:
    name, theirs = f"query {question.name}", question.other_name
    overhead = warm.p50 - bare.p50
    return [
        *answers(f"{name}, warm", warm, theirs, other, bars=(WARM_BAR, None)),
        Figure(
            f"{name}, entries' overhead",
            seconds(overhead),
            f"without entries {seconds(bare.p50)}",
            overhead / bare.p50,
        ),
        *answers(f"{name}, as a command", command, theirs, other, bars=(COLD_BAR, None)),
    ]


def _network(shared: Path, work: Path) -> tuple[Path, dict[str, int]]:
    """Make the network; return its folder and sample -> person."""
    site, vcf = new_site(work / "asked"), shared / PGX
    with (shared / GIBLEED / "person.csv").open(encoding="utf-8", newline="") as file:
        persons = sorted(int(row["PERSON_ID"]) for row in csv.DictReader(file))
    samples = samples_of(vcf)
    random.Random(1).shuffle(persons)
    run(precisionchain("-C", site, "ingest", "omop", shared / GIBLEED))
    linked = dict(zip(samples, persons, strict=False))
    for number, part in enumerate((samples[:_FIRST_BATCH], samples[_FIRST_BATCH:])):
        mapped = write_sample_map(
            shared, part, [linked[name] for name in part], work / f"map_{number}.csv"
        )
        (work / f"names_{number}").write_text("\n".join(part) + "\n", encoding="utf-8")
        file_of_part = work / f"batch_{number}.vcf.gz"
        names = work / f"names_{number}"
        run(["bcftools", "view", "--threads", "2", "-S", names, "-Oz", "-o", file_of_part, vcf])
        ingest = ("ingest", "vcf", file_of_part, "--samples", mapped, "--build", "GRCh37")
        run(precisionchain("-C", site, *ingest, "--qc", "none"))
    return site, linked


def _questions(
    shared: Path, network: Any, opened: OpenSite, linked: dict[str, int]
) -> list[Question]:
    chooser = random.Random(2)
    vcf, csv_folder = str(shared / PGX), shared / GIBLEED
    conditions = str(csv_folder / "condition_occurrence.csv")
    with (csv_folder / "condition_occurrence.csv").open(encoding="utf-8", newline="") as file:
        rows = [(int(r["condition_concept_id"]), int(r["person_id"])) for r in csv.DictReader(file)]
    concepts = sorted({concept for concept, _ in rows})
    persons = sorted({person for _, person in rows})
    variants = _variants(vcf)
    names = sorted(linked)
    snapshot = opened.snapshot()

    def of_duckdb(column: str, value: object) -> list[str]:
        return [sys.executable, "-c", _CONDITIONS, conditions, column, str(value)]

    def place(variant: str) -> str:
        return ":".join(variant.split(":")[:2])

    def region(variant: str) -> str:
        chrom, pos = variant.split(":")[:2]
        return f"{chrom}:{max(1, int(pos) - 50_000)}-{int(pos) + 50_000}"

    def of_person(name: str, variant: str) -> tuple[str, str]:
        return f"A:{linked[name]}", region(variant)

    return [
        Question(
            "domain",
            network.domain,
            lambda concept: clinical.domain_rows(snapshot, concept),
            lambda concept: ["query", "domain", str(concept), "--json"],
            lambda concept: of_duckdb("condition_concept_id", concept),
            "DuckDB over the CSV",
            [(chooser.choice(concepts),) for _ in range(WARM)],
        ),
        Question(
            "person",
            lambda person: network.person(f"A:{person}"),
            lambda person: clinical.person_record(snapshot, "A", person),
            lambda person: ["query", "person", f"A:{person}", "--json"],
            lambda person: of_duckdb("person_id", person),
            "DuckDB over one CSV",
            [(chooser.choice(persons),) for _ in range(WARM)],
        ),
        Question(
            "variant",
            network.variant,
            lambda variant: variant_calls(snapshot, Variant.parse(variant), frozenset(("1", "2"))),
            lambda variant: ["query", "variant", variant, "--json"],
            lambda variant: [
                *("bcftools", "query", "-r", place(variant), "-f", "[%SAMPLE\t%GT\n]", vcf)
            ],
            "bcftools query",
            [(chooser.choice(variants),) for _ in range(WARM)],
        ),
        Question(
            "person-variants",
            lambda name, variant: network.person_variants(*of_person(name, variant)),
            lambda name, variant: person_variants(
                snapshot, "A", linked[name], Region.parse(region(variant)), None
            ),
            lambda name, variant: ["query", "person-variants", *of_person(name, variant), "--json"],
            lambda name, variant: [
                *("bcftools", "view", "-H", "-s", name, "-c1", "-r", region(variant), vcf)
            ],
            "bcftools view",
            [(chooser.choice(names), chooser.choice(variants)) for _ in range(WARM)],
        ),
        Question(
            "maf",
            lambda variant: network.maf(0.01, 0.05, region=region(variant)),
            lambda variant: allele_frequencies(snapshot, 0.01, 0.05, Region.parse(region(variant))),
            lambda variant: ["query", "maf", "0.01-0.05", "--region", region(variant), "--json"],
            lambda variant: [
                *("bcftools", "view", "-H", "-q", "0.01:minor", "-Q", "0.05:minor"),
                *("-r", region(variant), vcf),
            ],
            "bcftools view -q",
            [(chooser.choice(variants),) for _ in range(WARM)],
        ),
    ]


def _variants(vcf: str) -> list[str]:
    listed = subprocess.run(
        ["bcftools", "query", "-f", "%CHROM:%POS:%REF:%ALT\n", vcf], capture_output=True, check=True
    ).stdout.decode()
    return [line for line in listed.split() if "," not in line and "X:" not in line]
