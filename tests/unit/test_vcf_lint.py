"""Warnings of files that are taken all the same: each rule, and what breaks none."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np
import pytest

from precisionchain.ingest.stage_vcf import stage_vcf
from precisionchain.ingest.staging import Staging
from precisionchain.ingest.vcf_lint import RecordLint, header_warnings
from precisionchain.ingest.vcf_scan import scan
from precisionchain.ingest.vcf_settings import VcfSettings
from tests.lib.vcf_builder import header, record, write_map, write_text

VERSION = "##fileformat=VCFv4.3"
HEADER = [
    VERSION,
    '##FILTER=<ID=q10,Description="low">',
    '##INFO=<ID=AC,Number=A,Type=Integer,Description="AC">',
    '##INFO=<ID=MY,Number=2,Type=Float,Description="x">',
    '##INFO=<ID=ONE,Number=1,Type=Character,Description="x">',
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="x">',
    '##INFO=<ID=S,Number=.,Type=String,Description="any, \\"quoted\\" text">',
    '##FORMAT=<ID=GT,Number=1,Type=String,Description="x">',
    '##FORMAT=<ID=DP,Number=1,Type=Integer,Description="x">',
    '##FORMAT=<ID=PL,Number=G,Type=Integer,Description="x">',
    '##FORMAT=<ID=AD,Number=R,Type=Integer,Description="x">',
]


def found(line: str) -> list[str]:
    """The rules that a record of ID QUAL FILTER INFO FORMAT and samples breaks."""
    ident, qual, filters, info, *rest = line.split(" ")
    text = "\t".join(("9", "5", ident, "A", "G,T", qual, filters, info, *rest)) + "\n"
    lint = RecordLint(HEADER)
    raw = np.frombuffer(text.encode(), np.uint8)
    lint.check(raw, np.zeros(1, np.int64))
    return [warned.rule for warned in lint.warnings(1)]


GOOD = (
    ". . . . GT 0/1",
    "rs1;rs2 30.5 PASS AC=1,2;DB;S=a,b GT:DP:PL:AD 0/1:3:0,1,2,3,4,5:1,2,3 ./.",
    "x 1e-5 q10 MY=-1.5,2E3;DB=1 GT:PL 1:1,2,3 0|0:.",
    ". 0 . MY=.;AC=.,1;ONE=g; GT:DP .:. 0/0",
)


@pytest.mark.parametrize("line", GOOD)
def test_no_warning(line: str) -> None:
    assert found(line) == []


BAD = {
    "rs1;;rs2 . . . GT 0/1": "malformed_id",
    "rs1;rs1 . . . GT 0/1": "malformed_id",
    ". -3 . . GT 0/1": "malformed_qual",
    ". 3.x . . GT 0/1": "malformed_qual",
    ". . q10;q10 . GT 0/1": "malformed_filter",
    ". . q10;. . GT 0/1": "malformed_filter",
    ". . 0 . GT 0/1": "malformed_filter",
    ". . q11 . GT 0/1": "undeclared_filter",
    ". . . XX=1 GT 0/1": "undeclared_info",
    ". . . AN=4 GT 0/1": "undeclared_info",  # reserved, but not in the header
    ". . . AC=1 GT 0/1": "malformed_info",  # two ALTs
    ". . . AC=1,-2 GT 0/1": "malformed_info",
    ". . . AC=1,2;AC=1,2 GT 0/1": "malformed_info",
    ". . . AC=1,2147483648 GT 0/1": "malformed_info",
    ". . . MY=1,x GT 0/1": "malformed_info",
    ". . . ONE=gg GT 0/1": "malformed_info",
    ". . . DB=7 GT 0/1": "malformed_info",
    ". . . =7 GT 0/1": "malformed_info",
    ". . . . DP:GT 1:0/1": "malformed_format",
    ". . . . GT:DP:DP 0/1:1:1": "malformed_format",
    ". . . . GT:GX 0/1:1": "undeclared_format",
    ". . . . GT:DP 0/1:1:1": "malformed_sample",
    ". . . . GT:DP 0/1:x": "malformed_sample",
    ". . . . GT:DP 0/1:1 0/1:1,2": "malformed_sample",
    ". . . . GT:PL 0/1:0,1,2": "malformed_sample",
    ". . . . GT:AD 0/1:0,1": "malformed_sample",
}


@pytest.mark.parametrize("line", BAD)
def test_a_warning(line: str) -> None:
    assert found(line) == [BAD[line]]


LINES = {
    "##plain text": "malformed_header_line",
    "##reference=": "malformed_header_line",
    "##assembly=ftp://80/x": "malformed_header_line",
    '##INFO=<ID=A B,Number=1,Type=String,Description="x">': "malformed_definition",
    '##INFO=<Number=1,ID=A,Type=String,Description="x">': "malformed_definition",
    '##INFO=<ID=A,Number=N,Type=String,Description="x">': "malformed_definition",
    "##INFO=<ID=A,Number=1,Type=String,Description=x>": "malformed_definition",
    '##FORMAT=<ID=A,Number=1,Type=Text,Description="x">': "malformed_definition",
    "##contig=<length=5>": "malformed_definition",
    '##INFO=<ID=DB,Number=0,Type=Flag,Description="again">': "defined_twice",
    '##FORMAT=<ID=GQ,Number=1,Type=Float,Description="x">': "reserved_otherwise",
    VERSION: "unknown_version",  # a second time
}


@pytest.mark.parametrize("line", LINES)
def test_a_header_line(line: str) -> None:
    assert [(w.rule, w.line) for w in header_warnings([*HEADER, line])] == [
        (LINES[line], len(HEADER) + 1)
    ]


@pytest.mark.parametrize(
    "line",
    [
        "##contig=<ID=HLA-A*01:01:01:01,length=3503>",
        '##ALT=<ID=NON_REF,Description="any">',
        '##GATKCommandLine=<ID=x,CommandLine="a=b, c">',
        "##source=some program --with options",
        "##pedigreeDB=<http://10.0.0.1:80/x>",
    ],
)
def test_a_good_header_line(line: str) -> None:
    assert header_warnings([*HEADER, line]) == []


def test_gatk_4_2_declares_ad_in_its_own_way() -> None:
    lines = [
        "##fileformat=VCFv4.2",
        '##FORMAT=<ID=AD,Number=.,Type=Integer,Description="Allelic depths">',
    ]
    assert header_warnings(lines) == []


def test_warnings_are_said_and_counted_in_the_run(tmp_path: Path) -> None:
    text = header(("9",), build=None).replace("##contig=<ID=9>\n", "")
    text = text.replace("##FORMAT=<ID=GT,", "##FORMAT=<ID=GTX,")
    text += record("9:5 A G 0/1 0|1", filters="new") + record("9:6 A G 0/1 1|1", info="X=1")
    file = write_text(tmp_path / "a.vcf", text)
    said: list[str] = []
    run = stage_vcf(
        Staging(tmp_path / "staging"),
        [file],
        VcfSettings(
            samples=write_map(tmp_path / "map.csv", "a,1,M", "b,2,F"),
            build="GRCh37",
            build_unverified=True,
        ),
        step=said.append,
    )
    statistics = json.loads((run.path / "run.json").read_text("utf-8"))["statistics"]
    assert statistics["warnings"] == {
        "undeclared_contig": 1,
        "undeclared_filter": 1,
        "undeclared_format": 2,
        "undeclared_info": 1,
    }
    assert statistics["refused"] == 0
    lines = {warned.rule: warned.line for warned in scan(file).warnings}
    assert lines["undeclared_info"] == text[: text.index("X=1")].count("\n") + 1
    assert any("a.vcf, from line" in line and "undeclared info (1)" in line for line in said)
