"""PLINK filesets against what plink2 makes of them as VCF, and against plink2's own counts."""

from __future__ import annotations

import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from precisionchain.errors import PrecisionChainError
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from precisionchain.schemas.genome import fold_chrom
from tests.validation.test_vcf_staging import compare, read_rows

DATA = "plink_small_sets/plinkqc/data"


def fam(path: Path) -> list[list[str]]:
    return [line.split() for line in path.with_suffix(".fam").read_text("utf-8").splitlines()]


def stage_bed(folder: Path, path: Path, **options: Any) -> Run:
    """Stage a fileset with the sexes of its .fam."""
    folder.mkdir(parents=True, exist_ok=True)
    rows = [f"{cells[1]},{i + 1},{cells[4]}" for i, cells in enumerate(fam(path))]
    samples = folder / "map.csv"
    samples.write_text("\n".join(["sample_id,person_id,sex", *rows, ""]), "utf-8")
    options.setdefault("build", "GRCh37")
    options.setdefault("build_unverified", True)
    return stage_vcf(Staging(folder / "staging"), [path], VcfSettings(samples=samples, **options))


def run_plink2(plink2: str, *arguments: object) -> None:
    subprocess.run([plink2, *map(str, arguments)], check=True, capture_output=True, text=True)


def copied(source: Path, folder: Path) -> Path:
    """A fileset with alleles of bases and positions of their own, sorted."""
    target = folder / "copy.bed"
    for suffix in (".bed", ".bim", ".fam"):
        target.with_suffix(suffix).write_bytes(source.with_name(source.name + suffix).read_bytes())
    return target


def test_a_fileset_is_what_plink2_exports(
    shared_data: Path, tmp_path: Path, oracle_program: Callable[[str], str]
) -> None:
    """200 persons, 10,000 variants, missing calls, men on X."""
    plink2 = oracle_program("plink2")
    bed = copied(shared_data / DATA, tmp_path)
    run = stage_bed(tmp_path / "bed", bed)
    # FIDs away, so that sample names are IIDs; every call as plink2 prints it.
    run_plink2(
        plink2, "--bfile", bed.with_suffix(""), "--export", "vcf", "id-paste=iid",
        "--out", tmp_path / "out", "--threads", "1",
    )  # fmt: skip
    sexes = {cells[1]: int(cells[4]) for cells in fam(bed)}
    statistics = run.description["statistics"]
    assert statistics["warnings"] == {"provisional_ref": statistics["records"]}
    found = {(s["chrom"], s["pos"], s["ref"], s["alt"]): s for s in counted(run)}
    vcf = stage_vcf(
        Staging(tmp_path / "vcf"),
        [tmp_path / "out.vcf"],
        VcfSettings(samples=tmp_path / "bed/map.csv", build="GRCh37", build_unverified=True),
    )
    assert compare(vcf, tmp_path / "out.vcf", sexes) == len(read_rows(vcf, "sites"))
    assert {(s["chrom"], s["pos"], s["ref"], s["alt"]): s for s in counted(vcf)} == found
    blocks = [sorted((r.path / "blocks").iterdir()) for r in (run, vcf)]
    assert [b.read_bytes() for b in blocks[0]] == [b.read_bytes() for b in blocks[1]]


def counted(run: Run) -> list[dict[str, Any]]:
    return read_rows(run, "counts")


def test_counts_are_those_of_plink2(
    shared_data: Path, tmp_path: Path, oracle_program: Callable[[str], str]
) -> None:
    plink2 = oracle_program("plink2")
    bed = copied(shared_data / DATA, tmp_path)
    run = stage_bed(tmp_path / "bed", bed)
    columns = "cols=chrom,pos,ref,alt,homref,refalt,homalt1,hapref,hapalt,missing"
    run_plink2(
        plink2, "--bfile", bed.with_suffix(""), "--geno-counts", columns,
        "--out", tmp_path / "out", "--threads", "1",
    )  # fmt: skip
    rows = {(s["chrom"], s["pos"], s["ref"], s["alt"]): s for s in counted(run)}
    compared = 0
    for line in (tmp_path / "out.gcount").read_text("utf-8").splitlines()[1:]:
        chrom, pos, _, ref, alt, _, het, hom, _, hapalt, missing = line.split("\t")[:11]
        row = rows.get((fold_chrom(chrom), int(pos), ref, alt))
        if row is None:
            continue
        assert (row["n_het"], row["n_hom_alt"], row["n_hemi"]) == (int(het), int(hom), int(hapalt))
        assert row["n_missing"] == int(missing)
        compared += 1
    assert compared > 9_000


BROKEN: dict[str, tuple[str, Callable[[bytes], bytes], str]] = {
    "a .bed too short": (".bed", lambda raw: raw[:-1], "does not hold"),
    "person by person": (".bed", lambda raw: b"\x6c\x1b\x00" + raw[3:], "no PLINK .bed"),
    "a .bim with a column less": (
        ".bim", lambda raw: raw.replace(b"\t", b"", 1), "columns, a .bim has 6",
    ),
    "a .fam with a column more": (".fam", lambda raw: raw.replace(b"\n", b" 1\n", 1), "a .fam has"),
    "an empty .fam": (".fam", lambda _: b"", "names no sample"),
}  # fmt: skip


@pytest.mark.parametrize("case", BROKEN)
def test_a_broken_fileset_is_refused(tmp_path: Path, case: str) -> None:
    suffix, change, message = BROKEN[case]
    bed = small(tmp_path)
    target = bed.with_suffix(suffix)
    target.write_bytes(change(target.read_bytes()))
    with pytest.raises(PrecisionChainError, match=message):
        stage_bed(tmp_path / "x", bed)


def small(folder: Path) -> Path:
    """Five persons, four variants: two bytes each."""
    bed = folder / "small.bed"
    rows = (b"\x1b\x00", b"\xff\x03", b"\x00\x00", b"\xaa\x02")
    bed.write_bytes(b"\x6c\x1b\x01" + b"".join(rows))
    lines = (
        "9\trs1\t0\t100\tA\tG",
        "9\t.\t0\t200\t0\tC",
        "9\tx\t0\t300\tI\tD",
        "25\ty\t0\t70000\tT\tA",
    )
    bed.with_suffix(".bim").write_text("\n".join((*lines, "")), "ascii")
    people = "".join(f"f s{i} 0 0 {1 + i % 2} -9\n" for i in range(5))
    bed.with_suffix(".fam").write_text(people, "ascii")
    return bed


def test_calls_alleles_and_what_is_refused(tmp_path: Path) -> None:
    run = stage_bed(tmp_path / "x", small(tmp_path))
    sites = [(s["chrom"], s["pos"], s["ref"], s["alt"], s["id"]) for s in read_rows(run, "sites")]
    assert sites == [
        ("9", 100, "G", "A", "rs1"), ("9", 200, "C", ".", None), ("X", 70000, "A", "T", "y")
    ]  # fmt: skip
    # 0x1b is homozygous A2, heterozygous, missing, homozygous A1; 0x00 homozygous A1 once more.
    counts = [(c["ac"], c["an"], c["n_het"], c["n_missing"]) for c in counted(run)]
    assert counts == [(5, 8, 1, 1), (0, 10, 0, 0), (5, 10, 5, 0)]
    assert [(r["line"], r["rule"]) for r in read_rows(run, "refused")] == [(3, "alt_bases")]
