"""Phase sets (FORMAT/PS) are not kept: how many there were is said, and is what bcftools reads."""

from __future__ import annotations

import random
import subprocess
from collections.abc import Callable
from pathlib import Path

import pytest

import precisionchain as pc
from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Run, Staging
from precisionchain.ingest.vcf_settings import VcfSettings
from tests.lib.page_reader import read_page
from tests.lib.vcf_builder import header, write_map, write_text

SAMPLES = ("a", "b", "c", "d")
DECLARED = {
    "Integer": '##FORMAT=<ID=PS,Number=1,Type=Integer,Description="Phase set">\n',
    "several": '##FORMAT=<ID=PS,Number=.,Type=Integer,Description="Phase sets">\n',
    "String": '##FORMAT=<ID=PS,Number=1,Type=String,Description="Phase set">\n',
    "Float": '##FORMAT=<ID=PS,Number=1,Type=Float,Description="Phase set">\n',
    "not declared": "",
}


def text_of(declaration: str, *, several: bool = False) -> str:
    """40 records in pairs of columns; PS is there, ``.``, left out, or no key of the record."""
    drawn = random.Random(411)
    head = header(samples=SAMPLES)
    lines = [head.replace("#CHROM", f"{declaration}#CHROM")]
    for i in range(40):
        sets = ["100", ".", None, "205,300" if several else "205"]
        keys = drawn.choice(["GT", "GT:PS", "GT:DP:PS"])
        cells = []
        for _ in SAMPLES:
            gt, phase_set = drawn.choice(["0|1", "0/1", "1|1", ".|."]), drawn.choice(sets)
            rest = ["7"] if "DP" in keys else []
            rest += [phase_set] if "PS" in keys and phase_set else []
            cells.append(":".join([gt, *rest]))
        lines.append("\t".join(["9", str(10 + i), ".", "A", "G", ".", ".", ".", keys, *cells]))
    return lines[0] + "\n".join(lines[1:]) + "\n"


def stage(folder: Path, file: Path) -> Run:
    samples = write_map(folder / "map.csv", *(f"{name},{i}," for i, name in enumerate(SAMPLES)))
    return stage_vcf(
        Staging(folder / "staging"), [file], VcfSettings(samples=samples, build="GRCh37")
    )


def bcftools_query(program: str, file: Path, form: str) -> list[str]:
    command = [program, "query", "-f", form, str(file)]
    ended = subprocess.run(command, capture_output=True, text=True, check=True)
    return ended.stdout.splitlines()


@pytest.mark.parametrize(
    ("declared", "ending"),
    [
        (declared, ending)
        for declared in DECLARED
        for ending in ("vcf", "vcf.gz", "bcf")
        if (declared, ending) != ("not declared", "bcf")  # which cannot be
    ],
)
def test_phase_sets_are_counted_as_bcftools_reads_them(
    declared: str, ending: str, tmp_path: Path, oracle_program: Callable[[str], str]
) -> None:
    text = text_of(DECLARED[declared], several=declared == "several")
    file = write_text(tmp_path / f"set.{ending}", text)
    program, asked = oracle_program("bcftools"), file
    if declared == "not declared":  # bcftools asks for what the header knows
        asked = write_text(tmp_path / "declared.vcf", text_of(DECLARED["String"]))
    cells = bcftools_query(program, asked, r"[%PS\n]")
    records = bcftools_query(program, asked, r"[%PS ]\n")
    dropped = {
        "phase_set_records": sum(bool(set(line.split()) - {"."}) for line in records),
        "phase_set_calls": sum(cell != "." for cell in cells),
    }
    assert 10 < dropped["phase_set_records"] < 40 < dropped["phase_set_calls"] < 120
    assert stage(tmp_path, file).description["statistics"]["dropped"] == dropped


def test_files_without_phase_sets_say_none(tmp_path: Path) -> None:
    file = write_text(tmp_path / "set.vcf", text_of(DECLARED["Integer"]).replace(":PS", ":XX"))
    none = {"phase_set_records": 0, "phase_set_calls": 0}
    assert stage(tmp_path, file).description["statistics"]["dropped"] == none


def test_a_refused_record_has_no_phase_set_to_drop(tmp_path: Path) -> None:
    lines = ("9\t5\t.\tA\t<CPX>\t.\t.\tEND=9\tGT:PS", "9\t6\t.\tA\tG\t.\t.\t.\tGT:PS")
    calls = "\t".join(["0|1:5", "0|1:5", "0|0:.", "0|0"])
    text = header(samples=SAMPLES).replace("#CHROM", f"{DECLARED['Integer']}#CHROM")
    file = write_text(tmp_path / "set.vcf", text + "".join(f"{line}\t{calls}\n" for line in lines))
    one = {"phase_set_records": 1, "phase_set_calls": 2}
    assert stage(tmp_path, file).description["statistics"]["dropped"] == one


def test_the_page_shows_how_many_calls_lost_their_phase_set(tmp_path: Path) -> None:
    text = text_of(DECLARED["Integer"])
    rows = [line.split("\t")[8:] for line in text.splitlines() if line.startswith("9")]
    sets = [
        sum(call.count(":") == keys.count(":") and not call.endswith(":.") for call in calls)
        for keys, *calls in rows
        if keys.endswith(":PS")
    ]
    samples = write_map(tmp_path / "map.csv", *(f"{name},{i}," for i, name in enumerate(SAMPLES)))
    site = pc.Site.init(tmp_path / "site", site="A", build="GRCh37")
    site.stage_vcf(write_text(tmp_path / "set.vcf", text), samples=samples, build="GRCh37")
    page = read_page(site.report().read_text(encoding="utf-8"))
    shown = {row[0]: int(row[1]) for row in page.rows("t-changed")}
    assert shown["phase_set_calls"] == sum(sets)
    assert shown["phase_set_records"] == sum(n > 0 for n in sets)
