"""Write records as a block-compressed VCF (BGZF, as ``bgzip`` makes it).

VCF 4.2: https://samtools.github.io/hts-specs/VCFv4.2.pdf; BGZF: section 4.1 of SAMv1.pdf there.
The same records give the same bytes: a BGZF block carries no time stamp.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np

from precisionchain.synthetic.genome import CONTIG_LENGTHS, Contig, Haplotypes

_BLOCK = 65_280  # content of a block, as bgzip cuts it
_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")
_TAB, _PIPE, _DOT, _ZERO = b"\t|.0"


def write_vcf(path: Path, contigs: Sequence[Contig], sample_ids: Sequence[str]) -> None:
    """Write phased genotypes of ``contigs`` (columns in the order of ``sample_ids``)."""
    with path.open("wb") as file:
        pending = bytearray(_header(sample_ids))
        for contig in contigs:
            for line in _lines(contig):
                pending += line
                while len(pending) >= _BLOCK:
                    file.write(_block(bytes(pending[:_BLOCK])))
                    del pending[:_BLOCK]
        if pending:
            file.write(_block(bytes(pending)))
        file.write(_END)


def _header(sample_ids: Sequence[str]) -> bytes:
    lines = [
        "##fileformat=VCFv4.2",
        '##FILTER=<ID=PASS,Description="All filters passed">',
        *(
            f"##contig=<ID={name},length={length},assembly=GRCh37>"
            for name, length in CONTIG_LENGTHS.items()
        ),
        '##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">',
        "\t".join(
            ["#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT", *sample_ids]
        ),
    ]
    return "".join(line + "\n" for line in lines).encode()


def _lines(contig: Contig) -> Iterator[bytes]:
    """One line a record; the calls of a record are made in one piece."""
    for row, position in enumerate(contig.positions):
        fields = (
            contig.chrom,
            str(position),
            contig.ids[row],
            contig.refs[row],
            ",".join(contig.alts[row]),
            ".",
            "PASS",
            ".",
            "GT",
        )
        yield "\t".join(fields).encode() + _calls(contig.haplotypes[row]) + b"\n"


def _calls(haplotypes: Haplotypes) -> bytes:
    """A tab and ``0|1`` for every person; four bytes each, since allele numbers have one digit."""
    text = np.empty((len(haplotypes), 4), dtype=np.uint8)
    text[:, 0] = _TAB
    text[:, 2] = _PIPE
    text[:, [1, 3]] = np.where(haplotypes < 0, _DOT, haplotypes + _ZERO)
    return text.tobytes()


def _block(content: bytes) -> bytes:
    """A gzip member whose extra field ``BC`` holds its own length less one."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    body = packer.compress(content) + packer.flush()
    header = struct.pack("<4BI2BH2B2H", 31, 139, 8, 4, 0, 0, 255, 6, 66, 67, 2, len(body) + 25)
    return header + body + struct.pack("<2I", zlib.crc32(content), len(content))
