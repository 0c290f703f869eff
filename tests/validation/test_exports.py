"""Exported genotypes as bcftools, PLINK 1.9 and PLINK 2 read them, against the unsplit input."""

from __future__ import annotations

import random
import subprocess
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
import pytest

import precisionchain as pc
from tests.validation.conftest import Networks
from tests.validation.genetic_networks import GeneticNetwork
from tests.validation.vcf_oracle import MISSING, NOT_ASSAYED

pytestmark = pytest.mark.validation

NETWORKS = ("pgx in two batches", "pgx cut, BED", "hail", "chrX, half-calls haploid")
PERSONS = 200
REGIONS = {"chrX, half-calls haploid": "X", "hail": None}
REGION = "10:96000000-97000000"


@dataclass(frozen=True)
class Chosen:
    """Some persons and a region of a network, and what the input files say of them."""

    network: GeneticNetwork
    region: str | None
    columns: list[int]
    rows: list[int]

    @property
    def persons(self) -> list[str]:
        return [f"A:{self.network.persons[column]}" for column in self.columns]

    def state(self, row: int) -> tuple[npt.NDArray[np.uint8], ...]:
        states = self.network.states
        arrays = (states.dosage, states.ploidy, states.phase)
        return tuple(array[row][self.columns] for array in arrays)


@pytest.fixture(params=NETWORKS)
def chosen(request: pytest.FixtureRequest, genetic_network: Networks) -> Chosen:
    network = genetic_network(request.param)
    region = REGIONS.get(request.param, REGION)
    chooser = random.Random(request.param)
    size = min(PERSONS, len(network.persons))
    columns = sorted(chooser.sample(range(len(network.persons)), size))
    rows = []
    for row, allele in enumerate(network.alleles):
        chrom, _, span = (region or "").partition(":")
        first, _, last = span.partition("-")
        inside = not region or allele.chrom == chrom
        inside = inside and (not span or int(first) <= allele.pos <= int(last))
        assayed = (network.states.dosage[row][columns] != NOT_ASSAYED).any()
        if inside and assayed and allele.alt != ".":
            rows.append(row)
    assert len(rows) > 100
    return Chosen(network, region, columns, rows)


def export(chosen: Chosen, output: Path, to: str | None = None) -> None:
    with pc.connect(chosen.network.site) as net:
        done = net.export_genotypes(chosen.region, output=output, persons=chosen.persons, to=to)
    assert (done.persons, done.alleles) == (len(chosen.columns), len(chosen.rows))


