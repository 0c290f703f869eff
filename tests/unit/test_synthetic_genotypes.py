"""The genotype files of a synthetic consortium, read by other programs, say what its truth says."""

from __future__ import annotations

import csv
import subprocess
from collections import Counter
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from cyvcf2 import VCF

from precisionchain.schemas.variant import trim
from precisionchain.synthetic import ConsortiumTruth, Truth, generate_consortium
from precisionchain.synthetic.genome import DENSE, Stretch, marker_stretches

SITES = {"A": ["wgs"], "B": ["exome"], "C": ["array"], "D": ["exome", "array"]}
STRETCHES = (
    Stretch("9", 22_060_000, 60_000),
    Stretch("10", 114_700_000, 90_000),
    *DENSE[3:],
    *marker_stretches(40_000_000),
)
Allele = tuple[str, int, str, str]
MISSING, NOT_ASSAYED = 3, 4


@dataclass(frozen=True)
class Generated:
    folder: Path
    truth: ConsortiumTruth


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    folder = tmp_path_factory.mktemp("consortium")
    truth = generate_consortium(
        folder,
        seed=5,
        sites=list(SITES),
        persons=60,
        assays=list(SITES.values()),
        stretches=STRETCHES,
        half_calls=0.002,
    )
    return Generated(folder, truth)


def files(generated: Generated, site: str) -> list[tuple[str, Path]]:
    assays = SITES[site]
    names = ["genotypes"] if len(assays) == 1 else assays
    return [
        (assay, generated.folder / site / f"{name}.vcf.gz")
        for assay, name in zip(assays, names, strict=True)
    ]


def persons_of_samples(generated: Generated, site: str) -> dict[str, int]:
    with (generated.folder / site / "samples.csv").open(encoding="utf-8") as file:
        return {row["sample_id"]: int(row["person_id"]) for row in csv.DictReader(file)}


def slow_calls(path: Path) -> dict[Allele, list[tuple[int, int, str | None]]]:
    """(dosage, ploidy, phase) of each sample at each ALT of the unsplit file, a call at a time."""
    calls = {}
    for record in VCF(str(path)):
        for number, alt in enumerate(record.ALT, start=1):
            pos, ref, trimmed = trim(record.POS, record.REF, alt)
            found: list[tuple[int, int, str | None]] = []
            for *alleles, phased in record.genotypes:
                if -1 in alleles:
                    found.append((MISSING, 0, None))
                elif len(alleles) == 1:
                    found.append((int(alleles[0] == number), 1, None))
                else:
                    assert phased
                    one, two = (int(allele == number) for allele in alleles)
                    found.append((one + two, 2, f"{one}|{two}"))
            calls[record.CHROM, pos, ref, trimmed] = found
    return calls


def targets(generated: Generated, site: str) -> list[tuple[str, int, int]]:
    text = (generated.folder / site / "assay.bed").read_text(encoding="utf-8")
    cells = [line.split("\t") for line in text.splitlines()]
    return [(chrom, int(start), int(end)) for chrom, start, end in cells]


def states_by_hand(generated: Generated, site: str) -> dict[tuple[Allele, int], object]:
    """(dosage, ploidy, phase) of every person and every allele that any site lists."""
    read = {s: [slow_calls(path) for _, path in files(generated, s)] for s in SITES}
    universe = {allele for of_site in read.values() for calls in of_site for allele in calls}
    persons = persons_of_samples(generated, site)
    with (generated.folder / site / "samples.csv").open(encoding="utf-8") as file:
        men = {int(row["person_id"]) for row in csv.DictReader(file) if row["sex"] == "1"}
    found: dict[tuple[Allele, int], object] = {}
    for (assay, path), calls in zip(files(generated, site), read[site], strict=True):
        columns = [persons[sample] for sample in VCF(str(path)).samples]
        listed_positions = {allele[:2] for allele in calls}
        for allele in universe:
            chrom, pos = allele[:2]
            if allele in calls:
                found |= {(allele, p): c for p, c in zip(columns, calls[allele], strict=True)}
                continue
            assert allele[:2] not in listed_positions
            inside = assay == "wgs" or (
                assay == "exome"
                and any(c == chrom and s < pos <= e for c, s, e in targets(generated, site))
            )
            for person in columns:
                one = chrom == "X" and pos > 2_699_520 and person in men
                called = (0, 1 if one else 2, None)
                found[allele, person] = called if inside else (NOT_ASSAYED, 0, None)
    return found


