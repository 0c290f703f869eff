"""20,000 spoilt VCF files and 5,000 spoilt BCF files: no crash, no hang, no silent loss.

Half of the text files are made from the files that the VCF specification, bio2zarr and htslib are
tested with, valid and invalid ones; the others from files written here.
"""

from __future__ import annotations

import sys
from pathlib import Path

import pytest

from tests.lib.vcf_fuzz import BcfCases, Fuzzed, Make, fuzz, vcf_case
from tests.lib.vcf_judge import decompressed
from tests.lib.vcf_seeds import Seed, built_seeds

VCF_FILES, BCF_FILES = 20_000, 5_000
SMALL = 40_000
"""Bytes of the largest file that is spoilt: staging it takes no longer than the others."""


def told(found: Fuzzed, capsys: pytest.CaptureFixture[str], of: str) -> Fuzzed:
    with capsys.disabled():
        sys.stderr.write(f"\n{of}: {found.line()}\n")
    return found


def real_seeds(shared_data: Path) -> list[Seed]:
    """Files with genotypes below ``vcf_edge_and_invalid``; where GT is not declared, it is here."""
    folder = shared_data / "vcf_edge_and_invalid"
    seeds = []
    for path in sorted(folder.rglob("*.vcf*")):
        content = decompressed(path.read_bytes()) if path.suffix in (".vcf", ".gz") else None
        if content is None or len(content) > SMALL or b"\tFORMAT\t" not in content:
            continue
        if b"##FORMAT=<ID=GT," not in content:
            declared = b'##FORMAT=<ID=GT,Number=1,Type=String,Description="Genotype">\n#CHROM'
            content = content.replace(b"#CHROM", declared, 1)
        seeds.append(Seed.of(str(path.relative_to(folder)), content))
    return seeds


@pytest.mark.parametrize(
    ("of", "make", "files", "first"),
    [("text", vcf_case, VCF_FILES // 2, 0), ("bcf", BcfCases(), BCF_FILES, 0)],
)
def test_spoilt_files(  # noqa: PLR0917 - fixtures
    of: str,
    make: Make,
    files: int,
    first: int,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    numbers = range(first, first + files)
    found = told(fuzz(make, built_seeds(), numbers, keep=tmp_path), capsys, of)
    assert not found.problems, "\n".join(found.problems[:20])
    assert found.kinds["files"] == files
    assert found.kinds["taken"] > files // 10


def test_spoilt_files_of_other_programs(
    shared_data: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    numbers = range(VCF_FILES // 2, VCF_FILES)
    seeds = real_seeds(shared_data)
    assert len(seeds) > 300
    found = told(fuzz(vcf_case, seeds, numbers, keep=tmp_path), capsys, "text of other programs")
    assert not found.problems, "\n".join(found.problems[:20])
    assert found.kinds["taken"] > 100
