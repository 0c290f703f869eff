"""Kin and populations of a synthetic consortium, as plink finds them in its files."""

from __future__ import annotations

import csv
import subprocess
from collections import defaultdict
from collections.abc import Callable
from dataclasses import dataclass
from itertools import combinations
from pathlib import Path

import numpy as np
import polars as pl
import pytest

from precisionchain.synthetic import ConsortiumTruth, generate_consortium
from precisionchain.synthetic.genome import DENSE, Stretch, marker_stretches
from precisionchain.synthetic.pedigree import EXTENDED, kinship_matrix, relation

STRETCHES = (*marker_stretches(), *DENSE[3:], Stretch("9", 22_095_000, 8_000))
PHI = {
    "duplicate": 1 / 2,
    "twin": 1 / 2,
    "parent": 1 / 4,
    "sibling": 1 / 4,
    "half_sibling": 1 / 8,
    "grandparent": 1 / 8,
    "avuncular": 1 / 8,
    "cousin": 1 / 16,
}
Program = Callable[[str], str]


@dataclass(frozen=True)
class Generated:
    folder: Path
    truth: ConsortiumTruth


@pytest.fixture(scope="module")
def generated(tmp_path_factory: pytest.TempPathFactory) -> Generated:
    folder = tmp_path_factory.mktemp("consortium")
    truth = generate_consortium(
        folder,
        seed=21,
        persons=[180, 120],
        assays=["wgs", "wgs"],
        related=0.8,
        duplicates=0.05,
        genotyped=1.0,
        missing=0,
        half_calls=0,
        dirty=0,
        stretches=STRETCHES,
    )
    return Generated(folder, truth)


def run(*arguments: object) -> None:
    subprocess.run([str(a) for a in arguments], check=True, capture_output=True)


@pytest.fixture(scope="module")
def together(
    generated: Generated, oracle_program: Program, tmp_path_factory: pytest.TempPathFactory
) -> Path:
    """Both sites' samples in one VCF; what one site does not list is 0/0, as both are wgs."""
    folder = tmp_path_factory.mktemp("together")
    bcftools = oracle_program("bcftools")
    copies = []
    for site in "AB":
        copies.append(folder / f"{site}.vcf.gz")
        copies[-1].write_bytes((generated.folder / site / "genotypes.vcf.gz").read_bytes())
        run(bcftools, "index", copies[-1])
    run(bcftools, "merge", "-0", "-Oz", "-o", folder / "both.vcf.gz", *copies)
    return folder / "both.vcf.gz"


# ------------------------------------------------------------------------------ the pedigree


def test_kinship_is_what_dropping_founder_alleles_through_the_pedigree_shows(
    generated: Generated,
) -> None:
    """Every founder's two alleles get names of their own, and are handed down 4,000 times."""
    truth = generated.truth
    rng = np.random.default_rng(1)
    drops = 4_000
    alleles = np.zeros((len(truth.pedigree), 2, drops), dtype=np.int32)
    for human, father, mother, twin, _, _ in truth.pedigree.iter_rows():
        if twin is not None:
            alleles[human] = alleles[twin]
        elif father is None:
            alleles[human] = [[2 * human], [2 * human + 1]]
        else:
            for slot, parent in enumerate((father, mother)):
                alleles[human, slot] = alleles[parent, rng.integers(0, 2, drops), range(drops)]
    humans = {(s, p): h for s, p, h in truth.persons.select("site", "person_id", "human").rows()}
    named = {}
    for site_1, person_1, site_2, person_2, phi, kind in truth.kinship.iter_rows():
        one, two = alleles[humans[site_1, person_1]], alleles[humans[site_2, person_2]]
        shared = np.mean([one[a] == two[b] for a in (0, 1) for b in (0, 1)])
        assert abs(shared - phi) < 0.02
        assert phi == PHI[kind]
        named[frozenset(((site_1, person_1), (site_2, person_2)))] = kind
    assert set(named.values()) == set(PHI)
    assert len(named) == len(truth.kinship)
    carried = {who: set(alleles[human].ravel().tolist()) for who, human in humans.items()}
    for one_who, two_who in combinations(humans, 2):
        if frozenset((one_who, two_who)) not in named:
            assert not carried[one_who] & carried[two_who]


