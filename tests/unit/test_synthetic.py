"""A synthetic consortium as a whole: the same seed, its parameters, its planted effects."""

from __future__ import annotations

import csv
import math
import re
import sys
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from polars.testing import assert_frame_equal

import precisionchain.synthetic
from precisionchain.errors import UsageError
from precisionchain.synthetic import ConsortiumTruth, generate_consortium
from precisionchain.synthetic.__main__ import main
from precisionchain.synthetic.generate import generate
from precisionchain.synthetic.genome import Stretch

SMALL: Mapping[str, Any] = {
    "persons": [60, 40],
    "stretches": (Stretch("9", 22_080_000, 30_000), Stretch("X", 30_000_000, 5_000)),
    "half_calls": 0.002,
}
PLANTED_ALONE = (
    Stretch("9", 22_004_000, 2_000),
    Stretch("9", 22_098_000, 2_000),
    Stretch("10", 114_758_000, 2_000),
    Stretch("22", 42_449_000, 2_000),
)


def contents(folder: Path) -> dict[str, bytes]:
    return {
        str(path.relative_to(folder)): path.read_bytes()
        for path in sorted(folder.rglob("*"))
        if path.is_file()
    }


def test_the_same_seed_gives_the_same_bytes(tmp_path: Path) -> None:
    for name, seed in (("one", 11), ("again", 11), ("other", 12)):
        generate_consortium(tmp_path / name, seed=seed, **SMALL)
    one, other = contents(tmp_path / "one"), contents(tmp_path / "other")
    assert contents(tmp_path / "again") == one
    assert one.keys() == other.keys()
    same = {name for name in one if one[name] == other[name]}
    invented = re.compile(
        r"./vocabulary/.*|B/assay.bed|truth/(associations|phenotypes).parquet"
        r"|truth/./(ancestors|tables/(location|care_site|provider)).parquet"
    )
    assert same == {name for name in one if invented.fullmatch(name)}


def test_the_truth_is_read_as_it_was_written(tmp_path: Path) -> None:
    written = generate_consortium(tmp_path, seed=2, **SMALL)
    read = ConsortiumTruth.read(tmp_path / "truth")
    assert list(read.sites) == ["A", "B"]
    for table in ("persons", "pedigree", "kinship", "ancestry", "associations", "alleles"):
        assert_frame_equal(getattr(read, table), getattr(written, table))
    for site, truth in written.sites.items():
        for table in ("rejected", "states", "alleles", "samples", "concept_persons"):
            assert_frame_equal(getattr(read.sites[site], table), getattr(truth, table))
        for name, rows in truth.tables.items():
            assert_frame_equal(read.sites[site].tables[name], rows)


def test_one_hospital_is_a_consortium_of_one(tmp_path: Path) -> None:
    stretches = SMALL["stretches"]
    alone = generate(tmp_path / "alone", seed=4, persons=40, stretches=stretches)
    truth = generate_consortium(tmp_path / "one", seed=4, sites=1, persons=40, stretches=stretches)
    hospital, site = contents(tmp_path / "alone"), contents(tmp_path / "one" / "A")
    assert {n: b for n, b in hospital.items() if not n.startswith("truth")} == site
    assert_frame_equal(alone.states, truth.sites["A"].states)
    assert truth.duplicates().is_empty()


def test_sizes_names_and_files_are_as_asked(tmp_path: Path) -> None:
    truth = generate_consortium(
        tmp_path,
        seed=1,
        sites=["north", "south", "east"],
        persons=[40, 30, 50],
        assays=["array", ["wgs", "exome"], "wgs"],
        genotyped=0.5,
        duplicates=0.1,
        stretches=SMALL["stretches"],
    )
    people = truth.persons
    assert dict(people.group_by("site").len().iter_rows()) == {"north": 40, "south": 30, "east": 50}
    assert people.filter(pl.col("sample_id").is_not_null()).group_by("site").len().sort(
        "site"
    ).rows() == [("east", 25), ("north", 20), ("south", 15)]
    assert {p.name for p in (tmp_path / "south").iterdir()} == {
        *("omop", "vocabulary", "wgs.vcf.gz", "exome.vcf.gz"),
        *("assay.bed", "samples.csv", "sequencing.csv"),
    }
    assert {p.name for p in (tmp_path / "north").glob("*.vcf.gz")} == {"genotypes.vcf.gz"}
    assert len(truth.duplicates()) == 3 + 3
    for of_site in people.partition_by("site"):
        assert of_site["person_id"].is_unique().all()
        assert of_site["human"].is_unique().all()


