"""Order of alleles within and across files, and alleles that stand twice."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest

from precisionchain.errors import DuplicateVariantError, VcfFormatError
from precisionchain.ingest.vcf_normalise import OpenFile, contig_order, ordered_runs
from precisionchain.ingest.vcf_read import Persons, read_runs
from precisionchain.ingest.vcf_run import CallRun, ReadRules, ReadTally
from precisionchain.ingest.vcf_scan import Scan, scan
from precisionchain.schemas.calls import unpack_calls
from tests.lib.vcf_builder import write_vcf

Rows = list[tuple[str, int, str, str, int]]


def read(folder: Path, *files: list[str]) -> tuple[list[CallRun], Counter[str]]:
    scans = [scan(write_vcf(folder / f"{i}.vcf", *specs)) for i, specs in enumerate(files)]
    persons = Persons(np.arange(2), np.zeros(2, dtype=np.uint8))
    opened, first = [], 0
    for one in scans:
        runs = read_runs(one, persons, ReadRules("GRCh37"), ReadTally())
        opened.append(OpenFile(one, first, runs))
        first += one.records
    collapsed: Counter[str] = Counter()
    return list(ordered_runs(opened, collapsed, lambda r: f"record {r}")), collapsed


def rows(runs: list[CallRun]) -> Rows:
    return [
        (run.chrom, s["pos"], s["ref"], s["alt"], s["record"])
        for run in runs
        for s in run.sites.to_pylist()
    ]


def test_alleles_stand_in_order_of_position_ref_alt(tmp_path: Path) -> None:
    """Trimming moves the first record's allele beyond the second's."""
    runs, _ = read(tmp_path, ["9:10 AAG AAC 0/1 0/0", "9:11 A T 0/0 1/1", "9:12 G T,A 0/1 2/2"])
    assert rows(runs) == [
        ("9", 11, "A", "T", 1),
        ("9", 12, "G", "A", 2),
        ("9", 12, "G", "C", 0),
        ("9", 12, "G", "T", 2),
    ]
    dosage = np.concatenate([unpack_calls(run.calls).dosage for run in runs])
    assert dosage.tolist() == [[0, 2], [0, 2], [1, 0], [1, 0]]


def test_an_allele_carried_over_is_given_out_once(tmp_path: Path, tiny_runs: None) -> None:
    """Runs of one record each: an allele beyond the next records waits for its turn."""
    long = "A" * 20
    specs = [f"9:10 {long}G {long}C 0/1 0/0", *(f"9:{p} A T 0/0 0/1" for p in range(11, 40))]
    runs, _ = read(tmp_path, specs)
    positions = [row[1] for row in rows(runs)]
    assert positions == sorted([30, *range(11, 40)])


@pytest.fixture
def tiny_runs(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("precisionchain.ingest.vcf_bytes.CHUNK_BYTES", 40)


def test_files_that_share_a_contig_are_merged(tmp_path: Path, tiny_runs: None) -> None:
    runs, collapsed = read(
        tmp_path,
        ["9:10 A T 0/1 0/0", "9:50 A T 0/0 0/1", "X:5 A T 0/0 0/0"],
        ["8:1 A T 0/0 0/0", "9:20 A T 0/0 1/1", "9:60 A T 0/0 0/1"],
        ["9:30 C G 0/0 1/1"],
    )
    assert rows(runs) == [
        ("8", 1, "A", "T", 3),
        ("9", 10, "A", "T", 0),
        ("9", 20, "A", "T", 4),
        ("9", 30, "C", "G", 6),
        ("9", 50, "A", "T", 1),
        ("9", 60, "A", "T", 5),
        ("X", 5, "A", "T", 2),
    ]
    assert not collapsed


@pytest.mark.parametrize(
    ("files", "order"),
    [
        ("1 Y | X MT | Y MT", "1 X Y MT"),
        ("2 9 | 1 X | 9 X", "1 2 9 X"),
        ("10 2 | 1 10 | 2 X", "1 10 2 X"),  # sorted as text, as some tools do
        ("X", "X"),
    ],
)
def test_each_files_order_of_contigs_is_kept(tmp_path: Path, files: str, order: str) -> None:
    scans = [
        scan(write_vcf(tmp_path / f"{i}.vcf", *(f"{c}:1 A T 0 0" for c in file.split())))
        for i, file in enumerate(files.split("|"))
    ]
    assert contig_order(scans) == order.split()


def test_contigs_in_two_orders_are_refused(tmp_path: Path) -> None:
    scans: list[Scan] = [
        scan(write_vcf(tmp_path / f"{i}.vcf", *specs))
        for i, specs in enumerate((["9:1 A T 0 0", "X:1 A T 0 0"], ["X:2 A T 0 0", "9:2 A T 0 0"]))
    ]
    assert contig_order(scans[:1]) == ["9", "X"]
    with pytest.raises(VcfFormatError, match="another order"):
        contig_order(scans)


EQUAL = "9:10 A T 0|1 ./."


def test_equal_duplicates_collapse(tmp_path: Path) -> None:
    runs, collapsed = read(tmp_path, [EQUAL, EQUAL, "9:10 A C 0/0 0/0", EQUAL])
    assert rows(runs) == [("9", 10, "A", "C", 2), ("9", 10, "A", "T", 0)]
    assert collapsed == {"collapsed_duplicates": 2}


def test_duplicates_that_only_normalisation_shows(tmp_path: Path) -> None:
    runs, collapsed = read(tmp_path, ["9:10 AC AG 0/1 0/0", "9:11 C T,G 0/2 0/0"])
    assert rows(runs) == [("9", 11, "C", "G", 0), ("9", 11, "C", "T", 1)]
    assert collapsed == {"collapsed_duplicates": 1}


def test_a_phase_that_two_records_contradict_is_dropped(tmp_path: Path) -> None:
    runs, _ = read(tmp_path, ["9:10 A T 0|1 0|1", "9:10 A T 1|0 0|1"])
    calls = unpack_calls(runs[0].calls)
    assert calls.dosage.tolist() == [[1, 1]]
    assert calls.phase is not None
    assert calls.phase.tolist() == [[0, 1]]


def contradictions() -> Iterator[tuple[list[str], list[str]]]:
    yield ["9:10 A T 0/1 0/0", "9:10 A T 0/1 0/1"], []
    yield ["9:10 A T 0 0/0", "9:10 A T 0/0 0/0"], []
    yield ["9:10 A T 0/1 0/0"], ["9:10 A T 0/1 ./."]
    yield ["9:10 A T 1/2 0/0".replace("T", "T,G")], ["9:10 A T 0/0 0/0"]


@pytest.mark.parametrize("files", list(contradictions()))
def test_other_duplicates_are_an_error_that_names_both(
    tmp_path: Path, files: tuple[list[str], list[str]]
) -> None:
    with pytest.raises(DuplicateVariantError, match="9:10:A:T stands twice") as caught:
        read(tmp_path, *[specs for specs in files if specs])
    assert "record 0" in str(caught.value)
    assert "record 1" in str(caught.value)


@pytest.mark.parametrize(("alt", "advice"), [("T", "--rm-dup exact"), ("<INS>", "other ends")])
def test_no_advice_removes_structural_alleles_of_other_ends(
    tmp_path: Path, alt: str, advice: str
) -> None:
    """`bcftools norm --rm-dup exact` takes <DEL> to 200 and <DEL> to 900 for one (1.16)."""
    with pytest.raises(DuplicateVariantError) as caught:
        read(tmp_path, [f"9:10 A {alt} 0/1 0/0", f"9:10 A {alt} 0/1 0/1"])
    assert advice in str(caught.value.hint)