def test_the_kin_of_an_extended_family_by_name() -> None:
    phi = kinship_matrix(EXTENDED)
    found = {
        (i, j): relation(EXTENDED, i, j)
        for i, j in combinations(range(EXTENDED.size), 2)
        if phi[i, j] > 0
    }
    assert found[0, 5] == "parent"
    assert found[0, 7] == "grandparent"
    assert found[5, 6] == "sibling"
    assert found[6, 7] == "avuncular"
    assert found[7, 9] == found[9, 11] == "cousin"
    assert found[7, 11] == "half_sibling"
    assert found[9, 10] == "twin"
    assert (2, 4) not in found
    assert {kind: {phi[pair] for pair, k in found.items() if k == kind} for kind in PHI} == {
        **{kind: {value} for kind, value in PHI.items()},
        "duplicate": set(),
    }


def test_parents_in_the_sample_map_are_those_of_the_pedigree(generated: Generated) -> None:
    truth = generated.truth
    parents = {h: (f, m) for h, f, m in truth.pedigree.select("human", "father", "mother").rows()}
    human_of = {s: h for s, h in truth.persons.select("sample_id", "human").rows()}  # noqa: C416
    told = 0
    for site in "AB":
        with (generated.folder / site / "samples.csv").open(encoding="utf-8") as file:
            rows = list(csv.DictReader(file))
        here = {human_of[row["sample_id"]] for row in rows}
        for row in rows:
            for name, parent in zip(
                ("father", "mother"), parents[human_of[row["sample_id"]]], strict=True
            ):
                assert (human_of[row[name]] if row[name] else None) == (
                    parent if parent in here else None
                )
                told += row[name] != ""
    assert told > 50


def test_children_are_born_after_their_parents_and_twins_on_one_day(generated: Generated) -> None:
    truth = generated.truth
    year = dict(truth.persons.select("human", "year_of_birth").iter_rows())
    sexes = dict(truth.pedigree.select("human", "sex").iter_rows())
    for human, father, mother, twin, sex, _ in truth.pedigree.iter_rows():
        for parent, expected in ((father, 1), (mother, 2)):
            assert parent is None or sexes[parent] == expected
            if human in year and parent in year:
                assert 14 < year[human] - year[parent] < 45
        if twin is not None:
            assert (year[human], sex) == (year[twin], sexes[twin])


# -------------------------------------------------------------------------------- as plink sees


def test_king_finds_the_kin_planted_also_between_sites(
    generated: Generated, together: Path, oracle_program: Program, tmp_path: Path
) -> None:
    truth = generated.truth
    out = tmp_path / "king"
    run(
        *(oracle_program("plink2"), "--vcf", together, "--chr", "1-22", "--maf", "0.05"),
        *("--max-alleles", "2", "--make-king-table", "--out", out),
    )
    with out.with_suffix(".kin0").open(encoding="utf-8") as file:
        rows = list(csv.DictReader(file, delimiter="\t"))
    id_1, id_2 = ("#IID1", "IID2") if "#IID1" in rows[0] else ("IID1", "IID2")
    king = {frozenset((row[id_1], row[id_2])): float(row["KINSHIP"]) for row in rows}
    named = truth.persons.select("site", "person_id", "sample_id")
    sample = {(site, person): name for site, person, name in named.iter_rows()}
    kin: dict[str, list[float]] = defaultdict(list)
    related = set()
    across = 0
    for site_1, person_1, site_2, person_2, _, kind in truth.kinship.iter_rows():
        pair = frozenset((sample[site_1, person_1], sample[site_2, person_2]))
        kin[kind].append(king[pair])
        related.add(pair)
        across += site_1 != site_2
    assert across > 20
    # Identical genomes, and those that differ at no homozygote, need no large numbers.
    assert min(kin["duplicate"] + kin["twin"]) > 0.49
    assert min(kin["parent"]) > 0.15
    for kind, values in kin.items():
        assert abs(np.median(values) - PHI[kind]) < 0.035, (kind, np.median(values))
    assert all(value < 0.15 for pair, value in king.items() if pair not in related)
    assert len(rows) > 40_000


