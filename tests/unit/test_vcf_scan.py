"""The pass over a file's bytes: what is counted, what is refused and with which line."""

from __future__ import annotations

import gzip
import re
from pathlib import Path

import pytest

from precisionchain.errors import (
    PrecisionChainError,
    SampleMapError,
    UnreadableFileError,
    VcfFormatError,
)
from precisionchain.ingest import vcf_bytes
from precisionchain.ingest.vcf_scan import Segment, scan
from tests.lib.vcf_builder import BGZF_END, bgzf, header, record, vcf_text, write_text, write_vcf

LINES = ("chr9:5 A G 0|1 ./.", "chr9:5 A C 0|0 0/0", "chr9:70 A G 1 0", "chrX:3 T C 0/1 0/0")


@pytest.mark.parametrize("name", ["f.vcf", "f.vcf.gz", "f.bcf"])
def test_records_and_contigs_are_found_in_every_form(tmp_path: Path, name: str) -> None:
    found = scan(write_vcf(tmp_path / name, *LINES))
    assert found.header.samples == ("a", "b")
    assert found.records == 4
    assert found.segments == (
        Segment("9", "chr9", 0, 3, 5, 70),
        Segment("X", "chrX", 3, 1, 3, 3),
    )


def test_compression_and_header_lines_do_not_change_the_digest(tmp_path: Path) -> None:
    text = vcf_text(*LINES)
    plain = scan(write_text(tmp_path / "plain.vcf", text))
    packed = scan(write_text(tmp_path / "packed.vcf.gz", text))
    (tmp_path / "zipped.vcf.gz").write_bytes(gzip.compress(text.encode()))
    zipped = scan(tmp_path / "zipped.vcf.gz")
    noted = scan(write_text(tmp_path / "noted.vcf", text.replace("#CHROM", "##note=1\n#CHROM")))
    assert {plain.digest} == {packed.digest, zipped.digest, noted.digest}
    assert (plain.compression, packed.compression, zipped.compression) == ("none", "bgzf", "gzip")
    assert noted.line_of(0) == plain.line_of(0) + 1


@pytest.mark.parametrize("name", ["f.vcf", "f.bcf"])
def test_one_call_changes_the_digest(tmp_path: Path, name: str) -> None:
    one = scan(write_vcf(tmp_path / name, *LINES))
    other = scan(write_vcf(tmp_path / f"other_{name}", *LINES[:3], "chrX:3 T C 0/0 0/0"))
    assert one.digest != other.digest


