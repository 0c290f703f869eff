"""What is excluded, by which rule, with which numbers, on files small enough to count by hand."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from precisionchain.errors import UsageError
from precisionchain.ingest.qc import Exclusions, Thresholds, assess
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from tests.lib.vcf_builder import write_map, write_vcf

FEW: dict[str, Any] = {"min_founders": 0}
OFF = {"sample_missing": 1.0, "variant_missing": 1.0, "hwe_p": 0.0, "ld_r2": None}


def staged(
    folder: Path, *records: str, sexes: str = "", parents: dict[int, str] | None = None
) -> Run:
    """Stage records of persons 1, 2, ...; ``sexes`` has a letter each (default F)."""
    folder.mkdir(exist_ok=True)
    n = len(records[0].split()) - 3
    names = [f"s{i + 1}" for i in range(n)]
    sexes = sexes or "F" * n
    rows = [
        f"{name},{i + 1},{sexes[i]},{(parents or {}).get(i + 1, '')},"
        for i, name in enumerate(names)
    ]
    vcf = write_vcf(folder / "in.vcf", *records, samples=names)
    samples = write_map(folder / "map.csv", *rows, columns="sample_id,person_id,sex,father,mother")
    return stage_vcf(
        Staging(folder / "staging"), [vcf], VcfSettings(samples=samples, build="GRCh37")
    )


def found(run: Run, **limits: Any) -> Exclusions:
    return assess(run.path, thresholds=Thresholds(**FEW, **{**OFF, **limits}))


def rows(exclusions: Exclusions) -> list[tuple[Any, ...]]:
    """Return person or position, rule, value rounded, n."""
    return [
        (r["person_id"] or f"{r['chrom']}:{r['pos']}:{r['alt']}", r["rule"], r["value"], r["n"])
        for r in exclusions.table.to_pylist()
    ]


def test_nothing_is_assessed_below_thirty_founders_and_it_is_said(tmp_path: Path) -> None:
    run = staged(tmp_path, "9:5 A G ./. ./. 0/1")
    exclusions = assess(run.path)
    assert exclusions.table.num_rows == 0
    assert exclusions.skipped == "3 founders, fewer than 30"
    assert exclusions.founders == 3


def test_a_child_is_no_founder_though_its_father_is_not_in_the_file(tmp_path: Path) -> None:
    run = staged(tmp_path, "9:5 A G 0/0 0/1 0/1", parents={2: "elsewhere"})
    assert found(run).founders == 2


def test_a_share_equal_to_the_threshold_is_kept(tmp_path: Path) -> None:
    records = ("9:5 A G ./. 0/1 0/0 0/1", "9:6 A G ./. ./. 0/0 0/1", "9:7 A G 0/0 0/1 1/1 0/0")
    run = staged(tmp_path, *records)
    assert rows(found(run, sample_missing=0.5)) == [(1, "sample_missing", 2 / 3, 3)]
    assert rows(found(run, sample_missing=1 / 3)) == [(1, "sample_missing", 2 / 3, 3)]
    assert rows(found(run, variant_missing=0.25)) == [("9:6:G", "variant_missing", 0.5, 4)]
    assert rows(found(run, variant_missing=0.5)) == []


def test_persons_are_judged_first_and_not_seen_afterwards(tmp_path: Path) -> None:
    records = ("9:5 A G ./. 0/1 0/0 0/1", "9:6 A G ./. ./. 0/0 0/1", "9:7 A G 0/0 0/1 1/1 0/0")
    run = staged(tmp_path, *records)
    exclusions = found(run, sample_missing=0.5, variant_missing=0.3)
    assert rows(exclusions) == [
        (1, "sample_missing", 2 / 3, 3),
        ("9:6:G", "variant_missing", pytest.approx(1 / 3), 3),
    ]
    assert exclusions.persons.tolist() == [0]
    assert exclusions.alleles.tolist() == [1]


def test_every_allele_of_a_record_is_judged_by_itself(tmp_path: Path) -> None:
    hets = " ".join(["0/1"] * 20)
    run = staged(tmp_path, f"9:5 A C,G {hets} 2/2")
    assert [row[0] for row in rows(found(run, hwe_p=0.001))] == ["9:5:C"]


def test_the_test_of_equilibrium_sees_founders_alone_and_women_alone_on_x(tmp_path: Path) -> None:
    women, men = " ".join(["0/1"] * 12), " ".join(["0"] * 12)
    run = staged(tmp_path, f"X:3000000 A G {women} {men}", sexes="F" * 12 + "M" * 12)
    (row,) = found(run, hwe_p=0.01).table.to_pylist()
    assert (row["rule"], row["n"], row["threshold"]) == ("hwe", 12, 0.01)
    # Of C(24, 12) ways to give 12 alleles to 12 persons: all heterozygous, or 6 of each homozygote.
    assert row["value"] == pytest.approx((2**12 + 924) / 2_704_156)
    children = dict.fromkeys(range(1, 12), "elsewhere")
    other = staged(tmp_path / "b", f"9:5 A G {women}", parents=children)
    assert found(other, hwe_p=0.01).table.num_rows == 0


@pytest.mark.parametrize("chrom", ["Y", "MT"])
def test_y_and_mt_are_never_tested_for_equilibrium(chrom: str, tmp_path: Path) -> None:
    calls = " ".join(["0"] * 12 + ["1"] * 12)
    run = staged(tmp_path, f"{chrom}:5000 A G {calls}", sexes="M" * 24)
    assert found(run, hwe_p=0.5).table.num_rows == 0


def test_y_counts_for_men_alone(tmp_path: Path) -> None:
    records = ("9:5 A G 0/0 0/1 0/0 0/1", "Y:3000000 A G . . . 1", "Y:3000001 A G . . 1 0")
    run = staged(tmp_path, *records, sexes="FFMM")
    assert rows(found(run, sample_missing=0.3)) == [(3, "sample_missing", 1 / 3, 3)]
    assert rows(found(run, variant_missing=0.4)) == [("Y:3000000:G", "variant_missing", 0.5, 2)]
    alone = staged(tmp_path / "b", *records, sexes="FFFF")
    assert [row[0] for row in rows(found(alone, variant_missing=0.4))] == [
        "Y:3000000:G",
        "Y:3000001:G",
    ]


def test_of_two_alleles_in_linkage_the_rarer_goes_and_of_equals_the_later(tmp_path: Path) -> None:
    records = (
        "9:5 A G 0/0 0/0 0/0 0/1 0/1 1/1",
        "9:6 A G 0/0 0/0 0/0 0/1 0/1 1/1",
        "9:7 A G 0/0 0/0 0/1 0/1 0/1 1/1",
        "9:8 A G 0/0 0/0 0/0 0/0 0/0 0/0",
    )
    run = staged(tmp_path, *records)
    found_rows = rows(found(run, ld_r2=0.7))
    assert [row[0] for row in found_rows] == ["9:5:G", "9:6:G", "9:8:G"]
    assert found_rows[0][2] == pytest.approx(256 / 340)
    assert found_rows[1][2] == pytest.approx(1)
    assert found_rows[2][2] is None  # it does not vary, so there is no r squared
    assert [row[3] for row in found_rows] == [6, 6, 6]


def test_chromosomes_and_windows_do_not_meet(tmp_path: Path) -> None:
    same = "A G 0/0 0/0 0/0 0/1 0/1 1/1"
    other = "A G 0/1 0/0 1/1 0/0 0/1 0/0"
    run = staged(tmp_path, f"1:5 {same}", f"1:6 {other}", f"1:7 {same}", f"2:5 {same}")
    assert [r[0] for r in rows(found(run, ld_r2=0.9))] == ["1:7:G"]
    assert rows(found(run, ld_r2=0.9, ld_window=2, ld_step=1)) == []


@pytest.mark.parametrize(
    "wrong",
    [
        {"sample_missing": 5.0},
        {"hwe_p": -1e-6},
        {"ld_r2": 1.5},
        {"ld_window": 1, "ld_step": 1},
        {"ld_window": 5, "ld_step": 6},
        {"min_founders": -1},
    ],
)
def test_thresholds_without_meaning_are_refused(wrong: dict[str, Any]) -> None:
    with pytest.raises(UsageError):
        Thresholds(**wrong)