def mendel_errors(together: Path, generated: Generated, plink: str, work: Path, shift: int) -> int:
    """The count of plink1.9; a childless child gets the father of the one ``shift`` further on."""
    work.mkdir()
    parents, sexes = [], []
    for site in "AB":
        with (generated.folder / site / "samples.csv").open(encoding="utf-8") as file:
            for row in csv.DictReader(file):
                sexes.append(f"{row['sample_id']} {row['sample_id']} {row['sex']}")
                if row["father"] and row["mother"]:
                    parents.append((row["sample_id"], row["father"], row["mother"]))
    # One family id, so that plink looks for parents among all.
    above = {parent for _, *both in parents for parent in both}
    parents = [trio for trio in parents if not shift or trio[0] not in above]
    fathers = [father for _, father, _ in parents]
    fathers = fathers[shift:] + fathers[:shift]
    names = {line.split()[0] for line in sexes}
    one = "\n".join(f"{name} {name} F {name}" for name in sorted(names))
    (work / "ids").write_text(one + "\n", encoding="utf-8")
    (work / "sex").write_text("\n".join(f"F {s.split(' ', 1)[1]}" for s in sexes) + "\n")
    lines = [f"F {c} {f} {m}" for (c, _, m), f in zip(parents, fathers, strict=True)]
    (work / "parents").write_text("\n".join(lines) + "\n", encoding="utf-8")
    split = work / "split.vcf.gz"
    run("bcftools", "norm", "-m-", "-Oz", "-o", split, together)
    base = (plink, "--keep-allele-order", "--out", work / "b", "--make-bed")
    run(*base, "--vcf", split, "--double-id", "--update-ids", work / "ids")
    run(
        *(plink, "--bfile", work / "b", "--update-sex", work / "sex", "--make-bed"),
        *("--split-x", "b37", "no-fail", "--keep-allele-order", "--out", work / "c"),
    )
    run(
        *(plink, "--bfile", work / "c", "--update-parents", work / "parents", "--make-bed"),
        *("--keep-allele-order", "--out", work / "d"),
    )
    run(plink, "--bfile", work / "d", "--mendel", "--out", work / "e")
    assert len(parents) > 25
    return len((work / "e.mendel").read_text(encoding="utf-8").splitlines()) - 1


def test_no_child_breaks_mendels_law_on_autosomes_and_x(
    generated: Generated, together: Path, oracle_program: Program, tmp_path: Path
) -> None:
    plink = oracle_program("plink1.9")
    assert mendel_errors(together, generated, plink, tmp_path / "true", 0) == 0
    assert mendel_errors(together, generated, plink, tmp_path / "shifted", 3) > 1_000


# --------------------------------------------------------------------------------- populations


def test_principal_components_part_the_populations(
    generated: Generated, together: Path, oracle_program: Program, tmp_path: Path
) -> None:
    run(
        *(oracle_program("plink2"), "--vcf", together, "--chr", "1-22", "--maf", "0.05"),
        *("--max-alleles", "2", "--pca", "2", "--out", tmp_path / "pca"),
    )
    with (tmp_path / "pca.eigenvec").open(encoding="utf-8") as file:
        scores = {
            row["#IID"]: [float(row["PC1"]), float(row["PC2"])]
            for row in csv.DictReader(file, delimiter="\t")
        }
    truth = generated.truth
    shares = truth.ancestry.pivot("population", index=["site", "person_id"], values="realised")
    table = shares.join(truth.persons, on=["site", "person_id"])
    x = np.array([[*scores[s], 1.0] for s in table["sample_id"]])
    for population in ("P1", "P2", "P3"):
        y = table[population].to_numpy()
        fitted = x @ np.linalg.lstsq(x, y, rcond=None)[0]
        assert np.corrcoef(fitted, y)[0, 1] > 0.9


def test_ancestry_adds_up_and_is_realised_about_as_expected(generated: Generated) -> None:
    ancestry = generated.truth.ancestry
    sums = ancestry.group_by("site", "person_id").agg(pl.sum("expected", "realised"))
    assert np.allclose(sums["expected"], 1)
    assert np.allclose(sums["realised"], 1)
    pure = ancestry.filter(pl.col("expected").is_in([0.0, 1.0]))
    assert (pure["expected"] == pure["realised"]).all()
    mixed = ancestry.filter(pl.col("expected").is_between(0.01, 0.99))
    assert len(mixed) > 10
    difference = mixed["expected"] - mixed["realised"]
    assert (difference != 0).any()
    assert (difference.abs() < 0.25).all()
    assert set(mixed["expected"]) == {0.5}