@pytest.mark.parametrize(
    "asked",
    [
        {"related": 0.0},
        {"related": 1.0},
        {"duplicates": 1.0},
        {"planted": ()},
        {"planted": (), "phenotypes": ()},
        {"dirty": 9},
        {"sites": 3},
    ],
    ids=str,
)
def test_odd_consortia_can_be_had(tmp_path: Path, asked: dict[str, Any]) -> None:
    truth = generate_consortium(tmp_path, **{**SMALL, "persons": 24, **asked})
    assert set(truth.persons.group_by("site").len()["len"]) == {24}
    assert truth.kinship.is_empty() == (asked.get("related") == 0.0)
    assert all(of_site.settings["rejected"]["measurement"] for of_site in truth.sites.values())


def test_person_42_of_two_sites_is_not_one_human(tmp_path: Path) -> None:
    truth = generate_consortium(tmp_path, seed=6, **SMALL)
    famous = truth.persons.filter(pl.col("person_id") == 42)
    assert famous["site"].to_list() == ["A", "B"]
    assert famous["human"].n_unique() == 2
    assert famous["sample_id"].null_count() == 0
    kin = truth.kinship.filter(pl.col("person_1") == 42, pl.col("person_2") == 42)
    assert kin.is_empty()
    assert all(42 in of_site.persons_of(201826) for of_site in truth.sites.values())


# -------------------------------------------------------------------------- planted effects


@pytest.fixture(scope="module")
def large(tmp_path_factory: pytest.TempPathFactory) -> tuple[Path, ConsortiumTruth]:
    folder = tmp_path_factory.mktemp("large")
    truth = generate_consortium(
        folder,
        seed=8,
        persons=1_500,
        assays=["wgs", "wgs"],
        genotyped=1.0,
        missing=0,
        half_calls=0,
        related=0.2,
        stretches=PLANTED_ALONE,
    )
    return folder, truth


def by_person(folder: Path, truth: ConsortiumTruth, variant: str) -> pl.DataFrame:
    """site, person_id, copies, male, decade, p2, p3 of everybody, from files and the truth."""
    frames = []
    for site, of_site in truth.sites.items():
        with (folder / site / "omop" / "person.csv").open(encoding="utf-8") as file:
            rows = [r for r in csv.DictReader(file) if r["year_of_birth"].isdigit()]
        born = pl.DataFrame(
            {
                "person_id": [int(r["person_id"]) for r in rows],
                "decade": [(1970 - int(r["year_of_birth"])) / 10 for r in rows],
                "male": [float(r["gender_concept_id"] == "8507") for r in rows],
            }
        ).unique("person_id")
        copies = of_site.genotypes(variant).select("person_id", copies="dosage")
        frames.append(copies.join(born, on="person_id").with_columns(site=pl.lit(site)))
    shares = truth.ancestry.pivot("population", index=["site", "person_id"], values="expected")
    return pl.concat(frames).join(shares, on=["site", "person_id"])


def solved(columns: pl.DataFrame, y: pl.Series, weights: Any = None) -> Any:
    """Least squares, and the standard error of the first column's coefficient."""
    x = columns.with_columns(one=pl.lit(1.0)).to_numpy()
    w = np.ones(len(x)) if weights is None else weights
    inverse = np.linalg.inv(x.T @ (x * w[:, None]))
    beta = inverse @ (x.T @ (w * y.to_numpy()))
    return beta, inverse


COVARIATES = ("copies", "male", "decade", "P2", "P3")


@pytest.mark.parametrize(
    ("variant", "concept", "effect"),
    [("10:114758349:C:T", 201826, 0.5), ("9:22098574:A:G", 317576, 0.7)],
)
def test_a_logistic_regression_finds_the_log_odds_planted(
    large: tuple[Path, ConsortiumTruth], variant: str, concept: int, effect: float
) -> None:
    folder, truth = large
    table = by_person(folder, truth, variant)
    ill = {(s, p) for s, t in truth.sites.items() for p in t.persons_of(concept)}
    y = pl.Series([float(who in ill) for who in table.select("site", "person_id").iter_rows()])
    beta = np.zeros(len(COVARIATES) + 1)
    columns = table.select(COVARIATES)
    x = columns.with_columns(one=pl.lit(1.0)).to_numpy()
    for _ in range(12):  # iteratively reweighted least squares
        p = 1 / (1 + np.exp(-x @ beta))
        w = p * (1 - p)
        beta, inverse = solved(columns, pl.Series(x @ beta + (y.to_numpy() - p) / w), w)
    error = math.sqrt(inverse[0, 0])
    assert error < 0.1
    assert abs(beta[0] - effect) < 3.5 * error
    row = truth.associations.row(by_predicate=pl.col("variant") == variant, named=True)
    assert (row["concept_id"], row["effect"], row["model"]) == (concept, effect, "logistic")


