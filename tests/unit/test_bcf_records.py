"""BCF records read from their bytes: as htslib reads good ones, and refused where malformed."""

from __future__ import annotations

import struct
from pathlib import Path

import cyvcf2
import numpy as np
import numpy.typing as npt
import pytest

from precisionchain.errors import VcfFormatError
from precisionchain.ingest import vcf_bytes
from precisionchain.ingest.bcf_names import BcfNames
from precisionchain.ingest.bcf_records import read_bcf
from precisionchain.ingest.vcf_header import Header
from precisionchain.ingest.vcf_scan import scan
from tests.lib.vcf_builder import bgzf, header, write_text
from tests.lib.vcf_seeds import Seed, built_seeds


def seed(name: str) -> Seed:
    return next(one for one in built_seeds() if one.name == name)


def written(folder: Path, text: str) -> Path:
    return write_text(folder / "f.bcf", text)


@pytest.mark.parametrize("name", ["simple", "annotated", "plain"])
@pytest.mark.parametrize("chunk", [1, 97, 4 * 2**20])
def test_records_are_those_of_htslib(
    tmp_path: Path, name: str, chunk: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = written(tmp_path, seed(name).content.decode())
    monkeypatch.setattr(vcf_bytes, "CHUNK_BYTES", chunk)
    found = list(read_bcf(scan(path)))
    due = list(cyvcf2.VCF(str(path)))
    assert len(found) == len(due)
    for number, (one, other) in enumerate(zip(found, due, strict=True)):
        record = one.record
        assert record.number == number
        assert (record.chrom, record.pos, record.ref) == (other.CHROM, other.POS, other.REF)
        assert record.alts == tuple(alt for alt in other.ALT if alt != ".")
        assert (record.id, record.filters) == (other.ID, tuple(other.FILTERS))
        assert record.format == tuple(other.FORMAT)
        assert genotypes_of(one.genotypes) == genotypes_of(other.genotype.array())
        for key, value in other.INFO:
            said = record.info(key)
            numbers = value if isinstance(value, tuple) else (value,)
            if isinstance(value, str) or value is True:
                assert said == value
            else:
                assert isinstance(said, str)
                assert [float(cell) for cell in said.split(",")] == list(numbers)
        assert record.info("UNKNOWN") is None


def genotypes_of(found: npt.NDArray[np.int16] | None) -> list[list[int]]:
    """Alleles, and whether phased, where there are two: of one allele the phase means nothing."""
    assert found is not None
    return [[*alleles, phased * (alleles[1:2] > [-1])] for *alleles, phased in found.tolist()]


def test_phase_sets_and_wide_values(tmp_path: Path) -> None:
    lines = (
        '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="x">\n'
        '##INFO=<ID=S,Number=.,Type=String,Description="x">\n#CHROM'
    )
    text = header().replace("#CHROM", lines)
    long = "x" * 300
    text += f"9\t5\t.\tA\tG\t.\t.\tS={long}\tGT:PS\t0|1:99999\t0/1:.\n"
    text += "9\t6\t.\tA\tG\t.\t.\t.\tDP\t7\t8\n"
    one, other = read_bcf(scan(written(tmp_path, text)))
    assert one.record.info("S") == long
    assert one.phase_sets is not None
    assert one.phase_sets.tolist() == [True, False]
    assert (other.genotypes, other.phase_sets) == (None, None)


def test_an_allele_number_of_32_bits_does_not_wrap(tmp_path: Path) -> None:
    content = bytearray(decompressed_file(tmp_path))
    content = content.replace(b"\x11\x11\x21", b"\x11\x11\x23")
    first, last = gt_at(content)
    wide = struct.pack("<4i", 2, (65_536 + 1) << 1, 2, 4)
    (single,) = struct.unpack_from("<I", content, last[0])
    content[first:] = bytes([0x23]) + wide
    struct.pack_into("<I", content, last[0], single + 12)
    (record,) = read_bcf(scan(put(tmp_path, bytes(content))))
    assert record.genotypes is not None
    assert record.genotypes[:, :2].tolist() == [[0, np.iinfo(np.int16).max], [0, 1]]


def decompressed_file(folder: Path) -> bytes:
    """One record of two people; its last five bytes are GT's type and four alleles."""
    path = written(folder, header() + "9\t5\trs1\tA\tG\t.\tPASS\t.\tGT\t0/0\t0/1\n")
    return b"".join(vcf_bytes.decompressed(path, vcf_bytes.compression_of(path)))


def gt_at(content: bytes | bytearray) -> tuple[int, tuple[int, int]]:
    """Where GT's type lies, and where the record's second length and its shared part do."""
    (length,) = struct.unpack_from("<I", content, 5)
    return len(content) - 5, (9 + length + 4, 9 + length + 8)


def put(folder: Path, content: bytes) -> Path:
    path = folder / "g.bcf"
    path.write_bytes(bgzf(content))
    return path


def test_an_allele_without_a_letter_is_a_missing_one(tmp_path: Path) -> None:
    content = decompressed_file(tmp_path).replace(b"\x17A\x17G", b"\x17A\x17\0")
    (record,) = read_bcf(scan(put(tmp_path, content)))
    assert (record.record.ref, record.record.alts) == ("A", ())


# Place counted from the shared part's start (or, negative, from the end), new bytes, what is said.
MALFORMED = {
    "fewer samples": (20, b"\x01", "samples"),
    "more samples": (20, b"\x05", "samples"),
    "no alleles": (18, b"\x00\x00", "has no REF"),
    "more alleles than there are": (18, b"\x09\x00", "string|beyond"),
    "more INFO than there is": (16, b"\x07", "beyond"),
    "an ID of floats": (24, b"\x15", "string|beyond|longer"),
    "a value of unknown type": (24, b"\x19", "unknown type"),
    "no FORMAT though there is": (23, b"\x00", "longer"),
    "more FORMAT than there is": (23, b"\x02", "beyond"),
    "GT of floats": (-5, b"\x15", "beyond"),
    "GT of characters": (-5, b"\x27", "integers"),
    "a key nobody knows": (-6, b"\x7f", "does not explain"),
    "a negative allele": (-1, b"\xf0", "negative"),
    "an allele after the end": (-2, b"\x81\x02", "after its end"),
}


@pytest.mark.parametrize("case", MALFORMED)
def test_a_malformed_record_is_refused_with_its_number(tmp_path: Path, case: str) -> None:
    place, new, message = MALFORMED[case]
    content = bytearray(decompressed_file(tmp_path))
    at = len(content) + place if place < 0 else gt_at(content)[1][1] + place
    content[at : at + len(new)] = new
    path = put(tmp_path, bytes(content))
    with pytest.raises(VcfFormatError, match=message) as caught:
        list(read_bcf(scan(path)))
    assert caught.value.where == f"{path}:record 1"


@pytest.mark.parametrize("stored", [-5, 2**31 - 1, -(2**31)])
def test_a_position_beyond_31_bits_is_refused(tmp_path: Path, stored: int) -> None:
    content = bytearray(decompressed_file(tmp_path))
    struct.pack_into("<i", content, gt_at(content)[1][1] + 4, stored)
    with pytest.raises(VcfFormatError, match="POS") as caught:
        scan(put(tmp_path, bytes(content)))
    assert str(caught.value.where).endswith("g.bcf:record 1")


def header_of(*dictionary: str) -> Header:
    return Header(("a",), {}, 1, dictionary)


def test_names_are_numbered_by_idx_or_in_order() -> None:
    named = BcfNames.of(
        header_of("##FILTER=<q,", "##contig=<9,", "##INFO=<DP,", "##FORMAT=<DP,"), ""
    )
    assert (named.contigs, named.strings) == ({0: "9"}, {0: "PASS", 1: "q", 2: "DP"})
    named = BcfNames.of(header_of("##INFO=<DP,4", "##FORMAT=<,5"), "")
    assert 5 not in named.strings  # a definition without an ID
    named = BcfNames.of(header_of("##FILTER=<PASS,0", "##contig=<9,7", "##INFO=<DP,4"), "")
    assert (named.contigs, named.strings) == ({7: "9"}, {0: "PASS", 4: "DP"})


@pytest.mark.parametrize(
    "lines",
    [
        ("##contig=<9,=2",),
        ("##contig=<9,-1",),
        ("##INFO=<DP,99999999999",),
        ("##INFO=<DP,1", "##INFO=<AC,1"),
        ("##INFO=<DP,1", "##FORMAT=<DP,2"),
    ],
)
def test_numbers_that_are_none_or_contradict_each_other_are_refused(lines: tuple[str, ...]) -> None:
    with pytest.raises(VcfFormatError, match="IDX"):
        BcfNames.of(header_of(*lines), "f.bcf")