@pytest.mark.parametrize("site", SITES)
def test_the_state_of_every_person_and_allele_follows_from_the_files(
    generated: Generated, site: str
) -> None:
    truth = generated.truth.sites[site]
    found: dict[tuple[Allele, int], object] = {}
    for allele in truth.states.select("chrom", "pos", "ref", "alt").iter_rows():
        rows = truth.genotypes(":".join(map(str, allele)))
        found |= {(allele, person): tuple(state) for person, *state in rows.iter_rows()}
    assert found == states_by_hand(generated, site)
    held = set(np.unique(truth.dosages()).tolist())
    assert (
        held
        == {
            "A": {0, 1, 2, MISSING},
            "B": {0, 1, 2, MISSING, NOT_ASSAYED},
            "C": {0, 1, 2, MISSING, NOT_ASSAYED},
            "D": {0, 1, 2, MISSING, NOT_ASSAYED},
        }[site]
    )


def counted(truth: Truth, allele: Allele) -> tuple[object, ...]:
    states = truth.genotypes(":".join(map(str, allele)))
    n = Counter(states.select("dosage", "ploidy").iter_rows())
    ac = n[1, 2] + 2 * n[2, 2] + n[1, 1]
    an = 2 * sum(n[d, 2] for d in (0, 1, 2)) + n[0, 1] + n[1, 1]
    rates = (ac / an, min(ac, an - ac) / an) if an else (None, None)
    return ac, an, n[1, 2], n[2, 2], n[1, 1], n[MISSING, 0], n[NOT_ASSAYED, 0], *rates


@pytest.mark.parametrize("site", SITES)
def test_counts_follow_from_the_states(generated: Generated, site: str) -> None:
    truth = generated.truth.sites[site]
    listed = set().union(*(slow_calls(path) for _, path in files(generated, site)))
    for (
        *allele,
        is_listed,
        ac,
        an,
        het,
        hom,
        hemi,
        missing,
        unassayed,
        af,
        maf,
    ) in truth.alleles.iter_rows():
        expected = counted(truth, tuple(allele))
        assert (ac, an, het, hom, hemi, missing, unassayed, af, maf) == expected
        assert is_listed == (tuple(allele) in listed)


def test_the_consortium_counts_all_sites_together(generated: Generated) -> None:
    parts = [truth.alleles for truth in generated.truth.sites.values()]
    for row in generated.truth.alleles.sample(100, seed=1).to_dicts():
        same = [pl.all_horizontal(pl.col(c) == row[c] for c in ("chrom", "pos", "ref", "alt"))]
        own = [part.filter(*same).to_dicts()[0] for part in parts]
        for name in ("ac", "an", "n_hemi", "n_missing", "n_not_assayed"):
            assert row[name] == sum(o[name] for o in own)
        assert row["af"] == row["ac"] / row["an"]


