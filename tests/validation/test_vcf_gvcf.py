"""gVCFs: variants and assayed extent against what bcftools prints of every record."""

from __future__ import annotations

import subprocess
from pathlib import Path
from typing import Any

import pytest

from precisionchain.ingest.staging import Run
from precisionchain.ingest.vcf_gvcf import BlockRules
from precisionchain.ingest.vcf_scan import scan
from precisionchain.schemas.genome import fold_chrom
from tests.validation.test_vcf_staging import compare, read_rows, stage

FILES = {
    "gvcf_haploid/hail_HG00268.g.vcf.gz": ("GRCh38", "GQ", "MIN_DP"),
    "gvcf_haploid/gatk_NA12878.MT.g.vcf": ("GRCh37", None, "MIN_DP"),
    "vcf_edge_and_invalid/bio2zarr/CEUTrio.20.21.gatk3.4.g.bcf": ("GRCh37", "GQ", "MIN_DP"),
}
Spans = list[tuple[str, int, int]]


def printed(path: Path, fields: list[str]) -> list[list[str]]:
    """Every record of the unsplit file, some fields, then these FORMAT fields of each sample."""
    names = "".join(f":%{field}" for field in fields)
    query = f"%CHROM\t%POS\t%END\t%REF\t%ALT\t%FILTER[\t%GT{names}]\n"
    done = subprocess.run(
        ["bcftools", "query", "-f", query, str(path)], capture_output=True, check=True, text=True
    )
    return [line.split("\t") for line in done.stdout.splitlines()]


def covered(
    path: Path, quality: str | None, depth: str | None, rules: BlockRules, refused: set[int]
) -> Spans:
    """The bases of good blocks one by one, but those of refused records' REF, as intervals."""
    fields = [field for field in (quality, depth) if field]
    bases: dict[str, set[int]] = {}
    lines = printed(path, fields)
    for chrom, pos, end, _ref, alt, filters, *calls in lines:
        if alt not in ("<NON_REF>", "<*>"):
            continue
        good = not rules.only_pass or filters in ("PASS", ".")
        for call in calls:
            text, *values = call.split(":")
            numbers = {
                name: int(value) if value.isdigit() else 0
                for name, value in zip(fields, values, strict=True)
            }
            good &= set(text.replace("|", "/").split("/")) == {"0"}
            good &= numbers.get(quality or "", 0) >= rules.min_gq
            good &= numbers.get(depth or "", 0) >= rules.min_dp
        if good:
            bases.setdefault(fold_chrom(chrom), set()).update(range(int(pos), int(end) + 1))
    for record in refused:
        start, ref = int(lines[record][1]), lines[record][3]
        gone = range(start, start + len(ref))
        bases.get(fold_chrom(lines[record][0]), set()).difference_update(gone)
    found: Spans = []
    for chrom, positions in bases.items():
        start = last = -1
        for base in [*sorted(positions), -2]:
            if base != last + 1:
                if start > 0:
                    found.append((chrom, start, last))
                start = base
            last = base
    return found


def extent_of(run: Run) -> Spans:
    return [(row["chrom"], row["start"], row["end"]) for row in read_rows(run, "extent")]


HAIL, MITOCHONDRION, TRIO = FILES


@pytest.mark.parametrize(
    ("name", "rules"),
    [
        (HAIL, BlockRules()),
        (MITOCHONDRION, BlockRules()),
        (MITOCHONDRION, BlockRules(0, 7000)),
        (TRIO, BlockRules()),
        (TRIO, BlockRules(60, 20)),
        (TRIO, BlockRules(1, 0)),
    ],
)
def test_extent_and_variants_are_those_of_bcftools(
    shared_data: Path, tmp_path: Path, name: str, rules: BlockRules
) -> None:
    build, quality, depth = FILES[name]
    least = {"block_min_gq": rules.min_gq, "block_min_dp": rules.min_dp}
    gvcf: dict[str, Any] = {"assay": "gvcf", "build_unverified": True, **least}
    run = stage(tmp_path, shared_data / name, build=build, **gvcf)
    first = scan(shared_data / name).line_of(0)
    refused = {row["line"] - first for row in read_rows(run, "refused")}
    expected = covered(shared_data / name, quality, depth, rules, refused)
    assert extent_of(run) == expected
    assert bool(expected) == (quality is not None or rules.min_gq == 0)
    counted = run.description["statistics"]["blocks_of_gvcf"]
    blocks = [line for line in printed(shared_data / name, []) if line[4] in ("<NON_REF>", "<*>")]
    assert counted["all"] == len(blocks)
    assert run.description["assay"]["kind"] == "gvcf"
    compare(run, shared_data / name)
    assert len(read_rows(run, "sites")) + len(refused) > 100


def test_without_the_assay_blocks_are_refused_and_nothing_is_inferred(
    shared_data: Path, tmp_path: Path
) -> None:
    name = "gvcf_haploid/hail_HG00268.g.vcf.gz"
    run = stage(tmp_path, shared_data / name, build="GRCh38", build_unverified=True)
    assert extent_of(run) == []
    assert set(run.description["statistics"]["refused_by_rule"]) == {"gvcf_block"}
    assert compare(run, shared_data / name) > 1_000
