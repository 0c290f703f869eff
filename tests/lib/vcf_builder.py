"""VCF files for tests, built from what a test says and defaults for the rest.

>>> print(vcf_text("9:5 A G 0|1 ./.", samples=("a", "b")).splitlines()[-1].replace("\\t", " "))
9 5 . A G . PASS . GT 0|1 ./.
"""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterable, Sequence
from pathlib import Path

import cyvcf2

from precisionchain.schemas.genome import BUILDS, fold_chrom

SAMPLES = ("a", "b")
BGZF_END = bytes.fromhex("1f8b08040000000000ff0600424302001b0003000000000000000000")


def header(
    contigs: Iterable[str] = ("9",),
    *,
    samples: Sequence[str] = SAMPLES,
    build: str | None = "GRCh37",
    version: str = "4.2",
) -> str:
    """Return a header; contigs get their length unless ``build`` is None."""
    lines = [f"##fileformat=VCFv{version}", '##FILTER=<ID=q10,Description="low">']
    for contig in contigs:
        length = BUILDS[build].lengths.get(fold_chrom(contig)) if build else None
        lines.append(f"##contig=<ID={contig}" + (f",length={length}>" if length else ">"))
    lines.append('##INFO=<ID=END,Number=1,Type=Integer,Description="End">')
    lines.append('##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">')
    lines.append('##FORMAT=<ID=DP,Number=1,Type=Integer,Description="Depth">')
    fixed = ("#CHROM", "POS", "ID", "REF", "ALT", "QUAL", "FILTER", "INFO", "FORMAT")
    return "\n".join((*lines, "\t".join((*fixed, *samples)))) + "\n"


def record(spec: str, *, ident: str = ".", filters: str = "PASS", info: str = ".") -> str:
    """Return the line of ``CHROM:POS REF ALT GT GT ...``."""
    place, ref, alt, *calls = spec.split()
    chrom, _, pos = place.rpartition(":")
    return "\t".join((chrom, pos, ident, ref, alt, ".", filters, info, "GT", *calls)) + "\n"


def vcf_text(
    *specs: str,
    samples: Sequence[str] = SAMPLES,
    build: str | None = "GRCh37",
    version: str = "4.2",
) -> str:
    """Return a whole file; a spec with a tab or newline is taken as a line as it stands."""
    lines = [spec if "\t" in spec or spec.endswith("\n") else record(spec) for spec in specs]
    contigs = dict.fromkeys(line.partition("\t")[0] for line in lines if "\t" in line)
    return header(contigs or ("9",), samples=samples, build=build, version=version) + "".join(lines)


def write_vcf(path: Path, *specs: str, samples: Sequence[str] = SAMPLES, **options: str) -> Path:
    """Write a file; the name's ending says how: ``.vcf``, ``.vcf.gz`` (BGZF) or ``.bcf``."""
    return write_text(path, vcf_text(*specs, samples=samples, **options))


def write_text(path: Path, text: str) -> Path:
    """Write VCF text in the form the name's ending asks for."""
    if path.suffix == ".bcf":
        plain = path.with_suffix(".as_text.vcf")
        plain.write_text(text, encoding="utf-8", newline="")
        reader = cyvcf2.VCF(str(plain))
        writer = cyvcf2.Writer(str(path), reader, mode="wb")
        for variant in reader:
            writer.write_record(variant)
        writer.close()
    elif path.suffix == ".gz":
        path.write_bytes(bgzf(text.encode()))
    else:
        path.write_text(text, encoding="utf-8", newline="")
    return path


def bgzf(content: bytes, block: int = 65_280) -> bytes:
    """Return content as BGZF (SAM specification, section 4.1), with its end-of-file block."""
    parts = [content[at : at + block] for at in range(0, len(content), block)]
    return b"".join(bgzf_block(part) for part in parts) + BGZF_END


def bgzf_block(content: bytes) -> bytes:
    """Return one BGZF block of at most 65,280 bytes."""
    packer = zlib.compressobj(6, zlib.DEFLATED, -15)
    packed = packer.compress(content) + packer.flush()
    head = b"\x1f\x8b\x08\x04" + b"\0" * 4 + b"\0\xff\x06\0BC\x02\0"
    size = struct.pack("<H", len(head) + 2 + len(packed) + 8 - 1)
    return head + size + packed + struct.pack("<II", zlib.crc32(content), len(content))


def write_map(path: Path, *rows: str, columns: str = "sample_id,person_id,sex") -> Path:
    """Write a sample map of rows such as ``a,1,M``."""
    path.write_text("\n".join((columns, *rows, "")), encoding="utf-8")
    return path