@pytest.mark.parametrize(
    ("variant", "effect"), [("22:42450000:G:A", 8.0), ("9:22005000:T:C", -6.0)]
)
def test_a_linear_regression_finds_the_change_of_a_measurement_planted(
    large: tuple[Path, ConsortiumTruth], variant: str, effect: float
) -> None:
    folder, truth = large
    mg_dl = pl.when(pl.col("unit_concept_id") == 8753).then(38.67).otherwise(1.0)
    means = pl.concat(
        t.tables["measurement"]
        .filter(pl.col("measurement_concept_id") == 3027114)
        .group_by("person_id")
        .agg(y=(pl.col("value_as_number") * mg_dl).mean())
        .with_columns(site=pl.lit(site))
        for site, t in truth.sites.items()
    ).drop_nulls("y")
    table = by_person(folder, truth, variant).join(means, on=["site", "person_id"])
    beta, inverse = solved(table.select(COVARIATES), table["y"])
    x = table.select(COVARIATES).with_columns(one=pl.lit(1.0)).to_numpy()
    residual = table["y"].to_numpy() - x @ beta
    error = math.sqrt(inverse[0, 0] * residual @ residual / (len(x) - len(beta)))
    assert error < 1.5
    assert abs(beta[0] - effect) < 3.5 * error
    assert abs(np.mean(residual)) < 1e-6


# ---------------------------------------------------------------------------------- refusals


@pytest.mark.parametrize(
    ("asked", "message"),
    [
        ({"persons": 5}, "5 persons"),
        ({"persons": [50]}, "2 sites, 1 numbers"),
        ({"missing": 1.5}, "missing is a share"),
        ({"assays": ["wgs", "chip"]}, "chip"),
        ({"assays": ["wgs", ["exome", "exome"]]}, "exome, exome"),
        ({"sites": ["A", "A"]}, "same name"),
        ({"sites": 0}, "0 sites"),
        ({"genotyped": 0.01}, "too few"),
        ({"stretches": (Stretch("22", 42_400_000, 2),)}, "2 bases"),
        ({"stretches": (Stretch("22", 51_304_000, 2_000),)}, "no such stretch"),
        ({"stretches": (Stretch("9", 1_000, 500), Stretch("9", 1_200, 500))}, "overlap"),
    ],
)
def test_what_makes_no_consortium_is_refused(
    tmp_path: Path, asked: dict[str, Any], message: str
) -> None:
    with pytest.raises(UsageError, match=message):
        generate_consortium(tmp_path, **{**SMALL, "persons": 40, **asked})


def test_without_msprime_the_message_says_what_to_install(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "msprime", None)
    with pytest.raises(UsageError, match=r"precisionchain\[demo\]"):
        generate_consortium(tmp_path, **SMALL)


def test_one_module_imports_msprime() -> None:
    folder = Path(precisionchain.synthetic.__file__).parent.parent
    importing = [
        p
        for p in folder.rglob("*.py")
        if re.search(r"^\s*(import|from) msprime", p.read_text(encoding="utf-8"), re.MULTILINE)
    ]
    assert [p.name for p in importing] == ["genome.py"]


def test_a_shell_can_ask_for_a_consortium(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    asked = [str(tmp_path), "--sites", "x,y", "--persons", "30,20", "--assays", "wgs+array,exome"]
    assert main([*asked, "--seed", "3"]) == 0
    assert capsys.readouterr().out.count("24 samples") == 1
    truth = ConsortiumTruth.read(tmp_path / "truth")
    assert truth.settings["seed"] == 3
    assert sorted(p.name for p in tmp_path.glob("*/*.vcf.gz")) == [
        *("array.vcf.gz", "genotypes.vcf.gz", "wgs.vcf.gz"),
    ]
    assert main([str(tmp_path), "--persons", "3"]) == UsageError.exit_code
    assert "3 persons" in capsys.readouterr().err
