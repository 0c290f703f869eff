"""Figures of persons: which calls they count, what the rules make of them, what stays of a call."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import polars as pl
import pytest

from precisionchain.errors import UsageError
from precisionchain.ingest.qc import Thresholds, apply_qc, assess
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from tests.lib.vcf_builder import write_map, write_vcf

PERSONS = 40
WOMEN = range(20)
WOMAN_LISTED_AS_MAN, MAN_LISTED_AS_WOMAN, INBRED = 3, 25, 7


def calls_of(person: int, number: int, chrom: str) -> str:
    """Half of the calls are heterozygous, so that nobody but the odd ones is odd."""
    if chrom == "1":
        if person == INBRED:
            return ("0/0", "1/1")[number % 2]
        return ("0/1", "0/0", "1/0", "1/1")[(person + number) % 4]
    if person in WOMEN:
        return ("0/1", "0/0", "1/0", "1/1")[(person * 7 + number) % 4]
    return ("0/0", "1/1")[(person + number) % 2]


@pytest.fixture
def run(tmp_path: Path) -> Run:
    names = tuple(f"s{n}" for n in range(PERSONS))
    records = [
        f"{chrom}:{start + 100 * n} A C {' '.join(calls_of(p, n, chrom) for p in range(PERSONS))}"
        for chrom, start in (("1", 1_000), ("X", 5_000_000))
        for n in range(40)
    ]
    records.append("Y:10000000 A C " + " ".join(["0/1", *["0"] * (PERSONS - 1)]))
    vcf = write_vcf(tmp_path / "in.vcf", *records, samples=names)
    sexes = {n: "F" if n in WOMEN else "M" for n in range(PERSONS)}
    sexes |= {WOMAN_LISTED_AS_MAN: "M", MAN_LISTED_AS_WOMAN: "F"}
    rows = [f"s{n},{n},{sexes[n]}" for n in range(PERSONS)]
    samples = write_map(tmp_path / "map.csv", *rows)
    return stage_vcf(
        Staging(tmp_path / "staging"), [vcf], VcfSettings(samples=samples, build="GRCh37")
    )


def figures(run: Run) -> dict[int, dict[str, Any]]:
    rows = pl.read_parquet(run.path / "person_figures.parquet").to_dicts()
    return {row["person_id"]: row for row in rows}


def excluded(run: Run, **limits: Any) -> dict[int, tuple[str, float]]:
    table = assess(run.path, thresholds=Thresholds(sample_missing=1.0, **limits)).table
    rows = [row for row in table.to_pylist() if row["kind"] == "person"]
    return {row["person_id"]: (row["rule"], row["threshold"]) for row in rows}


def test_x_shows_the_sex_that_the_map_hides(run: Run, tmp_path: Path) -> None:
    found = figures(apply_qc(Staging(tmp_path / "staging"), run, "mark"))
    assert {n for n, row in found.items() if row["x_sex"] != row["sex"]} == {
        WOMAN_LISTED_AS_MAN,
        MAN_LISTED_AS_WOMAN,
    }
    woman = found[WOMAN_LISTED_AS_MAN]
    assert (woman["x_called"], woman["x_het"], woman["x_sex"]) == (40, 20, 2)
    assert found[INBRED]["f"] == pytest.approx(1.0)
    assert found[INBRED]["hom_observed"] == found[INBRED]["het_called"] == 40


def test_persons_fall_only_to_the_rules_that_are_asked_for(run: Run) -> None:
    wrong_sex = {WOMAN_LISTED_AS_MAN: ("sex", 0.2), MAN_LISTED_AS_WOMAN: ("sex", 0.8)}
    assert excluded(run) == {}
    assert excluded(run, sex_check=True) == wrong_sex
    assert excluded(run, max_f=0.5) == {INBRED: ("heterozygosity", 0.5)}
    assert set(excluded(run, sex_check=True, max_f=0.5)) == {*wrong_sex, INBRED}
    with pytest.raises(UsageError, match=r"--max-f 1\.5"):
        Thresholds(max_f=1.5)


def test_it_is_said_how_many_persons_the_check_of_sex_could_compare(tmp_path: Path) -> None:
    def said(vcf: Path, *rows: str) -> list[str]:
        staging = Staging(tmp_path / "staging")
        settings = VcfSettings(samples=write_map(tmp_path / "map.csv", *rows), build="GRCh37")
        lines: list[str] = []
        staged = stage_vcf(staging, [vcf], settings)
        limits = Thresholds(sex_check=True, min_founders=0)
        apply_qc(staging, staged, "mark", thresholds=limits, step=lines.append)
        return [line for line in lines if "--sex-check" in line]

    calls = "0/1 0/0 1/1 0/1 0/0"
    names = tuple("abcde")
    sexes = [f"{name},{n},{'MFMF'[n : n + 1]}" for n, name in enumerate(names)]
    without_x = write_vcf(tmp_path / "1.vcf", f"1:5 A C {calls}", samples=names)
    (line,) = said(without_x, *sexes)
    assert line.startswith("warning: --sex-check compared 0 of 5 persons")
    records = (f"X:{5_000_000 + n} A C 0/0 0/1 1/1 0/1 0/0" for n in range(20))
    with_x = write_vcf(tmp_path / "x.vcf", *records, samples=names)
    (line,) = said(with_x, *sexes)
    assert "compared 4 of 5 persons" in line
    assert said(with_x, *sexes[:4], "e,4,M") == []


def test_rules_that_are_off_are_not_in_the_settings() -> None:
    off = Thresholds().settings("mark")["thresholds"]
    assert not {"sex_check", "max_f"} & set(off)
    on = Thresholds(sex_check=True, max_f=0.2).settings("mark")["thresholds"]
    assert (on["sex_check"], on["max_f"]) == (True, 0.2)


def test_a_call_that_sex_made_missing_is_kept_apart(run: Run, tmp_path: Path) -> None:
    rows = pl.read_parquet(run.path / "overruled.parquet")
    named = rows.with_columns(positions(run)[rows["row"].to_numpy()])
    assert set(rows["index"].unique()) == {WOMAN_LISTED_AS_MAN}
    assert named["chrom"].unique().to_list() == ["X"]
    assert named["pos"].to_list() == [
        5_000_000 + 100 * n
        for n in range(40)
        if calls_of(WOMAN_LISTED_AS_MAN, n, "X") in ("0/1", "1/0")
    ]
    limits = Thresholds(sample_missing=0.5, hwe_p=0.0)
    after = apply_qc(Staging(tmp_path / "staging"), run, "remove", thresholds=limits)
    left = pl.read_parquet(after.path / "overruled.parquet")
    new = positions(after)
    persons = pl.read_parquet(after.path / "samples.parquet")["person_id"]
    assert set(persons[left["index"].unique().to_list()]) == {WOMAN_LISTED_AS_MAN}
    kept = new[left["row"].to_numpy()]["pos"].to_list()
    assert 0 < len(kept) < named.height
    of_x = new.filter(pl.col("chrom") == "X")["pos"].to_list()
    assert kept == [pos for pos in named["pos"].to_list() if pos in of_x]


def positions(run: Run) -> pl.DataFrame:
    return pl.read_parquet(run.path / "sites.parquet", columns=["chrom", "pos"])
