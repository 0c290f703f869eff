"""Which blocks of a gVCF become extent: by call, GQ, depth and FILTER, for all who count."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_gvcf import BlockRules, BlockTally, assayed_blocks
from precisionchain.ingest.vcf_scan import scan
from precisionchain.ingest.vcf_settings import VcfSettings
from tests.lib.vcf_builder import header, write_map, write_text
from tests.unit.test_vcf_stage import table

BLOCKS = {
    # FORMAT and two samples, FILTER, whether it is assayed by default, and under FILTER PASS
    "both well read": ("GT:GQ:DP 0/0:20:1 0|0:99:30", ".", True, True),
    "one below GQ": ("GT:GQ:DP 0/0:19:30 0/0:99:30", ".", False, False),
    "one without reads": ("GT:GQ:DP 0/0:20:30 0/0:99:0", ".", False, False),
    "one missing": ("GT:GQ:DP 0/0:20:30 ./.:99:9", ".", False, False),
    "haploid": ("GT:GQ:DP 0:20:30 0:99:9", ".", True, True),
    "half a call": ("GT:GQ:DP 0/0:20:30 0/.:99:9", ".", False, False),
    "MIN_DP before DP": ("GT:DP:MIN_DP:GQ 0/0:9:0:50 0/0:9:9:50", ".", False, False),
    "RGQ for GQ": ("GT:DP:RGQ 0/0:9:50 0/0:9:50", ".", True, True),
    "GQ left out at the end": ("GT:DP:GQ 0/0:9 0/0:9:50", ".", False, False),
    "no GQ in FORMAT": ("GT:DP 0/0:9 0/0:9", ".", False, False),
    "GQ missing": ("GT:DP:GQ 0/0:9:. 0/0:9:50", ".", False, False),
    "filtered": ("GT:GQ:DP 0/0:20:1 0|0:99:30", "q10", True, False),
    "a float": ("GT:GQ:DP 0/0:20.5:1 0|0:99:30", "PASS", True, True),
}


def line(pos: int, alt: str, end: int | None, samples: str, filters: str = ".") -> str:
    info = "." if end is None else f"DP=3;END={end}"
    return "\t".join(("9", str(pos), ".", "A", alt, ".", filters, info, *samples.split(" "))) + "\n"


def spans(path: Path, rules: BlockRules, columns: tuple[int, ...] = (0, 1)) -> list[Any]:
    return list(assayed_blocks(scan(path), np.array(columns), rules, BlockTally()))


@pytest.mark.parametrize("case", BLOCKS)
@pytest.mark.parametrize("alt", ["<NON_REF>", "<*>", "."])
def test_a_block(tmp_path: Path, case: str, alt: str) -> None:
    samples, filters, assayed, passing = BLOCKS[case]
    path = write_text(tmp_path / "a.vcf", header() + line(100, alt, 149, samples, filters))
    expected = [("9", 100, 149)]
    assert spans(path, BlockRules()) == (expected if assayed else [])
    assert spans(path, BlockRules(only_pass=True)) == (expected if passing else [])


def test_only_the_persons_of_the_batch_count(tmp_path: Path) -> None:
    text = header() + line(100, "<NON_REF>", 149, "GT:GQ:DP 0/0:20:1 0/1:3:0")
    path = write_text(tmp_path / "a.vcf", text)
    assert spans(path, BlockRules()) == []
    assert spans(path, BlockRules(), (0,)) == [("9", 100, 149)]


def test_blocks_that_touch_are_one_and_variants_between_are_none(tmp_path: Path) -> None:
    good = "GT:GQ:DP 0/0:50:9 0/0:50:9"
    text = header(("9", "X")) + "".join(
        (
            line(100, "<NON_REF>", 149, good),
            line(150, "<NON_REF>", 150, good),
            line(151, "G,<NON_REF>", None, "GT:GQ:DP 0/1:50:9 0/2:50:9"),
            line(152, "<NON_REF>", None, good),
            line(153, ".", None, good),  # a listed position, no block
            line(154, "<NON_REF>", 200, good.replace("50", "5")),
            line(190, "<NON_REF>", 210, good),
            line(5, "<NON_REF>", 9, good).replace("9\t5", "X\t5", 1),
        )
    )
    expected = [("9", 100, 150), ("9", 152, 152), ("9", 190, 210), ("X", 5, 9)]
    path = write_text(tmp_path / "a.vcf", text)
    assert spans(path, BlockRules()) == expected
    assert spans(write_text(tmp_path / "a.vcf.gz", text), BlockRules()) == expected
    run = staged(tmp_path, path)
    assert [tuple(row.values()) for row in table(run, "extent")] == expected
    rows = [(row["pos"], row["ref"], row["alt"], row["n_alts"]) for row in table(run, "sites")]
    assert rows == [(151, "A", "G", 2), (153, "A", ".", 0)]
    counts = table(run, "counts")[0]
    assert (counts["ac"], counts["an"], counts["n_het"]) == (1, 4, 1)  # 0/2 names another allele
    assert run.description["statistics"]["refused"] == 0
    assert run.description["statistics"]["blocks_of_gvcf"] == {"all": 6, "assayed": 5}


def staged(folder: Path, path: Path, **options: Any) -> Run:
    return stage_vcf(
        Staging(folder / "staging"),
        [path],
        VcfSettings(
            samples=write_map(folder / "map.csv", "a,1,M", "b,2,F"),
            build="GRCh37",
            **{"assay": "gvcf", **options},
        ),
    )


def test_a_refused_record_is_a_hole(tmp_path: Path) -> None:
    good = "GT:GQ:DP 0/0:50:9 0/0:50:9"
    text = header() + line(100, "<NON_REF>", 149, good)
    text += line(120, "G,G", None, "GT 0/1 0/0") + line(130, "G", None, "GT 0/1 0/0")
    run = staged(tmp_path, write_text(tmp_path / "a.vcf", text))
    found = [(row["start"], row["end"]) for row in table(run, "extent")]
    assert found == [(100, 119), (121, 149)]


def test_thresholds_are_in_the_source_id(tmp_path: Path) -> None:
    good = "GT:GQ:DP 0/0:50:9 0/0:50:9"
    path = write_text(tmp_path / "a.vcf", header() + line(100, "<NON_REF>", 149, good))
    for i in range(4):
        (tmp_path / str(i)).mkdir()
    ids = {
        staged(tmp_path / str(i), path, **rules).source_id
        for i, rules in enumerate(({}, {"block_min_gq": 30}, {"block_min_dp": 2}, {}))
    }
    assert len(ids) == 3