def printed(*command: str | Path) -> str:
    done = subprocess.run([*map(str, command)], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout[-2_000:] + done.stderr[-2_000:]
    return done.stdout


def calls_of(vcf: Path) -> dict[str, list[str]]:
    """Allele -> the texts of its calls, by bcftools."""
    lines = printed("bcftools", "query", "-f", "%CHROM:%POS:%REF:%ALT[\t%GT]\n", vcf)
    return {name: calls for name, *calls in (line.split("\t") for line in lines.splitlines())}


def as_text(dosage: int, ploidy: int, phase: int) -> str:
    if dosage in (MISSING, NOT_ASSAYED):
        return "missing"
    if ploidy == 1:
        return str(dosage)
    return (("0/0", "0/1", "1/1")[dosage], "0|0", "0|1", "1|0", "1|1")[phase]


def test_bcftools_reads_and_indexes_the_vcf_and_every_call_is_the_input_s(
    chosen: Chosen, tmp_path: Path
) -> None:
    export(chosen, tmp_path / "x.vcf.gz")
    printed("bcftools", "index", "-t", tmp_path / "x.vcf.gz")
    assert printed("bcftools", "query", "-l", tmp_path / "x.vcf.gz").split() == chosen.persons
    found = calls_of(tmp_path / "x.vcf.gz")
    assert set(found) == {chosen.network.alleles[row].text for row in chosen.rows}
    differences = 0
    for row in chosen.rows:
        due = [as_text(*map(int, cell)) for cell in zip(*chosen.state(row), strict=True)]
        got = ["missing" if "." in c else c for c in found[chosen.network.alleles[row].text]]
        differences += sum(a != b for a, b in zip(due, got, strict=True))
    assert differences == 0
    whole = printed("bcftools", "+fill-tags", tmp_path / "x.vcf.gz", "--", "-t", "AC,AN")
    (tmp_path / "filled.vcf").write_text(whole, encoding="utf-8")
    query = ("bcftools", "query", "-f", "%CHROM:%POS:%REF:%ALT %AC %AN\n")
    assert printed(*query, tmp_path / "filled.vcf") == printed(*query, tmp_path / "x.vcf.gz")


def _expected_counts(chosen: Chosen) -> dict[str, tuple[int, int, int, int]]:
    """Allele -> persons with none, one and two copies (one of one is two), and without a call."""
    counts = {}
    for row in chosen.rows:
        dosage, ploidy, _ = chosen.state(row)
        copies = np.where((ploidy == 1) & (dosage == 1), 2, dosage)
        none, one, two = (int((copies[dosage < MISSING] == n).sum()) for n in range(3))
        missing = int((dosage >= MISSING).sum())
        counts[chosen.network.alleles[row].text] = (none, one, two, missing)
    return counts


def _key(bim: Path, columns: tuple[int, int, int, int]) -> list[str]:
    names = {"23": "X", "24": "Y", "25": "X", "26": "MT", "PAR1": "X", "PAR2": "X"}
    keys = []
    for line in bim.read_text(encoding="utf-8").splitlines():
        if not line.startswith("#"):
            fields = line.split("\t")
            chrom, pos, ref, alt = (fields[c] for c in columns)
            keys.append(f"{names.get(chrom, chrom)}:{pos}:{ref}:{alt}")
    return keys


def test_plink_1_9_counts_the_bed_as_the_input(chosen: Chosen, tmp_path: Path) -> None:
    export(chosen, tmp_path / "x", "bed")
    printed(
        *("plink1.9", "--bfile", tmp_path / "x", "--freqx", "--keep-allele-order"),
        *("--nonfounders", "--out", tmp_path / "counts"),
    )
    rows = pl.read_csv(tmp_path / "counts.frqx", separator="\t", infer_schema=False)
    keys = _key(tmp_path / "x.bim", (0, 3, 5, 4))
    due = _expected_counts(chosen)
    assert rows.height == len(keys) == len(due)
    for key, row in zip(keys, rows.iter_rows(named=True), strict=True):
        none = int(row["C(HOM A2)"]) + int(row["C(HAP A2)"])
        two = int(row["C(HOM A1)"]) + int(row["C(HAP A1)"])
        assert (none, int(row["C(HET)"]), two, int(row["C(MISSING)"])) == due[key], key


@pytest.mark.parametrize("form", ["bed", "pgen"])
def test_plink2_counts_the_same(chosen: Chosen, tmp_path: Path, form: str) -> None:
    export(chosen, tmp_path / "x", form)
    prefix = "--bfile" if form == "bed" else "--pfile"
    if form == "pgen":
        printed("plink2", prefix, tmp_path / "x", "--validate", "--out", tmp_path / "valid")
    printed(
        *("plink2", prefix, tmp_path / "x", "--geno-counts", "--nonfounders"),
        *("--out", tmp_path / "counts"),
    )
    rows = pl.read_csv(tmp_path / "counts.gcount", separator="\t", infer_schema=False)
    bed = form == "bed"
    keys = _key(tmp_path / f"x.{'bim' if bed else 'pvar'}", (0, 3, 5, 4) if bed else (0, 1, 3, 4))
    due = _expected_counts(chosen)
    assert rows.height == len(keys) == len(due)
    for key, row in zip(keys, rows.iter_rows(named=True), strict=True):
        none = int(row["HOM_REF_CT"]) + int(row["HAP_REF_CT"])
        two = int(row["TWO_ALT_GENO_CTS"]) + int(row["HAP_ALT_CTS"])
        got = (none, int(row["HET_REF_ALT_CTS"]), two, int(row["MISSING_CT"]))
        assert got == due[key], key


def test_plink2_reads_back_every_call_of_the_pgen_with_its_phase(
    chosen: Chosen, tmp_path: Path
) -> None:
    export(chosen, tmp_path / "x", "pgen")
    printed(
        *("plink2", "--pfile", tmp_path / "x", "--export", "vcf", "--out", tmp_path / "back"),
        *("--output-chr", "M"),
    )
    found = list(calls_of(tmp_path / "back.vcf").values())
    keys = _key(tmp_path / "x.pvar", (0, 1, 3, 4))
    rows = {chosen.network.alleles[row].text: row for row in chosen.rows}
    differences = 0
    for key, calls in zip(keys, found, strict=True):
        for call, (dosage, ploidy, phase) in zip(
            calls, zip(*chosen.state(rows[key]), strict=True), strict=True
        ):
            if dosage in (MISSING, NOT_ASSAYED):
                differences += "." not in call
            elif ploidy == 1 or dosage != 1:
                # Only heterozygous calls have a phase in a pgen; one copy may read as two.
                differences += set(call) - set("/|") != {"1" if dosage else "0"}
            else:
                differences += call != ("0/1", "", "0|1", "1|0")[phase]
    assert differences == 0
