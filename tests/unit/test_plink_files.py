"""The tables of PLINK filesets, and what is said of filesets that cannot be taken."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from precisionchain.errors import PrecisionChainError, SampleMapError, UnreadableFileError
from precisionchain.ingest.plink_bed import read_bed_calls, scan_bed
from precisionchain.ingest.plink_files import lines
from precisionchain.ingest.sample_names import some_samples
from precisionchain.ingest.vcf_build import Evidence, judge

VARIANTS = ("9\trs1\t0\t100\tA\tG", "9\t.\t0\t200\t0\tC", "25\ty\t0\t70000\tT\tA")


def fileset(folder: Path, *variants: str, people: tuple[str, ...] = ("s0", "s1")) -> Path:
    """Everybody is homozygous A1 everywhere."""
    bed = folder / "small.bed"
    width = -(-len(people) // 4)
    bed.write_bytes(b"\x6c\x1b\x01" + bytes(width * len(variants)))
    bed.with_suffix(".bim").write_text("".join(f"{line}\n" for line in variants), "utf-8")
    rows = (f"f{i} {name} 0 0 1 -9\n" for i, name in enumerate(people))
    bed.with_suffix(".fam").write_text("".join(rows), "utf-8")
    return bed


def test_a_scan_and_the_calls_are_of_the_same_variants(tmp_path: Path) -> None:
    bed = fileset(tmp_path, *VARIANTS)
    found = scan_bed(bed)
    assert [(s.chrom, s.name, s.first_record, s.records) for s in found.segments] == [
        ("9", "9", 0, 2),
        ("X", "25", 2, 1),
    ]
    assert (found.records, found.size) == (3, bed.stat().st_size)
    assert [(one.rule, one.n) for one in found.warnings] == [("provisional_ref", 3)]
    records = [one.record for one in read_bed_calls(found)]
    assert [(one.number, one.chrom, one.pos, one.alts) for one in records] == [
        (0, "9", 100, ("A",)),
        (1, "9", 200, ()),
        (2, "X", 70_000, ("T",)),
    ]


@pytest.mark.parametrize(
    ("change", "of"),
    [
        (lambda bed: None, "the fileset"),
        (lambda bed: bed.write_bytes(bed.read_bytes()[:-1] + b"\x01"), "the calls"),
        (lambda bed: replaced(bed, ".bim", "rs1", "rs2"), "a variant"),
        (lambda bed: replaced(bed, ".fam", "s1", "s2"), "a sample"),
    ],
)
def test_whatever_is_read_is_digested(
    tmp_path: Path, change: Callable[[Path], object], of: str
) -> None:
    bed = fileset(tmp_path, *VARIANTS)
    before = scan_bed(bed).digest
    change(bed)
    assert (scan_bed(bed).digest == before) == (of == "the fileset")


def replaced(bed: Path, suffix: str, old: str, new: str) -> None:
    table = bed.with_suffix(suffix)
    table.write_text(table.read_text("utf-8").replace(old, new), "utf-8")


def said(bed: Path) -> str:
    with pytest.raises(PrecisionChainError) as caught:
        scan_bed(bed)
    return str(caught.value)


def test_hints_name_commands_that_read_filesets(tmp_path: Path) -> None:
    assert "plink2 --sort-vars" in said(fileset(tmp_path, *VARIANTS[1::-1]))
    again = said(fileset(tmp_path, "9\tx\t0\t1\tA\tG", VARIANTS[2], "9\ty\t0\t5\tA\tG"))
    assert "unsorted" in again
    assert "plink2 --sort-vars" in again
    two_names = said(fileset(tmp_path, "23\tx\t0\t1\tA\tG", VARIANTS[2]))
    assert "contig X is written 23 and 25" in two_names
    assert "plink2 --merge-x" in two_names
    with pytest.raises(PrecisionChainError, match=r"\(say --build-unverified"):
        judge(scan_bed(fileset(tmp_path, *VARIANTS)), Evidence(), "GRCh37", build_unverified=False)


def test_a_truncated_file_of_calls_has_a_next_step(tmp_path: Path) -> None:
    bed = fileset(tmp_path, *VARIANTS)
    bed.write_bytes(bed.read_bytes()[:-1])
    assert "does not hold 3 variants of 2 samples" in said(bed)
    assert "copy all three files again" in said(bed)


def test_a_sample_that_stands_twice_is_not_named_by_a_person_s_id(tmp_path: Path) -> None:
    text = said(fileset(tmp_path, *VARIANTS, people=("4711", "4711", "s")))
    assert "twice in one file: 1 sample (whole numbers" in text
    assert "plink2 --update-ids" in text
    assert "4711" not in text
    assert "1 sample (s)" in said(fileset(tmp_path, *VARIANTS, people=("s", "s")))
    with pytest.raises(SampleMapError):
        scan_bed(tmp_path / "small.bed")


def test_what_cannot_be_read_says_what_belongs_beside_it(tmp_path: Path) -> None:
    bed = fileset(tmp_path, *VARIANTS)
    bed.with_suffix(".bim").unlink()
    assert ".bed, .bim and .fam" in said(bed)
    bed.with_suffix(".bim.zst").touch()
    assert "plink2 --bfile NAME vzs --make-bed" in said(bed)
    with pytest.raises(UnreadableFileError, match=r"\.pgen, \.pvar and \.psam"):
        list(lines(tmp_path / "x.psam"))
    bed.with_suffix(".bim").write_bytes(b"\xff\n")
    assert "not UTF-8" in said(bed)


@pytest.mark.parametrize(
    ("names", "text"),
    [
        (["a"], "1 sample (a)"),
        (
            [f"s{i}" for i in range(12)],
            "12 samples (s0, s1, s2, s3, s4, s5, s6, s7, s8, s9 and 2 more)",
        ),
        (["a", "-7"], "2 samples (whole numbers, which may be ids of persons: not shown)"),
        (["007"], "1 sample (whole numbers, which may be ids of persons: not shown)"),
    ],
)
def test_samples_are_counted_and_named_where_they_may_be(names: list[str], text: str) -> None:
    assert some_samples(names) == text
