"""The table of the benchmarks, what it keeps, and that what is drawn is drawn again."""

from __future__ import annotations

import gzip
import json
import shutil
from pathlib import Path

import duckdb
import pytest

from benchmarks import report
from benchmarks.drawn_cohorts import ClinicalCohorts, known_concepts
from benchmarks.duckdb_load import load
from benchmarks.except_all import differences
from benchmarks.measure import Cost, Latency, middle, quantiles
from benchmarks.report import Figure, answers, costs, failure, keep, machine, markdown, show, size
from benchmarks.simulated import resample, simulate
from precisionchain.query.spelling import criterion
from precisionchain.synthetic.clinical_site import write_clinical_site
from precisionchain.synthetic.concepts import CONCEPTS

OWN, OTHER = Cost(3.0, 2.0, 900_000_000), Cost(1.0, 1.0, 10_000_000)


def test_costs_are_held_against_the_other_program() -> None:
    cpu, wall, memory = costs("ours", OWN, "theirs", OTHER, most=1.5)
    assert cpu.cells == ("ours, CPU", "2.00 s", "theirs 1.00 s", "2", "<= 1.5x", "MISSED")
    assert wall.cells == ("ours, wall", "3.00 s", "theirs 1.00 s", "3", "", "")
    assert memory.cells[-2:] == ("< 1 GB", "met")
    assert not costs("ours", Cost(1, 1, 2_000_000_000), "theirs", OTHER)[2].met


def test_sizes_and_answers_have_their_bars() -> None:
    assert size("s", 40, "t", 100, 0.5).cells == (
        "s",
        "0.04 kB",
        "t 0.10 kB",
        "0.4",
        "<= 0.5",
        "met",
    )
    own, other = Latency(0.005, 0.2, 100, 0.004), Latency(0.01, 0.1, 7, 0.01)
    median, last = answers("q", own, "o", other, bars=(0.01, 0.1))
    assert median.cells == (
        "q, p50",
        "5.0 ms, CPU 4.0 ms",
        "o 10.0 ms, CPU 10.0 ms",
        "0.5",
        "< 10.0 ms",
        "met",
    )
    assert last.cells == ("q, p99 of 100", "200.0 ms", "o 100.0 ms", "2", "< 100.0 ms", "MISSED")
    assert [line.met for line in answers("q", other)] == [None, None]
    assert answers("q", other)[1].what == "q, slowest of 7"


def test_the_table_says_how_many_bars_are_met(capsys: pytest.CaptureFixture[str]) -> None:
    show([Figure("a", "1", met=True, bar="x"), Figure("b", "2"), Figure("c", "3", met=False)])
    shown = capsys.readouterr().out
    assert "MISSED" in shown
    assert "1 of 2 bars are met" in shown


def test_the_page_has_a_row_a_figure() -> None:
    rows = markdown([Figure("a | b", "1", "other", 0.5)]).splitlines()
    assert rows[2:] == ["| a \\| b | 1 | other | 0.5 |  |  |"]


def test_what_is_kept_names_the_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(report, "RESULTS", tmp_path)
    kept = json.loads(keep([Figure("a", "1", met=True)], {"part": {"n": 1}}, machine()).read_text())
    assert kept["figures"][0]["met"] is True
    assert kept["details"] == {"part": {"n": 1}}
    assert kept["machine"]["cores"] > 0
    assert {"processor", "memory_bytes", "load_before", "duckdb", "python"} <= kept[
        "machine"
    ].keys()


def test_what_failed_is_a_line_of_its_own() -> None:
    line = failure("a part", RuntimeError("command: exit code 3\nerror: no room"))
    assert line.cells == ("a part", "failed", "error: no room", "", "it ends", "MISSED")


def test_medians_and_quantiles() -> None:
    assert middle([OWN, OTHER, OTHER]) == Cost(1.0, 1.0, 900_000_000)
    found = quantiles([(n / 1000, 0.001) for n in range(100)])
    assert (found.p50, found.p99, found.n, found.cpu) == (0.0495, 0.099, 100, 0.001)


def test_cohorts_are_drawn_again() -> None:
    every = {concept.concept_id for concept in CONCEPTS}
    one, two = (ClinicalCohorts(3, every) for _ in range(2))
    assert [one(n) for n in range(200)] == [two(n) for n in reversed(range(200))][::-1]
    assert len({one(n).text for n in range(200)}) > 150
    for number in range(200):
        criterion(one(number).text)


def test_their_sql_is_answered(tmp_path: Path) -> None:
    write_clinical_site(tmp_path, seed=1, persons=200)
    load(tmp_path / "omop", tmp_path / "typed")
    with duckdb.connect(str(tmp_path / "typed")) as database:
        path = str(tmp_path / "vocabulary" / "concept_ancestor.csv")
        database.execute("create table concept_ancestor as from read_csv(?)", [path])
        draw = ClinicalCohorts(1, known_concepts(database))
        sizes = [len(database.execute(draw(n).sql).fetchall()) for n in range(60)]
    assert sum(0 < number < 200 for number in sizes) > 30


def test_differences_of_an_export_with_itself(tmp_path: Path) -> None:
    write_clinical_site(tmp_path, seed=1, persons=40)
    shutil.copytree(tmp_path / "omop", tmp_path / "again")
    path = tmp_path / "again" / "death.csv"
    path.write_text("\n".join(path.read_text().splitlines()[:-1]) + "\n")
    found = differences(tmp_path / "omop", tmp_path / "again")
    assert found.pop("death") == (1, 0)
    assert set(found.values()) == {(0, 0)}


@pytest.mark.skipif(shutil.which("bgzip") is None, reason="bgzip is not on PATH")
def test_files_made_of_a_real_one(tmp_path: Path) -> None:
    head = "##fileformat=VCFv4.2\n##contig=<ID=9,length=141213431>\n"
    columns = "#CHROM\tPOS\tID\tREF\tALT\tQUAL\tFILTER\tINFO\tFORMAT\ta\tb\n"
    rows = [f"9\t{p}\t.\tA\tG\t.\t.\t.\tGT\t0|1\t1|0\n" for p in (90_000_000, 90_000_100)]
    (tmp_path / "real.vcf.gz").write_bytes(gzip.compress((head + columns + "".join(rows)).encode()))
    for name in ("one", "two"):
        resample(tmp_path / "real.vcf.gz", tmp_path / name, 50)
        simulate(tmp_path / "real.vcf.gz", tmp_path / f"{name}.sites", 6)
    assert (tmp_path / "one").read_bytes() == (tmp_path / "two").read_bytes()
    made = gzip.decompress((tmp_path / "one").read_bytes()).decode().splitlines()
    assert len(made) == 5
    assert len(made[2].split("\t")) == 59
    assert set("".join(made[3].split("\t")[9:])) <= set("01|")
    assert (tmp_path / "one.sites").read_bytes() == (tmp_path / "two.sites").read_bytes()
    assert gzip.decompress((tmp_path / "one.sites").read_bytes()).count(b"\tGT\t") == 6