@pytest.mark.parametrize("name", ["f.vcf", "f.vcf.gz", "f.bcf"])
def test_chunks_of_any_size_give_the_same(
    tmp_path: Path, name: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = write_vcf(tmp_path / name, *LINES)
    whole = scan(path)
    for size in (1, 7, 64, 1000):
        monkeypatch.setattr(vcf_bytes, "CHUNK_BYTES", size)
        assert scan(path) == whole


def test_a_last_line_without_newline_counts(tmp_path: Path) -> None:
    text = vcf_text(*LINES)
    cut = scan(write_text(tmp_path / "cut.vcf", text.rstrip("\n")))
    assert (cut.records, cut.digest) == (4, scan(write_text(tmp_path / "f.vcf", text)).digest)


def test_empty_lines_at_the_end_are_no_records(tmp_path: Path) -> None:
    assert scan(write_text(tmp_path / "f.vcf", vcf_text(*LINES) + "\n\r\n\n")).records == 4


def test_windows_line_ends(tmp_path: Path) -> None:
    found = scan(write_text(tmp_path / "f.vcf", vcf_text(*LINES).replace("\n", "\r\n")))
    assert (found.records, found.header.samples) == (4, ("a", "b"))


def test_names_of_one_contig_are_folded(tmp_path: Path) -> None:
    found = scan(write_vcf(tmp_path / "f.vcf", "chr9:5 A G 0/1 0/0", "chrM:3 T C 0 0"))
    assert [segment.chrom for segment in found.segments] == ["9", "MT"]


def line(text: str) -> int:
    return text.count("\n")


BAD_LINES = {
    "a column too many": (record("9:6 A G 0/1 0/0 0/1"), VcfFormatError, "columns"),
    "a column too few": (record("9:6 A G 0/1"), VcfFormatError, "columns"),
    "spaces for tabs": ("9 6 . A G . . . GT 0/1 0/0\n", VcfFormatError, "columns"),
    "an empty line": ("\n", VcfFormatError, "empty line"),
    "a header line": ("##late=1\n", VcfFormatError, "header line"),
    "a FORMAT with an empty key": (
        record("9:6 A G 0/1 0/0").replace("\tGT\t", "\t:GT\t"),
        VcfFormatError,
        "FORMAT",
    ),
    "a FORMAT of other letters": (
        record("9:6 A G 0/1 0/0").replace("\tGT\t", "\tG T\t"),
        VcfFormatError,
        "FORMAT",
    ),
    "a FORMAT with two GT": (
        record("9:6 A G 0/1:1/1 0/0:0/1").replace("\tGT\t", "\tGT:GT\t"),
        VcfFormatError,
        "FORMAT",
    ),
    "an empty FORMAT": (
        record("9:6 A G 0/1 0/0").replace("\tGT\t", "\t\t"),
        VcfFormatError,
        "FORMAT",
    ),
    "a NUL byte": (record("9:6 A G 0/1 0/\0"), VcfFormatError, "NUL"),
    "no position": (record("9:six A G 0/1 0/0"), VcfFormatError, "POS"),
    "a negative position": (record("9:-6 A G 0/1 0/0"), VcfFormatError, "POS"),
    "a position over 31 bits": (record("9:99999999999 A G 0/1 0/0"), VcfFormatError, "POS"),
    "a position with a comma": (record("9:1,000 A G 0/1 0/0"), VcfFormatError, "POS"),
    "an earlier position": (record("9:4 A G 0/1 0/0"), VcfFormatError, "unsorted"),
    "no contig": (record(":6 A G 0/1 0/0"), VcfFormatError, "contig name"),
    "a contig of strange letters": (record("<9>:6 A G 0/1 0/0"), VcfFormatError, "contig name"),
}


@pytest.mark.parametrize("case", BAD_LINES)
def test_a_bad_line_is_refused_with_its_number(tmp_path: Path, case: str) -> None:
    bad, error, message = BAD_LINES[case]
    above = header(("9",)) + record("9:5 A G 0/1 0/0")
    path = write_text(tmp_path / "f.vcf", above + bad + record("9:90 A G 0/0 0/0"))
    with pytest.raises(error, match=message) as caught:
        scan(path)
    assert caught.value.where == f"{path}:{line(above) + 1}"


def test_a_contig_that_comes_back_is_unsorted(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "f.vcf", "9:5 A G 0 0", "X:5 A G 0 0", "9:9 A G 0 0")
    with pytest.raises(VcfFormatError, match="unsorted") as caught:
        scan(path)
    assert "bcftools sort" in str(caught.value)


def test_a_contig_written_in_two_ways_is_not_called_unsorted(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "f.vcf", "chr9:5 A G 0 0", "X:5 A G 0 0", "9:9 A G 0 0")
    with pytest.raises(VcfFormatError, match="contig 9 is written 9 and chr9") as caught:
        scan(path)
    assert caught.value.where == f"{path}:{len(header(('chr9', 'X', '9')).splitlines()) + 3}"
    assert "bcftools annotate --rename-chrs" in str(caught.value)


def test_an_unsorted_bcf_names_the_record(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "f.bcf", "9:5 A G 0 0", "9:4 A G 0 0")
    with pytest.raises(VcfFormatError, match="unsorted") as caught:
        scan(path)
    assert caught.value.where == f"{path}:record 2"


BAD_HEADERS = {
    "not a VCF": ("a,b\n1,2\n", VcfFormatError, "fileformat"),
    "empty": ("", VcfFormatError, "fileformat"),
    "no #CHROM": ("##fileformat=VCFv4.2\n", VcfFormatError, "#CHROM"),
    "records at once": ("##fileformat=VCFv4.2\n" + record("9:5 A G 0 0"), VcfFormatError, "#CHROM"),
    "no samples": (header(samples=()), VcfFormatError, "sample columns"),
    "a nameless sample": (header(samples=("a", "")), VcfFormatError, "no name"),
    "a sample twice": (header(samples=("a", "b", "a")), SampleMapError, "1 sample .a.$"),
}


@pytest.mark.parametrize("case", BAD_HEADERS)
def test_a_bad_header_is_refused(tmp_path: Path, case: str) -> None:
    text, error, message = BAD_HEADERS[case]
    with pytest.raises(error) as caught:
        scan(write_text(tmp_path / "f.vcf", text))
    assert re.search(message, caught.value.message)


def test_a_header_that_is_not_utf_8_names_the_line(tmp_path: Path) -> None:
    path = tmp_path / "f.vcf"
    path.write_bytes(vcf_text(*LINES).encode().replace(b"ID=q10", b"ID=\xe9"))
    with pytest.raises(VcfFormatError, match="UTF-8") as caught:
        scan(path)
    assert caught.value.where == f"{path}:2"


def test_damage_is_found_wherever_it_is(tmp_path: Path) -> None:
    """BGZF and gzip, cut anywhere or with any byte of the stream changed, never pass."""
    text = vcf_text(*LINES).encode()
    for packed in (bgzf(text, block=200), gzip.compress(text, mtime=0)):
        for at in range(18, len(packed), 5):
            _refuses(tmp_path, packed[:at])
    packed = bgzf(text, block=200)
    _refuses(tmp_path, packed.removesuffix(BGZF_END))
    for at in range(40, len(packed) - 40, 11):
        broken = packed[:at] + bytes([packed[at] ^ 0x10]) + packed[at + 1 :]
        path = tmp_path / "broken.vcf.gz"
        path.write_bytes(broken)
        try:
            found = scan(path)
        except PrecisionChainError:
            continue
        # A few bits of a gzip header (its time, its flags) mean nothing.
        assert found.digest == scan(write_text(tmp_path / "f.vcf", text.decode())).digest


def _refuses(folder: Path, content: bytes) -> None:
    path = folder / "cut.vcf.gz"
    path.write_bytes(content)
    with pytest.raises((UnreadableFileError, VcfFormatError)):
        scan(path)


def test_bytes_after_the_end_are_not_called_a_truncated_file(tmp_path: Path) -> None:
    path = tmp_path / "f.vcf.gz"
    whole = bgzf(vcf_text("9:5 A G 0/1 0/0").encode())
    for content, message in ((whole + b"\0", "bytes after"), (whole[:-1], "it is truncated")):
        path.write_bytes(content)
        with pytest.raises(UnreadableFileError, match=message):
            scan(path)


def test_a_bcf_cut_inside_a_record_is_truncated(tmp_path: Path) -> None:
    path = write_vcf(tmp_path / "f.bcf", *LINES)
    content = gzip.decompress(path.read_bytes())
    for cut in (1, 5, 30, 60):
        (tmp_path / "cut.bcf").write_bytes(bgzf(content[:-cut]))
        with pytest.raises(UnreadableFileError, match="truncated"):
            scan(tmp_path / "cut.bcf")


@pytest.mark.parametrize("start", [b"BZh91AY", b"PK\x03\x04", b"\xfd7zXZ\0", b"\x28\xb5\x2f\xfd"])
def test_other_compressions_are_named(tmp_path: Path, start: bytes) -> None:
    (tmp_path / "f.vcf").write_bytes(start + b"\0" * 30)
    with pytest.raises(UnreadableFileError, match="not VCF"):
        scan(tmp_path / "f.vcf")


def test_an_absent_file_or_a_folder_is_unreadable(tmp_path: Path) -> None:
    for path in (tmp_path / "absent.vcf", tmp_path):
        with pytest.raises(UnreadableFileError):
            scan(path)