def test_the_matrix_of_dosages_is_that_of_the_questions(generated: Generated) -> None:
    truth = generated.truth.sites["D"]
    matrix = truth.dosages()
    assert matrix.shape == (len(truth.alleles), len(truth.samples))
    for row in (0, len(matrix) // 2, len(matrix) - 1):
        allele = truth.alleles[row].select("chrom", "pos", "ref", "alt").rows()[0]
        one = truth.genotypes(":".join(map(str, allele)))
        assert one["person_id"].to_list() == truth.samples["person_id"].to_list()
        assert np.array_equal(matrix[row], one["dosage"].to_numpy())


def test_planted_variants_are_assayed_everywhere_and_others_are_not(generated: Generated) -> None:
    truth = generated.truth
    simulated = truth.associations.filter("simulated")
    assert set(simulated["variant"]) == {
        "10:114758349:C:T",
        "10:114790000:G:C",
        "9:22098574:A:G",
    }
    for variant in simulated["variant"]:
        for of_site in truth.sites.values():
            assert NOT_ASSAYED not in of_site.genotypes(variant)["dosage"]
            carriers = len(of_site.carriers(variant))
            assert 0.15 < carriers / len(of_site.samples) < 0.95
    nowhere = truth.sites["B"].alleles.filter(pl.col("an") == 0)
    assert len(nowhere) > 100


def test_the_files_hold_every_kind_of_record_and_call(generated: Generated) -> None:
    n: Counter[str] = Counter()
    for record in VCF(str(generated.folder / "A" / "genotypes.vcf.gz")):
        n["multi"] += len(record.ALT) > 1
        n["insertion"] += any(len(alt) > len(record.REF) for alt in record.ALT)
        n["deletion"] += any(len(alt) < len(record.REF) for alt in record.ALT)
        n["snv in a deletion's record"] += any(len(a) == len(record.REF) > 1 for a in record.ALT)
        n["X"] += record.CHROM == "X"
        for *alleles, _ in record.genotypes:
            n["missing"] += set(alleles) == {-1}
            n["half"] += len(set(alleles)) == 2 and -1 in alleles
            n["haploid"] += len(alleles) == 1
    kinds = ("multi", "insertion", "deletion", "snv in a deletion's record", "X")
    assert all(n[kind] > 0 for kind in (*kinds, "missing", "half", "haploid")), n


def test_only_men_are_haploid_and_only_outside_the_pseudo_autosomal_region(
    generated: Generated,
) -> None:
    vcf = VCF(str(generated.folder / "A" / "genotypes.vcf.gz"))
    with (generated.folder / "A" / "samples.csv").open(encoding="utf-8") as file:
        sex = {row["sample_id"]: row["sex"] for row in csv.DictReader(file)}
    male = [sex[sample] == "1" for sample in vcf.samples]
    for record in vcf:
        expected = male if record.CHROM == "X" and record.POS > 2_699_520 else [False] * len(male)
        assert [len(call) == 2 for call in record.genotypes] == expected


def test_bcftools_indexes_the_file_and_reads_the_planted_allele(
    generated: Generated, oracle_program: Callable[[str], str], tmp_path: Path
) -> None:
    copy = tmp_path / "genotypes.vcf.gz"
    copy.write_bytes((generated.folder / "B" / "genotypes.vcf.gz").read_bytes())
    bcftools = oracle_program("bcftools")
    subprocess.run([bcftools, "index", copy], check=True)
    printed = subprocess.run(
        [bcftools, "query", "-r", "9:22098574", "-f", r"[%ID %REF %ALT %SAMPLE %GT\n]", copy],
        check=True,
        capture_output=True,
        text=True,
    ).stdout
    persons = persons_of_samples(generated, "B")
    carriers = set()
    for line in printed.splitlines():
        identity, ref, alt, sample, call = line.split()
        assert (identity, ref, alt) == ("rs4977574", "A", "G")
        if "1" in call and "." not in call:
            carriers.add(persons[sample])
    truth = generated.truth.sites["B"].carriers("9:22098574:A:G")["person_id"]
    assert set(truth) == carriers


def test_bedtools_finds_the_targets_sorted_and_merged(
    generated: Generated, oracle_program: Callable[[str], str]
) -> None:
    bed = generated.folder / "B" / "assay.bed"
    merged = subprocess.run(
        [oracle_program("bedtools"), "merge", "-i", bed], check=True, capture_output=True, text=True
    ).stdout
    assert merged == bed.read_text(encoding="utf-8")


def test_header_names_the_contigs_of_grch37(generated: Generated) -> None:
    vcf = VCF(str(generated.folder / "C" / "genotypes.vcf.gz"))
    lengths = dict(zip(vcf.seqnames, vcf.seqlens, strict=True))
    assert (lengths["9"], lengths["22"], lengths["X"]) == (141213431, 51304566, 155270560)
    assert "##fileformat=VCFv4.2" in vcf.raw_header


def test_questions_about_genotypes_are_plain_filters(generated: Generated) -> None:
    truth = generated.truth.sites["A"]
    variants = truth.person_variants(42, "9:22060001-22120000")
    assert len(variants) > 0
    assert set(variants["person_id"]) == {42}
    assert set(variants["dosage"]) <= {1, 2}
    for row in variants.head(5).to_dicts():
        variant = f"{row['chrom']}:{row['pos']}:{row['ref']}:{row['alt']}"
        assert 42 in truth.carriers(variant)["person_id"]
    common = truth.maf(0.05, 0.5, "10:1-135534747")
    assert len(common) > 0
    assert set(common["chrom"]) == {"10"}
    assert truth.carriers("9:1:A:C").is_empty()


@pytest.mark.parametrize("site", SITES)
def test_sequencing_is_told_of_every_sample(generated: Generated, site: str) -> None:
    with (generated.folder / site / "sequencing.csv").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file))
    assert list(rows[0]) == [
        *("sample_id", "assay", "machine", "protocol", "coverage", "aligner", "caller", "build"),
    ]
    of_file = {s: a for a, path in files(generated, site) for s in VCF(str(path)).samples}
    assert {row["sample_id"]: row["assay"] for row in rows} == of_file
    assert all((row["coverage"] == "") == (row["assay"] == "array") for row in rows)
