"""Assays: BED files, whole contigs, and what refused records take away."""

from __future__ import annotations

import gzip
from itertools import pairwise
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from precisionchain.errors import BedFormatError, UnreadableFileError, UsageError
from precisionchain.ingest.vcf_assay import (
    Assay,
    Interval,
    extent_table,
    merge,
    read_bed,
    subtract,
)


def bed(folder: Path, text: str) -> Path:
    path = folder / "exome.bed"
    path.write_text(text, encoding="utf-8")
    return path


def test_bed_is_zero_based_and_half_open(tmp_path: Path) -> None:
    assert read_bed(bed(tmp_path, "chr9\t0\t1\nchr9\t99\t200\texon\t0\t+\n")) == (
        ("9", 1, 1),
        ("9", 100, 200),
    )


def test_intervals_are_merged_in_genome_order(tmp_path: Path) -> None:
    text = (
        "# note\ntrack name=x\nbrowser position\nX 5 9\n2\t10\t20\n10\t0\t5\n2\t20\t30\n2\t5\t8\n\n"
    )
    assert read_bed(bed(tmp_path, text)) == (
        ("2", 6, 8),
        ("2", 11, 30),
        ("10", 1, 5),
        ("X", 6, 9),
    )


def test_a_bed_may_be_compressed(tmp_path: Path) -> None:
    path = tmp_path / "e.bed.gz"
    path.write_bytes(gzip.compress(b"9\t0\t10\n"))
    assert Assay.of(path) == Assay("bed", (("9", 1, 10),))
    path.write_bytes(gzip.compress(b"9\t0\t10\n")[:-6])
    with pytest.raises(UnreadableFileError):
        read_bed(path)


@pytest.mark.parametrize(
    "line",
    ["9\t10", "9\tten\t20", "9\t20\t10", "9\t10\t10", "9\t-1\t10", "9\t1\t99999999999", "9,1,2"],
)
def test_a_bad_line_is_named(tmp_path: Path, line: str) -> None:
    path = bed(tmp_path, f"9\t0\t5\n{line}\n")
    with pytest.raises(BedFormatError) as caught:
        read_bed(path)
    assert caught.value.where == f"{path}:2"


def test_an_empty_bed_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(BedFormatError, match="no interval"):
        read_bed(bed(tmp_path, "# nothing\n"))


def test_an_interval_beyond_its_chromosome_is_named(tmp_path: Path) -> None:
    """The BED of another build would make 0/0 of positions nobody looked at."""
    path = bed(tmp_path, "chr22\t0\t50818468\nchr22\t100\t51304566\nchrUn_1\t0\t9000\n")
    assert read_bed(path, "GRCh37") == (("22", 1, 51304566), ("chrUn_1", 1, 9000))
    with pytest.raises(BedFormatError, match="end of chromosome 22 in GRCh38") as caught:
        Assay.of(path, "GRCh38")
    assert caught.value.where == f"{path}:2"


def test_contigs_of_a_bed_without_records(tmp_path: Path) -> None:
    path = bed(tmp_path, "9\t0\t5\n9\t7\t9\n22\t0\t5\nX\t0\t5\n")
    assert Assay.of(path).unlisted(["22"]) == ("9", "X")
    assert Assay("wgs").unlisted(["22"]) == ()


def test_names_of_assays(tmp_path: Path) -> None:
    assert Assay.of("sites") == Assay("sites")
    assert Assay.of("wgs") == Assay("wgs")
    with pytest.raises(UsageError, match="not 'sites', 'wgs' or 'gvcf'"):
        Assay.of("exome")


def test_sites_have_no_extent() -> None:
    assert Assay("sites").extent("GRCh37", ["9"], []) == ()


def test_wgs_is_whole_contigs_without_what_was_refused() -> None:
    extent = Assay("wgs").extent("GRCh37", ["21", "9"], [("9", 5, 7), ("9", 6, 9), ("X", 1, 9)])
    assert extent == (("9", 1, 4), ("9", 10, 141213431), ("21", 1, 48129895))


def test_wgs_needs_contigs_whose_length_is_known() -> None:
    with pytest.raises(UsageError, match=r"GL000191\.1"):
        Assay("wgs").extent("GRCh37", ["9", "GL000191.1"], [])


def test_bed_loses_what_was_refused() -> None:
    assay = Assay("bed", (("9", 10, 20), ("9", 30, 40)))
    assert assay.extent("GRCh38", [], [("9", 15, 33)]) == (("9", 10, 14), ("9", 34, 40))


SPAN = st.tuples(st.sampled_from(["1", "X"]), st.integers(1, 40), st.integers(0, 9)).map(
    lambda s: (s[0], s[1], s[1] + s[2])
)


def positions(intervals: list[Interval] | tuple[Interval, ...]) -> set[tuple[str, int]]:
    return {(chrom, p) for chrom, start, end in intervals for p in range(start, end + 1)}


@given(st.lists(SPAN), st.lists(SPAN))
def test_merge_and_subtract_are_those_of_sets(one: list[Interval], other: list[Interval]) -> None:
    merged = merge(one)
    assert positions(merged) == positions(one)
    assert all(a[0] != b[0] or a[2] + 1 < b[1] for a, b in pairwise(merged))
    assert positions(subtract(merged, merge(other))) == positions(one) - positions(other)


def test_the_table_of_an_extent() -> None:
    assert extent_table([("9", 1, 5)]).to_pylist() == [{"chrom": "9", "start": 1, "end": 5}]
    assert extent_table([]).num_rows == 0
